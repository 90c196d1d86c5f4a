//! The M that waits for timers: of the Ms without work one sleeps until the earliest timer of all Ps (Go: `lastpoll`, `pollUntil` and
//! `wakeNetPoller`, with which Go's network poller sleeps as long).
//!
//! `runtime/models` compiles this file once more, over loom's atomics.
//!
//! # Protocol
//! `LASTPOLL` is 0 while an M waits, `POLL_UNTIL` says until when, 0 = not said; `POLLER` is the M that may be woken.
//!
//! The M that is to wait: 1. exchanges `LASTPOLL` for 0: who finds another value there has the office; 2. puts itself in `POLLER`, then the moment
//! in `POLL_UNTIL`; 3. full barrier; 4. looks at all timers once more and sleeps until the earliest; 5. gives the office back.
//!
//! Who adds a timer: 1. publishes it in its P; 2. full barrier; 3. nobody waits: wakes an M, which will look; else takes the M out of `POLLER`
//! and wakes it if it would sleep too long, or has not said how long.
//!
//! Either the adder sees `POLL_UNTIL`, or the sleeper's last look sees the timer. Who takes the M out of `POLLER` owes it one post of its
//! semaphore, and the M awaits that if another has taken it out.

use super::M;
use super::atomic::{Ordering, fence};
use super::sched::{LASTPOLL, POLL_UNTIL, POLLER};
use super::steal::earliest_timer;
use crate::port;
use core::ptr::null_mut;

/// Sleeps until `when` (nanotime) or the earliest timer or a call of [`wake`], if no other M does; false if one does.
///
/// The current M is `mp`; it holds no P.
pub(super) fn wait(mp: *mut M, when: i64) -> bool {
    if LASTPOLL.swap(0, Ordering::SeqCst) == 0 {
        if too_late(when) {
            interrupt();
        }
        return false;
    }
    POLLER.store(mp, Ordering::SeqCst);
    POLL_UNTIL.store(when, Ordering::SeqCst);
    // The barrier of the sleeper's side: a timer added before it is seen here, one added after it sees `POLL_UNTIL`.
    fence(Ordering::SeqCst);
    sleep_until(earliest_timer(when));
    POLL_UNTIL.store(0, Ordering::SeqCst);
    LASTPOLL.store(port::nanotime().max(1), Ordering::SeqCst);
    true
}

/// A timer at `when` (nanotime) was added: wakes the M that waits, if it would sleep past it. False if no M waits.
pub(super) fn wake(when: i64) -> bool {
    // The barrier of the adder's side; pairs with that in `wait`.
    fence(Ordering::SeqCst);
    if LASTPOLL.load(Ordering::SeqCst) != 0 {
        return false;
    }
    if too_late(when) {
        interrupt();
    }
    true
}

/// Whether the M that waits would sleep past `when`.
fn too_late(when: i64) -> bool {
    let until = POLL_UNTIL.load(Ordering::SeqCst);
    until == 0 || until > when
}

fn sleep_until(when: i64) {
    let ns = when - port::nanotime();
    let posted = ns > 0 && port::semasleep(ns);
    if !posted && POLLER.swap(null_mut(), Ordering::SeqCst).is_null() {
        // A waker was quicker: its post has come or will; leave none behind.
        port::semasleep(-1);
    }
}

fn interrupt() {
    let mp = POLLER.swap(null_mut(), Ordering::SeqCst);
    if !mp.is_null() {
        // SAFETY: Ms are never freed.
        port::semawakeup(unsafe { (*mp).os() });
    }
}
