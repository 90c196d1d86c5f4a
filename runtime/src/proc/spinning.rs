//! Spinning Ms: how an idle core learns of queued work (Go: `wakep`, `resetspinning` and the end of `findRunnable`).
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
//! A submitter ([`wakep`]): 1. puts the goroutine on a queue; 2. full barrier; 3. if `NMSPINNING` is 0, counts 0 → 1 and, under
//! `sched.lock`, takes an idle P and wakes an M for it. If all Ps are busy it counts itself out and leaves `NEEDSPINNING` set, still under
//! the lock. While all Ps are busy and the mark is there already, step 3 is left out, so that a loaded machine does not lock for each goroutine.
//!
//! A spinning M that finds work ([`found_work`]): 1. counts itself out; 2. if it was the last, does [`wakep`] in its turn, since more may be queued.
//!
//! A spinning M that finds nothing ([`give_up`]): 1. gives up its P under `sched.lock`, having looked at the global queue there; 2. counts itself
//! out, with a full barrier; 3. looks at every queue again, and then its caller at every timer; 4. sleeps.
//!
//! An M that finds nothing and does not spin, since half of the busy Ps did ([`give_up`]): under `sched.lock`, if `NEEDSPINNING` is set it clears it,
//! spins, and searches again; else it gives up its P. It takes no last look.
//!
//! No work is lost. Beside a spinning M: the submitter's put is before its load of `NMSPINNING`, the spinner's decrement before its last look, each with
//! a sequentially consistent barrier between (a Dekker pair). Either the submitter sees 0, or the last look sees the goroutine. Beside an M that
//! does not spin: the lock orders the two. Either the P is idle before the submitter looks for one, or the M finds the mark. The submitter that
//! relies on a mark that is there already may do so until the clearing of the mark reaches it, and the M that clears it ([`begin`]) ends with a full
//! barrier and a last look, or with [`wakep`]. The submitter that finds no idle P counts itself out under the lock for the sake of another one, who saw the
//! count and did nothing: the next M that gives up its P sees that one's goroutine or the mark.
//!
//! That all Ps are busy is no reason to leave out the mark: an M that is about to give up its P still counts as busy.

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
    // Needs no order of its own: barriers follow before the end of this spinning, whichever it is; see the head comment.
    NEEDSPINNING.store(0, Ordering::Relaxed);
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

/// Wakes an M for an idle P unless one is looking for work already; if no P is idle, leaves the mark for the M that gives one up next. To be
/// called after a goroutine was queued.
#[inline]
pub(super) fn wakep() {
    // With one P there is nobody to wake, ever.
    if gomaxprocs() > 1 {
        // The barrier of the submitter's side; see the head comment.
        fence(Ordering::SeqCst);
        if NMSPINNING.load(Ordering::SeqCst) == 0
            && (NPIDLE.load(Ordering::SeqCst) != 0 || NEEDSPINNING.load(Ordering::SeqCst) == 0)
        {
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
    let mut s = sched::lock();
    let pp = s.pidle_get_spinning();
    if pp.is_null() {
        // Under the lock: a submitter that relies on this count has queued its goroutine before the next M gives up its P.
        count_out();
        drop(s);
    } else {
        drop(s);
        startm(pp, true);
    }
    releasem(gp);
}
