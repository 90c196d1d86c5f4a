//! Goroutine stacks (K1–K3): windows of virtual addresses that are backed as they are used.
//!
//! The address range is cut into 15 classes of 2 TiB, one for each power of two from 64 KiB to 1 GiB, and each class into slots of
//! that size. A stack is one slot. Its lowest page is the guard and never backed, its highest is backed from the start, the
//! others when they are first touched ([`handle_fault`]). Nothing is ever copied.
//!
//! # Slots
//! ```text
//!              1 alloc                 2 free: few pages backed, pool not full
//!   (new) ───► in use ◄──────────────► warm ──┐ 5 reclaim
//!                │  ▲      1 alloc      ▲     │
//!         3 free │  │ 1 alloc         4 │     │
//!                │ cold ◄───────────────┤     │
//!                ▼   4 settle           │     │
//!              resting ─────────────────┘ ◄───┘
//! ```
//! A warm slot keeps its highest [`KEEP`] pages at most, so that taking it ([`alloc`]) touches no page table. A cold one has no pages, but the
//! page tables of its address. Both lists are last-in, first-out.
//!
//! Taking pages away needs a TLB shootdown before the frame *or the address* may be used again: a core that remembers the old frame at
//! a reused address would write where nobody else reads. So slots and frames rest in a batch until it is full or memory
//! short; then one shootdown settles all of them ([`settle`]).
//!
//! # Who may touch what
//! A slot in use is its owner's: only code that runs on the stack, or holds the goroutine while it does not run, faults in, backs or shrinks it.
//! The lists belong to the class's lock. Page-table entries take care of themselves ([`paging`]).

use super::buddy::FRAME_SIZE;
use super::{demand_zero, paging, tlb};
use crate::cpu::exception;
use crate::cpu::irq::IrqMutex;
use crate::memory::frames::{self, Owner};
use core::fmt;
use core::sync::atomic::{
    AtomicU8, AtomicU32, AtomicUsize, Ordering::Acquire, Ordering::Relaxed, Ordering::Release,
};
use x86_64::structures::paging::{Page, PhysFrame, Size4KiB};
use x86_64::{PhysAddr, VirtAddr};

/// Where the windows start.
const BASE: usize = 0xffff_c000_0000_0000;
/// Bytes of the smallest and the largest slot, as powers of two.
const MIN_SHIFT: u32 = 16;
const MAX_SHIFT: u32 = 30;
const CLASSES: usize = (MAX_SHIFT - MIN_SHIFT + 1) as usize;
/// Bytes of address space of a class, as a power of two.
const CLASS_SHIFT: u32 = 41;

/// Bytes of address space for the slots' records of one class, as a power of two: 32 Mi records at most.
const RECORDS_SHIFT: u32 = 29;
/// Where the slots' records are: demand-zero memory.
static RECORDS: AtomicUsize = AtomicUsize::new(0);

/// Pages that a warm slot keeps at most.
const KEEP: u32 = 4;

/// Warm slots keep at most this fraction of all frames.
const WARM_FRACTION: usize = 32;

/// A stack: its addresses, without the guard page below `lo`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stack {
    /// The lowest address that may be used.
    pub lo: usize,
    /// One past the highest; a multiple of 4096.
    pub hi: usize,
}

/// Why there is no stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StackError {
    /// No frame is left.
    OutOfMemory,
    /// All slots of the class are in use, or the size is larger than the largest slot.
    OutOfAddressSpace,
}

impl fmt::Display for StackError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            StackError::OutOfMemory => "out of physical memory for a stack",
            StackError::OutOfAddressSpace => "out of address space for a stack",
        })
    }
}

/// What a page fault at an absent page turned out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultOutcome {
    /// The page is backed now.
    Backed,
    /// The stack's guard page was touched.
    Overflow {
        /// Bytes that the stack can hold.
        limit: usize,
        /// Its lowest address.
        lo: usize,
    },
    /// The address is in no stack that is in use, or the page is present and the fault of another kind.
    NotAStack,
    /// No frame is left.
    OutOfMemory,
}

/// What is known of a slot besides its pages. All zero at first.
#[repr(align(16))]
struct Record {
    /// The next slot of the list, plus one; 0 ends it.
    next: AtomicU32,
    /// All backed pages are among this many highest ones.
    depth: AtomicU32,
    state: AtomicU8,
}

const COLD: u8 = 0;
const IN_USE: u8 = 1;
const WARM: u8 = 2;
const RESTING: u8 = 3;

/// The lists of a class: slot numbers plus one, or 0.
struct Lists {
    warm: u32,
    cold: u32,
    /// Slots from this number on were never used.
    made: u32,
}

static LISTS: [IrqMutex<Lists>; CLASSES] =
    [const { IrqMutex::new(Lists { warm: 0, cold: 0, made: 0 }) }; CLASSES];
/// `Lists::made`, for readers without the lock.
static MADE: [AtomicU32; CLASSES] = [const { AtomicU32::new(0) }; CLASSES];
/// Sum of `depth` over all warm slots, and its limit.
static WARM_PAGES: AtomicUsize = AtomicUsize::new(0);
static WARM_LIMIT: AtomicUsize = AtomicUsize::new(0);

/// Frames and slots that wait for a shootdown.
struct Batch {
    /// Frame numbers.
    frames: [u32; 512],
    nframes: usize,
    slots: [Slot; 64],
    nslots: usize,
}

impl Batch {
    const EMPTY: Batch =
        Batch { frames: [0; 512], nframes: 0, slots: [Slot { class: 0, number: 0 }; 64], nslots: 0 };

    /// Adds a frame; returns what is to be settled if that filled the batch.
    fn add_frame(&mut self, frame: PhysAddr) -> Option<Batch> {
        self.frames[self.nframes] = (frame.as_u64() / FRAME_SIZE as u64) as u32;
        self.nframes += 1;
        (self.nframes == self.frames.len()).then(|| self.take())
    }

    /// Adds a slot whose frames have been added; otherwise as [`Batch::add_frame`].
    fn add_slot(&mut self, slot: Slot) -> Option<Batch> {
        self.slots[self.nslots] = slot;
        self.nslots += 1;
        (self.nslots == self.slots.len()).then(|| self.take())
    }

    fn take(&mut self) -> Batch {
        core::mem::replace(self, Batch::EMPTY)
    }
}

static BATCH: IrqMutex<Batch> = IrqMutex::new(Batch::EMPTY);

/// A slot's name.
#[derive(Clone, Copy)]
struct Slot {
    class: u32,
    number: u32,
}

impl Slot {
    /// The slot that `addr` lies in, if that was ever used.
    #[inline]
    fn of(addr: usize) -> Option<Slot> {
        let offset = addr.wrapping_sub(BASE);
        let class = offset >> CLASS_SHIFT;
        let made = MADE.get(class)?.load(Acquire);
        let number = ((offset & ((1 << CLASS_SHIFT) - 1)) >> (MIN_SHIFT as usize + class)) as u32;
        (number < made).then_some(Slot { class: class as u32, number })
    }

    #[inline]
    fn size(self) -> usize {
        1 << (MIN_SHIFT + self.class)
    }

    #[inline]
    fn start(self) -> usize {
        BASE + ((self.class as usize) << CLASS_SHIFT) + self.number as usize * self.size()
    }

    #[inline]
    fn stack(self) -> Stack {
        Stack { lo: self.start() + FRAME_SIZE, hi: self.start() + self.size() }
    }

    fn record_address(self) -> usize {
        RECORDS.load(Relaxed)
            + ((self.class as usize) << RECORDS_SHIFT)
            + self.number as usize * size_of::<Record>()
    }

    #[inline]
    fn record(self) -> &'static Record {
        // SAFETY: `init` reserved room for the records of all slots, which zeroes are valid for; all fields are atomic.
        unsafe { &*(self.record_address() as *const Record) }
    }

    fn lists(self) -> &'static IrqMutex<Lists> {
        &LISTS[self.class as usize]
    }
}

const _: () = assert!(size_of::<Record>() << (CLASS_SHIFT - MIN_SHIFT) <= 1 << RECORDS_SHIFT);

/// Bytes that back stacks in use, and stacks that wait for reuse; a moment's figures, as if all pages down to the deepest one ever backed were.
pub fn usage() -> (usize, usize) {
    let mut used = 0;
    for class in 0..CLASSES as u32 {
        for number in 0..MADE[class as usize].load(Relaxed) {
            let record = Slot { class, number }.record();
            if record.state.load(Relaxed) == IN_USE {
                used += record.depth.load(Relaxed) as usize;
            }
        }
    }
    (used * FRAME_SIZE, WARM_PAGES.load(Relaxed) * FRAME_SIZE)
}

/// Reserves the slots' records and sets the limit of the warm pool.
pub(super) fn init() {
    RECORDS.store(demand_zero::reserve(CLASSES << RECORDS_SHIFT) as usize, Relaxed);
    WARM_LIMIT.store(frames::stats().total / WARM_FRACTION, Relaxed);
}

/// A stack of at least `size` usable bytes, its highest page backed. What is in it is anything. Called on fully backed stacks, without
/// any `IrqMutex`.
///
/// # Errors
/// [`StackError`]
pub fn alloc(size: usize) -> Result<Stack, StackError> {
    let bytes = size
        .checked_add(FRAME_SIZE)
        .and_then(usize::checked_next_power_of_two)
        .ok_or(StackError::OutOfAddressSpace)?;
    let class = bytes.trailing_zeros().max(MIN_SHIFT) - MIN_SHIFT;
    let slot = take(class)?;
    let record = slot.record();
    if record.depth.load(Relaxed) == 0
        && back_page(slot, slot.stack().hi - FRAME_SIZE) != FaultOutcome::Backed
    {
        reclaim();
        if back_page(slot, slot.stack().hi - FRAME_SIZE) != FaultOutcome::Backed {
            put(slot);
            return Err(StackError::OutOfMemory);
        }
    }
    record.state.store(IN_USE, Relaxed);
    Ok(slot.stack())
}

/// Takes a slot off its class's lists, or makes a new one.
fn take(class: u32) -> Result<Slot, StackError> {
    let mut lists = LISTS.get(class as usize).ok_or(StackError::OutOfAddressSpace)?.lock();
    let lists = &mut *lists;
    for head in [&mut lists.warm, &mut lists.cold] {
        if *head != 0 {
            let slot = Slot { class, number: *head - 1 };
            let record = slot.record();
            *head = record.next.load(Relaxed);
            WARM_PAGES.fetch_sub(record.depth.load(Relaxed) as usize, Relaxed);
            return Ok(slot);
        }
    }
    let slot = Slot { class, number: lists.made };
    if u64::from(lists.made) >= 1 << (CLASS_SHIFT - MIN_SHIFT - class) {
        return Err(StackError::OutOfAddressSpace);
    }
    // Backs the record's page, before the fault handler may look at it.
    slot.record().state.store(COLD, Relaxed);
    lists.made += 1;
    MADE[class as usize].store(lists.made, Release);
    Ok(slot)
}

/// Puts a slot that has no stale translations on one of its class's lists.
fn put(slot: Slot) {
    let record = slot.record();
    let depth = record.depth.load(Relaxed);
    let mut lists = slot.lists().lock();
    WARM_PAGES.fetch_add(depth as usize, Relaxed);
    record.state.store(if depth > 0 { WARM } else { COLD }, Relaxed);
    let head = if depth > 0 { &mut lists.warm } else { &mut lists.cold };
    record.next.store(*head, Relaxed);
    *head = slot.number + 1;
}

/// Maps the page of `addr` to a frame of ours; false, with the frame freed, if it is mapped already or there is no memory for a table.
fn map(addr: usize, frame: PhysAddr) -> bool {
    let page = Page::<Size4KiB>::containing_address(VirtAddr::new_truncate(addr as u64));
    // SAFETY: the page is the stack's, and the frame was just allocated for it.
    let mapped =
        unsafe { paging::map(page, PhysFrame::containing_address(frame), paging::Access::ReadWrite) };
    if mapped.is_err() {
        // SAFETY: the frame was not mapped.
        unsafe { frames::free(frame, 0, Owner::Stack) };
    }
    mapped.is_ok()
}

/// Backs the page of `addr`, which is not the guard.
#[inline]
fn back_page(slot: Slot, addr: usize) -> FaultOutcome {
    let Some(frame) = frames::alloc(0, Owner::Stack) else { return FaultOutcome::OutOfMemory };
    if !map(addr, frame) {
        let present = paging::translate(addr).is_some();
        return if present { FaultOutcome::NotAStack } else { FaultOutcome::OutOfMemory };
    }
    let depth = ((slot.stack().hi - addr).div_ceil(FRAME_SIZE)) as u32;
    let record = slot.record();
    if record.depth.load(Relaxed) < depth {
        record.depth.store(depth, Relaxed);
    }
    FaultOutcome::Backed
}

/// Deals with a fault at `addr` whose error code says that the page was absent. Runs on a fully backed stack.
#[inline]
pub fn handle_fault(addr: usize) -> FaultOutcome {
    let Some(slot) = Slot::of(addr) else { return FaultOutcome::NotAStack };
    if slot.record().state.load(Relaxed) != IN_USE {
        return FaultOutcome::NotAStack;
    }
    let Stack { lo, hi } = slot.stack();
    if addr < lo {
        return FaultOutcome::Overflow { limit: hi - lo, lo };
    }
    back_page(slot, addr)
}

/// Backs every page of `from..to` that is absent and belongs to a stack in use, so that nothing faults there. Whether all of the range is
/// present then; not if it reaches into a guard page or memory runs out. Runs on a fully backed stack.
pub fn back_range(from: usize, to: usize) -> bool {
    (from & !(FRAME_SIZE - 1)..to)
        .step_by(FRAME_SIZE)
        .all(|page| paging::translate(page).is_some() || handle_fault(page) == FaultOutcome::Backed)
}

/// The slot of a stack that is in use. Any other ends the machine: its owner has lost track.
fn owned(stack: Stack) -> Slot {
    match Slot::of(stack.lo) {
        Some(slot) if slot.stack() == stack && slot.record().state.load(Relaxed) == IN_USE => slot,
        _ => exception::fatal(format_args!("fatal error: {stack:x?} is not a stack in use"), None),
    }
}

/// Gives a stack back. Called on another, fully backed stack, without any `IrqMutex`. A stack that is not in use ends the machine.
///
/// # Safety
/// Nobody uses the stack's memory.
pub unsafe fn free(stack: Stack) {
    let slot = owned(stack);
    let record = slot.record();
    let depth = record.depth.load(Relaxed);
    let room = WARM_PAGES.load(Relaxed) < WARM_LIMIT.load(Relaxed);
    if depth <= KEEP && room {
        return put(slot);
    }
    record.state.store(RESTING, Relaxed);
    rest(slot, if room { KEEP } else { 0 });
}

/// Takes all pages but the highest `keep` away from a slot that nobody uses, and lets both rest.
fn rest(slot: Slot, keep: u32) {
    let add_frame = |frame| {
        // The batch's lock is released before it is settled.
        let full = BATCH.lock().add_frame(frame);
        if let Some(batch) = full {
            settle(batch);
        }
    };
    // SAFETY: nobody uses the slot.
    unsafe { unmap_below(slot, keep, add_frame) };
    let full = BATCH.lock().add_slot(slot);
    if let Some(batch) = full {
        settle(batch);
    }
}

/// Unmaps all pages but the highest `keep` and hands over their frames, which other cores may still see.
///
/// # Safety
/// Nobody uses those pages.
unsafe fn unmap_below(slot: Slot, keep: u32, mut frame: impl FnMut(PhysAddr)) {
    let record = slot.record();
    let depth = record.depth.load(Relaxed);
    let hi = slot.stack().hi;
    for addr in
        (hi - depth.max(keep) as usize * FRAME_SIZE..hi - keep as usize * FRAME_SIZE).step_by(FRAME_SIZE)
    {
        let page = Page::<Size4KiB>::containing_address(VirtAddr::new_truncate(addr as u64));
        // SAFETY: the caller promises that nobody uses the page; the frame's user is told to flush. A page that was
        // never touched is no error.
        if let Ok((old, flush)) = unsafe { paging::unmap(page) } {
            flush.later();
            frame(old.start_address());
        }
    }
    record.depth.store(depth.min(keep), Relaxed);
}

/// Flushes all cores' TLBs and gives what was resting free.
#[cold]
fn settle(batch: Batch) {
    if batch.nframes > 0 {
        tlb::shootdown(BASE..BASE + (CLASSES << CLASS_SHIFT));
    }
    for &frame in &batch.frames[..batch.nframes] {
        // SAFETY: the frame was unmapped and no core remembers it.
        unsafe { frames::free(PhysAddr::new(u64::from(frame) * FRAME_SIZE as u64), 0, Owner::Stack) };
    }
    for &slot in &batch.slots[..batch.nslots] {
        put(slot);
    }
}

/// Settles what rests now.
fn settle_all() {
    // The lock is released first: a shootdown waits for cores that may want it.
    let batch = BATCH.lock().take();
    settle(batch);
}

/// Gives the frames of all stacks that are not in use back to the frame allocator. Called without any `IrqMutex`.
#[cold]
pub fn reclaim() {
    // What rests may turn warm.
    settle_all();
    for class in 0..CLASSES as u32 {
        loop {
            let mut lists = LISTS[class as usize].lock();
            if lists.warm == 0 {
                break;
            }
            let slot = Slot { class, number: lists.warm - 1 };
            let record = slot.record();
            lists.warm = record.next.load(Relaxed);
            WARM_PAGES.fetch_sub(record.depth.load(Relaxed) as usize, Relaxed);
            record.state.store(RESTING, Relaxed);
            drop(lists);
            rest(slot, 0);
        }
    }
    settle_all();
}

/// Gives the frames of `stack` below its highest `keep` bytes back; how many bytes that were. Called on another, fully backed stack, without
/// any `IrqMutex`.
///
/// # Safety
/// Nothing below the highest `keep` bytes is in use.
pub unsafe fn shrink(stack: Stack, keep: usize) -> usize {
    let slot = owned(stack);
    let keep = keep.clamp(FRAME_SIZE, stack.hi - stack.lo).div_ceil(FRAME_SIZE) as u32;
    let (mut bytes, mut pending, mut n) = (0, [PhysAddr::zero(); 64], 0);
    let all = stack.lo..stack.hi;
    let flush = |pending: &[PhysAddr]| {
        tlb::shootdown(all.clone());
        for &frame in pending {
            // SAFETY: the frame was unmapped and no core remembers it.
            unsafe { frames::free(frame, 0, Owner::Stack) };
        }
    };
    // SAFETY: the caller's promise.
    unsafe {
        unmap_below(slot, keep, |frame| {
            pending[n] = frame;
            n += 1;
            bytes += FRAME_SIZE;
            if n == pending.len() {
                flush(&pending);
                n = 0;
            }
        });
    }
    if n > 0 {
        flush(&pending[..n]);
    }
    bytes
}

#[cfg(feature = "kernel-tests")]
mod tests;
