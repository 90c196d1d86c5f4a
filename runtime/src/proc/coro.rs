//! A goroutine hands its M to another one (Go: `coroswitch` in `coro.go`).
//!
//! The two never run at the same time: one waits for the other, and for nobody else. So no queue is
//! asked, no M is woken, the slice goes on, and the M's timer stays armed, or the P marked as lone.
//!
//! # Protocol
//! The switch goes from stack to stack ([`switch_to`]):
//! 1. The other: waiting → running, on this M. It becomes the current G. Until step 3 the stack
//!    pointer lies in another's stack, and then code of the runtime runs: an interrupt lets both be
//!    (`preempt.rs`), so the world does not stop in between.
//! 2. The registers of the one that ran are saved in its stack, as for [`gopark`](super::gopark).
//! 3. On the other's stack the one that ran goes from running to waiting.
//!
//! Only goroutines of Go code do this. They are preempted in Go code only, so no count is raised.
//!
//! By g0 ([`switch_on_g0`]) goes the first switch to a goroutine, which has no stack yet, one in a
//! bubble, where the scheduler must be told who left, and any while somebody needs attention:
//! whoever is locked to an M, or waits for one that is, goes by the queues, since that M alone may
//! run it. There the one that ran waits first, and the other goes waiting → runnable → running.

use super::newproc::{go_on, goroutine_entry, reap};
use super::preempt::{acquirem, releasem};
use super::sched::ATTENTION;
use super::schedule::{execute, schedule};
use super::status::Status;
use super::{G, GoG, WaitReason, handover, lockosthread};
use crate::{arch, port};
use core::ptr::null_mut;
use core::sync::atomic::Ordering;

/// The current goroutine waits, and `to`, which waits for that, runs.
///
/// # Safety
/// The caller is the one waker of `to`, which was parked by such a switch or is new. It was called
/// by Go code, which keeps nothing over calls, and returns there at once.
#[inline(always)]
pub(crate) unsafe fn switch_to(to: *mut G) {
    let gp = port::getg();
    // SAFETY: the current goroutine is not preempted in here, so its M stays; else as the caller
    // promises.
    unsafe {
        if (*to).saved_sp() == 0 || ATTENTION.load(Ordering::Relaxed) != 0 {
            return switch_on_g0(to);
        }
        let mp = (*gp).m;
        (*to).cas_status(Status::Waiting, Status::Running);
        (*to).m = mp;
        (*mp).curg = to;
        port::setg(to);
        (*gp).wait_reason = WaitReason::Coroutine;
        (*gp).m = null_mut();
        arch::switch(gp, to);
    }
}

/// Step 3 where it is not one exchange: somebody looks at the goroutine's stack.
///
/// # Safety
/// The last goroutine of this M, given by its end, whose registers are saved, in state running.
pub(crate) unsafe extern "C" fn let_go_of_coroutine(gp: *mut GoG) {
    // SAFETY: as the caller promises.
    unsafe { (*G::before(gp)).cas_status(Status::Running, Status::Waiting) };
}

/// [`switch_to`] by way of g0.
///
/// # Safety
/// The caller is the one waker of `to`, which was parked by such a switch or is new.
#[cold]
#[inline(never)]
pub(crate) unsafe fn switch_on_g0(to: *mut G) {
    let gp = acquirem();
    // SAFETY: not preempted, so the M stays; these fields are for `switch_m` on this M.
    unsafe {
        (*(*gp).m).waitlock = to.cast();
        (*gp).wait_reason = WaitReason::Coroutine;
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
        arch::leave(gp, end_m)
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
        handover::take(mp, to);
        go_on(pp, to)
    }
}
