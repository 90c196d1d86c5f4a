//! Queueing on the current P, with the global queue behind it (Go: `runqput`, `runqputslow` in `proc.go`).

use super::{G, P, RUNQ_LEN};
use core::ptr::null_mut;

/// Puts `gp` on the queue of the current P `pp`: as `runnext` (whoever was there goes to the tail) or at the tail. If the ring is full,
/// half of it and the goroutine that did not fit go to the global queue.
///
/// # Safety
/// `pp` is the P of the current M, which is not preempted; the caller owns `gp`, in state runnable.
#[inline]
pub(super) unsafe fn runqput(pp: *mut P, gp: *mut G, next: bool) {
    // SAFETY: the current M's P stays valid and its own.
    let q = unsafe { &(*pp).runq };
    let gp = if next { q.set_next(gp) } else { gp };
    if !gp.is_null() && !q.push(gp) {
        // SAFETY: as the caller promises.
        unsafe { runqput_slow(pp, gp) };
    }
    // SAFETY: as the caller promises.
    unsafe { super::preempt::work_queued(pp) };
}

/// [`runqput`] where the ring is full, of which nobody is told.
///
/// # Safety
/// As [`runqput`].
#[cold]
#[inline(never)]
pub(super) unsafe fn runqput_slow(pp: *mut P, gp: *mut G) {
    // SAFETY: the current M's P.
    let q = unsafe { &(*pp).runq };
    loop {
        let mut batch = [null_mut(); RUNQ_LEN as usize / 2];
        let n = q.pop_half(&mut batch);
        if n > 0 {
            let mut sched = super::sched::lock();
            for &g in &batch[..n] {
                sched.runq.push_back(g);
            }
            sched.runq.push_back(gp);
            sched.publish_runq_size();
            return;
        }
        if q.push(gp) {
            return;
        }
    }
}
