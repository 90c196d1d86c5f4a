//! `WaitGroup` on the machine. Each test names the bug that it would show.

use crate::panic::catch_unwind;
use crate::sync::WaitGroup;
use crate::testing::panic_text;
use crate::{chan, go, goexit, gosched, kernel_test};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

/// `wait` that returns early, or a group that cannot be used again.
#[kernel_test]
fn waitgroup_waits_for_all_again_and_again() {
    let wg = Arc::new(WaitGroup::new());
    let done = Arc::new(AtomicUsize::new(0));
    for round in 1..=50 {
        for i in 0..40 {
            let done = done.clone();
            wg.go(move || {
                if i % 3 == 0 {
                    gosched();
                }
                done.fetch_add(1, Ordering::Relaxed);
            });
        }
        wg.wait();
        assert_eq!(done.load(Ordering::Relaxed), 40 * round);
    }
}

/// A waiter that is forgotten among many, also of other groups in the same root of the semaphore table.
#[kernel_test]
fn waitgroup_wakes_all_waiters() {
    let groups: Vec<_> = (0..600).map(|_| Arc::new(WaitGroup::new())).collect();
    let woken = chan::make(0);
    for wg in &groups {
        wg.add(1);
        for _ in 0..3 {
            let (wg, woken) = (wg.clone(), woken.clone());
            crate::go(move || {
                wg.wait();
                woken.send(());
            });
        }
    }
    for _ in 0..10 {
        gosched();
    }
    for wg in groups.iter().rev() {
        wg.done();
    }
    for _ in 0..3 * groups.len() {
        assert_eq!(woken.recv(), Some(()));
    }
}

/// Another text than Go's, or none (Go: `TestWaitGroupMisuse`).
#[kernel_test]
fn waitgroup_misuse_panics() {
    let wg = WaitGroup::new();
    wg.add(1);
    wg.done();
    let e = catch_unwind(|| wg.done()).expect_err("no panic");
    assert_eq!(panic_text(&*e), "sync: negative WaitGroup counter");
}

const CONCURRENT: &str = "sync: WaitGroup misuse: Add called concurrently with Wait";
const REUSED: &str = "sync: WaitGroup is reused before previous Wait has returned";

/// Two groups as two doors: a barrier that opens too early, or for too few (Go: `TestWaitGroup`).
#[kernel_test]
fn waitgroup_as_a_barrier() {
    const N: i32 = 16;
    let groups = Arc::new((WaitGroup::new(), WaitGroup::new()));
    for _ in 0..8 {
        groups.0.add(N);
        groups.1.add(N);
        let exited = chan::make(N as usize);
        for _ in 0..N {
            let (groups, exited) = (groups.clone(), exited.clone());
            go(move || {
                groups.0.done();
                groups.1.wait();
                exited.send(());
            });
        }
        groups.0.wait();
        for _ in 0..N {
            assert!(exited.try_recv().is_err(), "released too soon");
            groups.1.done();
        }
        for _ in 0..N {
            exited.recv();
        }
    }
}

/// A wait that ends while one of two goroutines has not (Go: `TestWaitGroupRace`).
#[kernel_test]
fn waitgroup_does_not_end_early() {
    for _ in 0..1000 {
        let wg = Arc::new(WaitGroup::new());
        let n = Arc::new(AtomicU32::new(0));
        for _ in 0..2 {
            let n = n.clone();
            wg.go(move || _ = n.fetch_add(1, Ordering::Relaxed));
        }
        wg.wait();
        assert_eq!(n.load(Ordering::Relaxed), 2);
    }
}

/// An `add` that raises the counter from 0 while somebody waits, unnoticed or under another text.
#[kernel_test]
fn waitgroup_add_beside_wait_panics() {
    let wg = WaitGroup::new();
    // One waits and the counter is 0: as between the last `done` and what it does about those that wait.
    wg.0.state.store(1, Ordering::Relaxed);
    let e = catch_unwind(|| wg.add(1)).expect_err("no panic");
    assert_eq!(panic_text(&*e), CONCURRENT);
}

/// A group used again before those that waited have returned, unnoticed or under another text. It depends on who is quicker, so it is tried until it is
/// seen.
#[kernel_test]
fn waitgroup_reused_too_early_panics() {
    let seen = (0..10_000).any(|_| {
        let wg = Arc::new(WaitGroup::new());
        wg.add(1);
        let waiter = wg.clone();
        let result = chan::make(1);
        let end = result.clone();
        go(move || end.send(catch_unwind(|| waiter.wait()).map_err(|e| panic_text(&*e) == REUSED)));
        while wg.0.state.load(Ordering::Relaxed) & u64::from(u32::MAX) == 0 {
            gosched();
        }
        wg.done();
        wg.add(1);
        let ended = result.recv().expect("never closed");
        assert_ne!(ended, Err(false), "another text");
        ended == Err(true)
    });
    assert!(seen, "never noticed");
}

/// Other texts than these three, or a hang, when a group is misused in a race (Go: `TestWaitGroupMisuse2`, `TestWaitGroupMisuse3`, which try until
/// one is seen).
#[kernel_test]
fn waitgroup_races_panic_with_gos_texts() {
    for _ in 0..300 {
        let wg = Arc::new(WaitGroup::new());
        wg.add(1);
        let (waited, added) = (chan::make(1), chan::make(1));
        let (waiter, adder) = (wg.clone(), wg.clone());
        let (end_of_wait, end_of_add) = (waited.clone(), added.clone());
        go(move || end_of_wait.send(catch_unwind(|| waiter.wait())));
        go(move || {
            end_of_add.send(catch_unwind(|| {
                adder.add(1);
                adder.done();
            }));
        });
        let mine = catch_unwind(|| wg.done());
        let others = added.recv().expect("never closed");
        let noticed = mine.is_err() || others.is_err();
        // Where the misuse is noticed, nobody may be left to wake who waits.
        let wait = if noticed { None } else { waited.recv() };
        for result in [mine, others].into_iter().chain(wait) {
            if let Err(e) = result {
                let text = panic_text(&*e);
                assert!([CONCURRENT, REUSED, "sync: negative WaitGroup counter"].contains(&text), "{text}");
            }
        }
    }
}

/// A goroutine that ends by `goexit` and is waited for for ever.
#[kernel_test]
fn waitgroup_go_counts_goexit() {
    let wg = Arc::new(WaitGroup::new());
    wg.go(|| goexit());
    wg.wait();
}
