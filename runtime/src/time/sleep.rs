//! `sleep` (Go: `timeSleep`).

use super::Duration;
use super::instant::after_now;
use crate::proc::{G, WaitReason, getp, gopark};

/// Parks the goroutine for at least `d`; returns at once if `d` is 0.
pub fn sleep(d: Duration) {
    if d.is_zero() {
        return;
    }
    let mut when = after_now(d);
    gopark(Some(start), (&raw mut when).cast(), WaitReason::Sleep);
}

/// Sets the time once the goroutine is parked: set before, it could be readied before.
///
/// # Safety
/// As `gopark` calls it: on g0, with `when` from [`sleep`].
unsafe fn start(gp: *mut G, when: *mut ()) -> bool {
    // SAFETY: the goroutine waits, so its stack stays; g0 is not preempted and has a P; nothing else readies a sleeper.
    unsafe { (*getp()).timers.add_sleeper(*when.cast(), gp) };
    true
}
