//! Calls that block the M (Go: `entersyscall`, `exitsyscall`, `handoffp` in `proc.go`).
//!
//! # Problem
//! A goroutine that waits in the machine, not in the runtime, holds its M; it must not hold its P, or other goroutines wait with it. To
//! give the P away for each call would cost two visits to the scheduler for calls that return at once.
//!
//! # Protocol
//! 1. [`call`]: the goroutine goes to state syscall and leaves its P behind, in state syscall, still its own (`oldp`).
//! 2. It returns: it exchanges the P's state syscall for idle and has it back, without a lock. That is the usual end.
//! 3. sysmon (`sysmon.rs`) finds the P in state syscall for two of its rounds, 20 µs or more, while goroutines wait or no P is idle:
//!    it does the same exchange, and hands the P to another M. Who exchanges first has it.
//! 4. The goroutine returns too late: it takes an idle P; else it goes to the global queue, and its M sleeps.
//!
//! [`block`] is for calls that are known to wait: the P goes to another M at once.
//!
//! The exchanges are sequentially consistent: sysmon sleeps while no P is in state syscall, and a Dekker pair with its mark (`SLEEPING`)
//! decides whether it sees the P or the goroutine sees the mark and wakes it.

use super::p::PStatus;
use super::preempt::{acquirem, releasem, signal_lone, slice_begins};
use super::sched::{
    self, LASTPOLL, NEEDSPINNING, NMSPINNING, NPIDLE, RUNQ_SIZE, acquirep, all_ps, gcwaiting, gomaxprocs,
    leavep, releasep,
};
use super::schedule::{execute, schedule, wake_net_poller};
use super::status::Status;
use super::threads::{startm, stopm, systemstack};
use super::{G, M, P};
use crate::{arch, port};
use core::ptr::null_mut;
use core::sync::atomic::Ordering;
use core::time::Duration;

/// Calls `f`, which may block the M in the machine, on the M's own stack. `f` neither starts nor readies goroutines nor waits for any.
pub fn call<R>(f: impl FnOnce() -> R) -> R {
    enter(false);
    let r = systemstack(f);
    exit();
    r
}

/// [`call`] for what is known to wait: the P goes to another M at once (Go: `entersyscallblock`).
pub fn block<R>(f: impl FnOnce() -> R) -> R {
    enter(true);
    let r = systemstack(f);
    exit();
    r
}

/// Sleeps in the machine, holding the M: what [`crate::time::sleep`] is not. For calls of drivers, and to show blocking calls.
pub fn nanosleep(d: Duration) {
    let ns = i64::try_from(d.as_nanos()).unwrap_or(i64::MAX);
    // Nobody posts the semaphore of an M that is neither idle nor waits for a lock.
    block(|| port::semasleep(ns));
}

/// How many blocking calls there have been (Go: `NumCgoCall` counts those that leave Go); a moment's figure.
pub fn num_blocking_calls() -> u64 {
    all_ps().map(|p| p.calls.load(Ordering::Relaxed)).sum()
}

fn enter(handoff: bool) {
    let gp = acquirem();
    // SAFETY: the current goroutine, not preempted, and its M.
    unsafe {
        let mp = (*gp).m;
        let calls = &(*(*mp).p).calls;
        calls.store(calls.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
        (*gp).cas_status(Status::Running, Status::Syscall);
        if handoff {
            let pp = releasep(mp);
            (*pp).syscalltick.fetch_add(1, Ordering::Relaxed);
            (*mp).oldp = null_mut();
            systemstack(|| handoffp(pp));
        } else {
            let pp = (*mp).p;
            leavep(mp);
            super::sysmon::wake();
            if gcwaiting() {
                super::stw::stop_left_behind(pp);
            }
        }
    }
    releasem(gp);
}

fn exit() {
    let gp = acquirem();
    // SAFETY: as in `enter`.
    unsafe {
        let mp = (*gp).m;
        let oldp = core::mem::replace(&mut (*mp).oldp, null_mut());
        let pp = if !oldp.is_null() && (*oldp).try_take_from_syscall(PStatus::Idle) {
            oldp
        } else if NPIDLE.load(Ordering::SeqCst) > 0 {
            sched::lock().pidle_get()
        } else {
            null_mut()
        };
        if pp.is_null() {
            arch::mcall(gp, exit0);
            // On whatever M and P it was run again.
            (*(*(*gp).m).p).syscalltick.fetch_add(1, Ordering::Relaxed);
        } else {
            acquirep(mp, pp);
            (*gp).cas_status(Status::Syscall, Status::Running);
            if pp != oldp {
                (*pp).syscalltick.fetch_add(1, Ordering::Relaxed);
                (*pp).slice_start.store(port::cputicks(), Ordering::Relaxed);
            }
            slice_begins(mp, pp);
        }
    }
    releasem(gp);
}

/// On g0: the goroutine came back from its call and there was no P.
extern "C" fn exit0(gp: *mut G) -> ! {
    // SAFETY: on g0 of the M that ran `gp`, whose registers are saved.
    unsafe {
        let mp: *mut M = (*gp).m;
        (*gp).cas_status(Status::Syscall, Status::Runnable);
        (*gp).m = null_mut();
        (*mp).curg = null_mut();
        let mut s = sched::lock();
        let pp = s.pidle_get();
        if pp.is_null() {
            s.runq.push_back(gp);
            s.publish_runq_size();
        }
        drop(s);
        if !pp.is_null() {
            acquirep(mp, pp);
            execute(mp, gp, false)
        }
        signal_lone();
        // A locked one's M waits for it in the scheduler.
        if (*mp).lockedg.is_null() {
            stopm(mp);
        }
    }
    schedule()
}

/// Finds an M for a P that nobody holds, or makes it idle (Go: `handoffp`). On g0, with no lock held.
pub(super) fn handoffp(pp: *mut P) {
    // SAFETY: the P is the caller's.
    let p = unsafe { &*pp };
    if !p.runq.is_empty() || RUNQ_SIZE.load(Ordering::SeqCst) != 0 {
        return startm(pp, false);
    }
    // Nobody looks for work, and none is idle to be told: somebody must.
    if NMSPINNING.load(Ordering::SeqCst) + NPIDLE.load(Ordering::SeqCst) == 0
        && NMSPINNING.compare_exchange(0, 1, Ordering::SeqCst, Ordering::SeqCst).is_ok()
    {
        NEEDSPINNING.store(0, Ordering::SeqCst);
        return startm(pp, true);
    }
    let mut s = sched::lock();
    if gcwaiting() {
        // SAFETY: the P is the caller's.
        unsafe { s.stop_p(pp) };
        return;
    }
    if s.runq.len() != 0 {
        drop(s);
        return startm(pp, false);
    }
    // The last P to go idle while nobody waits for the timers: an M must.
    if NPIDLE.load(Ordering::SeqCst) == gomaxprocs() as i32 - 1 && LASTPOLL.load(Ordering::SeqCst) != 0 {
        drop(s);
        return startm(pp, false);
    }
    let due = p.timers.wake_time();
    // SAFETY: idle, on no list, the caller's.
    unsafe { s.pidle_put(pp) };
    drop(s);
    if due != 0 {
        wake_net_poller(due);
    }
}
