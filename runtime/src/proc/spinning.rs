//! Spinning Ms: how an idle core learns of queued work (Go: `wakep`, `resetspinning` and the end of `findRunnable`; S5).
//!
//! `runtime/models` compiles this file once more, over loom's atomics.
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
//! # Protocol (Go's)
//! An M that has run out of local work, global work and timers is *spinning*: counted in `NMSPINNING`, at most half of the busy Ps.
//!
//! A submitter: 1. puts the goroutine on a queue; 2. full barrier; 3. if there are idle Ps and `NMSPINNING` is 0, counts 0 → 1 and wakes an M
//! for one of them ([`wakep`]).
//!
//! A spinning M that finds work ([`found_work`]): 1. counts itself out; 2. if it was the last, does [`wakep`] in its turn, since more may be queued.
//!
//! A spinning M that finds nothing ([`give_up`]): 1. gives up its P under `sched.lock`, having looked at the global queue there; 2. counts itself
//! out, with a full barrier; 3. looks at every queue again, and then its caller at every timer; 4. sleeps.
//!
//! No work is lost: the submitter's put is before its load of `NMSPINNING`, the spinner's decrement before its second look, each with
//! a sequentially consistent barrier between (a Dekker pair). Either the submitter sees 0 and wakes an M, or the spinner's second look sees
//! the goroutine. If a submitter counts 0 → 1 but finds no idle P left, it sets `NEEDSPINNING`, and the next M that gives up its P without
//! spinning (it could not become a spinner before: half were) looks again instead.

use super::atomic::{Ordering, fence};
use super::preempt::{acquirem, releasem};
use super::sched::{
    self, NEEDSPINNING, NMSPINNING, NPIDLE, RUNQ_SIZE, acquirep, gcwaiting, gomaxprocs, releasep,
};
use super::steal::any_runq;
use super::threads::startm;
use super::{G, M, RUNQ_LEN};

/// What a last look found.
pub(super) enum LastLook {
    /// A goroutine to run.
    Found(*mut G),
    /// There may be something: search again, with the P that the M holds.
    SearchAgain,
    /// Nothing; the M holds no P and does not spin.
    Nothing,
}

/// Whether one more M may spin: fewer than half of the busy Ps have one.
#[inline(always)]
pub(super) fn may_spin() -> bool {
    let busy = gomaxprocs() as i32 - NPIDLE.load(Ordering::Relaxed);
    2 * NMSPINNING.load(Ordering::Relaxed) < busy
}

/// Begins to spin.
///
/// # Safety
/// `mp` is the current M and not spinning.
pub(super) unsafe fn begin(mp: *mut M) {
    // SAFETY: as the caller promises.
    unsafe { (*mp).spinning = true };
    NMSPINNING.fetch_add(1, Ordering::SeqCst);
    NEEDSPINNING.store(0, Ordering::SeqCst);
}

/// Ends spinning with work in hand (Go: `resetspinning`).
///
/// # Safety
/// `mp` is the current M, spinning, and has found work.
pub(super) unsafe fn found_work(mp: *mut M) {
    // SAFETY: as the caller promises.
    unsafe { (*mp).spinning = false };
    count_out();
    wakep();
}

/// Ends spinning because the world stops: who starts it again wakes an M ([`wakep`]).
///
/// # Safety
/// `mp` is the current M, spinning.
pub(super) unsafe fn world_stops(mp: *mut M) {
    // SAFETY: as the caller promises.
    unsafe { (*mp).spinning = false };
    count_out();
}

fn count_out() {
    if NMSPINNING.fetch_sub(1, Ordering::SeqCst) <= 0 {
        crate::panic::throw("more Ms stopped spinning than had begun");
    }
}

/// The end of a fruitless search: looks at the global queue once more, gives up the P, ends spinning, and looks at all queues once more.
///
/// # Safety
/// On g0 of the current M `mp`, which holds a P.
#[inline]
pub(super) unsafe fn give_up(mp: *mut M) -> LastLook {
    // SAFETY: as the caller promises.
    unsafe {
        let mut s = sched::lock();
        // Under the lock: the P is idle before the world begins to stop, or the M stops with it.
        if gcwaiting() {
            return LastLook::SearchAgain;
        }
        let gp = s.globrunq_get((*mp).p, RUNQ_LEN as usize / 2);
        if !gp.is_null() {
            return LastLook::Found(gp);
        }
        if !(*mp).spinning && NEEDSPINNING.load(Ordering::SeqCst) != 0 {
            begin(mp);
            return LastLook::SearchAgain;
        }
        let pp = releasep(mp);
        s.pidle_put(pp);
        drop(s);

        if (*mp).spinning {
            (*mp).spinning = false;
            count_out();
            // The barrier of the spinner's side; see the head comment.
            fence(Ordering::SeqCst);
            if RUNQ_SIZE.load(Ordering::SeqCst) != 0 || any_runq() {
                let pp = sched::lock().pidle_get_spinning();
                if !pp.is_null() {
                    acquirep(mp, pp);
                    begin(mp);
                    return LastLook::SearchAgain;
                }
            }
        }
        LastLook::Nothing
    }
}

/// Wakes an M for an idle P unless one is looking for work already; to be called after a goroutine was queued.
#[inline]
pub(super) fn wakep() {
    // With one P there is nobody to wake, ever.
    if gomaxprocs() > 1 {
        // The barrier of the submitter's side; see the head comment.
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
    let gp = acquirem();
    let pp = sched::lock().pidle_get_spinning();
    if pp.is_null() {
        count_out();
    } else {
        startm(pp, true);
    }
    releasem(gp);
}
