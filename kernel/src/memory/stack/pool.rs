//! Slots that are free: taken and put back without touching a page table.
//!
//! A warm slot keeps some of its highest pages, so that the next stack begins with memory behind it. A cold one has no pages, but the
//! page tables of its address. Both lists are last-in, first-out, and belong to their class's lock.

use super::quarantine;
use super::slot::{CLASSES, Link, Slot, State};
use super::{RECLAIM, StackError, reclaim};
use crate::irq::IrqMutex;

/// The free slots of a class.
struct Lists {
    warm: Link,
    cold: Link,
    /// Sum of `depth` over the warm ones.
    pages: usize,
}

static LISTS: [IrqMutex<Lists>; CLASSES] = [const { IrqMutex::new(Lists::new()) }; CLASSES];

impl Lists {
    const fn new() -> Lists {
        Lists { warm: Link::none(), cold: Link::none(), pages: 0 }
    }

    #[inline]
    fn pop_warm(&mut self) -> Option<Slot> {
        let slot = pop(&self.warm)?;
        self.pages -= slot.depth();
        Some(slot)
    }

    #[inline]
    fn pop(&mut self) -> Option<Slot> {
        self.pop_warm().or_else(|| pop(&self.cold))
    }
}

#[inline]
fn pop(list: &Link) -> Option<Slot> {
    let slot = list.get()?;
    list.set(slot.record().next.get());
    Some(slot)
}

/// A free slot of a class.
///
/// # Errors
/// [`StackError::OutOfAddressSpace`] if all its addresses are in use or in quarantine; [`StackError::OutOfMemory`]
#[inline]
pub(super) fn take(class: usize) -> Result<Slot, StackError> {
    let mut lists = LISTS[class].lock();
    if let Some(slot) = lists.pop() {
        return Ok(slot);
    }
    let made = if quarantine::is_waiting() { Err(StackError::OutOfMemory) } else { Slot::make(class) };
    drop(lists);
    made.or_else(|_| take_released(class))
}

/// As [`take`], when there was none: slots may come from quarantine, and memory from dead stacks.
#[cold]
fn take_released(class: usize) -> Result<Slot, StackError> {
    quarantine::release();
    loop {
        let mut lists = LISTS[class].lock();
        let slot = lists.pop().map_or_else(|| Slot::make(class), Ok);
        drop(lists);
        if slot != Err(StackError::OutOfMemory) || reclaim(RECLAIM) == 0 {
            return slot;
        }
    }
}

/// A warm slot of any class, to be emptied.
pub(super) fn take_warm() -> Option<Slot> {
    LISTS.iter().find_map(|lists| lists.lock().pop_warm())
}

/// Puts back a slot that no core has stale translations of.
#[inline]
pub(super) fn put(slot: Slot) {
    let depth = slot.depth();
    let mut lists = LISTS[slot.class()].lock();
    lists.pages += depth;
    slot.set_state(if depth > 0 { State::Warm } else { State::Cold });
    let list = if depth > 0 { &lists.warm } else { &lists.cold };
    slot.record().next.set(list.get());
    list.set(Some(slot));
}

/// Pages that warm slots keep; a moment's figure.
pub(super) fn warm_pages() -> usize {
    LISTS.iter().map(|lists| lists.lock().pages).sum()
}
