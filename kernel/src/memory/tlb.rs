//! TLB shootdown (V4): after a mapping was taken away or narrowed, no core may go on with the old one.
//!
//! # Protocol
//! Each core has a [`Mailbox`] with a request that it makes of others (a range, and the set of cores that have not answered) and an
//! inbox (the set of cores whose request it has yet to serve).
//!
//! Core `i`, the initiator, with interrupts off from 1 to 6:
//! 1. (The page-table entries have been written.) Flush the range here. This serialises: the entries are visible before the set of online
//!    cores is read, so a core that is missing there drops its whole TLB later than that ([`online`]).
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
//!   sections. The page fault handler never initiates: memory that it cannot find, it does not look for by taking pages away.
//! - A core that starts is in nobody's set before [`online`]; after it, it serves: it waits for its release in `hlt` with interrupts on.
//! - A runtime lock may be held, and spun for, during a shootdown: the runtime takes its locks with interrupts on, and no interrupt handler takes one.
//! - Stopped cores (NMI: a fatal report, the machine's end) do not answer. The order to stop goes to every core and is not maskable, so an initiator that waits
//!   for a stopped core is stopped itself. The core that gives it waits a bounded time, initiates nothing afterwards, and
//!   a report takes no lock, so it may be about a core in the middle of anything here, also about itself.
//!
//! Rejected: a lock round one global request (initiators would queue, each with interrupts off, and a queued one would have to
//! serve too: the same loop, with less done at once); flushing idle cores lazily (saves the wake-up, needs a proof that joins this one to the idle
//! loop's; the callers batch instead).

use crate::cpu::irq::IrqOff;
use crate::cpu::{MAX_CPUS, ipi, local};
use core::ops::Range;
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering, Ordering::Relaxed};
use x86_64::VirtAddr;
use x86_64::instructions::tlb;

/// Ranges of more pages than this are flushed by dropping the whole TLB: Linux's `tlb_single_page_flush_ceiling`.
const CEILING: usize = 33;

const PAGE: usize = 4096;

#[repr(align(64))]
struct Mailbox {
    /// The request that this core makes.
    start: AtomicUsize,
    end: AtomicUsize,
    /// Bit j: core j has not yet served it.
    waiting: AtomicU64,
    /// Bit i: core i's request is to be served by this core. On a line of its own: others write it.
    inbox: Inbox,
    counters: Counting,
}

#[repr(align(64))]
struct Inbox(AtomicU64);

struct Counting {
    shootdowns: AtomicU64,
    ipis: AtomicU64,
    served: AtomicU64,
    pages: AtomicU64,
    full: AtomicU64,
}

/// What a core has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Shootdowns that it initiated.
    pub shootdowns: u64,
    /// IPIs that it sent for them.
    pub ipis: u64,
    /// Requests of others that it served.
    pub served: u64,
    /// Pages that it flushed one by one.
    pub pages: u64,
    /// Times that it dropped its whole TLB.
    pub full: u64,
}

static MAILBOXES: [Mailbox; MAX_CPUS] = [const {
    Mailbox {
        start: AtomicUsize::new(0),
        end: AtomicUsize::new(0),
        waiting: AtomicU64::new(0),
        inbox: Inbox(AtomicU64::new(0)),
        counters: Counting {
            shootdowns: AtomicU64::new(0),
            ipis: AtomicU64::new(0),
            served: AtomicU64::new(0),
            pages: AtomicU64::new(0),
            full: AtomicU64::new(0),
        },
    }
}; MAX_CPUS];

/// The cores that answer.
static ONLINE: AtomicU64 = AtomicU64::new(0);

const _: () = assert!(MAX_CPUS <= 64, "sets of cores are 64-bit masks");

/// A range whose old translations are still about. Dropping it unsettled is a mistake, so it must be used.
#[must_use = "old translations live on until they are flushed"]
#[derive(Debug)]
pub struct Flush(Range<usize>);

impl Flush {
    pub(super) fn range(range: Range<usize>) -> Flush {
        Flush(range)
    }

    /// Flushes on all cores; see [`shootdown`].
    pub fn everywhere(self) {
        shootdown(self.0);
    }

    /// The caller flushes the range together with others, or knows that no core has used it.
    pub fn later(self) -> Range<usize> {
        self.0
    }
}

/// Makes the current core one that answers. Interrupts are off; the core has its TLB interrupt set up.
///
/// Translations that it cached before may have been changed by shootdowns that did not count it in: they are dropped, after the
/// core is seen by all that come.
pub fn online() {
    ONLINE.fetch_or(1 << local::id(), Ordering::SeqCst);
    tlb::flush_all();
}

/// Adds to a counter of the current core, which only it writes: interrupts are off, so no locked instruction is needed.
#[inline]
fn count(counter: &AtomicU64, n: u64) {
    counter.store(counter.load(Relaxed) + n, Relaxed);
}

/// Flushes the current core's translations of `range`.
pub fn flush_local(range: Range<usize>) {
    let _here = IrqOff::new();
    flush(range);
}

/// As [`flush_local`], with interrupts off.
fn flush(range: Range<usize>) {
    let counters = &MAILBOXES[local::id()].counters;
    let pages = (range.end - range.start).div_ceil(PAGE);
    if pages > CEILING {
        tlb::flush_all();
        count(&counters.full, 1);
    } else {
        for addr in range.step_by(PAGE) {
            tlb::flush(VirtAddr::new_truncate(addr as u64));
        }
        count(&counters.pages, pages as u64);
    }
}

/// Flushes `range` on all cores, and returns when all have. The caller holds no `IrqMutex`; interrupts may be on or off.
pub fn shootdown(range: Range<usize>) {
    shootdown_on(range, |others| others);
}

/// As [`shootdown`], but only for those that `choose` leaves of the other online cores' set. To measure with: the rest go on with old
/// translations.
pub(super) fn shootdown_on(range: Range<usize>, choose: impl FnOnce(u64) -> u64) {
    let _here = IrqOff::new();
    let me = local::id();
    let mine = &MAILBOXES[me];
    count(&mine.counters.shootdowns, 1);
    flush(range.clone());

    let online = ONLINE.load(Ordering::SeqCst) & !(1 << me);
    let others = choose(online) & online;
    if others == 0 {
        return;
    }
    mine.start.store(range.start, Relaxed);
    mine.end.store(range.end, Relaxed);
    mine.waiting.store(others, Relaxed);
    for cpu in bits(others) {
        if MAILBOXES[cpu].inbox.0.fetch_or(1 << me, Ordering::AcqRel) == 0 {
            ipi::send_tlb(cpu);
            count(&mine.counters.ipis, 1);
        }
    }
    while mine.waiting.load(Ordering::Acquire) != 0 {
        serve();
        core::hint::spin_loop();
    }
}

/// Serves the requests of other cores: the TLB interrupt's handler. Interrupts are off.
pub fn serve() {
    let me = local::id();
    let mine = &MAILBOXES[me];
    // A plain look first: the waiting loop comes here all the time and must not pull the line from those who write it.
    if mine.inbox.0.load(Relaxed) == 0 {
        return;
    }
    for from in bits(mine.inbox.0.swap(0, Ordering::Acquire)) {
        let request = &MAILBOXES[from];
        flush(request.start.load(Relaxed)..request.end.load(Relaxed));
        count(&mine.counters.served, 1);
        request.waiting.fetch_and(!(1 << me), Ordering::Release);
    }
}

/// What core `cpu` has done so far.
pub fn counters(cpu: usize) -> Counters {
    let c = &MAILBOXES[cpu].counters;
    Counters {
        shootdowns: c.shootdowns.load(Relaxed),
        ipis: c.ipis.load(Relaxed),
        served: c.served.load(Relaxed),
        pages: c.pages.load(Relaxed),
        full: c.full.load(Relaxed),
    }
}

/// How many cores answer.
pub(super) fn online_cores() -> usize {
    ONLINE.load(Relaxed).count_ones() as usize
}

/// The numbers of the bits that are set.
fn bits(mut mask: u64) -> impl Iterator<Item = usize> {
    core::iter::from_fn(move || {
        let bit = mask.trailing_zeros();
        mask &= mask.wrapping_sub(1);
        (bit < 64).then_some(bit as usize)
    })
}

#[cfg(feature = "kernel-tests")]
mod tests;
