//! Each P's timers (Go: `timer`, `timers` in `time.go`).
//!
//! # Problem
//! Every goroutine may sleep: a timer costs little more than its place in a heap, and one heap for all cores would be the lock that all
//! share. A P that is busy must not keep its timers from those that are idle.
//!
//! # Protocol
//! 1. A timer is added to the heap of the P on which its goroutine ran, under that heap's lock, and `first` follows the heap's smallest key.
//! 2. If it became the first one, the scheduler is told ([`wake_net_poller`]): an M that sleeps until a later time, or would not wake at
//!    all, must wake for it. `first` is stored before (*release*, and the scheduler's own full barrier follows).
//! 3. Any M may run the timers of any P ([`Timers::check`]): its own P's at each turn of the scheduler, another's in the last round of stealing.
//!    It takes a timer off under the lock, gives the lock up, and calls the timer's function. So a timer is run once, and its memory
//!    is its owner's again when the function is called.

use super::heap4::Heap4;
use crate::lock::{Lock, Rank};
use crate::proc::wake_net_poller;
use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicI64, Ordering};

/// What a timer does: called on g0 with no lock held, it must not block.
pub type TimerFn = unsafe fn(arg: *mut ());

/// Something to be done at a time.
pub struct Timer {
    /// When (nanotime).
    pub when: i64,
    f: TimerFn,
    arg: *mut (),
}

impl Timer {
    /// A timer that calls `f(arg)`.
    pub fn new(f: TimerFn, arg: *mut ()) -> Timer {
        Timer { when: 0, f, arg }
    }
}

/// The timers of a P.
pub struct Timers {
    /// The smallest key of `heap`, 0 if it is empty; written under `lock`.
    first: AtomicI64,
    lock: Lock,
    heap: UnsafeCell<Heap4<*mut Timer>>,
}

// SAFETY: the heap is used under the lock only; a timer in it belongs to whoever takes it out.
unsafe impl Sync for Timers {}
// SAFETY: as above.
unsafe impl Send for Timers {}

impl Timers {
    /// No timers.
    pub const fn new() -> Timers {
        Timers {
            first: AtomicI64::new(0),
            lock: Lock::new(Rank::Timers),
            heap: UnsafeCell::new(Heap4::new()),
        }
    }

    /// When the first timer is due (nanotime), 0 if there is none. Takes no lock.
    #[inline]
    pub fn wake_time(&self) -> i64 {
        self.first.load(Ordering::Acquire)
    }

    /// Adds a timer with `when` set. Called on a fully backed stack.
    ///
    /// # Safety
    /// The timer stays in place until its function is called, which may be before this returns; the function may then be called with its
    /// argument. `self` is the current P's, and the caller is not preempted.
    pub unsafe fn add(&self, timer: *mut Timer) {
        // 0 says that there is none.
        // SAFETY: not in the heap yet, so it cannot fire.
        let when = unsafe { (*timer).when }.max(1);
        self.lock.lock();
        // SAFETY: under the lock.
        let heap = unsafe { &mut *self.heap.get() };
        heap.push(when, timer);
        let first = heap.first_key() == Some(when);
        self.publish(heap);
        self.lock.unlock();
        if first {
            wake_net_poller(when);
        }
    }

    /// Runs the timers that are due at `now` (nanotime). Returns whether any was, and when the next one is, 0 if there is none.
    ///
    /// Called on g0 of an M with a P, with no lock held.
    pub fn check(&self, now: i64) -> (bool, i64) {
        let mut ran = false;
        loop {
            let next = self.wake_time();
            if next == 0 || now < next {
                return (ran, next);
            }
            self.lock.lock();
            // SAFETY: under the lock.
            let heap = unsafe { &mut *self.heap.get() };
            // Another M may have taken what was due.
            let due = match heap.first_key() {
                Some(when) if when <= now => heap.pop(),
                _ => None,
            };
            self.publish(heap);
            self.lock.unlock();
            if let Some((_, timer)) = due {
                ran = true;
                // SAFETY: the timer was in the heap, so it is in place, and taken out it is fired by nobody else.
                unsafe { ((*timer).f)((*timer).arg) };
            }
        }
    }

    /// Takes over all timers of `from`, whose P is destroyed (Go: `timers.take`). Returns when the earliest of them is due, 0 if there was none.
    ///
    /// Called on g0 with the world stopped and no lock held. Meanwhile they are on neither P: the caller tells the scheduler afterwards
    /// ([`wake_net_poller`]).
    pub fn take(&self, from: &Timers) -> i64 {
        from.lock.lock();
        // SAFETY: under the lock.
        let mut taken = core::mem::replace(unsafe { &mut *from.heap.get() }, Heap4::new());
        from.first.store(0, Ordering::Release);
        from.lock.unlock();
        let first = taken.first_key().unwrap_or(0);
        self.lock.lock();
        // SAFETY: under the lock.
        let heap = unsafe { &mut *self.heap.get() };
        while let Some((when, timer)) = taken.pop() {
            heap.push(when, timer);
        }
        self.publish(heap);
        self.lock.unlock();
        first
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.lock.lock();
        // SAFETY: under the lock.
        let n = unsafe { (*self.heap.get()).len() };
        self.lock.unlock();
        n
    }

    /// Whether there is none. Takes no lock.
    pub fn is_empty(&self) -> bool {
        self.wake_time() == 0
    }

    fn publish(&self, heap: &Heap4<*mut Timer>) {
        self.first.store(heap.first_key().unwrap_or(0), Ordering::Release);
    }
}

impl Default for Timers {
    fn default() -> Timers {
        Timers::new()
    }
}
