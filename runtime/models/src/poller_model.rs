//! `poller.rs`: no M sleeps past a timer, and no post is left over.
//!
//! A sleep until [`SOON`] ends at once, one until [`LATE`] lasts until somebody wakes the M; if nobody does, that is a deadlock.

use crate::port;
use crate::proc::{M, become_m};
use crate::xchg as atomic;
use atomic::{AtomicI64, Ordering};
use loom::thread;

#[path = "../../src/proc/poller.rs"]
mod poller;

/// When timers are due, in nanotime.
const SOON: i64 = 1 << 40;
const LATE: i64 = port::FOR_EVER * 2;

mod sched {
    use super::M;
    use super::atomic::{AtomicI64, AtomicPtr};

    loom::lazy_static! {
        pub static ref LASTPOLL: AtomicI64 = AtomicI64::new(1);
        pub static ref POLL_UNTIL: AtomicI64 = AtomicI64::new(0);
        pub static ref POLLER: AtomicPtr<M> = AtomicPtr::new(std::ptr::null_mut());
    }
}

/// The timers of the one P.
mod steal {
    use super::*;

    loom::lazy_static! {
        pub static ref WAKE_TIME: AtomicI64 = AtomicI64::new(LATE);
    }

    pub fn earliest_timer(when: i64) -> i64 {
        when.min(WAKE_TIME.load(Ordering::Acquire))
    }
}

/// A timer is added: as `Timers` publishes it.
fn add_timer(when: i64) -> bool {
    steal::WAKE_TIME.store(when, Ordering::Release);
    poller::wake(when)
}

fn m() -> *mut M {
    // Leaked: who wakes an M may look at it after the M's thread has ended, as with real Ms, which are never freed.
    Box::leak(Box::new(M::new()))
}

/// An M goes to sleep until the latest timer while another adds an earlier one. Finds a barrier that is missing on either side, and a missing last
/// look: the M sleeps past the timer.
#[test]
fn add_against_sleep() {
    loom::model(|| {
        let adder = thread::spawn(|| add_timer(SOON));
        become_m(m());
        assert!(poller::wait(crate::proc::current(), LATE));
        adder.join().unwrap();
        assert!(!port::semasleep(0), "a post was left in the semaphore");
    });
}

/// The time runs out just as somebody wakes the M. Finds a post that is left over, with which the M's next sleep would end at once.
#[test]
fn time_out_against_wake() {
    loom::model(|| {
        let adder = thread::spawn(|| add_timer(SOON - 1));
        become_m(m());
        assert!(poller::wait(crate::proc::current(), SOON));
        adder.join().unwrap();
        assert!(!port::semasleep(0), "a post was left in the semaphore");
    });
}

/// Two Ms want to wait, the second for an earlier timer, which the first does not know. Finds two that wait at a time, and a second that does not wake
/// the first.
#[test]
fn one_waits() {
    loom::model(|| {
        let other = thread::spawn(|| {
            become_m(m());
            steal::WAKE_TIME.store(SOON, Ordering::Release);
            poller::wait(crate::proc::current(), SOON)
        });
        become_m(m());
        poller::wait(crate::proc::current(), LATE);
        other.join().unwrap();
        assert!(!port::semasleep(0), "a post was left in the semaphore");
    });
}
