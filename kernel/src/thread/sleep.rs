//! A thread's semaphore: sleep until posted, with an optional deadline (Go: `semasleep`, `semawakeup`).
//!
//! # Protocol
//! 1. The sleeper, with interrupts off, takes its own lock. Posted already: consume the post and go on.
//! 2. Else: state sleeping, the deadline goes to this core's list of sleepers, and the core switches away *with the lock held*; the next
//!    thread gives it back ([`super::switch`]). So whoever finds the state sleeping under the lock finds saved registers.
//! 3. A poster takes the lock. Sleeping: state runnable, unlock, place it on a core. Else: leave the post.
//! 4. An expired deadline does as a poster, but leaves no post; a deadline of an earlier sleep is told by its number.
//!
//! Lock order: a thread's lock before a core's sleepers and queue. An expired thread is taken off the list under the list's lock alone, and
//! its own lock is taken after that was given up; a poster that came between has made it runnable, and the number of its sleep differs.

use super::idle::place;
use super::runqueue::{by_id, switch_away, this};
use super::thread::{State, Thread, current};
use crate::cpu::clock;
use crate::irq::IrqOff;
use core::sync::atomic::Ordering;

/// Sleeps until the current thread's semaphore was posted (true, and the post is consumed) or `ns` nanoseconds have passed (false);
/// `None` waits for ever.
pub fn sleep(ns: Option<u64>) -> bool {
    let irq = IrqOff::new();
    // SAFETY: the current thread; threads are never freed.
    let t: &'static Thread = unsafe { &*current() };
    t.acquire(&irq);
    if t.posted.swap(false, Ordering::Relaxed) {
        t.release();
        return true;
    }
    if ns == Some(0) {
        t.release();
        return false;
    }
    t.set_state(State::Sleeping);
    t.sleeps.fetch_add(1, Ordering::Relaxed);
    match ns {
        Some(ns) => {
            t.deadline.store(clock::nanotime().saturating_add(ns), Ordering::Relaxed);
            this(&irq).timer.add_sleeper(&irq, t);
        }
        None => t.deadline.store(u64::MAX, Ordering::Relaxed),
    }
    switch_away(&irq);
    // Who woke it has left the answer.
    t.posted.swap(false, Ordering::Relaxed)
}

/// Posts a thread's semaphore: wakes it, or lets its next sleep return at once. Posts do not add up.
pub fn post(t: &'static Thread) {
    let irq = IrqOff::new();
    t.acquire(&irq);
    t.posted.store(true, Ordering::Relaxed);
    if t.is(State::Sleeping) {
        if t.deadline.load(Ordering::Relaxed) != u64::MAX {
            by_id(t.core.load(Ordering::Relaxed)).timer.remove_sleeper(t);
        }
        t.set_state(State::Runnable);
        t.release();
        place(&irq, t);
    } else {
        t.release();
    }
}

/// A deadline of `t`'s sleep number `sleep` has passed.
pub(super) fn expire(irq: &IrqOff, t: &'static Thread, sleep: u64) {
    t.acquire(irq);
    if t.is(State::Sleeping) && t.sleeps.load(Ordering::Relaxed) == sleep {
        t.set_state(State::Runnable);
        t.release();
        place(irq, t);
    } else {
        t.release();
    }
}
