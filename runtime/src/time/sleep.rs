//! `sleep` (Go: `timeSleep`).

use super::instant::nanoseconds;
use super::{Duration, Timer};
use crate::port;
use crate::proc::{G, WaitReason, getp, gopark, goready};

/// Parks the goroutine for at least `d`; returns at once if `d` is 0.
pub fn sleep(d: Duration) {
    let ns = nanoseconds(d);
    if ns == 0 {
        return;
    }
    // The timer lies on this goroutine's stack: it is off every heap before `wake` runs.
    let mut timer = Timer::new(wake, port::getg().cast());
    timer.when = port::nanotime().saturating_add(ns);
    gopark(Some(start), (&raw mut timer).cast(), WaitReason::Sleep);
}

/// Starts the timer once the goroutine is parked: started before, it could fire before.
///
/// # Safety
/// As `gopark` calls it: on g0, with `timer` from [`sleep`].
unsafe fn start(_: *mut G, timer: *mut ()) -> bool {
    // SAFETY: the goroutine waits, so its timer stays; g0 is not preempted and has a P.
    unsafe { (*getp()).timers.add(timer.cast()) };
    true
}

/// # Safety
/// `gp` is the goroutine of [`sleep`], parked.
unsafe fn wake(gp: *mut ()) {
    // SAFETY: a timer fires once, and nothing else readies a sleeper.
    unsafe { goready(gp.cast()) };
}
