//! A goroutine hands its M to another one (Go: `coroswitch` in `coro.go`).
//!
//! The two never run at the same time: one waits for the other, and for nobody else. So no queue is asked, no M is woken, and the slice goes on.
//! 1. On g0, when the registers are saved: running → waiting, as for [`gopark`](super::gopark).
//! 2. The other: waiting → runnable → running, on this M, at once.
//!
//! Whoever is locked to an M, or waits for one that is, goes by the queues: that M alone may run it.

use super::newproc::{give_stack, goroutine_entry, reap};
use super::preempt::{acquirem, releasem};
use super::sched::ATTENTION;
use super::schedule::{execute, schedule};
use super::status::Status;
use super::{G, WaitReason, handover, lockosthread};
use crate::{arch, port};
use core::sync::atomic::Ordering;

/// The current goroutine waits, and `to`, which waits for that, runs.
///
/// # Safety
/// The caller is the one waker of `to`, which was parked by this function or is new.
pub(crate) unsafe fn switch_to(to: *mut G) {
    let gp = acquirem();
    // SAFETY: not preempted, so the M stays; these fields are for `switch_m` on this M.
    unsafe {
        (*(*gp).m).waitlock = to.cast();
        (*gp).wait_reason = WaitReason::Coroutine;
        (*gp).wait_since = port::cputicks();
        arch::mcall(gp, switch_m);
    }
    releasem(gp);
}

extern "C" fn switch_m(gp: *mut G) -> ! {
    // SAFETY: on g0 of the M that ran `gp`, whose registers are saved.
    unsafe {
        let to = (*(*gp).m).waitlock.cast::<G>();
        let mp = handover::let_go(gp, Status::Waiting);
        run(mp, to)
    }
}

/// [`switch_to`] for a goroutine of Go code that ends.
///
/// # Safety
/// As [`switch_to`]; the current goroutine is done with its stack.
pub(crate) unsafe fn end_foreign_to(to: *mut G) -> ! {
    let gp = acquirem();
    // SAFETY: as in `switch_to`.
    unsafe {
        (*gp).first = goroutine_entry;
        (*(*gp).m).waitlock = to.cast();
        arch::mcall_noreturn(gp, end_m)
    }
}

extern "C" fn end_m(gp: *mut G) -> ! {
    // SAFETY: on g0 of the M that ran `gp`, which nobody else refers to.
    unsafe {
        let mp = (*gp).m;
        let to = (*mp).waitlock.cast::<G>();
        if reap(gp) {
            handover::ready(mp, to);
            lockosthread::end_locked_m(mp)
        }
        run(mp, to)
    }
}

/// Runs `to` on this M.
///
/// # Safety
/// On g0 of the current M, which runs no goroutine; `to` waits for the caller.
unsafe fn run(mp: *mut super::M, to: *mut G) -> ! {
    // SAFETY: as the caller promises.
    unsafe {
        if ATTENTION.load(Ordering::Relaxed) != 0 {
            handover::ready(mp, to);
            schedule()
        }
        (*to).cas_status(Status::Waiting, Status::Runnable);
        let pp = (*mp).p;
        if !(*pp).lone.load(Ordering::Relaxed) {
            execute(mp, to, true)
        }
        // Nobody waits, as before: whoever queues work for this P finds the mark and has the timer armed.
        if (*to).saved_sp() == 0 {
            give_stack(pp, to);
        }
        handover::take(mp, to);
        arch::gogo(to)
    }
}
