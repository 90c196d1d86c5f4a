//! TLB shootdown: after a mapping was taken away or narrowed, no core may go on with the old one.
//!
//! Here are the range that is to be flushed, the flushing, and the counters; `tlb/shootdown.rs` has the protocol between the cores
//! for an initiator that waits, `tlb/epoch.rs` the one for an initiator that does not.

mod epoch;
mod shootdown;

use crate::cpu::{MAX_CPUS, local};
use crate::irq::IrqOff;
use core::ops::Range;
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
/// What `shootdown.rs` is built on; its model has loom's.
use core::{hint, sync::atomic};
pub use epoch::Asked;
use shootdown::Mailbox;
use x86_64::VirtAddr;
use x86_64::instructions::tlb;

/// Ranges of more pages than this are flushed by dropping the whole TLB: Linux's `tlb_single_page_flush_ceiling`.
const CEILING: usize = 33;

const PAGE: usize = 4096;

#[repr(align(64))]
struct Counting {
    shootdowns: AtomicU64,
    ipis: AtomicU64,
    served: AtomicU64,
    pages: AtomicU64,
    full: AtomicU64,
    asked: AtomicU64,
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
    /// Times that it asked all cores to drop their whole TLBs, and did not wait.
    pub asked: u64,
}

static MAILBOXES: [Mailbox; MAX_CPUS] = [const {
    Mailbox {
        start: AtomicUsize::new(0),
        end: AtomicUsize::new(0),
        waiting: AtomicU64::new(0),
        inbox: shootdown::Inbox(AtomicU64::new(0)),
    }
}; MAX_CPUS];

static COUNTING: [Counting; MAX_CPUS] = [const {
    Counting {
        shootdowns: AtomicU64::new(0),
        ipis: AtomicU64::new(0),
        served: AtomicU64::new(0),
        pages: AtomicU64::new(0),
        full: AtomicU64::new(0),
        asked: AtomicU64::new(0),
    }
}; MAX_CPUS];

/// The last epoch that was begun, and for each core the last one that it has flushed for; see `epoch.rs`.
static EPOCH: AtomicU64 = AtomicU64::new(0);
static FLUSHED: [AtomicU64; MAX_CPUS] = [const { AtomicU64::new(0) }; MAX_CPUS];

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
pub fn online() {
    shootdown::join(local::id());
}

/// Adds to a counter of the current core, which only it writes: interrupts are off, so no locked instruction is needed.
#[inline]
fn count(counter: fn(&Counting) -> &AtomicU64, n: u64) {
    let counter = counter(&COUNTING[local::id()]);
    counter.store(counter.load(Relaxed) + n, Relaxed);
}

/// Flushes the current core's translations of `range`.
pub fn flush_local(range: Range<usize>) {
    let _here = IrqOff::new();
    flush(range);
}

/// As [`flush_local`], with interrupts off.
fn flush(range: Range<usize>) {
    let pages = (range.end - range.start).div_ceil(PAGE);
    if pages > CEILING {
        flush_all();
    } else {
        for addr in range.step_by(PAGE) {
            tlb::flush(VirtAddr::new_truncate(addr as u64));
        }
        count(|c| &c.pages, pages as u64);
    }
}

/// Drops the current core's whole TLB and its paging-structure caches (SDM vol. 3, 4.10.4.1). Interrupts are off.
fn flush_all() {
    tlb::flush_all();
    count(|c| &c.full, 1);
}

/// Asks all cores to drop their whole TLBs and returns at once; [`Asked::is_done`] says when all have. Callable from any context,
/// the page fault handler's and a lock's too: it waits for nobody.
pub fn ask_everywhere() -> Asked {
    let _here = IrqOff::new();
    count(|c| &c.asked, 1);
    epoch::ask(local::id())
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
    count(|c| &c.shootdowns, 1);
    flush(range.clone());
    let online = shootdown::others(me);
    shootdown::request(me, range, choose(online) & online);
}

/// Serves the requests of other cores: the TLB interrupt's handler. Interrupts are off.
pub fn serve() {
    epoch::answer(local::id());
    shootdown::serve(local::id());
}

/// What `shootdown.rs` and `epoch.rs` do to the machine and count.
mod machine {
    use super::{Counting, count};
    use crate::cpu::ipi;
    use core::ops::Range;

    pub(super) fn flush(range: Range<usize>) {
        super::flush(range);
    }

    pub(super) fn flush_all() {
        super::flush_all();
    }

    pub(super) fn send_ipi(cpu: usize) {
        ipi::send_tlb(cpu);
        count(|c: &Counting| &c.ipis, 1);
    }

    pub(super) fn served() {
        count(|c: &Counting| &c.served, 1);
    }
}

/// What core `cpu` has done so far.
pub fn counters(cpu: usize) -> Counters {
    let c = &COUNTING[cpu];
    Counters {
        shootdowns: c.shootdowns.load(Relaxed),
        ipis: c.ipis.load(Relaxed),
        served: c.served.load(Relaxed),
        pages: c.pages.load(Relaxed),
        full: c.full.load(Relaxed),
        asked: c.asked.load(Relaxed),
    }
}

/// How many cores answer.
pub(super) fn online_cores() -> usize {
    ONLINE.load(Relaxed).count_ones() as usize
}

#[cfg(feature = "kernel-tests")]
mod tests;
