//! Physical frames: a [`Buddy`] over the boot memory map, with a cache of single frames for each core.
//!
//! # Locks
//! A core's cache has a lock of its own, which only an out-of-memory core ever takes from another's; inside it the buddy's lock may be
//! taken, never the other way round, and never two caches' at once. Both keep interrupts off, so that frames may be
//! allocated by an exception handler, and both are taken only on stacks that are fully backed: a page fault would come
//! back for the lock that it holds.
//!
//! # Cost
//! A single frame from the cache: no shared cache line but its state byte. One in [`BATCH`] visits the buddy. Metadata: one byte a
//! frame.

use super::buddy::{Buddy, FRAME_SIZE, Misuse, ORDERS, cached, used};
use super::direct_map;
use super::early::{EarlyFrames, whole_frames};
pub use super::owner::{OWNERS, Owner};
use crate::cpu::{MAX_CPUS, exception, local};
use crate::irq::IrqMutex;
use bootloader_api::info::{MemoryRegion, MemoryRegionKind};
use core::ops::Range;
use core::sync::atomic::{AtomicU8, AtomicUsize, Ordering::Relaxed};
use spin::Once;
use x86_64::PhysAddr;

/// Frames that a core's cache holds at most: 256 KiB.
const CACHE: usize = 64;
/// Frames that move between a cache and the buddy at once, as a power of two: 32.
const BATCH_ORDER: usize = 5;
const BATCH: usize = 1 << BATCH_ORDER;

/// Free frames of one core. Their state says that they are cached.
#[repr(align(64))]
struct Cache {
    len: usize,
    numbers: [u32; CACHE],
}

static CACHES: [IrqMutex<Cache>; MAX_CPUS] =
    [const { IrqMutex::new(Cache { len: 0, numbers: [0; CACHE] }) }; MAX_CPUS];
static BUDDY: IrqMutex<Buddy> = IrqMutex::new(Buddy::EMPTY);
/// Free frames outside the caches, stored under the buddy's lock, for [`is_plenty`], which takes none.
static FREE: AtomicUsize = AtomicUsize::new(0);
/// [`is_plenty`] holds above this many free frames: a fraction of all.
static RESERVE: AtomicUsize = AtomicUsize::new(0);
const RESERVE_FRACTION: usize = 8;
/// Frames that the allocator manages.
static TOTAL: AtomicUsize = AtomicUsize::new(0);

struct Info {
    /// The buddy's states, from frame 0.
    states: &'static [AtomicU8],
    trampoline: Option<PhysAddr>,
}

static INFO: Once<Info> = Once::new();

/// What [`stats`] returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stats {
    /// Frames that the allocator manages.
    pub total: usize,
    /// Of them, free ones, those in caches counted.
    pub free: usize,
    /// Of those, the ones in the cores' caches.
    pub cached: usize,
    /// Bytes of state.
    pub metadata: usize,
    /// Free blocks of each order outside the caches.
    pub blocks: [usize; ORDERS],
    /// Frames in use by each [`Owner`], at its number.
    pub owners: [usize; OWNERS],
}

fn info() -> &'static Info {
    INFO.get().expect("frames::init runs before any allocation")
}

/// Takes over the usable memory of `map`, but for page 0, the trampoline's page and what `early` took. Reserved regions may overlap
/// usable ones, as firmware's do: then they win.
pub(super) fn init(map: &[MemoryRegion], mut early: EarlyFrames) {
    let usable = || map.iter().filter(|r| r.kind == MemoryRegionKind::Usable).map(whole_frames);
    // Memory with the loader's files may be taken over later.
    let loaders = map.iter().filter(|r| r.kind == MemoryRegionKind::Bootloader).map(whole_frames);
    let end = usable().chain(loaders).map(|r| r.end).max().unwrap_or(0) / FRAME_SIZE as u64;
    let bytes = (end as usize).next_multiple_of(FRAME_SIZE);
    let states = direct_map::phys_to_virt(early.take(bytes / FRAME_SIZE));
    // SAFETY: zeroed memory that is ours for ever; AtomicU8 is a byte.
    let states: &'static [AtomicU8] = unsafe { core::slice::from_raw_parts(states.cast(), end as usize) };

    // The trampoline's address must fit a start-up IPI: a page below 640 KiB. The highest, where firmware's data is least likely.
    let trampoline = usable()
        .map(|r| r.start.max(FRAME_SIZE as u64)..r.end.min(0xa_0000))
        .filter(|r| r.start < r.end)
        .map(|r| r.end - FRAME_SIZE as u64)
        .max();
    let page = |start: u64| start..start + FRAME_SIZE as u64;
    let ours = [page(0), early.taken(), trampoline.map_or(0..0, page)];
    let reserved = || {
        let theirs = map.iter().filter(|r| r.kind != MemoryRegionKind::Usable).map(|r| r.start..r.end);
        theirs.chain(ours.iter().cloned())
    };

    let mut buddy = Buddy::new(0, states);
    for region in usable() {
        let mut start = region.start;
        while start < region.end {
            let piece = next_free(start..region.end, reserved());
            // SAFETY: usable by the map, in no reserved range, in the direct map; usable regions do not overlap.
            unsafe {
                buddy.add(piece.start as usize / FRAME_SIZE, (piece.end - piece.start) as usize / FRAME_SIZE)
            }
            .unwrap_or_else(|misuse| fatal(misuse));
            start = piece.end.max(start + FRAME_SIZE as u64);
        }
    }
    let total = buddy.free_frames();
    FREE.store(total, Relaxed);
    RESERVE.store(total / RESERVE_FRACTION, Relaxed);
    TOTAL.store(total, Relaxed);
    *BUDDY.lock() = buddy;
    INFO.call_once(|| Info { states, trampoline: trampoline.map(PhysAddr::new) });
}

/// Takes over the whole frames in memory that the loader used, and returns how many there are.
///
/// # Safety
/// The map has the range as [`MemoryRegionKind::Bootloader`]'s, and nobody uses it or has been
/// given it.
pub unsafe fn take_over(range: Range<u64>) -> usize {
    let frame = FRAME_SIZE as u64;
    let (first, end) = (range.start.div_ceil(frame) as usize, (range.end / frame) as usize);
    let n = end.saturating_sub(first);
    let mut buddy = BUDDY.lock();
    // SAFETY: the caller's promise; the direct map has the loader's memory.
    unsafe { buddy.add(first, n) }.unwrap_or_else(|misuse| fatal(misuse));
    FREE.store(buddy.free_frames(), Relaxed);
    TOTAL.fetch_add(n, Relaxed);
    n
}

/// The first piece of `range` that lies in none of `reserved`, in whole frames; empty and at the range's end if there is none.
fn next_free(range: Range<u64>, reserved: impl Iterator<Item = Range<u64>> + Clone) -> Range<u64> {
    let mut start = range.start;
    while let Some(r) = reserved.clone().find(|r| r.start < start + FRAME_SIZE as u64 && start < r.end) {
        start = r.end.next_multiple_of(FRAME_SIZE as u64);
    }
    let start = start.min(range.end);
    let end = reserved
        .filter(|r| r.start >= start && r.start < r.end)
        .map(|r| r.start & !(FRAME_SIZE as u64 - 1))
        .min();
    start..end.unwrap_or(range.end).min(range.end)
}

/// Ends the machine: an allocator that was misused cannot be trusted any more.
fn fatal(misuse: Misuse) -> ! {
    exception::fatal(format_args!("fatal error: {misuse}"), None)
}

/// The page below 1 MiB that is kept for the code which application processors start in.
pub fn trampoline_page() -> Option<PhysAddr> {
    info().trampoline
}

/// Allocates 2^`order` frames for `owner`, aligned to their size; the contents are anything. None if there is no such block, also if `order` is
/// 25 (128 GiB) or more. Runs on fully backed stacks only.
#[inline]
pub fn alloc(order: u32, owner: Owner) -> Option<PhysAddr> {
    if order == 0 { alloc_frame(owner) } else { alloc_contiguous(1 << order, 1 << order, owner) }
}

#[inline]
fn alloc_frame(owner: Owner) -> Option<PhysAddr> {
    let mut cache = CACHES[local::id()].lock();
    if cache.len == 0 {
        refill(&mut cache);
        if cache.len == 0 {
            drop(cache);
            return alloc_last(owner);
        }
    }
    cache.len -= 1;
    let number = cache.numbers[cache.len] as usize;
    info().states[number].store(used(owner), Relaxed);
    Some(address(number))
}

/// The last resort: what lies in other cores' caches.
#[cold]
fn alloc_last(owner: Owner) -> Option<PhysAddr> {
    drain_caches();
    let number = BUDDY.lock().alloc(0, owner).unwrap_or_else(|misuse| fatal(misuse))?;
    Some(address(number))
}

/// Fills an empty cache with a batch of frames, or with as many as the largest smaller block has.
#[cold]
fn refill(cache: &mut Cache) {
    let mut buddy = BUDDY.lock();
    for order in (0..=BATCH_ORDER).rev() {
        if let Some(first) = buddy.lend(order).unwrap_or_else(|misuse| fatal(misuse)) {
            for i in 0..1 << order {
                cache.numbers[i] = (first + i) as u32;
            }
            cache.len = 1 << order;
            break;
        }
    }
    FREE.store(buddy.free_frames(), Relaxed);
}

/// Gives the oldest `n` frames of a cache back to the buddy.
#[cold]
fn drain(cache: &mut Cache, n: usize) {
    let mut buddy = BUDDY.lock();
    buddy.take_back(&cache.numbers[..n]).unwrap_or_else(|misuse| fatal(misuse));
    FREE.store(buddy.free_frames(), Relaxed);
    drop(buddy);
    cache.numbers.copy_within(n..cache.len, 0);
    cache.len -= n;
}

/// Whether more than an eighth of all frames is free, so that memory may be kept for reuse. Frames in
/// the cores' caches do not count.
#[inline]
pub fn is_plenty() -> bool {
    FREE.load(Relaxed) > RESERVE.load(Relaxed)
}

/// Gives all cached frames back to the buddy, so that they can merge.
pub fn drain_caches() {
    for cache in &CACHES {
        let mut cache = cache.lock();
        let n = cache.len;
        drain(&mut cache, n);
    }
}

/// Allocates `frames` frames for `owner` in a row whose address is a multiple of `align_frames` (a power of two) frames; the contents are anything.
/// None if there is no such run. Runs on fully backed stacks only.
pub fn alloc_contiguous(frames: usize, align_frames: usize, owner: Owner) -> Option<PhysAddr> {
    let attempt = || {
        let mut buddy = BUDDY.lock();
        let number = buddy.alloc_contiguous(frames, align_frames, owner);
        FREE.store(buddy.free_frames(), Relaxed);
        drop(buddy);
        number.unwrap_or_else(|misuse| fatal(misuse)).map(address)
    };
    attempt().or_else(|| {
        drain_caches();
        attempt()
    })
}

/// Frees what [`alloc`] gave to `owner`. Runs on fully backed stacks only. Misuse ends the machine with a report that names the frame, whose
/// it is and who frees it.
///
/// # Safety
/// Nobody uses the frames.
#[inline]
pub unsafe fn free(addr: PhysAddr, order: u32, owner: Owner) {
    // SAFETY: the caller's promise.
    let result =
        unsafe { if order == 0 { try_free_frame(addr, owner) } else { try_free(addr, 1 << order, owner) } };
    result.unwrap_or_else(|misuse| fatal(misuse));
}

/// Frees `frames` frames from `addr` on, all or part of what [`alloc_contiguous`] or [`alloc`] gave. Otherwise as [`free`].
///
/// # Safety
/// Nobody uses the frames.
pub unsafe fn free_contiguous(addr: PhysAddr, frames: usize, owner: Owner) {
    // SAFETY: the caller's promise.
    unsafe { try_free_run(addr, frames, owner) }.unwrap_or_else(|misuse| fatal(misuse));
}

/// Frees one frame into this core's cache.
///
/// # Errors
/// Any [`Misuse`], having changed nothing.
///
/// # Safety
/// Nobody uses the frame, if it is allocated.
#[inline]
unsafe fn try_free_frame(addr: PhysAddr, owner: Owner) -> Result<(), Misuse> {
    let number = addr.as_u64() as usize / FRAME_SIZE;
    if !addr.is_aligned(FRAME_SIZE as u64) {
        return Err(Misuse::Misaligned { addr, by: owner });
    }
    let state = info().states.get(number).ok_or(Misuse::Foreign { addr, by: owner })?;
    // The exchange lets one of two racing frees of a frame through and no more.
    if let Err(found) = state.compare_exchange(used(owner), cached(owner), Relaxed, Relaxed) {
        return Err(BUDDY.lock().wrong_free(number, found, owner));
    }
    let mut cache = CACHES[local::id()].lock();
    if cache.len == CACHE {
        drain(&mut cache, BATCH);
    }
    let len = cache.len;
    cache.numbers[len] = number as u32;
    cache.len += 1;
    Ok(())
}

/// Frees a block aligned to its size.
///
/// # Errors
/// Any [`Misuse`]; nothing was freed unless it is [`Misuse::WrittenAfterFree`].
///
/// # Safety
/// Nobody uses those of the frames that are allocated.
unsafe fn try_free(addr: PhysAddr, frames: usize, owner: Owner) -> Result<(), Misuse> {
    if !addr.is_aligned((frames * FRAME_SIZE) as u64) {
        return Err(Misuse::Misaligned { addr, by: owner });
    }
    // SAFETY: the caller's promise.
    unsafe { try_free_run(addr, frames, owner) }
}

/// Frees a run of frames.
///
/// # Errors
/// As [`try_free`].
///
/// # Safety
/// As [`try_free`].
unsafe fn try_free_run(addr: PhysAddr, frames: usize, owner: Owner) -> Result<(), Misuse> {
    if !addr.is_aligned(FRAME_SIZE as u64) {
        return Err(Misuse::Misaligned { addr, by: owner });
    }
    let mut buddy = BUDDY.lock();
    // SAFETY: the caller's promise.
    let freed = unsafe { buddy.free(addr.as_u64() as usize / FRAME_SIZE, frames, owner) };
    FREE.store(buddy.free_frames(), Relaxed);
    freed
}

/// Counts what there is. Neither the caches nor the owners' frames are counted at one moment. Looks at every frame's state: that takes time with much
/// memory, but no allocation pays for it.
pub fn stats() -> Stats {
    let cached = CACHES.iter().map(|c| c.lock().len).sum();
    let buddy = BUDDY.lock();
    let free = buddy.free_frames() + cached;
    let blocks = buddy.free_blocks();
    drop(buddy);
    let (states, total) = (info().states, TOTAL.load(Relaxed));
    Stats { total, free, cached, metadata: states.len(), blocks, owners: Buddy::count_owners(states) }
}

fn address(number: usize) -> PhysAddr {
    PhysAddr::new((number * FRAME_SIZE) as u64)
}

#[cfg(feature = "kernel-tests")]
mod tests;
