//! `schedule`: find a goroutine and run it; an M without work spins, then sleeps (Go: `schedule`, `findRunnable`, `execute`).
//!
//! `spinning.rs` has the protocol by which queued work finds an M, `poller.rs` the one by which a timer does.

use super::preempt::{is_lone, releasem, work_queued};
use super::runqput::{runqput, runqput_slow};
use super::sched::{self, ATTENTION, RUNQ_SIZE, acquirep, gcwaiting, gomaxprocs};
use super::spinning::{self, LastLook, wakep};
use super::steal::{earliest_timer, steal_work};
use super::threads::{getm, stopm};
use super::{G, M, P, handover, lockosthread, poller, stw};
use crate::port;
use core::sync::atomic::Ordering;

/// One round of the scheduler: find a runnable goroutine and run it. On g0, from `mcall`; never returns.
pub(super) fn schedule() -> ! {
    let mp = getm();
    // SAFETY: this is the scheduler of the current M: `mp` and its P are ours.
    unsafe {
        debug_assert!((*(*mp).g0).locks.load(Ordering::Relaxed) == 0, "schedule with a lock held");
        if ATTENTION.load(Ordering::Relaxed) != 0 {
            attend(mp);
        }
        loop {
            let (gp, inherit_time) = find_runnable(mp);
            if (*mp).spinning {
                spinning::found_work(mp);
            }
            if ATTENTION.load(Ordering::Relaxed) != 0 && !(*gp).lockedm.is_null() {
                lockosthread::start_locked_m(mp, gp);
                continue;
            }
            execute(mp, gp, inherit_time)
        }
    }
}

/// [`schedule`] for an M whose goroutine has parked: mostly it has just readied the one to run now, and there is nothing else to look at.
///
/// # Safety
/// On g0 of the current M `mp`, which holds a P and is not spinning.
#[inline(always)]
pub(super) unsafe fn schedule_after_park(mp: *mut M) -> ! {
    // SAFETY: as the caller promises.
    unsafe {
        let pp = (*mp).p;
        if (*pp).timers.is_empty()
            && RUNQ_SIZE.load(Ordering::Relaxed) == 0
            && ATTENTION.load(Ordering::Relaxed) == 0
        {
            let gp = (*pp).runq.pop_next();
            if !gp.is_null() {
                execute(mp, gp, true)
            }
        }
    }
    schedule()
}

/// [`schedule`] after a goroutine has given way: puts `gp` on the global queue, and if nothing is queued here takes the next one from there under
/// the same lock.
///
/// # Safety
/// On g0 of the current M `mp`, which holds a P; the caller owns `gp`, in state runnable.
#[inline(always)]
pub(super) unsafe fn schedule_after_gosched(mp: *mut M, gp: *mut G) -> ! {
    // SAFETY: as the caller promises.
    unsafe {
        let pp = (*mp).p;
        let mut s = sched::lock();
        if (*pp).timers.is_empty()
            && ATTENTION.load(Ordering::Relaxed) == 0
            && (*pp).runq.is_empty_for_owner()
        {
            // The queue is as long as before.
            let next = s.runq.exchange(gp);
            drop(s);
            tell_of_global_work();
            execute(mp, next, false)
        }
        s.runq.push_back(gp);
        s.publish_runq_size();
        drop(s);
        tell_of_global_work();
        // The slice is over. Whom a timer readies now would inherit it and be preempted at once; but a goroutine that sleeps and is readied again and
        // again goes on in one slice, so that it comes to an end and others of this P have their turn.
        (*pp).slice_start.store(port::cputicks(), Ordering::Relaxed);
        let tick = (*pp).schedtick.load(Ordering::Relaxed);
        if tick.is_multiple_of(61) && RUNQ_SIZE.load(Ordering::Relaxed) == 1 {
            // The one that has just had its turn must not be the global queue's favourite before those whose timers are due.
            (*pp).schedtick.store(tick.wrapping_add(1), Ordering::Relaxed);
        }
    }
    schedule()
}

/// Other cores are to share in a goroutine that was put on the global queue.
#[inline(always)]
fn tell_of_global_work() {
    if gomaxprocs() > 1 {
        super::preempt::signal_lone();
        wakep();
    }
}

/// [`schedule`] for an M whose goroutine has ended: mostly another one is queued here, and there is nothing else to look at.
///
/// # Safety
/// On g0 of the current M `mp`, which holds a P and is not spinning.
#[inline(always)]
pub(super) unsafe fn schedule_after_end(mp: *mut M) -> ! {
    // SAFETY: as the caller promises.
    unsafe {
        let pp = (*mp).p;
        if (*pp).timers.is_empty() && ATTENTION.load(Ordering::Relaxed) == 0 && !is_turn_of_global_queue(pp) {
            let (gp, inherit_time) = (*pp).runq.pop();
            if !gp.is_null() {
                execute(mp, gp, inherit_time)
            }
        }
    }
    schedule()
}

/// Whether the global queue goes first: now and then, else two goroutines that ready each other starve it.
///
/// # Safety
/// The current M's P.
#[inline(always)]
unsafe fn is_turn_of_global_queue(pp: *mut P) -> bool {
    // SAFETY: as the caller promises.
    let tick = unsafe { (*pp).schedtick.load(Ordering::Relaxed) };
    tick.is_multiple_of(61) && RUNQ_SIZE.load(Ordering::Relaxed) != 0
}

/// What is rare at the start of [`schedule`]: a goroutine has left its bubble, or is locked to this
/// M. Not inlined, since its registers would be saved each time.
///
/// # Safety
/// On g0 of the current M `mp`, which holds a P.
#[cold]
#[inline(never)]
unsafe fn attend(mp: *mut M) {
    // SAFETY: as the caller promises.
    unsafe {
        super::bubble::settle(mp);
        if !(*mp).lockedg.is_null() {
            lockosthread::wait_and_run(mp);
        }
    }
}

/// Runs `gp` on the current M. With `inherit_time` it goes on in the current time slice.
///
/// # Safety
/// On g0 of the current M `mp`, which holds a P; the caller owns `gp`, in state runnable.
#[inline(always)]
pub(super) unsafe fn execute(mp: *mut M, gp: *mut G, inherit_time: bool) -> ! {
    // SAFETY: as the caller promises.
    unsafe {
        let pp = (*mp).p;
        handover::take(mp, gp);
        if !inherit_time {
            let tick = (*pp).schedtick.load(Ordering::Relaxed);
            (*pp).schedtick.store(tick.wrapping_add(1), Ordering::Relaxed);
            (*pp).slice_start.store(port::cputicks(), Ordering::Relaxed);
        }
        super::preempt::slice_begins(mp, pp);
        super::newproc::go_on(pp, gp)
    }
}

/// Finds a goroutine to run; sleeps until there is one. The flag says that it inherits the time slice.
///
/// # Safety
/// On g0 of the current M `mp`, which holds a P.
unsafe fn find_runnable(mp: *mut M) -> (*mut G, bool) {
    // SAFETY: as the caller promises; `pp` is ours until `releasep`.
    unsafe {
        'top: loop {
            if ATTENTION.load(Ordering::Relaxed) != 0 && gcwaiting() {
                stw::gcstopm(mp);
                continue 'top;
            }
            let pp = (*mp).p;
            let mut now = 0;
            let mut poll_until = (*pp).timers.wake_time();
            if poll_until != 0 {
                now = port::nanotime();
                if poll_until <= now {
                    poll_until = (*pp).timers.check(now).1;
                }
            }

            if is_turn_of_global_queue(pp) {
                let gp = sched::lock().globrunq_get(pp, 1);
                if !gp.is_null() {
                    return (gp, false);
                }
            }

            let (gp, inherit) = (*pp).runq.pop();
            if !gp.is_null() {
                return (gp, inherit);
            }

            if RUNQ_SIZE.load(Ordering::Relaxed) != 0 {
                let gp = sched::lock().globrunq_get(pp, super::RUNQ_LEN as usize / 2);
                if !gp.is_null() {
                    return (gp, false);
                }
            }

            if (*mp).spinning || spinning::may_spin() {
                if !(*mp).spinning {
                    spinning::begin(mp);
                }
                if now == 0 {
                    now = port::nanotime();
                }
                let found = steal_work(mp, pp, now);
                if !found.gp.is_null() {
                    return (found.gp, false);
                }
                if found.new_work {
                    continue 'top;
                }
                poll_until = found.poll_until;
            } else {
                poll_until = (*pp).timers.wake_time_before_sleep();
            }

            let was_spinning = (*mp).spinning;
            match spinning::give_up(mp) {
                LastLook::Found(gp) => return (gp, false),
                LastLook::SearchAgain => continue 'top,
                LastLook::Nothing => {}
            }
            if was_spinning {
                poll_until = earliest_timer(poll_until);
            }
            if poll_until != 0 && poller::wait(mp, poll_until) {
                let p2 = sched::lock().pidle_get();
                if !p2.is_null() {
                    acquirep(mp, p2);
                    if was_spinning {
                        spinning::begin(mp);
                    }
                    continue 'top;
                }
                // All Ps are busy; their own schedulers see to the timers.
            }
            stopm(mp);
        }
    }
}

/// A timer at `when` (nanotime) became the earliest of its P: wakes the M that sleeps for timers if it would sleep past it, or an M
/// if none does (Go: `wakeNetPoller`).
pub fn wake_net_poller(when: i64) {
    if !poller::wake(when) {
        wakep();
    }
    super::preempt::timer_added();
}

/// Queues a goroutine on this P, and wakes an M for it.
///
/// # Safety
/// The current M is not preempted and holds a P; the caller owns `gp`, in state runnable.
#[inline]
pub(super) unsafe fn queue_and_wake(mp: *mut M, gp: *mut G, next: bool) {
    // SAFETY: as the caller promises.
    unsafe { runqput((*mp).p, gp, next) };
    wakep();
}

/// [`queue_and_wake`] for a new goroutine, which is to run next, and then [`releasem`] of the goroutine `me` that made it. As
/// the last thing that a function does it has no registers saved for what is rare, or for other cores.
///
/// # Safety
/// As [`queue_and_wake`]; `me` is the current goroutine, after [`acquirem`](super::preempt::acquirem).
#[inline(always)]
pub(super) unsafe fn queue_next_and_release(me: *mut G, mp: *mut M, gp: *mut G) {
    // SAFETY: as the caller promises.
    unsafe {
        let pp = (*mp).p;
        let displaced = (*pp).runq.set_next(gp);
        if !displaced.is_null() && !(*pp).runq.push(displaced) {
            return queue_displaced(me, pp, displaced);
        }
        if is_lone(pp) || gomaxprocs() > 1 {
            return tell_of_work(me, pp);
        }
    }
    releasem(me);
}

/// The ring is full.
#[cold]
#[inline(never)]
unsafe fn queue_displaced(me: *mut G, pp: *mut P, displaced: *mut G) {
    // SAFETY: as `queue_next_and_release` was promised.
    unsafe {
        runqput_slow(pp, displaced);
        tell_of_work(me, pp);
    }
}

#[inline(never)]
unsafe fn tell_of_work(me: *mut G, pp: *mut P) {
    // SAFETY: as `queue_next_and_release` was promised.
    unsafe { work_queued(pp) };
    wakep();
    releasem(me);
}
