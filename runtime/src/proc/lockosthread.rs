//! Goroutines that are bound to their M (Go: `LockOSThread`, `stoplockedm`, `startlockedm`, `mexit` in `proc.go`).
//!
//! A locked goroutine runs on its M only, and that M runs nothing else, for as long as it is locked. Both point at each other, `lockedm` and `lockedg`.
//! 1. The M comes to the scheduler because its goroutine waits, gave way or was preempted: it gives its P to another M and sleeps on its own note
//!    ([`stop_locked_m`]). It is on no list of idle Ms, so nobody gives it other work or ends it.
//! 2. An M that finds the goroutine in a queue, its own or another's, gives the goroutine's M *its own P* and sleeps as an idle M
//!    ([`start_locked_m`]).
//! 3. A goroutine that ends locked takes its M with it ([`end_locked_m`]): whatever state it has put the thread in ends there.
//!
//! While there is a locked goroutine the scheduler's short ways are closed by [`ATTENTION`]: they ask neither who the M nor whose the goroutine is. The
//! count there is raised before the goroutine can be queued by anybody, so whoever takes it off a queue sees it.
//!
//! An M that sleeps here is neither idle nor busy: it is counted apart (`nmidlelocked`), for the question whether all are asleep. The count may be
//! below 0 for a moment: the M's P can come before it sleeps.

use super::preempt::{acquirem, releasem};
use super::sched::{self, ATTENTION, LOCKED_G, acquirep, releasep};
use super::schedule::execute;
use super::steal::earliest_timer;
use super::syscall::handoffp;
use super::threads::{end_m, stopm};
use super::{G, M};
use core::ptr::null_mut;
use core::sync::atomic::Ordering;

/// Binds the current goroutine to its M (kernel thread) until [`unlock_os_thread`] was called as often as this (Go: `runtime.LockOSThread`). If the
/// goroutine ends before, the thread ends with it.
///
/// # Panics
/// If it is called 2³² times without an unlock.
pub fn lock_os_thread() {
    let gp = acquirem();
    // SAFETY: the current goroutine, not preempted, and its M.
    unsafe {
        let mp = (*gp).m;
        if (*mp).locked == 0 {
            ATTENTION.fetch_add(LOCKED_G, Ordering::SeqCst);
            (*mp).lockedg = gp;
            (*gp).lockedm = mp;
        }
        match (*mp).locked.checked_add(1) {
            Some(n) => (*mp).locked = n,
            None => {
                releasem(gp);
                panic!("LockOSThread nesting overflow");
            }
        }
    }
    releasem(gp);
}

/// Undoes one [`lock_os_thread`] of the current goroutine; nothing happens if there is none (Go: `runtime.UnlockOSThread`).
pub fn unlock_os_thread() {
    let gp = acquirem();
    // SAFETY: as in `lock_os_thread`.
    unsafe {
        let mp = (*gp).m;
        if (*mp).locked != 0 {
            (*mp).locked -= 1;
            if (*mp).locked == 0 {
                unlock(mp);
            }
        }
    }
    releasem(gp);
}

/// Undoes all [`lock_os_thread`]s of a goroutine.
///
/// # Safety
/// It is locked to the current M `mp`, and runs on it or has just ended.
pub(super) unsafe fn unlock(mp: *mut M) {
    // SAFETY: as the caller promises.
    unsafe {
        (*(*mp).lockedg).lockedm = null_mut();
        (*mp).lockedg = null_mut();
        (*mp).locked = 0;
    }
    ATTENTION.fetch_sub(LOCKED_G, Ordering::SeqCst);
}

/// The scheduler of an M that has a locked goroutine: waits until that may run, and runs it.
///
/// # Safety
/// As [`stop_locked_m`].
#[cold]
pub(super) unsafe fn wait_and_run(mp: *mut M) -> ! {
    // SAFETY: as the caller promises; who gave the M its P has taken the goroutine off its queue.
    unsafe {
        stop_locked_m(mp);
        execute(mp, (*mp).lockedg, false)
    }
}

/// Sleeps until the current M's goroutine may run, and has a P then.
///
/// # Safety
/// On g0 of the current M `mp`, which has a locked goroutine that it does not run, and no lock.
unsafe fn stop_locked_m(mp: *mut M) {
    // SAFETY: as the caller promises.
    unsafe {
        if !(*mp).p.is_null() {
            handoffp(releasep(mp));
        }
        let mut s = sched::lock();
        s.nmidlelocked += 1;
        let asleep = s.ms_busy() == 0;
        drop(s);
        if asleep && earliest_timer(0) == 0 {
            crate::panic::deadlock();
        }
        (*mp).park.sleep();
        (*mp).park.clear();
        acquirep(mp, core::mem::replace(&mut (*mp).nextp, null_mut()));
    }
}

/// Gives the current M's P to the M of a locked goroutine, which runs it; sleeps until it is given another one.
///
/// # Safety
/// On g0 of the current M `mp`, which holds a P, is not spinning, and has taken `gp`, locked to another M, off its queue.
#[cold]
pub(super) unsafe fn start_locked_m(mp: *mut M, gp: *mut G) {
    // SAFETY: as the caller promises. The goroutine's M sleeps or is about to, for this.
    unsafe {
        let its = (*gp).lockedm;
        sched::lock().nmidlelocked -= 1;
        (*its).nextp = releasep(mp);
        (*its).park.wakeup();
        stopm(mp);
    }
}

/// Ends the current M, whose locked goroutine has ended.
///
/// # Safety
/// On g0 of the current M `mp`, which holds a P and no lock.
pub(super) unsafe fn end_locked_m(mp: *mut M) -> ! {
    // SAFETY: as the caller promises.
    unsafe {
        super::bubble::settle(mp);
        handoffp(releasep(mp));
        let s = sched::lock();
        // The others cannot have found that all are asleep while this one was not.
        if s.ms_busy() == 1 && earliest_timer(0) == 0 {
            drop(s);
            crate::panic::deadlock();
        }
        end_m(mp, s)
    }
}
