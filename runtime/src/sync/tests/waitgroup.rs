//! `WaitGroup` on the machine (C3). Each test names the bug that it would show.

use crate::panic::catch_unwind;
use crate::sync::WaitGroup;
use crate::testing::panic_text;
use crate::{chan, gosched, kernel_test};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicUsize, Ordering};

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

/// Another text than Go's, or none.
#[kernel_test]
fn waitgroup_misuse_panics() {
    let wg = WaitGroup::new();
    wg.add(1);
    wg.done();
    let e = catch_unwind(|| wg.done()).expect_err("no panic");
    assert_eq!(panic_text(&*e), "sync: negative WaitGroup counter");
}
