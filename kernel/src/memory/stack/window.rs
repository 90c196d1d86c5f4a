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
//! Code that touches each page of its frames in turn cannot step over the reserve and the guard area, which is how Rust is compiled. Go is not: there the
//! prologue's check of a goroutine's guard has the stack unshared before a frame goes beyond [`SHALLOW`] (`go/runtime/stack.go`).
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

use super::slot::{GUARD, Shape, Slot, start_of};
use super::tables::Tables;
use super::{FRAME_SIZE, RECLAIM, StackError, reclaim};
use crate::memory::paging::{self, Window};
use crate::memory::{demand_zero, tlb};
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};

/// Bytes of a window whose pages are its own while it shares tables: an eighth of what a page table maps.
pub(super) const OWN: usize = 256 << 10;
/// Of its own pages, how many may be backed at a fault that can wait, and at any other.
pub(super) const SHALLOW: usize = runtime::machine::SHALLOW_STACK / FRAME_SIZE;
pub(super) const SHALLOW_AND_RESERVE: usize = 48;

const _: () = assert!(SHALLOW_AND_RESERVE * FRAME_SIZE + GUARD == OWN);

/// Go's limit.
pub(super) const HUGE: Shape =
    Shape { room: 1_000_000_000_usize.next_multiple_of(FRAME_SIZE), slots: 1 << 16, shift: 30, group: 256 };

/// For a million goroutines.
pub(super) const LARGE: Shape = Shape { room: 30 << 20, slots: 1 << 20, shift: 25, group: 8 };

const _: () = assert!(keeps_its_guard(&HUGE) && keeps_its_guard(&LARGE));

/// Whether the lowest stack of a window, and the guard area below it, lie in the window.
const fn keeps_its_guard(shape: &Shape) -> bool {
    (shape.group as usize - 1) * OWN + shape.room + GUARD <= 1 << shape.shift
}

/// For each group of each class the entry for the table that it shares: demand-zero memory.
static GROUPS: AtomicUsize = AtomicUsize::new(0);
const HUGE_GROUPS: usize = (HUGE.slots / HUGE.group) as usize;
const LARGE_GROUPS: usize = (LARGE.slots / LARGE.group) as usize;

/// Reserves the groups' entries.
pub(super) fn init() {
    let bytes = (HUGE_GROUPS + LARGE_GROUPS) * size_of::<AtomicU64>();
    GROUPS.store(demand_zero::reserve(bytes) as usize, Relaxed);
}

impl Slot {
    /// A window's addresses, and its group's entry. Inlined, so that the level is a constant where tables are walked.
    #[inline(always)]
    fn window_of(self, shape: &Shape, level: u32, first_group: usize) -> (Window, &'static AtomicU64) {
        let start = start_of(self.class()) + ((self.number() as usize) << shape.shift);
        let hi = self.stack().hi;
        let window = Window { all: start..start + (1 << shape.shift), own: hi - OWN..hi, level };
        let groups = GROUPS.load(Relaxed) as *const AtomicU64;
        // SAFETY: `init` reserved an entry for each group of each class, for which zeroes are valid.
        let group = unsafe { &*groups.add(first_group + (self.number() / shape.group) as usize) };
        (window, group)
    }

    #[inline(always)]
    fn huge(self) -> (Window, &'static AtomicU64) {
        self.window_of(&HUGE, 3, 0)
    }

    #[inline(always)]
    fn large(self) -> (Window, &'static AtomicU64) {
        self.window_of(&LARGE, 2, HUGE_GROUPS)
    }

    fn window(self) -> Option<(Window, &'static AtomicU64)> {
        match self.class() {
            0 => Some(self.huge()),
            1 => Some(self.large()),
            _ => None,
        }
    }

    /// If it is a window, has it share its group's tables: once, before it is used.
    #[inline]
    pub(super) fn share(self) -> Result<(), StackError> {
        let share = |(window, group): (Window, _)| window.share(group);
        let shared = match self.class() {
            0 => share(self.huge()),
            1 => share(self.large()),
            _ => Ok(()),
        };
        // The only error there is.
        shared.map_err(|_| StackError::OutOfMemory)
    }

    /// Whether the highest `pages` pages can be backed with the tables that it has; if the code that faulted can wait, the reserve is kept.
    #[inline]
    pub(super) fn has_room(self, pages: usize, can_wait: bool) -> bool {
        let shallow = if can_wait { SHALLOW } else { SHALLOW_AND_RESERVE };
        pages <= shallow || !self.is_window() || self.is_private()
    }

    /// Gives a window tables of its own and waits for all cores. Called by the fault handler for the stack's own code, which had
    /// interrupts on.
    #[cold]
    pub(super) fn unshare(self) -> Result<(), paging::Error> {
        let Some((window, _)) = self.window() else { return Ok(()) };
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
        if self.is_private()
            && let Some((window, group)) = self.window()
        {
            // SAFETY: as the caller promises.
            unsafe { window.reshare(group, |table| tables.push(table)) };
            self.set_private(false);
        }
        tables
    }
}
