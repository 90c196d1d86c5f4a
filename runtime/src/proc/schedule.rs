//! `schedule`: find a goroutine and run it; an M without work spins, then sleeps (Go: `schedule`, `findRunnable`, `execute`, `wakep`).
//!
//! # Problem
//! Work appears on one P while Ms of other cores go to sleep for want of it. Waking an M for each goroutine thrashes; waking too
//! few leaves cores idle beside queued work. And the last look of an M that goes to sleep races with the goroutine that is
//! queued at that moment.
//!
//! # Rejected
//! One central queue (a lock all cores share); handing each goroutine to an idle M directly (destroys locality); waking one M per
//! goroutine without spinning (each would wake, find that the owner has already run it, and sleep again).
//!
//! # Protocol (Go's; S5)
//! An M that has run out of local work, global work and timers is *spinning*: counted in `NMSPINNING`, at most half of the busy Ps.
//!
//! A submitter: 1. puts the goroutine on a queue; 2. full barrier; 3. if there are idle Ps and `NMSPINNING` is 0, counts 0 → 1 and wakes an M
//! for one of them ([`wakep`]).
//!
//! A spinning M that finds work: 1. counts itself out; 2. if it was the last, does [`wakep`] in its turn, since more may be queued.
//!
//! A spinning M that finds nothing: 1. gives up its P under `sched.lock`, having looked at the global queue there; 2. counts itself out,
//! with a full barrier; 3. looks at every queue and every timer again; 4. sleeps.
//!
//! No work is lost: the submitter's put is before its load of `NMSPINNING`, the spinner's decrement before its second look, each with
//! a sequentially consistent barrier between (a Dekker pair). Either the submitter sees 0 and wakes an M, or the spinner's second look sees
//! the goroutine. If a submitter counts 0 → 1 but finds no idle P left, it sets `NEEDSPINNING`, and the next M that gives up its P without
//! spinning (it could not become a spinner before: half were) looks again instead.
//!
//! Timers: one waiting M sleeps until the earliest timer of all Ps (`LASTPOLL` is 0 meanwhile, `POLL_UNTIL` says when); whoever
//! adds an earlier one wakes it ([`wake_net_poller`]), which is what Go does with the network poller.

use super::g::Status;
use super::sched::{
    self, LASTPOLL, NEEDSPINNING, NMSPINNING, NPIDLE, POLL_UNTIL, RUNQ_SIZE, acquirep, gomaxprocs, releasep,
};
use super::steal::{any_runq, earliest_timer, steal_work};
use super::threads::{getm, poll_begin, poll_break, poll_sleep, startm, stopm};
use super::{G, M};
use crate::{arch, port};
use core::ptr::null_mut;
use core::sync::atomic::{Ordering, fence};

/// One round of the scheduler: find a runnable goroutine and run it. On g0, from `mcall`; never returns.
pub(super) fn schedule() -> ! {
    let mp = getm();
    // SAFETY: this is the scheduler of the current M: `mp` and its P are ours.
    unsafe {
        debug_assert!((*(*mp).g0).locks.load(Ordering::Relaxed) == 0, "schedule with a lock held");
        let (gp, inherit_time) = find_runnable(mp);
        if (*mp).spinning {
            reset_spinning(mp);
        }
        execute(mp, gp, inherit_time)
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
        if (*pp).timers.wake_time() == 0 && RUNQ_SIZE.load(Ordering::Relaxed) == 0 {
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
pub(super) unsafe fn schedule_after_gosched(mp: *mut M, gp: *mut G) -> ! {
    // SAFETY: as the caller promises.
    unsafe {
        let pp = (*mp).p;
        let mut s = sched::lock();
        s.runq.push_back(gp);
        let next = if (*pp).timers.wake_time() == 0 && (*pp).runq.is_empty() {
            s.runq.pop_front()
        } else {
            null_mut()
        };
        s.publish_runq_size();
        drop(s);
        if gomaxprocs() > 1 {
            super::preempt::signal_lone();
            wakep();
        }
        if next.is_null() {
            let tick = (*pp).schedtick.load(Ordering::Relaxed);
            if tick.is_multiple_of(61) && RUNQ_SIZE.load(Ordering::Relaxed) == 1 {
                // The one that has just had its turn must not be the global queue's favourite before those whose timers are due.
                (*pp).schedtick.store(tick.wrapping_add(1), Ordering::Relaxed);
            }
            schedule()
        }
        execute(mp, next, false)
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
        if (*gp).sched_sp == 0 {
            super::newproc::give_stack(pp, gp);
        }
        (*gp).cas_status(Status::Runnable, Status::Running);
        (*gp).m = mp;
        (*mp).curg = gp;
        if !inherit_time {
            let tick = (*pp).schedtick.load(Ordering::Relaxed);
            (*pp).schedtick.store(tick.wrapping_add(1), Ordering::Relaxed);
            (*pp).slice_start.store(port::cputicks(), Ordering::Relaxed);
        }
        super::preempt::slice_begins(mp, pp);
        arch::gogo(gp)
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
            let pp = (*mp).p;
            let mut now = 0;
            let mut poll_until = (*pp).timers.wake_time();
            if poll_until != 0 {
                now = port::nanotime();
                if poll_until <= now {
                    poll_until = (*pp).timers.check(now).1;
                }
            }

            // Now and then the global queue goes first, else two goroutines that ready each other starve it (S3).
            if (*pp).schedtick.load(Ordering::Relaxed).is_multiple_of(61)
                && RUNQ_SIZE.load(Ordering::Relaxed) != 0
            {
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

            let busy = gomaxprocs() as i32 - NPIDLE.load(Ordering::Relaxed);
            if (*mp).spinning || 2 * NMSPINNING.load(Ordering::Relaxed) < busy {
                if !(*mp).spinning {
                    become_spinning(mp);
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
                if found.poll_until != 0 && (poll_until == 0 || found.poll_until < poll_until) {
                    poll_until = found.poll_until;
                }
            }

            let mut s = sched::lock();
            let gp = s.globrunq_get(pp, super::RUNQ_LEN as usize / 2);
            if !gp.is_null() {
                return (gp, false);
            }
            if !(*mp).spinning && NEEDSPINNING.load(Ordering::SeqCst) != 0 {
                become_spinning(mp);
                drop(s);
                continue 'top;
            }
            releasep(mp);
            s.pidle_put(pp);
            drop(s);

            let was_spinning = (*mp).spinning;
            if was_spinning {
                (*mp).spinning = false;
                if NMSPINNING.fetch_sub(1, Ordering::SeqCst) <= 0 {
                    crate::panic::throw("more Ms stopped spinning than had begun");
                }
                // The barrier of the spinner's side; see the head comment.
                fence(Ordering::SeqCst);
                if RUNQ_SIZE.load(Ordering::SeqCst) != 0 || any_runq() {
                    let p2 = sched::lock().pidle_get_spinning();
                    if !p2.is_null() {
                        acquirep(mp, p2);
                        become_spinning(mp);
                        continue 'top;
                    }
                }
                poll_until = earliest_timer(poll_until);
            }

            if poll_until != 0 && LASTPOLL.swap(0, Ordering::SeqCst) != 0 {
                poll_begin(mp);
                POLL_UNTIL.store(poll_until, Ordering::SeqCst);
                // The barrier of the sleeper's side: a timer added before it is seen here, one added after it sees `POLL_UNTIL`.
                fence(Ordering::SeqCst);
                let until = earliest_timer(poll_until);
                poll_sleep(until);
                POLL_UNTIL.store(0, Ordering::SeqCst);
                LASTPOLL.store(port::nanotime().max(1), Ordering::SeqCst);
                let p2 = sched::lock().pidle_get();
                if !p2.is_null() {
                    acquirep(mp, p2);
                    if was_spinning {
                        become_spinning(mp);
                    }
                    continue 'top;
                }
                // All Ps are busy; their own schedulers see to the timers.
            } else if poll_until != 0 {
                let until = POLL_UNTIL.load(Ordering::SeqCst);
                if until == 0 || until > poll_until {
                    poll_break();
                }
            }
            stopm(mp);
        }
    }
}

/// # Safety
/// `mp` is the current M and not spinning.
unsafe fn become_spinning(mp: *mut M) {
    // SAFETY: as the caller promises.
    unsafe { (*mp).spinning = true };
    NMSPINNING.fetch_add(1, Ordering::SeqCst);
    NEEDSPINNING.store(0, Ordering::SeqCst);
}

/// # Safety
/// `mp` is the current M, spinning, and has found work.
unsafe fn reset_spinning(mp: *mut M) {
    // SAFETY: as the caller promises.
    unsafe { (*mp).spinning = false };
    if NMSPINNING.fetch_sub(1, Ordering::SeqCst) <= 0 {
        crate::panic::throw("more Ms stopped spinning than had begun");
    }
    wakep();
}

/// Wakes an M for an idle P unless one is looking for work already; to be called after a goroutine was queued.
#[inline]
pub(super) fn wakep() {
    // The barrier of the submitter's side; see the head comment. With one P there is nobody to wake, ever.
    if gomaxprocs() > 1 {
        fence(Ordering::SeqCst);
        if NPIDLE.load(Ordering::SeqCst) != 0 && NMSPINNING.load(Ordering::SeqCst) == 0 {
            wakep_slow();
        }
    }
}

#[cold]
#[inline(never)]
fn wakep_slow() {
    if NMSPINNING.compare_exchange(0, 1, Ordering::SeqCst, Ordering::SeqCst).is_err() {
        return;
    }
    let gp = super::preempt::acquirem();
    let pp = sched::lock().pidle_get_spinning();
    if pp.is_null() {
        if NMSPINNING.fetch_sub(1, Ordering::SeqCst) <= 0 {
            crate::panic::throw("more Ms stopped spinning than had begun");
        }
    } else {
        startm(pp, true);
    }
    super::preempt::releasem(gp);
}

/// A timer at `when` (nanotime) became the earliest of its P: wakes the M that sleeps for timers if it would sleep past it, or an M
/// if none does (Go: `wakeNetPoller`).
pub fn wake_net_poller(when: i64) {
    // Pairs with the barrier in `find_runnable` between publishing `POLL_UNTIL` and the last look at the timers.
    fence(Ordering::SeqCst);
    if LASTPOLL.load(Ordering::SeqCst) == 0 {
        let until = POLL_UNTIL.load(Ordering::SeqCst);
        if until == 0 || until > when {
            poll_break();
        }
    } else {
        wakep();
    }
    super::preempt::timer_added();
}

/// Makes a parked or new goroutine's M-independent part of "ready": on this P's queue, and an M woken for it.
///
/// # Safety
/// The current M is not preempted and holds a P; the caller owns `gp`, in state runnable.
#[inline]
pub(super) unsafe fn queue_and_wake(mp: *mut M, gp: *mut G, next: bool) {
    // SAFETY: as the caller promises.
    unsafe { super::runqput::runqput((*mp).p, gp, next) };
    wakep();
}
