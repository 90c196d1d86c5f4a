//! Blocking and readying goroutines (Go: `gopark`, `goready`, `Gosched`).
//!
//! `handover.rs` has the protocol by which no goroutine is run before its registers are saved, or twice, or never.

use super::m::UnlockFn;
use super::preempt::{acquirem, releasem};
use super::runqput::runqput;
use super::schedule::{queue_and_wake, schedule, schedule_after_gosched, schedule_after_park};
use super::spinning::wakep;
use super::status::Status;
use super::threads::getm;
use super::{G, WaitReason, handover};
use crate::arch;
use crate::lock::Lock;
use crate::port;

/// Parks the current goroutine until [`goready`]. `unlockf(gp, lock)` runs on g0 once it may be readied; if that returns false, the
/// goroutine goes on at once. Called on a goroutine with no runtime lock held but that which `unlockf` gives up.
#[inline]
pub fn gopark(unlockf: Option<UnlockFn>, lock: *mut (), reason: WaitReason) {
    let gp = acquirem();
    // SAFETY: the goroutine is not preempted, so its M stays; these fields are for `park_m` on this M.
    unsafe {
        let mp = (*gp).m;
        (*mp).waitlock = lock;
        (*mp).waitunlockf = unlockf;
        (*gp).wait_reason = reason;
        (*gp).wait_since = port::cputicks();
        arch::mcall(gp, park_m);
    }
    releasem(gp);
}

/// Parks the current goroutine and gives up `lock`, the only one that it holds.
#[inline]
pub fn goparkunlock(lock: &Lock, reason: WaitReason) {
    let gp = port::getg();
    // SAFETY: the current goroutine; the lock has raised its count.
    unsafe { park_pinned(gp, lock, reason) };
    releasem(gp);
}

/// [`goparkunlock`] for a goroutine whose `locks` count is 1 for whatever reason; it stays 1 over the switch.
///
/// # Safety
/// `gp` is the current goroutine; it holds `lock` and no other.
#[inline(always)]
pub(crate) unsafe fn park_pinned(gp: *mut G, lock: &Lock, reason: WaitReason) {
    lock.forget();
    // SAFETY: the goroutine is not preempted, so its M stays; these fields are for `park_unlock_m` on this M.
    unsafe {
        (*(*gp).m).waitlock = core::ptr::from_ref(lock).cast_mut().cast();
        (*gp).wait_reason = reason;
        (*gp).wait_since = port::cputicks();
        arch::mcall(gp, park_unlock_m);
    }
}

/// [`park_pinned`] for a goroutine that holds several locks: `unlockf(gp, locks)` gives them up on g0.
///
/// # Safety
/// `gp` is the current goroutine, its `locks` count is 1, and it has forgotten the locks that `unlockf` gives up. That returns true, and with the
/// last lock it stops using what belongs to the goroutine.
#[inline(always)]
pub(crate) unsafe fn park_pinned_locks(gp: *mut G, unlockf: UnlockFn, locks: *mut (), reason: WaitReason) {
    // SAFETY: the goroutine is not preempted, so its M stays; these fields are for `park_locks_m` on this M.
    unsafe {
        let mp = (*gp).m;
        (*mp).waitunlockf = Some(unlockf);
        (*mp).waitlock = locks;
        (*gp).wait_reason = reason;
        (*gp).wait_since = port::cputicks();
        arch::mcall(gp, park_locks_m);
    }
}

extern "C" fn park_locks_m(gp: *mut G) -> ! {
    // SAFETY: on g0 of the M that ran `gp`, whose registers are saved. No references are made to what lies on the goroutine's stack.
    unsafe {
        let mp = handover::let_go(gp, Status::Waiting);
        if let Some(unlockf) = (*mp).waitunlockf.take() {
            unlockf(gp, (*mp).waitlock);
        }
        schedule_after_park(mp)
    }
}

extern "C" fn park_unlock_m(gp: *mut G) -> ! {
    // SAFETY: on g0 of the M that ran `gp`, whose registers are saved; the lock lives until it is free.
    unsafe {
        let mp = handover::let_go_and_unlock(gp);
        schedule_after_park(mp)
    }
}

extern "C" fn park_m(gp: *mut G) -> ! {
    // SAFETY: on g0 of the M that ran `gp`, whose registers are saved.
    unsafe { handover::let_go_or_keep(gp) };
    schedule()
}

/// Makes a parked goroutine runnable, next on the current P.
///
/// # Safety
/// The caller is the one waker of `gp`, which is parked or will be as soon as a lock that the caller has seen given up was.
#[inline]
pub unsafe fn goready(gp: *mut G) {
    let me = acquirem();
    // SAFETY: as the caller promises.
    unsafe { ready_pinned(me, gp) };
    releasem(me);
}

/// [`goready`] for a caller `me` that is not preempted.
///
/// # Safety
/// As [`goready`]; `me` is the current G, after [`acquirem`].
#[inline(always)]
pub(crate) unsafe fn ready_pinned(me: *mut G, gp: *mut G) {
    // SAFETY: as the caller promises; this M is not preempted. One that has no P (a g0 that runs timers has one) never readies.
    unsafe { handover::ready((*me).m, gp) };
}

/// Makes parked goroutines runnable: `first` next on the current P, those that `schedlink` links to it at the end of its queue, in their order
/// (Go: `injectglist`).
///
/// # Safety
/// As [`goready`] for each; the caller is on g0 of an M with a P, with no lock held.
pub(crate) unsafe fn ready_list(first: *mut G) {
    let mp = getm();
    // SAFETY: as the caller promises; a goroutine belongs to others once it is queued.
    unsafe {
        let mut gp = first;
        while !gp.is_null() {
            let next = (*gp).schedlink;
            (*gp).cas_status(Status::Waiting, Status::Runnable);
            runqput((*mp).p, gp, gp == first);
            gp = next;
        }
    }
    wakep();
}

/// Lets others run: the current goroutine goes to the end of the global queue.
#[inline]
pub fn gosched() {
    let gp = acquirem();
    // SAFETY: on a goroutine that is not preempted.
    unsafe { arch::mcall(gp, gosched_m) };
    // It is `gp` again; to be asked is cheaper than to keep it.
    releasem(port::getg());
}

/// On g0: puts the goroutine that ran on the global queue and schedules another.
pub(super) extern "C" fn gosched_m(gp: *mut G) -> ! {
    // SAFETY: on g0 of the M that ran `gp`, whose registers are saved.
    unsafe {
        let mp = handover::let_go(gp, Status::Runnable);
        schedule_after_gosched(mp, gp)
    }
}

/// Lets the goroutine run that the caller has just readied, and others of this P: the current goroutine goes to the end of the P's own queue (Go:
/// `goyield`).
pub(crate) fn goyield() {
    let gp = acquirem();
    // SAFETY: on a goroutine that is not preempted.
    unsafe { arch::mcall(gp, goyield_m) };
    releasem(gp);
}

extern "C" fn goyield_m(gp: *mut G) -> ! {
    // SAFETY: on g0 of the M that ran `gp`, whose registers are saved.
    unsafe {
        let mp = handover::let_go(gp, Status::Runnable);
        queue_and_wake(mp, gp, false);
    }
    schedule()
}
