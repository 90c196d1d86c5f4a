//! A flush of all TLBs that nobody waits for.
//!
//! `kernel/models` compiles this file once more, over loom's atomics.
//!
//! # Problem
//! An address whose page was unmapped may be mapped again only after every core has dropped the old translation. A shootdown
//! waits for all cores, and a core may be a virtual one that its host does not run for milliseconds. Whoever has other addresses
//! to use meanwhile need not wait: it puts the address aside (quarantine) and asks later whether all cores have flushed.
//!
//! # Protocol
//! Epochs are numbered. `EPOCH` is the last one that was begun, `FLUSHED[j]` the last one that core `j` has flushed for. Only
//! core `j` writes `FLUSHED[j]`, with interrupts off.
//!
//! Core `i`, in [`ask`], with interrupts off:
//! 1. (The page-table entries have been cleared, by this core or by others before a lock that this one has taken since.)
//!    Begin an epoch: `EPOCH += 1`.
//! 2. Flush everything here, and note the epoch in `FLUSHED[i]`.
//! 3. Read the set of online cores and send each other one the TLB interrupt. The set is kept with the epoch: [`Asked`].
//!
//! Core `j`, in [`answer`], in the interrupt's handler:
//! 1. Read `EPOCH` (*acquire*, pairs with 1 above). 2. If it has not flushed for it, flush everything. 3. Store what was read in
//!    `FLUSHED[j]` (*release*).
//!
//! [`Asked::is_done`]: `FLUSHED[j]` (*acquire*) has reached the epoch for every core of the set. Then no core has a translation
//! from before the entries were cleared: a core that is in the set has flushed after it read the epoch, and every walk since
//! then, a speculative one too, found the cleared entries; a core that is not in the set has joined after 3 and flushes
//! everything when it does ([`join`](super::shootdown::join)) before it uses any address.
//!
//! Reading the epoch after the flush would be wrong: a speculative walk between the two may load an entry that is cleared
//! before the epoch is begun.
//!
//! An interrupt is sent for each epoch, also to a core that has not answered the one before: it may have read `EPOCH` already.
//! Nobody waits, so nothing can deadlock, and an ask may come from any context. A core that waits in a shootdown answers when
//! its interrupts are on again.
//!
//! # Rejected
//! - *Flushing at the scheduler's switches and in the idle loop, without interrupts.* A goroutine that computes alone on its core
//!   has neither a switch nor a timer; it would hold the quarantine up for ever. And every switch would pay for the look.
//! - *One flag for each core instead of numbers.* A second ask would have to wait until the first is answered.

use super::atomic::Ordering;
use super::shootdown::{bits, others};
use super::{EPOCH, FLUSHED, machine};

/// A flush of all TLBs that was asked for.
#[derive(Clone, Copy, Debug)]
#[must_use = "nothing may be reused before all cores have answered"]
pub struct Asked {
    epoch: u64,
    /// The other cores that were online.
    cores: u64,
}

impl Asked {
    /// Whether all cores have flushed.
    pub fn is_done(&self) -> bool {
        bits(self.cores).all(|cpu| FLUSHED[cpu].load(Ordering::Acquire) >= self.epoch)
    }
}

/// Asks all cores to flush everything; `me` is the current one, which has when this returns. Interrupts are off.
pub(super) fn ask(me: usize) -> Asked {
    let epoch = EPOCH.fetch_add(1, Ordering::AcqRel) + 1;
    machine::flush_all();
    FLUSHED[me].store(epoch, Ordering::Release);
    let cores = others(me);
    bits(cores).for_each(machine::send_ipi);
    Asked { epoch, cores }
}

/// Flushes everything on core `me`, the current one, if that was asked for. Interrupts are off.
pub(super) fn answer(me: usize) {
    let epoch = EPOCH.load(Ordering::Acquire);
    if FLUSHED[me].load(Ordering::Relaxed) != epoch {
        machine::flush_all();
        FLUSHED[me].store(epoch, Ordering::Release);
    }
}
