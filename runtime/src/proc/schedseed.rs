//! `GODEBUG=schedseed=N`: the scheduler's choices are drawn from N, and are wilder than usual, so that rare interleavings come and can come again.
//!
//! # What is drawn
//! Each M has a generator, seeded with N and the M's number. From it come
//! - the order in which a thief visits the other Ps (drawn without a seed, too);
//! - whether a goroutine that was readied or started keeps `runnext`: at each look, one in two goes to the end of the queue instead;
//! - how long a slice is: 1 µs to 4 ms, every power of two as likely as the next;
//! - whether a slice ends at once: one in eight does, and the running goroutine is preempted after one in eight that it queues, some µs later.
//!
//! # Replay
//! Where the clock counts instructions and one host thread runs all cores (`qemu-run.sh -icount`), the same seed gives the same run, to the
//! instruction. Elsewhere it gives the same choices, but the host decides what runs beside what. Over host threads there is no
//! preemption, so the last two do nothing.
//!
//! # Cost
//! None without a seed: no hot path asks for it. A slice begins with a look whether the timer is armed, and queueing a goroutine ends with a look
//! whether the P is lone; with a seed the timer never counts as armed and each P counts as lone, so that both looks lead to the slow path
//! (`preempt.rs`), which asks.

use super::{M, P};
use crate::boot_key::boot_key;
use crate::godebug::SCHEDSEED;
use crate::port;
use core::fmt;

/// Whether there is a seed.
pub(super) fn is_on() -> bool {
    SCHEDSEED.is_on()
}

/// The seed of the generator of the M with number `id`: from the clock and what the port drew at boot unless a seed is given.
pub(super) fn of_m(id: u64) -> u64 {
    let base = if is_on() { u64::from(SCHEDSEED.get()) << 32 } else { port::cputicks() as u64 ^ boot_key() };
    base ^ id.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// The length of a slice, in nanoseconds.
pub(super) fn slice_ns(mp: &M) -> i64 {
    1024 << mp.rand.below(13)
}

/// How soon a slice that is to end at once ends, in nanoseconds: the current M is in the runtime, and the signal is to meet the goroutine.
pub(super) fn soon_ns(mp: &M) -> i64 {
    256 << mp.rand.below(6)
}

/// A slice begins, or a goroutine was put on the queue of the current P `pp`: perhaps takes `runnext` away from the one that has it. Whether the
/// slice is to end at once.
///
/// # Safety
/// `pp` is the P of the current M `mp`, which is not preempted.
pub(super) unsafe fn perturb(mp: &M, pp: &P) -> bool {
    if mp.rand.below(2) == 0 {
        let next = pp.runq.pop_next();
        if !next.is_null() && !pp.runq.push(next) {
            // The ring is full. Only the owner sets `runnext`, so nobody is displaced.
            pp.runq.set_next(next);
        }
    }
    mp.rand.below(8) == 0
}

/// Writes a line that names the seed, if there is one: for all that reports a failure.
pub fn report_seed(w: &mut dyn fmt::Write) -> fmt::Result {
    if is_on() { writeln!(w, "[GODEBUG=schedseed={}]", SCHEDSEED.get()) } else { Ok(()) }
}
