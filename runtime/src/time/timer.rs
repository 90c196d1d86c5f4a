//! One timer (Go: `timer`, `modify`, `stop`, `maybeAdd` in `time.go`). The protocol stands at the head of `timers.rs`.

use super::timers::Timers;
use crate::lock::{Lock, Rank};
use crate::port;
use crate::proc::{Bubble, acquirem, getp, releasem, wake_net_poller};
use core::cell::Cell;
use core::ptr::{null, null_mut};
use core::sync::atomic::{AtomicU8, Ordering};

#[cfg(all(feature = "kernel-tests", not(test)))]
mod model_test;

/// An entry of some P's heap names the timer.
pub(super) const HEAPED: u8 = 1;
/// Heaped, and `when` is not the entry's key (Go: `timerModified`).
pub(super) const MODIFIED: u8 = 2;
/// Heaped, and the entry is not needed (Go: `timerZombie`).
pub(super) const ZOMBIE: u8 = 4;
/// Its owner is gone: whoever takes the entry out frees it. Set by the owner without the lock, as the last thing that it does.
const ORPHAN: u8 = 8;

/// What a kind of timer does when its time has come, and at its end.
pub(crate) struct TimerOps {
    /// It is due, and out of the heap. Under its lock and the heap's.
    pub(crate) due: unsafe fn(*const TimerCore),
    /// Called once after each `due`, on g0 with no lock held; must not block. What `due` did keeps the timer alive.
    pub(crate) run: unsafe fn(*const TimerCore),
    /// Gives its memory back. Nobody has it any more.
    pub(crate) free: unsafe fn(*const TimerCore),
    /// Of a channel's timer: puts the value for the time `when` (nanotime) into a receiver's room for an element. Under the channel's lock.
    pub(crate) moment: unsafe fn(*const TimerCore, when: i64, elem: *mut u8),
    /// Of timers of bubbles: the bubble, by whose clock it goes off.
    pub(crate) bubble: Option<unsafe fn(*const TimerCore) -> *mut Bubble>,
}

/// A timer as the heaps know it; part of a larger object of some kind. All fields belong to the holder of `lock`; `state` may be looked at without.
pub(crate) struct TimerCore {
    pub(super) lock: Lock,
    state: AtomicU8,
    /// How many want it to go off at its time; with nobody it need not be in a heap (Go: `isChan`, `blocked`).
    wanted: Cell<u32>,
    /// When it goes off (nanotime), 0 if it is stopped.
    when: Cell<i64>,
    /// It goes off every so many nanoseconds; 0: once.
    period: Cell<i64>,
    /// While it is heaped: where.
    ts: Cell<*const Timers>,
    ops: &'static TimerOps,
}

// SAFETY: the cells are used under the lock only; `ts` points to part of a P, which is never freed.
unsafe impl Send for TimerCore {}
// SAFETY: as above.
unsafe impl Sync for TimerCore {}

impl TimerCore {
    /// A timer that is in no heap. See the fields.
    #[inline]
    pub(crate) const fn new(ops: &'static TimerOps, wanted: u32, when: i64, period: i64) -> TimerCore {
        TimerCore {
            lock: Lock::new(Rank::Timer),
            state: AtomicU8::new(0),
            wanted: Cell::new(wanted),
            when: Cell::new(when),
            period: Cell::new(period),
            ts: Cell::new(null()),
            ops,
        }
    }

    /// What kind it is of.
    #[inline]
    pub(super) fn ops(&self) -> &'static TimerOps {
        self.ops
    }

    /// The bubble that it is part of, or null.
    pub(crate) fn bubble(&self) -> *mut Bubble {
        // SAFETY: of a timer of that kind.
        self.ops.bubble.map_or(null_mut(), |bubble| unsafe { bubble(self) })
    }

    /// The time of its clock.
    #[inline]
    pub(crate) fn now(&self) -> i64 {
        // SAFETY: whoever has the timer keeps its bubble.
        unsafe { self.bubble().as_ref() }.map_or_else(port::nanotime, Bubble::now)
    }

    /// The heap that it is put into: its bubble's, or the current P's.
    fn home(&self) -> &Timers {
        // SAFETY: as in `now`; not preempted, and a goroutine or a g0 that handles timers has a P.
        unsafe { self.bubble().as_ref().map_or_else(|| &(*getp()).timers, |bubble| &bubble.timers) }
    }

    /// See [`TimerOps::moment`].
    ///
    /// # Safety
    /// As said there.
    pub(crate) unsafe fn moment(&self, when: i64, elem: *mut u8) {
        // SAFETY: as the caller promises.
        unsafe { (self.ops.moment)(self, when, elem) };
    }

    #[inline]
    pub(super) fn state(&self) -> u8 {
        self.state.load(Ordering::Acquire)
    }

    /// *Release*: before it is said elsewhere that a timer was modified, its state says so.
    #[inline]
    fn set_state(&self, state: u8) {
        self.state.store(state, Ordering::Release);
    }

    /// Sets when it goes off next, which is after 0, and then how often. Returns whether it was to go off; if not, `starts` is called, under its lock.
    #[inline]
    pub(crate) fn modify(&self, when: i64, period: i64, starts: impl FnOnce()) -> bool {
        let me = acquirem();
        self.lock.lock_pinned();
        let pending = self.when.get() != 0;
        if !pending {
            starts();
        }
        self.when.set(when);
        self.period.set(period);
        let state = self.state();
        if state & HEAPED != 0 {
            self.set_state(state | MODIFIED);
            let wake = self.wanted.get() != 0 && self.revive(state | MODIFIED);
            self.lock.unlock_pinned();
            if wake {
                wake_net_poller(when);
            }
        } else {
            let add = self.wanted.get() != 0;
            self.lock.unlock_pinned();
            if add {
                self.maybe_add();
            }
        }
        releasem(me);
        pending
    }

    /// Stops it. Returns whether it was to go off; if so, `stops` is called, under its lock.
    #[inline]
    pub(crate) fn stop(&self, stops: impl FnOnce()) -> bool {
        let me = acquirem();
        self.lock.lock_pinned();
        let pending = self.when.get() != 0;
        if pending {
            self.when.set(0);
            stops();
        }
        let sweep = self.bury();
        self.lock.unlock_pinned();
        Timers::sweep(sweep);
        releasem(me);
        pending
    }

    /// One more wants it to go off (Go: `blockTimerChan`).
    pub(crate) fn want(&self) {
        let me = acquirem();
        self.lock.lock_pinned();
        self.wanted.set(self.wanted.get() + 1);
        let when = self.when.get();
        let (mut add, mut wake) = (false, false);
        if when != 0 {
            add = self.state() & HEAPED == 0;
            wake = !add && self.revive(self.state());
        }
        self.lock.unlock_pinned();
        if add {
            self.maybe_add();
        }
        if wake {
            wake_net_poller(when);
        }
        releasem(me);
    }

    /// One that wanted it to go off does so no more (Go: `unblockTimerChan`).
    pub(crate) fn unwant(&self) {
        let me = acquirem();
        self.lock.lock_pinned();
        self.wanted.set(self.wanted.get() - 1);
        let sweep = if self.wanted.get() == 0 { self.bury() } else { null() };
        self.lock.unlock_pinned();
        Timers::sweep(sweep);
        releasem(me);
    }

    /// If it is due at `now` and `taken` returns true, it has gone off: sets it to its next time, if it has one, and returns the time that it went off
    /// for. `taken` is called under its lock (Go: `maybeRunChan`).
    pub(crate) fn take_due(&self, now: i64, taken: impl FnOnce() -> bool) -> Option<i64> {
        let me = acquirem();
        self.lock.lock_pinned();
        let when = self.when.get();
        let mut sweep = null();
        let due = when != 0 && when <= now && taken();
        if due {
            let period = self.period.get();
            if period == 0 {
                self.when.set(0);
                sweep = self.bury();
            } else {
                // The times that have passed unseen are left out.
                let periods = 1 + (now - when) / period;
                self.when.set(when.saturating_add(period.saturating_mul(periods)));
                if self.state() & HEAPED != 0 {
                    self.set_state(self.state() | MODIFIED);
                }
            }
        }
        self.lock.unlock_pinned();
        Timers::sweep(sweep);
        releasem(me);
        due.then_some(when)
    }

    /// It has gone off for good, if it is out of the heap. Under its lock.
    #[inline]
    pub(crate) fn expire(&self) {
        self.when.set(0);
    }

    /// Puts it into its heap if it belongs into one. Not preempted, with no lock of timers held.
    ///
    /// Its lock was given up to take the heap's before it: it may have been stopped, or put into a heap, in between.
    pub(crate) fn maybe_add(&self) {
        let ts = self.home();
        ts.lock.lock_pinned();
        self.lock.lock_pinned();
        let when = self.when.get();
        let add = self.state() & HEAPED == 0 && when != 0 && self.wanted.get() != 0;
        let wake = add && self.enter(ts);
        self.lock.unlock_pinned();
        ts.lock.unlock_pinned();
        if wake {
            wake_net_poller(when);
        }
    }

    /// Puts a new timer, which nobody else has, into the current P's heap. `when` is set.
    ///
    /// # Safety
    /// It stays in place until [`TimerCore::abandon`]'s end.
    #[inline]
    pub(crate) unsafe fn add_new(&self) {
        let me = acquirem();
        // SAFETY: not preempted; a goroutine has a P.
        let ts = unsafe { &(*getp()).timers };
        ts.lock.lock_pinned();
        let wake = self.enter(ts);
        ts.lock.unlock_pinned();
        if wake {
            wake_net_poller(self.when.get());
        }
        releasem(me);
    }

    /// Puts it into the heap of `ts`; returns whether it is the first to go off. Under both locks.
    #[inline]
    fn enter(&self, ts: &Timers) -> bool {
        self.set_state(HEAPED);
        self.ts.set(ts);
        ts.push_timer(self.when.get(), self)
    }

    /// It is heaped, has a time, and is wanted: its entry must not be taken out, nor looked at too late. Returns whether an M must be told.
    /// Under its lock; `state` is its state.
    #[inline]
    fn revive(&self, state: u8) -> bool {
        // SAFETY: it is heaped; Ps are never freed.
        let ts = unsafe { &*self.ts.get() };
        if state & ZOMBIE != 0 {
            self.set_state(state & !ZOMBIE);
            ts.zombie_revived();
        }
        state & MODIFIED != 0 && ts.modified_to(self.when.get())
    }

    /// Its entry, if there is one, is not needed. Returns the heap if it has enough such entries to be swept. Under its lock.
    #[inline]
    fn bury(&self) -> *const Timers {
        let state = self.state();
        if state & (HEAPED | ZOMBIE) != HEAPED {
            return null();
        }
        self.set_state(state | ZOMBIE);
        let ts = self.ts.get();
        // SAFETY: it is heaped; Ps are never freed.
        if unsafe { (*ts).zombie_buried() } { ts } else { null() }
    }

    /// The holder of the heap's lock met its entry: what is to become of that? Takes its lock.
    ///
    /// # Safety
    /// `this` is in the heap whose lock is held; the caller does at once as it is told.
    #[inline]
    pub(super) unsafe fn examine(this: *const TimerCore, now: i64) -> Verdict {
        // SAFETY: a heaped timer stays in place until its entry is taken out, under the heap's lock.
        let t = unsafe { &*this };
        if t.state() & ORPHAN != 0 {
            return Verdict::TakeOut { orphan: true };
        }
        t.lock.lock_pinned();
        let (state, when) = (t.state(), t.when.get());
        let verdict = if state & ZOMBIE != 0 {
            // The owner may go at this moment: it sees that the entry is out, or this that it is gone.
            let last = t.state.swap(0, Ordering::AcqRel);
            Verdict::TakeOut { orphan: last & ORPHAN != 0 }
        } else if state & MODIFIED != 0 {
            t.set_state(HEAPED);
            Verdict::NewKey(when)
        } else if when <= now {
            t.set_state(0);
            // SAFETY: due and, from here on, out of the heap; under both locks.
            unsafe { (t.ops.due)(this) };
            Verdict::Run
        } else {
            Verdict::Right
        };
        t.lock.unlock_pinned();
        verdict
    }

    /// Its entry was taken out as [`TimerCore::examine`] said: frees it if it is an orphan.
    ///
    /// # Safety
    /// Called once for each such verdict.
    #[inline]
    pub(super) unsafe fn taken_out(this: *const TimerCore, orphan: bool) {
        if orphan {
            // SAFETY: nobody has it, and no heap.
            unsafe { ((*this).ops.free)(this) };
        }
    }

    /// It moves with its entry to another P's heap. The world is stopped.
    pub(super) fn moved(&self, ts: &Timers) {
        self.ts.set(ts);
    }

    /// Its owner gives it up; it is freed now, or when its entry is taken out of its heap.
    ///
    /// # Safety
    /// Nobody else has it, it is stopped or wanted by nobody, and [`TimerOps::free`] may be called.
    #[inline]
    pub(crate) unsafe fn abandon(this: *const TimerCore) {
        // Nobody but `examine` changes the state of a timer that only a heap has. Release: what the owner did comes before the end.
        // SAFETY: as the caller promises, it is in place until it is freed.
        let state = unsafe { (*this).state.fetch_add(ORPHAN, Ordering::AcqRel) };
        if state & HEAPED == 0 {
            // SAFETY: as above, and its entry is out.
            unsafe { TimerCore::free(this) };
        }
        debug_assert!(state & HEAPED == 0 || state & ZOMBIE != 0, "a timer that is to go off is given up");
    }

    /// Frees it, once [`TimerCore::examine`], which has taken its entry out, has given its lock back.
    ///
    /// # Safety
    /// Nobody else has it, nor comes to have it.
    unsafe fn free(this: *const TimerCore) {
        let me = acquirem();
        // SAFETY: as the caller promises.
        unsafe {
            (*this).lock.lock_pinned();
            (*this).lock.unlock_pinned();
            ((*this).ops.free)(this);
        }
        releasem(me);
    }
}

/// What [`TimerCore::examine`] found.
pub(super) enum Verdict {
    /// The entry is right.
    Right,
    /// The entry is to have another key.
    NewKey(i64),
    /// The entry is to be taken out, and an orphan to be freed: nobody else will.
    TakeOut {
        /// It has no owner.
        orphan: bool,
    },
    /// The entry is to be taken out, and [`TimerOps::run`] to be called.
    Run,
}
