//! Windows: slots of 1 GiB and 32 MiB that share page tables while their stacks are shallow.
//!
//! # Problem
//! Go lets a goroutine's stack grow to 1 GB, by copying; here a stack never moves, so its addresses must be its own from the start. A
//! million goroutines with a page of stack each must not cost more than 5 KiB each. In 256 KiB slots side by side eight stacks share a
//! page table: 512 bytes each, and no room to grow. In slots of 1 GiB each stack would need two tables of its own: 12 KiB.
//!
//! # Sparse slots, shared tables
//! A group of 256 windows of 1 GiB shares one page directory, and eight of them one page table. Each has its stack at another
//! offset from the window's end, 256 KiB apart, so that its pages are other entries of the same tables:
//! ```text
//!              ┌─ window 0 (1 GiB) ────────────────────┐┌─ window 1 ────────────────────────────┐
//!  page table: │ … 7  6  5  4  3  2  1 [0]             ││ … 7  6  5  4  3  2 [1] 0              │
//!              └───────────────────────────────────────┘└───────────────────────────────────────┘
//!                 [n]: 64 entries of stack n's own; the others are aliases of its neighbours, which nobody addresses
//! ```
//! An eighth of a table, a 256th of a directory and an entry above: 536 bytes for each stack. Of its 64 entries the stack uses the 40 highest; the
//! next 8 are a reserve (below); the 16 lowest are the guard area. The address space has room for 65,536 such windows. Beyond,
//! there are a million windows of 32 MiB, of which eight share one page table (30 MiB of stack, 640 bytes each), and then slots of 256 KiB.
//! A stack's own limit is in its overflow report.
//!
//! # Growing deep
//! A stack that needs its 41st page is given a directory and a table of its own, with its own entries and nothing else
//! ([`Window::unshare`]), and then grows by page fault down to the limit. Below the limit at least 64 KiB stay unmapped.
//!
//! The other cores must drop what their paging-structure caches say (SDM vol. 3, 4.10.3): the way to the shared table leads, from the
//! 65th page on, to a *neighbour's* page, present and writable. A pointer into the stack's deep part may reach another core by a channel as soon as
//! there is a deep part. So the handler waits in a shootdown, once for each stack that grows deep, before it backs the page.
//!
//! It may wait only if the code that faulted had interrupts on: then that code holds no lock for which another core spins with
//! interrupts off (`tlb/shootdown.rs`). Code with interrupts off takes the reserve instead, 32 KiB, more than any critical
//! section uses; so does the backing of pages in advance of a preemption. And it must be the stack's own code that faults: nobody else may touch its tables.
//!
//! # Coming back
//! A dead stack, or one that is shrunk to 40 pages or less, shares again ([`Window::reshare`]). Its own tables are freed when all
//! cores have flushed: processors walk tables ahead of their programs, and would take a reused frame's contents for
//! entries. They wait in quarantine with the slot.
//!
//! # Rejected
//! - *Moving to a larger slot*: pointers into Rust stacks cannot be found.
//! - *Unsharing without a shootdown, by a check when a goroutine is scheduled on another core*: others than its own code have pointers into its stack.
//! - *Tables shared without a reserve and a guard area, unsharing at the 65th page*: the next page is a neighbour's and does not fault.
//! - *Windows for stacks with a limit of their own* (`go_with_stack`): their slots are of the size that was asked for, wherever the others are.

use super::slot::{GUARD, Slot};
use super::tables::Tables;
use super::{FRAME_SIZE, RECLAIM, Stack, StackError, reclaim};
use crate::memory::paging::{self, Window};
use crate::memory::{demand_zero, tlb};
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

/// Bytes of a window whose pages are its own while it shares tables: an eighth of what a page table maps.
const OWN: usize = 256 << 10;
/// Of its own pages, how many may be backed at a fault that can wait, and at any other.
pub(super) const SHALLOW: usize = 40;
pub(super) const SHALLOW_AND_RESERVE: usize = 48;

const _: () = assert!(SHALLOW_AND_RESERVE * FRAME_SIZE + GUARD == OWN);

/// A class of windows.
pub(super) struct Shape {
    /// Where its windows start: in the lower half, at a multiple of 1 GiB.
    start: &'static AtomicUsize,
    /// Bytes of a window, as a power of two.
    shift: u32,
    /// How many there are.
    pub(super) slots: usize,
    /// How many windows share tables.
    group: usize,
    /// The level of the entry that leads to what they share.
    level: u32,
    /// Bytes that a stack may use: whole pages.
    room: usize,
    /// The place of the groups' shared tables in [`GROUPS`].
    first_group: usize,
}

static HUGE_START: AtomicUsize = AtomicUsize::new(0);
static LARGE_START: AtomicUsize = AtomicUsize::new(0);

/// Go's limit.
pub(super) const HUGE: Shape = Shape {
    start: &HUGE_START,
    shift: 30,
    slots: 1 << 16,
    group: 256,
    level: 3,
    room: 1_000_000_000_usize.next_multiple_of(FRAME_SIZE),
    first_group: 0,
};

/// For a million goroutines.
pub(super) const LARGE: Shape = Shape {
    start: &LARGE_START,
    shift: 25,
    slots: 1 << 20,
    group: 8,
    level: 2,
    room: 30 << 20,
    first_group: HUGE.slots / HUGE.group,
};

const _: () = assert!(HUGE.keeps_its_guard() && LARGE.keeps_its_guard());

/// For each group of each shape the entry for the table that it shares: demand-zero memory.
static GROUPS: AtomicUsize = AtomicUsize::new(0);

impl Shape {
    /// Bytes of addresses that its windows take.
    pub(super) const fn range(&self) -> usize {
        self.slots << self.shift
    }

    #[inline]
    fn start(&self) -> usize {
        self.start.load(Relaxed)
    }

    /// Whether the lowest stack of a window, and the guard area below it, lie in the window.
    const fn keeps_its_guard(&self) -> bool {
        (self.group - 1) * OWN + self.room + GUARD <= 1 << self.shift
    }

    /// The number of the window that `addr` lies in.
    #[inline]
    pub(super) fn slot_of(&self, addr: usize) -> Option<usize> {
        let number = addr.wrapping_sub(self.start()) >> self.shift;
        (number < self.slots).then_some(number)
    }

    /// The addresses that the stack in window `number` may use.
    #[inline]
    pub(super) fn stack(&self, number: usize) -> Stack {
        let hi = self.start() + ((number + 1) << self.shift) - number % self.group * OWN;
        Stack { lo: hi - self.room, hi }
    }

    fn window(&self, number: usize) -> Window {
        let start = self.start() + (number << self.shift);
        let hi = self.stack(number).hi;
        Window { all: start..start + (1 << self.shift), own: hi - OWN..hi, level: self.level }
    }

    fn group_of(&self, number: usize) -> &'static AtomicU64 {
        let groups = GROUPS.load(Relaxed) as *const AtomicU64;
        // SAFETY: `init` reserved an entry for each group of each shape, for which zeroes are valid.
        unsafe { &*groups.add(self.first_group + number / self.group) }
    }
}

/// Says where the windows of both shapes start, before there are any.
pub(super) fn set_base([huge, large]: [usize; 2]) {
    HUGE_START.store(huge, Relaxed);
    LARGE_START.store(large, Relaxed);
}

/// Reserves the groups' entries.
pub(super) fn init() {
    let groups = LARGE.first_group + LARGE.slots / LARGE.group;
    GROUPS.store(demand_zero::reserve(groups * size_of::<AtomicU64>()) as usize, Relaxed);
}

impl Slot {
    /// If it is a window, has it share its group's tables: once, before it is used.
    pub(super) fn share(self) -> Result<(), StackError> {
        let Some(shape) = self.shape() else { return Ok(()) };
        let number = self.number();
        // The only error there is.
        shape.window(number).share(shape.group_of(number)).map_err(|_| StackError::OutOfMemory)
    }

    /// Whether the highest `pages` pages can be backed with the tables that it has; if the code that faulted can wait, the reserve is kept.
    #[inline]
    pub(super) fn has_room(self, pages: usize, can_wait: bool) -> bool {
        let shallow = if can_wait { SHALLOW } else { SHALLOW_AND_RESERVE };
        pages <= shallow || self.shape().is_none() || self.is_private()
    }

    /// Gives a window tables of its own and waits for all cores. Called by the fault handler for the stack's own code, which had
    /// interrupts on.
    #[cold]
    pub(super) fn unshare(self) -> Result<(), paging::Error> {
        let Some(shape) = self.shape() else { return Ok(()) };
        let window = shape.window(self.number());
        // SAFETY: the slot's owner faulted, on this core, so nobody else touches the window's tables; they are shared.
        let mut done = unsafe { window.unshare(|| tlb::shootdown(window.all.clone())) };
        while done == Err(paging::Error::OutOfMemory) && reclaim(RECLAIM) > 0 {
            // SAFETY: as above; nothing was changed.
            done = unsafe { window.unshare(|| tlb::shootdown(window.all.clone())) };
        }
        done.inspect(|()| self.set_private(true))
    }

    /// Has a window that has tables of its own share again; what it had, to be freed after all cores have flushed.
    ///
    /// # Safety
    /// Nobody uses the slot, no more than [`SHALLOW_AND_RESERVE`] pages are backed, and none of its addresses is used before the flush.
    pub(super) unsafe fn reshare(self) -> Tables {
        let mut tables = Tables::new();
        if let Some(shape) = self.shape().filter(|_| self.is_private()) {
            let number = self.number();
            // SAFETY: as the caller promises.
            unsafe { shape.window(number).reshare(shape.group_of(number), |table| tables.push(table)) };
            self.set_private(false);
        }
        tables
    }
}
