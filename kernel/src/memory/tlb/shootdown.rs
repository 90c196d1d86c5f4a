//! The protocol of a TLB shootdown.
//!
//! `kernel/models` compiles this file once more, over loom's atomics.
//!
//! # Protocol
//! Each core has a [`Mailbox`] with a request that it makes of others (a range, and the set of cores that have not answered) and an
//! inbox (the set of cores whose request it has yet to serve).
//!
//! Core `i`, the initiator, with interrupts off from 1 to 6:
//! 1. (The page-table entries have been written.) Flush the range here. This serialises: the entries are visible before the set of online
//!    cores is read, so a core that is missing there drops its whole TLB later than that ([`join`]).
//! 2. Write the range into its own request; store the set `waiting` of all other online cores.
//! 3. For each of them, set bit `i` in its inbox. This is a locked instruction: it orders the stores of 1 and 2 before the bit for
//!    whoever sees the bit, and before the IPI.
//! 4. If the inbox was empty before, send the IPI. If not, the core that filled it sends one, or has, which the target has not yet
//!    served: it empties the inbox at once, so it will see this bit too. That is how requests of several cores share an IPI.
//! 5. Until `waiting` is empty, serve its own inbox.
//! 6. An acquire load of the empty `waiting` ends the wait: everything that the others did before their answers, in particular their last
//!    use of the old translation, is before everything that follows here.
//!
//! Core `j`, in [`serve`] (in the IPI's handler or in step 5), with interrupts off:
//! 1. Take the inbox by exchange with 0 (acquire, pairs with 3).
//! 2. For each core in it: flush its request's range, then clear bit `j` in its `waiting` (release, pairs with 6).
//!
//! A request is not rewritten while somebody may read it: its owner is the only writer, and leaves step 5 when all readers are done.
//!
//! # Why this cannot deadlock
//! Who waits: an initiator in step 5, with interrupts off, holding no lock that is ever taken with interrupts off (the one
//! rule for callers, so no `IrqMutex`); goroutine- and thread-level locks may be held. For whom: cores that have not served. Each such core is
//! either (a) running with interrupts on, then the IPI is taken; (b) halted in the idle loop, then the IPI wakes it; (c) running with
//! interrupts off, in a handler or a critical section, which is bounded, unless it waits for something: for a spin lock taken with
//! interrupts off, whose holder is not an initiator (the rule) and so is in a bounded section itself; or for answers in step 5, then it
//! serves the inbox all the while. So every wait ends.
//!
//! The corners of that:
//! - An IPI that comes for a core in its own step 5 stays pending; the loop serves the bit, and the IPI, taken later, finds an empty inbox. A
//!   bit that is set after the loop's last look has an IPI pending, or about to be sent by a core that is between its steps 3 and 4,
//!   where it waits for nobody.
//! - A page fault in the middle (the initiator may stand on a goroutine's stack) takes frame locks only, whose holders are in bounded
//!   sections. The page fault handler initiates only for code that had interrupts on (`stack/window.rs`): that code holds no lock that is
//!   taken with interrupts off and is no initiator itself, so the handler is one like any other. For other code it waits for nobody.
//! - A core that starts is in nobody's set before [`join`]; after it, it serves: it waits for its release in `hlt` with interrupts on.
//! - A runtime lock may be held, and spun for, during a shootdown: the runtime takes its locks with interrupts on, and no interrupt handler takes one.
//! - Stopped cores (NMI: a fatal report, the machine's end) do not answer. The order to stop goes to every core and is not maskable, so an initiator that waits
//!   for a stopped core is stopped itself. The core that gives it waits a bounded time, initiates nothing afterwards, and
//!   a report takes no lock, so it may be about a core in the middle of anything here, also about itself.
//!
//! Rejected: a lock round one global request (initiators would queue, each with interrupts off, and a queued one would have to
//! serve too: the same loop, with less done at once); flushing idle cores lazily (saves the wake-up, needs a proof that joins this one to the idle
//! loop's; the callers batch instead).

use super::atomic::{AtomicU64, AtomicUsize, Ordering, Ordering::Relaxed};
use super::hint::spin_loop;
use super::{MAILBOXES, ONLINE, machine};
use core::ops::Range;

/// A core's request, and those that it has to serve.
#[repr(align(64))]
pub(super) struct Mailbox {
    /// The request that this core makes.
    pub(super) start: AtomicUsize,
    pub(super) end: AtomicUsize,
    /// Bit j: core j has not yet served it.
    pub(super) waiting: AtomicU64,
    /// Bit i: core i's request is to be served by this core. On a line of its own: others write it.
    pub(super) inbox: Inbox,
}

#[repr(align(64))]
pub(super) struct Inbox(pub(super) AtomicU64);

/// Makes core `me`, the current one, one that answers.
///
/// Translations that it cached before may have been changed by shootdowns that did not count it in: they are dropped, after the
/// core is seen by all that come.
pub(super) fn join(me: usize) {
    ONLINE.fetch_or(1 << me, Ordering::SeqCst);
    machine::flush_all();
}

/// The other cores that answer, for the initiator `me` after its own flush.
pub(super) fn others(me: usize) -> u64 {
    ONLINE.load(Ordering::SeqCst) & !(1 << me)
}

/// Steps 2 to 6 of the initiator `me`: has the cores of the set `others` flush `range`, and returns when all have.
pub(super) fn request(me: usize, range: Range<usize>, others: u64) {
    if others == 0 {
        return;
    }
    let mine = &MAILBOXES[me];
    mine.start.store(range.start, Relaxed);
    mine.end.store(range.end, Relaxed);
    mine.waiting.store(others, Relaxed);
    for cpu in bits(others) {
        if MAILBOXES[cpu].inbox.0.fetch_or(1 << me, Ordering::AcqRel) == 0 {
            machine::send_ipi(cpu);
        }
    }
    while mine.waiting.load(Ordering::Acquire) != 0 {
        serve(me);
        spin_loop();
    }
}

/// Serves the requests that others make of core `me`, the current one.
pub(super) fn serve(me: usize) {
    let inbox = &MAILBOXES[me].inbox.0;
    // A plain look first: the waiting loop comes here all the time and must not pull the line from those who write it.
    if inbox.load(Relaxed) == 0 {
        return;
    }
    for from in bits(inbox.swap(0, Ordering::Acquire)) {
        let request = &MAILBOXES[from];
        machine::flush(request.start.load(Relaxed)..request.end.load(Relaxed));
        machine::served();
        request.waiting.fetch_and(!(1 << me), Ordering::Release);
    }
}

/// The numbers of the bits that are set.
pub(super) fn bits(mut mask: u64) -> impl Iterator<Item = usize> {
    core::iter::from_fn(move || {
        let bit = mask.trailing_zeros();
        mask &= mask.wrapping_sub(1);
        (bit < 64).then_some(bit as usize)
    })
}
