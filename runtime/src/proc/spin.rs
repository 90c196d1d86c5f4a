//! When a goroutine that waits for a lock may spin (Go: `sync_runtime_canSpin`, `sync_runtime_doSpin` in `proc.go`).

use super::preempt::{acquirem, releasem};
use super::sched::{NMSPINNING, NPIDLE, gomaxprocs};
use crate::port;
use core::sync::atomic::Ordering;

/// Rounds of spinning, and pauses in a round (Go: `active_spin`, `active_spin_cnt`).
const ACTIVE_SPIN: u32 = 4;
const ACTIVE_SPIN_PAUSES: u32 = 30;

/// Whether it makes sense to spin for the `round`th time: the lock's holder may be running on another core, and no goroutine waits for this P. A
/// waiter that spins keeps its P, so it does so for a moment only.
pub(crate) fn can_spin(round: u32) -> bool {
    if round >= ACTIVE_SPIN || port::ncpu() <= 1 {
        return false;
    }
    let idle = NPIDLE.load(Ordering::Relaxed) + NMSPINNING.load(Ordering::Relaxed);
    if gomaxprocs() as i32 <= idle + 1 {
        return false;
    }
    let gp = acquirem();
    // SAFETY: not preempted, so the M and its P stay.
    let alone = unsafe { (*(*(*gp).m).p).runq.is_empty() };
    releasem(gp);
    alone
}

/// Spins one round.
pub(crate) fn do_spin() {
    for _ in 0..ACTIVE_SPIN_PAUSES {
        core::hint::spin_loop();
    }
}
