//! `Semaphore` (Go: `golang.org/x/sync/semaphore/semaphore_test.go`).

use super::on_goroutines;
use crate::panic::catch_unwind;
use crate::sync::{Semaphore, WaitGroup};
use crate::testing::panic_text;
use crate::time::{Duration, sleep};
use crate::{chan, go, gosched, kernel_test};
use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// More tokens taken than there are, or one that waits for ever (Go: `TestWeighted`).
#[kernel_test]
fn hammer() {
    const SIZE: u64 = 4;
    let (sem, taken) = (Semaphore::new(SIZE), AtomicU64::new(0));
    on_goroutines(SIZE as usize, move |i| {
        let n = i as u64;
        for round in 0..200 {
            sem.acquire(n);
            assert!(taken.fetch_add(n, Ordering::Relaxed) + n <= SIZE);
            if round % 10 == 0 {
                gosched();
            }
            taken.fetch_sub(n, Ordering::Relaxed);
            sem.release(n);
        }
    });
}

/// Tokens from nowhere (Go: `TestWeightedPanic`).
#[kernel_test]
fn release_of_what_is_not_held_panics() {
    let sem = Semaphore::new(1);
    let e = catch_unwind(|| sem.release(1)).expect_err("no panic");
    assert_eq!(panic_text(&*e), "semaphore: released more than held");
    assert!(sem.try_acquire(1), "the semaphore is of no use after that");
}

/// A try that takes what is not there or leaves what is (Go: `TestWeightedTryAcquire`).
#[kernel_test]
fn try_acquire() {
    let sem = Semaphore::new(2);
    sem.acquire(1);
    assert!(sem.try_acquire(1));
    assert!(!sem.try_acquire(1));
    sem.release(2);
    assert!(sem.try_acquire(1));
    sem.acquire(1);
    assert!(!sem.try_acquire(1));
}

/// One that asks for more than there is and keeps all others waiting behind it (Go: `TestWeightedDoesntBlockIfTooBig`).
#[kernel_test]
fn too_big_does_not_block_others() {
    let sem = Arc::new(Semaphore::new(2));
    let doomed = sem.clone();
    let asked = chan::make(1);
    let ask = asked.clone();
    go(move || {
        ask.send(());
        doomed.acquire(3);
    });
    asked.recv();
    gosched();
    on_goroutines(6, move |_| {
        sem.acquire(1);
        sleep(Duration::from_micros(200));
        sem.release(1);
    });
}

/// Small requests that pass a large one for ever (Go: `TestLargeAcquireDoesntStarve`).
#[kernel_test]
fn large_acquire_does_not_starve() {
    const N: u64 = 4;
    let sem = Arc::new(Semaphore::new(N));
    let running = Arc::new(AtomicBool::new(true));
    let wg = Arc::new(WaitGroup::new());
    for _ in 0..N {
        sem.acquire(1);
        let (sem, running) = (sem.clone(), running.clone());
        wg.go(move || {
            while running.load(Ordering::Relaxed) {
                sleep(Duration::from_micros(100));
                sem.release(1);
                sem.acquire(1);
            }
            sem.release(1);
        });
    }
    sem.acquire(N);
    running.store(false, Ordering::Relaxed);
    sem.release(N);
    wg.wait();
    assert!(sem.try_acquire(N), "tokens were lost");
}
