//! The buddy allocator over physical frames, without locks or caches: [`super::frames`] adds those.
//!
//! # Representation
//! One state byte a frame, for every frame from the first of the range to the last: 1/4096 of the memory (16 MiB for 64 GiB; holes
//! in the map cost the same as memory). A free block of 2^k frames starts at a multiple of 2^k; its first frame's state
//! says `FREE | k`, the others' `INSIDE`. Free blocks of one size form a doubly linked list whose links lie in the
//! blocks themselves. A block taken from a list must be what its neighbours' links say it is: a write to freed memory
//! that hits a link is found there.
//!
//! Every allocated frame says `USED`, whatever it was allocated with, so any part of an allocation may be freed alone, and freeing
//! any frame that is not `USED` is found.
//!
//! Rejected: links in the metadata (8 more bytes a frame; 0.2 % of memory, and written at boot), and a bitmap a size
//! (finding a block costs a search, or summaries that cost what the lists do).

use super::direct_map;
use core::fmt;
use core::sync::atomic::{AtomicU8, Ordering::Relaxed};
use x86_64::PhysAddr;

/// How many block sizes there are: blocks of 2^0 to 2^24 frames, which is 64 GiB.
pub const ORDERS: usize = 25;

/// Bytes of a frame.
pub const FRAME_SIZE: usize = 4096;

/// The frame is no memory of this allocator's.
const FOREIGN: u8 = 0;
/// The frame is allocated.
pub const USED: u8 = 1;
/// The frame lies in a per-core cache.
pub const CACHED: u8 = 2;
/// The frame lies in a free block and is not its first.
const INSIDE: u8 = 3;
/// The frame is the first of a free block; the low bits are the block's order.
const FREE: u8 = 0x40;

/// Why frames could not be freed. All of them are errors of the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Misuse {
    /// The address is not a multiple of what is freed there.
    Misaligned(PhysAddr),
    /// The frame never belonged to the allocator.
    Foreign(PhysAddr),
    /// The frame is free already.
    DoubleFree(PhysAddr),
    /// The free block's list links do not fit: somebody wrote to memory that was freed.
    WrittenAfterFree(PhysAddr),
}

impl fmt::Display for Misuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Misuse::Misaligned(a) => write!(f, "misaligned free of physical frame {:#x}", a.as_u64()),
            Misuse::Foreign(a) => {
                write!(f, "free of physical frame {:#x}, which was never allocated", a.as_u64())
            }
            Misuse::DoubleFree(a) => write!(f, "double free of physical frame {:#x}", a.as_u64()),
            Misuse::WrittenAfterFree(a) => {
                write!(f, "physical frame {:#x} was written to after it was freed", a.as_u64())
            }
        }
    }
}

/// The links in a free block's first frame: frame numbers or [`NONE`].
#[repr(C)]
struct Link {
    next: usize,
    prev: usize,
}

const NONE: usize = usize::MAX;

/// See the module.
pub struct Buddy {
    /// Number of the frame that `states[0]` describes.
    first: usize,
    states: &'static [AtomicU8],
    lists: [usize; ORDERS],
    blocks: [usize; ORDERS],
    /// Bit k: `lists[k]` is not empty.
    nonempty: u32,
    free: usize,
}

fn address(frame: usize) -> PhysAddr {
    PhysAddr::new((frame * FRAME_SIZE) as u64)
}

fn link(frame: usize) -> *mut Link {
    direct_map::phys_to_virt(address(frame)).cast()
}

impl Buddy {
    /// An allocator without frames, as a static starts out.
    pub const EMPTY: Buddy =
        Buddy { first: 0, states: &[], lists: [NONE; ORDERS], blocks: [0; ORDERS], nonempty: 0, free: 0 };

    /// An allocator for some of the frames from number `first` on, as many as there are states; it has none of them until
    /// [`Buddy::add`]. All states must be 0.
    pub const fn new(first: usize, states: &'static [AtomicU8]) -> Buddy {
        Buddy { first, states, ..Buddy::EMPTY }
    }

    /// Makes `n` frames from number `frame` on the allocator's, and free.
    ///
    /// # Errors
    /// [`Misuse::WrittenAfterFree`]
    ///
    /// # Safety
    /// They are mapped in the direct map and nobody else uses them.
    pub unsafe fn add(&mut self, frame: usize, n: usize) -> Result<(), Misuse> {
        self.mark(frame, n, INSIDE);
        self.insert_range_merging(frame, n)
    }

    /// How many frames are free.
    pub fn free_frames(&self) -> usize {
        self.free
    }

    /// How many free blocks there are of each order.
    pub fn free_blocks(&self) -> [usize; ORDERS] {
        self.blocks
    }

    /// The state of a frame; `FOREIGN` outside the allocator's range.
    #[inline]
    fn state(&self, frame: usize) -> u8 {
        self.states.get(frame.wrapping_sub(self.first)).map_or(FOREIGN, |s| s.load(Relaxed))
    }

    fn mark(&self, frame: usize, n: usize, state: u8) {
        for s in &self.states[frame - self.first..][..n] {
            s.store(state, Relaxed);
        }
    }

    /// Allocates 2^`order` frames aligned to their size; the number of the first.
    ///
    /// # Errors
    /// [`Misuse::WrittenAfterFree`]; `Ok(None)` if there is no such block.
    pub fn alloc(&mut self, order: usize) -> Result<Option<usize>, Misuse> {
        let Some(frame) = self.take(order)? else { return Ok(None) };
        self.mark(frame, 1 << order, USED);
        Ok(Some(frame))
    }

    /// Allocates `n` frames in a row, the first of which is a multiple of `align` (a power of two).
    ///
    /// # Errors
    /// As [`Buddy::alloc`].
    pub fn alloc_contiguous(&mut self, n: usize, align: usize) -> Result<Option<usize>, Misuse> {
        let span = n.max(align).next_power_of_two();
        let order = span.trailing_zeros() as usize;
        let frame = match if order < ORDERS { self.take(order)? } else { None } {
            Some(frame) => {
                self.insert_range(frame + n, span - n);
                frame
            }
            None => match self.search(n, align) {
                Some(frame) => {
                    self.carve(frame, n)?;
                    frame
                }
                None => return Ok(None),
            },
        };
        self.mark(frame, n, USED);
        Ok(Some(frame))
    }

    /// Frees `n` frames from number `frame` on, which need not have been allocated together.
    ///
    /// # Errors
    /// Which frame is not allocated; then nothing was freed. Or [`Misuse::WrittenAfterFree`].
    ///
    /// # Safety
    /// Nobody uses the frames.
    pub unsafe fn free(&mut self, frame: usize, n: usize) -> Result<(), Misuse> {
        for f in frame..frame + n {
            match self.state(f) {
                USED => {}
                FOREIGN => return Err(Misuse::Foreign(address(f))),
                _ => return Err(Misuse::DoubleFree(address(f))),
            }
        }
        self.mark(frame, n, INSIDE);
        self.insert_range_merging(frame, n)
    }

    /// Takes a block of `order` off its list, or splits the smallest larger one. Its frames say `INSIDE`.
    fn take(&mut self, order: usize) -> Result<Option<usize>, Misuse> {
        let large_enough = self.nonempty >> order;
        if large_enough == 0 {
            return Ok(None);
        }
        let mut k = order + large_enough.trailing_zeros() as usize;
        let frame = self.lists[k];
        self.unlink(frame, k)?;
        while k > order {
            k -= 1;
            self.push(frame + (1 << k), k);
        }
        Ok(Some(frame))
    }

    /// First frame of a run of `n` free frames aligned to `align`, made of any blocks: for runs that no single block holds. Time
    /// is linear in the number of blocks and of frames in use.
    fn search(&self, n: usize, align: usize) -> Option<usize> {
        let end = self.first + self.states.len();
        let (mut run, mut f) = (self.first, self.first);
        while f < end {
            let state = self.state(f);
            if state & FREE == 0 {
                f += 1;
                run = f;
                continue;
            }
            f += 1 << (state & !FREE);
            let start = run.next_multiple_of(align);
            if start + n <= f {
                return Some(start);
            }
        }
        None
    }

    /// Takes the free frames `frame..frame + n` out of the blocks that hold them.
    fn carve(&mut self, frame: usize, n: usize) -> Result<(), Misuse> {
        let end = frame + n;
        // The block that holds `frame` starts at `frame` with some number of low bits cleared.
        let mut block = (0..ORDERS)
            .map(|k| (frame >> k << k, k))
            .find(|&(b, k)| self.state(b) == FREE | k as u8)
            .map_or(frame, |(b, _)| b);
        while block < end {
            let order = usize::from(self.state(block) & !FREE);
            let block_end = block + (1 << order);
            self.unlink(block, order)?;
            self.insert_range(block, frame.saturating_sub(block));
            self.insert_range(end.max(block), block_end.saturating_sub(end));
            block = block_end;
        }
        Ok(())
    }

    /// Makes free blocks, as large as alignment allows, of frames that say `INSIDE` and have no free neighbour to merge with.
    fn insert_range(&mut self, mut frame: usize, n: usize) {
        let end = frame + n;
        while frame < end {
            let order = largest_order(frame, end);
            self.push(frame, order);
            frame += 1 << order;
        }
    }

    fn insert_range_merging(&mut self, mut frame: usize, n: usize) -> Result<(), Misuse> {
        let end = frame + n;
        while frame < end {
            let order = largest_order(frame, end);
            self.merge(frame, order)?;
            frame += 1 << order;
        }
        Ok(())
    }

    /// Puts a block on its list, joined with its buddy, and that block with its buddy, as long as those are free.
    fn merge(&mut self, mut frame: usize, mut order: usize) -> Result<(), Misuse> {
        while order + 1 < ORDERS {
            let buddy = frame ^ (1 << order);
            if self.state(buddy) != FREE | order as u8 {
                break;
            }
            self.unlink(buddy, order)?;
            frame = frame.min(buddy);
            order += 1;
        }
        self.push(frame, order);
        Ok(())
    }

    fn push(&mut self, frame: usize, order: usize) {
        let next = self.lists[order];
        // SAFETY: the frame is free, so it is the allocator's to write, and mapped in the direct map (`add`).
        unsafe { link(frame).write(Link { next, prev: NONE }) };
        if next != NONE {
            // SAFETY: as above; `next` is the first frame of a free block.
            unsafe { (*link(next)).prev = frame };
        }
        self.states[frame - self.first].store(FREE | order as u8, Relaxed);
        self.lists[order] = frame;
        self.nonempty |= 1 << order;
        self.blocks[order] += 1;
        self.free += 1 << order;
    }

    /// Takes a free block off its list. Its first frame then says `INSIDE` like the others.
    fn unlink(&mut self, frame: usize, order: usize) -> Result<(), Misuse> {
        // SAFETY: the frame is the first of a free block; its links may hold anything if it was written to after free.
        let Link { next, prev } = unsafe { link(frame).read() };
        let head = FREE | order as u8;
        let next_fits = || {
            // SAFETY: the state says that `next` is the first frame of a free block.
            next == NONE || (self.state(next) == head && unsafe { (*link(next)).prev } == frame)
        };
        let prev_fits = || match prev {
            NONE => self.lists[order] == frame,
            // SAFETY: the state says that `prev` is the first frame of a free block.
            _ => self.state(prev) == head && unsafe { (*link(prev)).next } == frame,
        };
        if !next_fits() || !prev_fits() {
            return Err(Misuse::WrittenAfterFree(address(frame)));
        }
        if next != NONE {
            // SAFETY: checked above to be the first frame of a free block.
            unsafe { (*link(next)).prev = prev };
        }
        match prev {
            NONE => self.lists[order] = next,
            // SAFETY: checked above to be the first frame of a free block.
            _ => unsafe { (*link(prev)).next = next },
        }
        if self.lists[order] == NONE {
            self.nonempty &= !(1 << order);
        }
        self.states[frame - self.first].store(INSIDE, Relaxed);
        self.blocks[order] -= 1;
        self.free -= 1 << order;
        Ok(())
    }
}

/// The largest block that can start at `frame` and end by `end`.
fn largest_order(frame: usize, end: usize) -> usize {
    let aligned = (frame.trailing_zeros() as usize).min(ORDERS - 1);
    aligned.min((end - frame).ilog2() as usize)
}

#[cfg(feature = "kernel-tests")]
mod tests;
