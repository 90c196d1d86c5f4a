//! Slots whose addresses may not be used yet.
//!
//! # Problem
//! A stack's pages were unmapped; other cores may remember them. If the slot were used again at once, a core would write to the
//! old frame, where nobody else reads. A shootdown for each stack, or for each few, makes a running goroutine wait for all
//! cores: 100,000 deaths took 7 s on four virtual cores of which two ran.
//!
//! # Who has to wait
//! The address, and not the frame. Nobody uses the address of a free slot, so no core reads or writes the old frame through an
//! old translation, whoever has it meanwhile: what a core does ahead of its program may read memory, and does not write. (Page
//! walks write the accessed and dirty bits of entries; ours are made with both set. A page table is another matter: a processor that walks
//! a reused frame would take anything for an entry, and might write to it.) So:
//! - Frames go back to the allocator as soon as they are unmapped. Memory that is short can be had at once, by the fault handler too.
//! - The slot, and page tables that it had for itself, wait here, until all cores have flushed for an epoch that began after it came ([`tlb::ask_everywhere`]). There are
//!   other addresses.
//!
//! # Protocol
//! 1. [`add`]: the slot goes to `gathering`, under the lock.
//! 2. [`advance`]: when `gathering` is heavy enough and no epoch is waited for, it becomes `waiting` and an epoch is begun.
//! 3. [`release`]: when all cores have flushed for it, the slots of `waiting` go back to the [pool](super::pool). Whoever frees a stack or
//!    finds the pool empty looks.
//!
//! A slot that loses more pages while it is here ([`strip`]) is gathering again.
//!
//! The quarantine's weight bounds what lies idle in it: page tables and the pages that slots keep. A core that does not answer for
//! long costs addresses and page tables, and stops nobody. When the last address of a class is in here, its taker does wait
//! ([`release_all`]).
//!
//! # Rejected
//! *Frames wait with their slots*, as any textbook has it: then the fault handler could not take warm memory back (it must not wait for
//! other cores), and dead stacks could not be kept up to the last frame.

use super::slot::{Link, Slot, State};
use super::tables::Tables;
use super::{pool, unmap_below};
use crate::irq::IrqMutex;
use crate::memory::{frames, tlb};
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

/// An epoch is begun for slots of this weight, a slot being 1, each page that it keeps 1 more, each page table of its own that it had
/// [`TABLE_WEIGHT`]; on small machines, for a fraction of the frames.
const MAX_WEIGHT: usize = 8192;
const WEIGHT_FRACTION: usize = 32;
const TABLE_WEIGHT: usize = 32;

struct List {
    first: Link,
    weight: usize,
    tables: Tables,
}

impl List {
    const fn new() -> List {
        List { first: Link::none(), weight: 0, tables: Tables::new() }
    }

    fn push(&mut self, slot: Slot) {
        slot.record().next.set(self.first.get());
        self.first.set(Some(slot));
        self.weight += 1 + slot.depth();
    }

    fn pop(&mut self) -> Option<Slot> {
        let slot = self.first.get()?;
        self.first.set(slot.record().next.get());
        Some(slot)
    }

    fn take(&mut self) -> List {
        core::mem::replace(self, List::new())
    }

    /// Puts the slots into the pool and frees the tables: all cores have flushed.
    fn release(mut self) {
        while let Some(slot) = self.pop() {
            pool::put(slot);
        }
        // SAFETY: as said.
        unsafe { self.tables.free() };
    }
}

struct Quarantine {
    gathering: List,
    waiting: List,
    /// What `waiting` waits for.
    asked: Option<tlb::Asked>,
}

static QUARANTINE: IrqMutex<Quarantine> =
    IrqMutex::new(Quarantine { gathering: List::new(), waiting: List::new(), asked: None });
/// Whether an epoch is waited for: a look without the lock.
static WAITING: AtomicBool = AtomicBool::new(false);
static LIMIT: AtomicUsize = AtomicUsize::new(0);

/// Sets the weight for which an epoch is begun.
pub(super) fn init() {
    LIMIT.store((frames::stats().total / WEIGHT_FRACTION).min(MAX_WEIGHT), Relaxed);
}

/// Takes in a slot of which pages were unmapped, from whoever owns it, with the tables that it does not use any more. From any context.
pub(super) fn add(slot: Slot, tables: Tables) {
    slot.set_state(State::Quarantined);
    let mut q = QUARANTINE.lock();
    q.gathering.push(slot);
    q.gathering.weight += tables.len() * TABLE_WEIGHT;
    q.gathering.tables.append(tables);
}

/// Has slots go on their way. Not from the fault handler: there may be thousands.
pub(super) fn advance() {
    release();
    let mut q = QUARANTINE.lock();
    if q.asked.is_none() && q.gathering.weight >= LIMIT.load(Relaxed) {
        q.waiting = q.gathering.take();
        q.asked = Some(tlb::ask_everywhere());
        WAITING.store(true, Relaxed);
    }
}

/// Whether slots wait for an epoch; a moment's answer.
#[inline]
pub(super) fn is_waiting() -> bool {
    WAITING.load(Relaxed)
}

/// Puts the slots for which all cores have flushed into the pool.
pub(super) fn release() {
    if !is_waiting() {
        return;
    }
    let mut q = QUARANTINE.lock();
    if !q.asked.is_some_and(|asked| asked.is_done()) {
        return;
    }
    q.asked = None;
    WAITING.store(false, Relaxed);
    let done = q.waiting.take();
    drop(q);
    done.release();
}

/// Waits for all cores and empties the quarantine into the pool. Called without any `IrqMutex`.
#[cold]
pub(super) fn release_all() {
    let mut q = QUARANTINE.lock();
    let lists = [q.gathering.take(), q.waiting.take()];
    q.asked = None;
    WAITING.store(false, Relaxed);
    drop(q);
    tlb::shootdown(0..usize::MAX);
    lists.into_iter().for_each(List::release);
}

/// Frees the pages that slots here still keep; returns how many. From any context.
#[cold]
pub(super) fn strip() -> usize {
    let mut q = QUARANTINE.lock();
    q.asked = None;
    WAITING.store(false, Relaxed);
    let (mut pages, mut stripped) = (0, List::new());
    let q = &mut *q;
    for list in [&mut q.gathering, &mut q.waiting] {
        while let Some(slot) = list.pop() {
            // SAFETY: nobody uses the slot, and it stays here.
            pages += unsafe { unmap_below(slot, 0) };
            stripped.push(slot);
        }
        stripped.weight += list.tables.len() * TABLE_WEIGHT;
        stripped.tables.append(list.take().tables);
    }
    q.gathering = stripped;
    pages
}
