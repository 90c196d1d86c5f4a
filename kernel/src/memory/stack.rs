//! Goroutine stacks: addresses that are backed as they are used.
//!
//! A stack is a slot of address space (`stack/slot.rs`), one of 1 GiB if its goroutine has no limit of its own (`stack/window.rs`). Its highest page is backed from the start, the others when they are first
//! touched ([`handle_fault`]), the guard area below it never. Nothing is ever copied.
//!
//! # A slot's states
//! ```text
//!   (new) ──── alloc ───► in use ◄──────── alloc ──────── warm or cold
//!                          │  │                             ▲      │
//!                          │  └── free: few pages backed, ──┘      │
//!                          │      memory is plenty                 │ reclaim
//!                          │ free: pages were unmapped             ▼
//!                          └─────────────────────────────────► quarantine ──► warm or cold, when all cores have flushed
//! ```
//! Dead stacks stay mapped and are reused as they are ([`pool`], [`KEEP`]) while more than an eighth of memory is free. Whoever finds no
//! frame takes theirs back ([`reclaim`]): a stack, the heap, the fault handler. What was unmapped is free memory at once; the slot's
//! address waits until all cores have flushed ([`quarantine`]). So neither birth nor death of a goroutine waits for another core.
//!
//! # Who may touch what
//! A slot in use is its owner's: only code that runs on the stack, or holds the goroutine while it does not run, faults in, backs or shrinks it.
//! A free slot is its list's. Page-table entries take care of themselves ([`paging`]).

mod pool;
mod quarantine;
mod slot;
mod tables;
mod window;

use super::buddy::FRAME_SIZE;
use super::{paging, tlb};
use crate::cpu::exception;
use crate::memory::frames::{self, Owner};
use core::fmt;
#[cfg(feature = "kernel-tests")]
pub(super) use slot::GUARD;
pub(super) use slot::{RANGE, set_base};
use slot::{Slot, State};
use tables::Tables;
use window::SHALLOW;
use x86_64::VirtAddr;
use x86_64::structures::paging::{Page, PhysFrame, Size4KiB};

/// Bytes of addresses for the windows of each of their two classes.
pub(super) const WINDOW_RANGES: [usize; 2] = [window::HUGE.range(), window::LARGE.range()];

/// Pages that a dead stack keeps at most.
const KEEP: usize = 4;

/// Pages that are taken back from dead stacks at once when memory is short.
const RECLAIM: usize = 64;

/// A stack: its addresses, without the guard area below `lo`.
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
    /// The stack's guard area was touched.
    Overflow {
        /// Bytes that the stack can hold.
        limit: usize,
        /// Its lowest address.
        lo: usize,
    },
    /// The stack is to grow beyond its reserve by code with interrupts off.
    NoReserve,
    /// The address is in no stack that is in use, or the page is present and the fault of another kind.
    NotAStack,
    /// No frame is left.
    OutOfMemory,
}

/// Bytes that back stacks in use, and stacks that wait for reuse; a moment's figures, as if all pages down to the deepest one ever backed were.
pub fn usage() -> (usize, usize) {
    let used: usize = Slot::all().filter(|slot| slot.is(State::InUse)).map(Slot::depth).sum();
    (used * FRAME_SIZE, pool::warm_pages() * FRAME_SIZE)
}

/// Reserves the slots' records.
pub(super) fn init() {
    slot::init();
    quarantine::init();
}

/// A stack of at least `size` usable bytes, or without a size as large as there are, up to Go's 1 GB; its highest page backed. What is in it is
/// anything. Called on fully backed stacks, without any `IrqMutex`.
///
/// # Errors
/// [`StackError`]
#[inline]
pub fn alloc(size: impl Into<Option<usize>>) -> Result<Stack, StackError> {
    let size = size.into();
    let slot = match pool::take(slot::class_for(size)?) {
        Err(StackError::OutOfAddressSpace) => take_elsewhere(size),
        slot => slot,
    }?;
    let stack = slot.stack();
    if slot.depth() == 0 && back_page(slot, stack.hi - FRAME_SIZE, 1) != FaultOutcome::Backed {
        pool::put(slot);
        return Err(StackError::OutOfMemory);
    }
    slot.set_state(State::InUse);
    Ok(stack)
}

/// A slot of another class, if any will do, or one that all cores have to be waited for.
#[cold]
fn take_elsewhere(size: Option<usize>) -> Result<Slot, StackError> {
    let [second, third] = slot::SMALLER;
    let classes = [slot::class_for(size)?, second, third];
    let classes = if size.is_none() { &classes[..] } else { &classes[..1] };
    let take = |classes: &[usize]| {
        let full = Err(StackError::OutOfAddressSpace);
        classes.iter().fold(full, |slot, &class| if slot == full { pool::take(class) } else { slot })
    };
    match take(&classes[1..]) {
        Err(StackError::OutOfAddressSpace) => {
            quarantine::release_all();
            take(classes)
        }
        slot => slot,
    }
}

/// Maps the page of `addr` to a new frame.
#[inline]
fn map_new(addr: usize) -> Result<(), paging::Error> {
    let frame = frames::alloc(0, Owner::Stack).ok_or(paging::Error::OutOfMemory)?;
    let page = Page::<Size4KiB>::containing_address(VirtAddr::new_truncate(addr as u64));
    // SAFETY: the page is the stack's, and the frame was just allocated for it.
    let mapped =
        unsafe { paging::map(page, PhysFrame::containing_address(frame), paging::Access::ReadWrite) };
    mapped.inspect_err(|_| {
        // SAFETY: the frame was not mapped.
        unsafe { frames::free(frame, 0, Owner::Stack) };
    })
}

/// As [`map_new`], with frames of dead stacks.
#[cold]
fn map_reclaimed(addr: usize) -> Result<(), paging::Error> {
    let mut mapped = Err(paging::Error::OutOfMemory);
    while mapped == Err(paging::Error::OutOfMemory) && reclaim(RECLAIM) > 0 {
        mapped = map_new(addr);
    }
    mapped
}

/// Backs the page of `addr`, the stack's `n`th from the highest, which is not in the guard area.
#[inline]
fn back_page(slot: Slot, addr: usize, n: usize) -> FaultOutcome {
    let mapped = match map_new(addr) {
        Err(paging::Error::OutOfMemory) => map_reclaimed(addr),
        mapped => mapped,
    };
    match mapped {
        Ok(()) => {
            if slot.depth() < n {
                slot.set_depth(n);
            }
            FaultOutcome::Backed
        }
        Err(paging::Error::OutOfMemory) => FaultOutcome::OutOfMemory,
        Err(_) => FaultOutcome::NotAStack,
    }
}

/// What is known of the code that faults.
#[derive(Clone, Copy, Debug)]
pub struct Faulting {
    /// Bytes of stack that it may use, if that is less than the stack has room for.
    pub limit: usize,
    /// Its stack pointer, if its interrupts are on: then the handler may wait for other cores.
    pub waits_at: Option<usize>,
}

impl Faulting {
    /// Code that has no limit and cannot wait.
    pub const IN_ADVANCE: Faulting = Faulting { limit: usize::MAX, waits_at: None };
}

/// Deals with a fault at `addr` whose error code says that the page was absent. Runs on a fully backed stack.
#[inline]
pub fn handle_fault(addr: usize, code: Faulting) -> FaultOutcome {
    let Some(slot) = Slot::of(addr) else { return FaultOutcome::NotAStack };
    let Stack { lo, hi } = slot.stack();
    if !slot.is(State::InUse) || addr >= hi {
        return FaultOutcome::NotAStack;
    }
    let limit = code.limit.min(hi - lo);
    let pages = (hi - addr).div_ceil(FRAME_SIZE);
    if pages > limit.div_ceil(FRAME_SIZE) {
        return FaultOutcome::Overflow { limit, lo: hi - limit };
    }
    let can_wait = code.waits_at.is_some_and(|sp| (lo..hi).contains(&sp));
    if slot.has_room(pages, can_wait) {
        return back_page(slot, addr, pages);
    }
    if !can_wait {
        return FaultOutcome::NoReserve;
    }
    match slot.unshare() {
        Ok(()) => back_page(slot, addr, pages),
        Err(_) => FaultOutcome::OutOfMemory,
    }
}

/// How many bytes of its stack `addr` lies below the highest; 0 if it lies in none.
pub fn depth_at(addr: usize) -> usize {
    Slot::of(addr).map_or(0, |slot| slot.stack().hi.saturating_sub(addr))
}

/// Backs every page of `from..to` that is absent and belongs to a stack in use, so that nothing faults there. Whether all of the range is
/// present then; not if it reaches into a guard area or memory runs out. Runs on a fully backed stack.
pub fn back_range(from: usize, to: usize) -> bool {
    (from & !(FRAME_SIZE - 1)..to)
        .step_by(FRAME_SIZE)
        .all(|page| paging::is_mapped(page) || backed_in_advance(page))
}

fn backed_in_advance(page: usize) -> bool {
    handle_fault(page, Faulting::IN_ADVANCE) == FaultOutcome::Backed
}

/// The slot of a stack that is in use. Any other ends the machine: its owner has lost track.
#[inline]
fn owned(stack: Stack) -> Slot {
    match Slot::of(stack.lo) {
        Some(slot) if slot.stack() == stack && slot.is(State::InUse) => slot,
        _ => exception::fatal(format_args!("fatal error: {stack:x?} is not a stack in use"), None),
    }
}

/// Gives a stack back, without waiting for other cores. Called on another, fully backed stack. A stack that is not in use ends the machine.
///
/// # Safety
/// Nobody uses the stack's memory.
pub unsafe fn free(stack: Stack) {
    let slot = owned(stack);
    let keep = if frames::is_plenty() { KEEP } else { 0 };
    if slot.depth() <= keep && !slot.is_private() {
        return pool::put(slot);
    }
    // SAFETY: nobody uses the slot, and the next user has to wait for the quarantine's end.
    let tables = unsafe {
        unmap_below(slot, keep);
        slot.reshare()
    };
    quarantine::add(slot, tables);
    quarantine::advance();
}

/// Unmaps all pages but the highest `keep`, which frees their frames; returns how many.
///
/// # Safety
/// Nobody uses those pages, and nobody uses their addresses until all cores have flushed.
unsafe fn unmap_below(slot: Slot, keep: usize) -> usize {
    let depth = slot.depth();
    let mut unmapped = 0;
    let free = |frame| {
        // SAFETY: the page was the frame's only one, and nobody uses its address; see `quarantine.rs`.
        unsafe { frames::free(frame, 0, Owner::Stack) };
        unmapped += 1;
    };
    // SAFETY: as the caller promises.
    unsafe { paging::unmap_pages(slot.pages(keep, depth), free) }.later();
    slot.set_depth(depth.min(keep));
    unmapped
}

/// Frees pages that stacks keep which are not in use, at least `goal` if there are as many; returns how many. Waits for nobody and is
/// callable from the fault handler.
#[cold]
pub fn reclaim(goal: usize) -> usize {
    let mut pages = 0;
    while pages < goal
        && let Some(slot) = pool::take_warm()
    {
        // SAFETY: nobody uses the slot, and it goes into quarantine.
        pages += unsafe { unmap_below(slot, 0) };
        quarantine::add(slot, Tables::new());
    }
    if pages < goal { pages + quarantine::strip() } else { pages }
}

/// Frees the pages of `stack` below its highest `keep` bytes; how many bytes that were. Called on another, fully backed stack, without
/// any `IrqMutex`: it waits until all cores have flushed, for the owner may go on at once.
///
/// # Safety
/// Nothing below the highest `keep` bytes is in use.
pub unsafe fn shrink(stack: Stack, keep: usize) -> usize {
    let slot = owned(stack);
    let keep = keep.clamp(FRAME_SIZE, stack.hi - stack.lo).div_ceil(FRAME_SIZE);
    // SAFETY: the caller's promise, and nobody uses the addresses before this returns.
    let pages = unsafe { unmap_below(slot, keep) };
    let tables = if keep <= SHALLOW {
        // SAFETY: as above.
        unsafe { slot.reshare() }
    } else {
        Tables::new()
    };
    if pages + tables.len() > 0 {
        tlb::shootdown(stack.lo..stack.hi);
    }
    // SAFETY: all cores have flushed.
    unsafe { tables.free() };
    pages * FRAME_SIZE
}

#[cfg(feature = "kernel-tests")]
mod tests;
