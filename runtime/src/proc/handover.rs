//! A goroutine changes hands: from the M that ran it to a wait list, from there to a queue, from the queue to an M.
//!
//! `runtime/models` compiles this file once more, over loom's atomics.
//!
//! # Protocol
//! A goroutine becomes visible to those who may run it only after its registers are saved, hence on g0:
//! 1. [`gopark`](super::gopark) switches to g0 (`mcall`), which saves the registers in the goroutine's stack and its stack pointer in the G.
//! 2. [`let_go`], on g0: running → waiting (*release*: the saved stack pointer is published with the state), the M lets go of it.
//!    Only then the lock is given up under which the goroutine was put on a wait list ([`let_go_and_unlock`], [`let_go_or_keep`]).
//! 3. From that moment [`ready`] may run anywhere: waiting → runnable (*acquire*), queue, wake an M.
//! 4. The M that takes it off the queue owns it: [`take`].

use super::preempt::move_locks;
use super::schedule::queue_and_wake;
use super::status::Status;
use super::{G, M};
use crate::lock::Lock;
use core::ptr::null_mut;

/// The goroutine that ran goes to state `to`, and its M, which is returned, lets go of it. Who may look for it there can have it.
///
/// # Safety
/// On g0 of the M that ran `gp`, whose registers are saved.
#[inline(always)]
pub(super) unsafe fn let_go(gp: *mut G, to: Status) -> *mut M {
    // SAFETY: as the caller promises.
    unsafe {
        let mp: *mut M = (*gp).m;
        (*gp).cas_status(Status::Running, to);
        (*gp).m = null_mut();
        (*mp).curg = null_mut();
        mp
    }
}

/// The goroutine waits; its M's `waitlock` is given up.
///
/// # Safety
/// As [`let_go`]; `waitlock` is a [`Lock`] that the goroutine has taken and forgotten, and lives until it is free.
#[inline(always)]
pub(super) unsafe fn let_go_and_unlock(gp: *mut G) -> *mut M {
    // SAFETY: as the caller promises.
    unsafe {
        let mp = let_go(gp, Status::Waiting);
        (*(*mp).waitlock.cast::<Lock>()).release();
        mp
    }
}

/// The goroutine waits, unless its M's `waitunlockf`, which may give up locks, says that it is to go on: then it is queued to run next.
///
/// # Safety
/// As [`let_go`]; `waitunlockf` takes `gp` and `waitlock`.
pub(super) unsafe fn let_go_or_keep(gp: *mut G) {
    // SAFETY: as the caller promises; until `f` gives up its lock nobody else can have the goroutine.
    unsafe {
        let mp = let_go(gp, Status::Waiting);
        if let Some(f) = (*mp).waitunlockf.take() {
            let lock = core::mem::replace(&mut (*mp).waitlock, null_mut());
            // The locks that the goroutine holds are given up here, on g0's account.
            move_locks(gp, (*mp).g0);
            if !f(gp, lock) {
                ready(mp, gp);
            }
        }
    }
}

/// Makes a waiting goroutine runnable, next on the P of `mp`.
///
/// # Safety
/// `mp` is the current M, which holds a P and is not preempted; the caller is the one waker of `gp`, which waits.
#[inline(always)]
pub(super) unsafe fn ready(mp: *mut M, gp: *mut G) {
    // SAFETY: as the caller promises.
    unsafe {
        (*gp).cas_status(Status::Waiting, Status::Runnable);
        queue_and_wake(mp, gp, true);
    }
}

/// The goroutine is the current M's, to be run.
///
/// # Safety
/// On g0 of the current M `mp`; the caller has taken `gp`, in state runnable, off its queue.
#[inline(always)]
pub(super) unsafe fn take(mp: *mut M, gp: *mut G) {
    // SAFETY: as the caller promises.
    unsafe {
        (*gp).cas_status(Status::Runnable, Status::Running);
        (*gp).m = mp;
        (*mp).curg = gp;
    }
}
