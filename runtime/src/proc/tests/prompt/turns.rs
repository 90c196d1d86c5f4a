//! Nobody waits for long while others come and go on one core.

use super::super::super::{go, gosched, syscall};
use super::{Going, MS, Moment, compute, make_it_the_61st_time};
use crate::chan::make;
use crate::port;
use crate::sync::RawMutex;
use crate::time::sleep;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, Ordering};
use core::time::Duration;

/// A goroutine that starts its successor and one more, and so on: the P's queue is never empty, and nobody's slice comes to an end.
fn relay(going: &Going) {
    fn run(going: Arc<AtomicBool>, until: i64) {
        if going.load(Ordering::Relaxed) && port::nanotime() < until {
            go(move || run(going, until));
            go(|| ());
        }
    }
    run(going.flag(), port::nanotime() + 30 * MS);
}

/// A goroutine on the global queue starves beside a P whose own queue is never empty.
pub(super) fn the_global_queue_has_its_turn() {
    let going = Going::new();
    relay(&going);
    let start = port::nanotime();
    gosched();
    let waited = port::nanotime() - start;
    assert!(waited < MS, "{waited} ns on the global queue");
}

/// A timer is late beside a P whose own queue is never empty.
pub(super) fn timers_have_their_turn() {
    let going = Going::new();
    relay(&going);
    let start = port::nanotime();
    sleep(Duration::from_micros(100));
    let slept = port::nanotime() - start;
    assert!(slept < MS, "{slept} ns asleep");
}

/// Two goroutines that ready each other go from one to the other without a look at the global queue, when it is time for one.
pub(super) fn parking_looks_at_the_global_queue() {
    let going = Going::new();
    let (ping, pong) = (make(0), make(0));
    let (to, from, flag) = (ping.clone(), pong.clone(), going.flag());
    go(move || {
        while flag.load(Ordering::Relaxed) {
            make_it_the_61st_time();
            to.send(());
            from.recv();
        }
        to.close();
    });
    go(move || {
        while ping.recv().is_some() {
            make_it_the_61st_time();
            pong.send(());
        }
    });
    gosched();
    let mut back = 0;
    syscall::block(|| {
        port::semasleep(MS / 10);
        back = port::nanotime();
    });
    let waited = port::nanotime() - back;
    assert!(waited < MS, "{waited} ns on the global queue");
}

/// Who is readied waits behind all others of the queue: an answer costs a round of the P.
pub(super) fn who_is_readied_runs_next() {
    let (gate, order) = (make(0), make(8));
    let (g, o) = (gate.clone(), order.clone());
    go(move || {
        g.recv();
        o.send(0);
    });
    gosched();
    for i in 1..=3 {
        let o = order.clone();
        go(move || o.send(i));
    }
    gate.send(());
    let order: Vec<u32> = order.iter().take(4).collect();
    assert_eq!(order[0], 0, "{order:?}");
}

/// A goroutine that yields has its next turn before one whose timer is due, each 61st time.
pub(super) fn sleepers_go_before_who_yields() {
    let woken = Moment::default();
    let w = woken.clone();
    go(move || {
        sleep(Duration::from_micros(10));
        w.is_now();
    });
    gosched();
    compute(MS / 10);
    make_it_the_61st_time();
    gosched();
    assert!(woken.has_been(), "who yielded came first");
}

/// A goroutine that unlocks and locks again keeps another from the lock for as long as it likes.
pub(super) fn a_mutex_goes_to_who_starves() {
    let mutex = Arc::new(RawMutex::default());
    let (m, had) = (mutex.clone(), Moment::default());
    let h = had.clone();
    mutex.lock();
    go(move || {
        m.lock();
        h.is_now();
        m.unlock();
    });
    let start = port::nanotime();
    while !had.has_been() && port::nanotime() - start < 60 * MS {
        compute(2 * MS);
        mutex.unlock();
        mutex.lock();
    }
    mutex.unlock();
    let waited = had.after(start);
    assert!(waited < 25 * MS, "{waited} ns without the lock");
}

/// What is queued on the P of a goroutine that goes into a blocking call waits for its return.
pub(super) fn a_blocking_call_leaves_its_queue() {
    let ran = Moment::default();
    let r = ran.clone();
    go(move || r.is_now());
    syscall::nanosleep(Duration::from_millis(5));
    assert!(ran.has_been(), "the queue waited for the call");
}

/// The timers of the last P wait for the return of a blocking call.
pub(super) fn a_blocking_call_leaves_its_timers() {
    let woken = Moment::default();
    let w = woken.clone();
    let start = port::nanotime();
    go(move || {
        sleep(Duration::from_millis(1));
        w.is_now();
    });
    gosched();
    syscall::nanosleep(Duration::from_millis(8));
    let slept = woken.after(start);
    assert!(slept < 2 * MS, "{slept} ns asleep");
}

/// What is queued on the P of a goroutine whose call turns out to block waits for its return: sysmon sleeps, or takes nothing.
pub(super) fn sysmon_takes_the_queue_of_a_call() {
    // Longer than sysmon goes on for after the last call.
    sleep(Duration::from_millis(30));
    let ran = Moment::default();
    let r = ran.clone();
    go(move || r.is_now());
    let start = port::nanotime();
    syscall::call(|| port::semasleep(8 * MS));
    let waited = ran.after(start);
    assert!(waited < 2 * MS, "{waited} ns behind a call");
}
