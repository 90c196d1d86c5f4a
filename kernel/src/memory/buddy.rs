//! The buddy allocator over physical frames, without locks or caches: [`super::frames`] adds those.
//!
//! # Representation
//! One state byte a frame, for every frame from the first of the range to the last: 1/4096 of the memory (16 MiB for 64 GiB; holes
//! in the map cost the same as memory). It names the frame's [`Owner`], or its last one once it is free:
//!
//! | byte | the frame |
//! |---|---|
//! | `0000 0000` | is no memory of the allocator's |
//! | `010k kkkk` | is the first of a free block of 2^k; its last owner stands behind the links |
//! | `100. .ooo` | is used by owner o |
//! | `110. .ooo` | lies in a free block and is not its first |
//! | `111. .ooo` | is lent to a core's cache |
//!
//! A free block of 2^k frames starts at a multiple of 2^k. Free blocks of one size form a doubly linked list whose links lie in
//! the blocks themselves. A block taken from a list must be what its neighbours' links say it is: a write to freed memory
//! that hits a link is found there.
//!
//! # Fresh memory
//! A host backs guest memory at the first touch, mostly 2 MiB at a time, which takes milliseconds.
//! Splitting a block writes list links into its halves with the allocator's lock held, so all other
//! cores would wait for the host. Therefore a large block that was never used is not split but
//! *opened*: it leaves its list whole and is handed out from its start upwards without a link being
//! written, until the rest is too small for a request ([`Buddy::take`]). Its frames are free but on
//! no list; the new owner touches them first, without the lock. Used memory is preferred to fresh
//! memory. (Without this a million stacks on four cores cost six times the processor time of one.)
//!
//! Any part of an allocation may be freed alone. Freeing a frame that is not in use, or is somebody else's, is found.
//!
//! Rejected: links in the metadata (8 more bytes a frame; 0.2 % of memory, and written at boot), a bitmap a size
//! (finding a block costs a search, or summaries that cost what the lists do), and the address of who freed a frame (8 bytes more).

#[path = "buddy/misuse.rs"]
mod misuse;

use super::direct_map;
use super::owner::{OWNERS, Owner};
use core::ops::Range;
use core::sync::atomic::{AtomicU8, Ordering::Relaxed};
pub use misuse::Misuse;
use x86_64::PhysAddr;

/// How many block sizes there are: blocks of 2^0 to 2^24 frames, which is 64 GiB.
pub const ORDERS: usize = 25;

/// Bytes of a frame.
pub const FRAME_SIZE: usize = 4096;

/// The frame is no memory of this allocator's.
const FOREIGN: u8 = 0;
/// What tells the other states apart.
const KIND: u8 = 0xe0;
/// The frame is the first of a free block; the low five bits are the block's order.
const FREE: u8 = 0x40;
/// The frame is allocated.
const USED: u8 = 0x80;
/// The frame lies in a free block and is not its first.
const INSIDE: u8 = 0xc0;
/// The frame lies in a per-core cache.
const CACHED: u8 = 0xe0;

/// The state of a frame that `owner` uses.
#[inline]
pub const fn used(owner: Owner) -> u8 {
    USED | owner as u8
}

/// The state of a frame in a per-core cache that was `owner`'s.
#[inline]
pub const fn cached(owner: Owner) -> u8 {
    CACHED | owner as u8
}

/// What a free block's first frame holds: links, which are frame numbers or [`NONE`], and the low bits of the state that it had.
#[repr(C)]
#[derive(Clone, Copy)]
struct Link {
    next: usize,
    prev: usize,
    last: u8,
}

const NONE: usize = usize::MAX;

/// Blocks from this order on (2 MiB) are opened and not split while they are fresh.
const OPENED: usize = 9;

/// See the module.
pub struct Buddy {
    /// Number of the frame that `states[0]` describes.
    first: usize,
    states: &'static [AtomicU8],
    lists: [usize; ORDERS],
    blocks: [usize; ORDERS],
    /// Bit k: `lists[k]` is not empty.
    nonempty: u32,
    /// The rest of the block that is open: free frames in no list.
    open: Range<usize>,
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
    pub const EMPTY: Buddy = Buddy {
        first: 0,
        states: &[],
        lists: [NONE; ORDERS],
        blocks: [0; ORDERS],
        nonempty: 0,
        open: 0..0,
        free: 0,
    };

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
        for f in frame..frame + n {
            self.set(f, INSIDE);
        }
        self.insert_range_merging(frame, n)
    }

    /// How many frames are free.
    pub fn free_frames(&self) -> usize {
        self.free
    }

    /// How many free blocks there are of each order, with those that the open one's rest would
    /// make.
    pub fn free_blocks(&self) -> [usize; ORDERS] {
        let mut blocks = self.blocks;
        let mut frame = self.open.start;
        while frame < self.open.end {
            let order = largest_order(frame, self.open.end);
            blocks[order] += 1;
            frame += 1 << order;
        }
        blocks
    }

    /// The state of a frame; `FOREIGN` outside the allocator's range.
    #[inline]
    fn state(&self, frame: usize) -> u8 {
        self.states.get(frame.wrapping_sub(self.first)).map_or(FOREIGN, |s| s.load(Relaxed))
    }

    fn set(&self, frame: usize, state: u8) {
        self.states[frame - self.first].store(state, Relaxed);
    }

    fn give(&self, frame: usize, n: usize, owner: Owner) {
        for s in &self.states[frame - self.first..][..n] {
            s.store(used(owner), Relaxed);
        }
    }

    /// How many frames each owner uses, at its number. Looks at every state.
    pub fn count_owners(states: &[AtomicU8]) -> [usize; OWNERS] {
        let mut counts = [0; 256];
        for s in states {
            counts[usize::from(s.load(Relaxed))] += 1;
        }
        Owner::ALL.map(|owner| counts[usize::from(used(owner))])
    }

    /// Allocates 2^`order` frames aligned to their size; the number of the first.
    ///
    /// # Errors
    /// [`Misuse::WrittenAfterFree`]; `Ok(None)` if there is no such block.
    pub fn alloc(&mut self, order: usize, owner: Owner) -> Result<Option<usize>, Misuse> {
        let Some(frame) = self.take(order)? else { return Ok(None) };
        self.give(frame, 1 << order, owner);
        Ok(Some(frame))
    }

    /// Lends 2^`order` frames to a core's cache. They keep the names of their last owners.
    ///
    /// # Errors
    /// As [`Buddy::alloc`].
    pub fn lend(&mut self, order: usize) -> Result<Option<usize>, Misuse> {
        let Some(frame) = self.take(order)? else { return Ok(None) };
        for f in frame..frame + (1 << order) {
            self.set(f, CACHED | self.state(f) & !KIND);
        }
        Ok(Some(frame))
    }

    /// Takes frames back that a core's cache holds. Neighbours that follow each other, upwards or downwards, are merged at once: frames
    /// that were lent together mostly come back together.
    ///
    /// # Errors
    /// As [`Buddy::alloc`].
    pub fn take_back(&mut self, frames: &[u32]) -> Result<(), Misuse> {
        for run in frames.chunk_by(|a, b| a.abs_diff(*b) == 1) {
            let [.., last] = *run else { continue };
            let first = run[0].min(last) as usize;
            for f in first..first + run.len() {
                self.set(f, INSIDE | self.state(f) & !KIND);
            }
            self.insert_range_merging(first, run.len())?;
        }
        Ok(())
    }

    /// Allocates `n` frames in a row, the first of which is a multiple of `align` (a power of two).
    ///
    /// # Errors
    /// As [`Buddy::alloc`].
    pub fn alloc_contiguous(
        &mut self,
        n: usize,
        align: usize,
        owner: Owner,
    ) -> Result<Option<usize>, Misuse> {
        let span = n.max(align).next_power_of_two();
        let order = span.trailing_zeros() as usize;
        let frame = match if order < ORDERS { self.take(order)? } else { None } {
            Some(frame) => {
                self.insert_range(frame + n, span - n);
                frame
            }
            None => {
                self.close()?;
                let Some(frame) = self.search(n, align) else { return Ok(None) };
                self.carve(frame, n)?;
                frame
            }
        };
        self.give(frame, n, owner);
        Ok(Some(frame))
    }

    /// Frees `n` frames of `owner`'s from number `frame` on, which need not have been allocated together.
    ///
    /// # Errors
    /// Which frame is not the owner's; then nothing was freed. Or [`Misuse::WrittenAfterFree`].
    ///
    /// # Safety
    /// Nobody uses the frames.
    pub unsafe fn free(&mut self, frame: usize, n: usize, owner: Owner) -> Result<(), Misuse> {
        for f in frame..frame + n {
            let state = self.state(f);
            if state != used(owner) {
                return Err(self.wrong_free(f, state, owner));
            }
        }
        for f in frame..frame + n {
            self.set(f, INSIDE | owner as u8);
        }
        self.insert_range_merging(frame, n)
    }

    /// What is wrong with freeing a frame whose state was `state`.
    #[cold]
    pub fn wrong_free(&self, frame: usize, state: u8, by: Owner) -> Misuse {
        let addr = address(frame);
        match state & KIND {
            USED => Misuse::NotOwner { addr, owner: Owner::of_bits(state), by },
            INSIDE | CACHED => Misuse::DoubleFree { addr, first: Owner::of_bits(state), by },
            FREE => {
                // SAFETY: the state says that it is the first frame of a free block. If the frame was taken meanwhile, what is
                // read is a number that means nothing, in a report that is right about the rest.
                let last = unsafe { (&raw const (*link(frame)).last).read_volatile() };
                Misuse::DoubleFree { addr, first: Owner::of_bits(last), by }
            }
            _ => Misuse::Foreign { addr, by },
        }
    }

    /// Takes a block of `order`; its frames say `INSIDE`:
    ///
    /// 1. splits the smallest listed block that is large enough and either small or used before;
    /// 2. else takes the next aligned block of the open one; frames that are skipped are listed;
    /// 3. else lists the rest of the open block and starts again;
    /// 4. else opens the smallest fresh block that is large enough and starts again.
    fn take(&mut self, order: usize) -> Result<Option<usize>, Misuse> {
        loop {
            let large_enough = self.nonempty & (u32::MAX << order);
            let mut orders = (order..ORDERS).filter(|k| large_enough >> k & 1 != 0);
            if let Some(k) = orders.clone().find(|&k| k < OPENED || !self.is_fresh(self.lists[k])) {
                return self.split(k, order).map(Some);
            }
            let skipped = self.open.start;
            let frame = skipped.next_multiple_of(1 << order);
            if frame + (1 << order) <= self.open.end {
                self.open.start = frame + (1 << order);
                self.free -= self.open.start - skipped;
                self.insert_range_merging(skipped, frame - skipped)?;
                return Ok(Some(frame));
            }
            if !self.open.is_empty() {
                self.close()?;
                continue;
            }
            let Some(k) = orders.next() else { return Ok(None) };
            let frame = self.lists[k];
            self.unlink(frame, k)?;
            self.open = frame..frame + (1 << k);
            self.free += self.open.len();
        }
    }

    /// Takes the first block of `order` of the first one on the list of order `k`.
    fn split(&mut self, mut k: usize, order: usize) -> Result<usize, Misuse> {
        let frame = self.lists[k];
        self.unlink(frame, k)?;
        while k > order {
            k -= 1;
            self.push(frame + (1 << k), k);
        }
        Ok(frame)
    }

    /// Whether the first frame of a free block was never used.
    fn is_fresh(&self, frame: usize) -> bool {
        // SAFETY: the first frame of a free block.
        unsafe { (*link(frame)).last == Owner::Nobody as u8 }
    }

    /// Puts what is left of the open block on the lists.
    fn close(&mut self) -> Result<(), Misuse> {
        let rest = core::mem::replace(&mut self.open, 0..0);
        self.free -= rest.len();
        self.insert_range_merging(rest.start, rest.len())
    }

    /// First frame of a run of `n` free frames aligned to `align`, made of any blocks: for runs that no single block holds. Time
    /// is linear in the number of blocks and of frames in use.
    fn search(&self, n: usize, align: usize) -> Option<usize> {
        let end = self.first + self.states.len();
        let (mut run, mut f) = (self.first, self.first);
        while f < end {
            let state = self.state(f);
            if state & KIND != FREE {
                f += 1;
                run = f;
                continue;
            }
            f += 1 << (state & !KIND);
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
            let order = usize::from(self.state(block) & !KIND);
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
        let last = self.state(frame) & !KIND;
        // SAFETY: the frame is free, so it is the allocator's to write, and mapped in the direct map (`add`).
        unsafe { link(frame).write(Link { next, prev: NONE, last }) };
        if next != NONE {
            // SAFETY: as above; `next` is the first frame of a free block.
            unsafe { (*link(next)).prev = frame };
        }
        self.set(frame, FREE | order as u8);
        self.lists[order] = frame;
        self.nonempty |= 1 << order;
        self.blocks[order] += 1;
        self.free += 1 << order;
    }

    /// Takes a free block off its list. Its first frame then says `INSIDE` like the others.
    fn unlink(&mut self, frame: usize, order: usize) -> Result<(), Misuse> {
        // SAFETY: the frame is the first of a free block; its links may hold anything if it was written to after free.
        let Link { next, prev, last } = unsafe { link(frame).read() };
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
            return Err(Misuse::WrittenAfterFree { addr: address(frame) });
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
        self.set(frame, INSIDE | last & 7);
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

// Tests run on the host, in `kernel/models`.
#[cfg(test)]
#[path = "buddy/tests.rs"]
mod tests;
