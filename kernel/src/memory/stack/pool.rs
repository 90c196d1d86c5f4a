//! Slots that are free: taken and put back without touching a page table.
//!
//! A warm slot keeps some of its highest pages, so that the next stack begins with memory behind it. A cold one has no pages, but the
//! page tables of its address. Both lists are last-in, first-out, and belong to their class's lock.

use super::quarantine;
use super::slot::{CLASSES, Link, Slot, State};
use super::{RECLAIM, StackError, reclaim};
use crate::cpu::irq::IrqMutex;
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// The free slots of a class.
struct Lists {
    warm: Link,
    cold: Link,
}

static LISTS: [IrqMutex<Lists>; CLASSES] = [const { IrqMutex::new(Lists::new()) }; CLASSES];
/// Sum of `depth` over all warm slots.
static WARM_PAGES: AtomicUsize = AtomicUsize::new(0);

impl Lists {
    const fn new() -> Lists {
        Lists { warm: Link::none(), cold: Link::none() }
    }

    fn pop_warm(&self) -> Option<Slot> {
        let slot = pop(&self.warm)?;
        WARM_PAGES.fetch_sub(slot.depth(), Relaxed);
        Some(slot)
    }
}

fn pop(list: &Link) -> Option<Slot> {
    let slot = list.get()?;
    list.set(slot.record().next.get());
    Some(slot)
}

/// A free slot of a class.
///
/// # Errors
/// [`StackError::OutOfAddressSpace`] if all its addresses are in use or in quarantine; [`StackError::OutOfMemory`]
pub(super) fn take(class: usize) -> Result<Slot, StackError> {
    let mut released = false;
    loop {
        let lists = LISTS[class].lock();
        if let Some(slot) = lists.pop_warm().or_else(|| pop(&lists.cold)) {
            return Ok(slot);
        }
        if !released && quarantine::is_waiting() {
            drop(lists);
            released = true;
            quarantine::release();
            continue;
        }
        let made = Slot::make(class);
        drop(lists);
        if made != Err(StackError::OutOfMemory) || reclaim(RECLAIM) == 0 {
            return made;
        }
    }
}

/// A warm slot of any class, to be emptied.
pub(super) fn take_warm() -> Option<Slot> {
    LISTS.iter().find_map(|lists| lists.lock().pop_warm())
}

/// Puts back a slot that no core has stale translations of.
pub(super) fn put(slot: Slot) {
    let depth = slot.depth();
    let lists = LISTS[slot.class()].lock();
    let list = if depth > 0 {
        WARM_PAGES.fetch_add(depth, Relaxed);
        slot.set_state(State::Warm);
        &lists.warm
    } else {
        slot.set_state(State::Cold);
        &lists.cold
    };
    slot.record().next.set(list.get());
    list.set(Some(slot));
}

/// Pages that warm slots keep.
pub(super) fn warm_pages() -> usize {
    WARM_PAGES.load(Relaxed)
}
