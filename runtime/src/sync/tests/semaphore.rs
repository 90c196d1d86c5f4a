//! `Semaphore` (Go: `golang.org/x/sync/semaphore/semaphore_test.go`).

use super::on_goroutines;
use crate::context;
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

/// An `acquire_with` that waits on when its context is done, or takes tokens nevertheless (Go: `TestWeightedAcquire`).
#[kernel_test]
fn acquire_with_a_context() {
    let sem = Semaphore::new(2);
    let try_acquire = |n| {
        let (ctx, cancel) = context::with_timeout(&context::background(), Duration::from_millis(2));
        let result = sem.acquire_with(&ctx, n);
        cancel.cancel();
        result
    };
    sem.acquire(1);
    assert_eq!(try_acquire(1), Ok(()));
    assert_eq!(try_acquire(1), Err(context::Error::DeadlineExceeded));
    sem.release(2);
    assert_eq!(try_acquire(1), Ok(()));
    sem.acquire(1);
    assert_eq!(try_acquire(1), Err(context::Error::DeadlineExceeded));
    assert_eq!(try_acquire(3), Err(context::Error::DeadlineExceeded), "more than there are");
    sem.release(2);
    assert!(sem.try_acquire(2), "tokens were lost");
}

/// One that gives up and leaves those behind it waiting for what they could have (Go: `TestAllocCancelDoesntStarve`).
#[kernel_test]
fn who_gives_up_lets_others_in() {
    let sem = Arc::new(Semaphore::new(10));
    sem.acquire(1);
    let (ctx, cancel) = context::with_cancel(&context::background());
    let gave_up = chan::make(1);
    let (large, end) = (sem.clone(), gave_up.clone());
    go(move || end.send(large.acquire_with(&ctx, 10)));
    while sem.waiting() < 1 {
        gosched();
    }
    let served = chan::make(1);
    let (small, end) = (sem.clone(), served.clone());
    go(move || {
        small.acquire(1);
        end.send(());
    });
    while sem.waiting() < 2 {
        gosched();
    }
    cancel.cancel();
    assert_eq!(gave_up.recv(), Some(Err(context::Error::Canceled)));
    served.recv();
}
