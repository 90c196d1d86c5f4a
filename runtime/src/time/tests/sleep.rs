//! Sleeping, and the clock.

use crate::sync::WaitGroup;
use crate::time::{Duration, now, sleep};
use crate::{chan, go, gosched, kernel_test};
use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// A timer that fires early, or not at all because the only idle M sleeps past it.
#[kernel_test]
fn sleep_is_not_early() {
    for us in [1, 50, 300, 1000, 5000] {
        let d = Duration::from_micros(us);
        let t = now();
        sleep(d);
        assert!(t.elapsed() >= d, "slept {:?} of {d:?}", t.elapsed());
    }
    let t = now();
    sleep(Duration::ZERO);
    assert!(t.elapsed() < Duration::from_secs(1));
}

/// An earlier timer that does not shorten the sleep for a later one: the machine goes idle until the later one first.
#[kernel_test]
fn an_earlier_sleeper_wakes_first() {
    let woken = chan::make(2);
    for sleeper in [Duration::from_secs(30), Duration::from_millis(10)] {
        let woken = woken.clone();
        go(move || {
            sleep(sleeper);
            woken.send(sleeper);
        });
        // Until the goroutine sleeps.
        sleep(Duration::from_millis(1));
    }
    assert_eq!(woken.recv(), Some(Duration::from_millis(10)));
}

/// An idle M that sleeps on for a later timer, while the P that got an earlier one is kept busy.
#[kernel_test]
fn a_busy_p_does_not_keep_its_timers() {
    let later = Duration::from_millis(600);
    let wg = Arc::new(WaitGroup::new());
    wg.go(move || sleep(later));
    // The machine goes idle until then.
    sleep(Duration::from_millis(20));
    let woken = Arc::new(AtomicBool::new(false));
    let woken2 = woken.clone();
    go(move || {
        sleep(Duration::from_millis(5));
        woken2.store(true, Ordering::SeqCst);
    });
    gosched();
    let t = now();
    while !woken.load(Ordering::SeqCst) && t.elapsed() < later {}
    assert!(t.elapsed() < later / 2, "woken after {:?}", t.elapsed());
    wg.wait();
}

/// A timer lost when timers of many Ps are added and run at once.
#[kernel_test]
fn a_thousand_sleepers() {
    let wg = Arc::new(WaitGroup::new());
    let slept = Arc::new(AtomicU64::new(0));
    for i in 0..1000u64 {
        let slept = slept.clone();
        wg.go(move || {
            let d = Duration::from_micros(i * 7919 % 5000);
            let t = now();
            sleep(d);
            assert!(t.elapsed() >= d);
            slept.fetch_add(1, Ordering::Relaxed);
        });
    }
    wg.wait();
    assert_eq!(slept.load(Ordering::Relaxed), 1000);
}

/// A clock that goes backwards when the goroutine changes cores.
#[kernel_test]
fn clock_is_monotonic_across_cores() {
    let wg = Arc::new(WaitGroup::new());
    let latest = Arc::new(AtomicU64::new(0));
    let start = now();
    for _ in 0..8 {
        let latest = latest.clone();
        wg.go(move || {
            for _ in 0..2000 {
                let seen = latest.load(Ordering::SeqCst);
                let t = start.elapsed().as_nanos() as u64;
                assert!(t >= seen, "{t} after {seen}");
                latest.fetch_max(t, Ordering::SeqCst);
                gosched();
            }
        });
    }
    wg.wait();
}
