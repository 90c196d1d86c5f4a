//! Semaphores (Go: `runtime/sema_test.go`, `TestSemaphore` in `sync/mutex_test.go`).

use super::on_goroutines;
use crate::proc::WaitReason;
use crate::sync::sema::{nwait, semacquire, semrelease};
use crate::{chan, go, gomaxprocs, gosched, kernel_test};
use core::sync::atomic::{AtomicU32, Ordering};

/// A post that is lost (a hang) or taken twice (Go: `TestSemaphore`).
#[kernel_test]
fn hammer() {
    static SEMA: AtomicU32 = AtomicU32::new(1);
    static INSIDE: AtomicU32 = AtomicU32::new(0);
    on_goroutines(10, |_| {
        for _ in 0..1000 {
            semacquire(&SEMA, false, WaitReason::Semacquire);
            assert_eq!(INSIDE.fetch_add(1, Ordering::Relaxed), 0, "two have the one post");
            INSIDE.fetch_sub(1, Ordering::Relaxed);
            semrelease(&SEMA, false);
        }
    });
    assert_eq!(SEMA.load(Ordering::Relaxed), 1);
}

/// A releaser with hand-off that goes on running before the waiter does (Go: `TestSemaHandoff`, issue 33747). As in Go two thirds must be direct.
#[kernel_test]
fn handoff_runs_the_waiter_first() {
    const ROUNDS: u32 = 500;
    let direct = (0..ROUNDS).filter(|_| hand_off_once()).count() as u32;
    assert!(direct >= ROUNDS * 2 / 3, "{direct} of {ROUNDS} hand-offs were direct");
}

/// Whether the waiter ran first.
fn hand_off_once() -> bool {
    static SEMA: AtomicU32 = AtomicU32::new(0);
    static FIRST: AtomicU32 = AtomicU32::new(0);
    FIRST.store(0, Ordering::Relaxed);
    let run_first = |who| _ = FIRST.compare_exchange(0, who, Ordering::Relaxed, Ordering::Relaxed);
    let done = chan::make::<()>(0);
    // The other Ps are kept busy, so that they do not take this goroutine when it yields.
    for _ in 0..gomaxprocs() {
        let done = done.clone();
        go(move || {
            while done.try_recv() == Err(chan::TryRecvError::Empty) {
                gosched();
            }
        });
    }
    let end = done.clone();
    go(move || {
        semacquire(&SEMA, false, WaitReason::Semacquire);
        run_first(1);
        semrelease(&SEMA, true);
        end.close();
    });
    while nwait(&SEMA) == 0 {
        gosched();
    }
    semrelease(&SEMA, true);
    run_first(2);
    done.recv();
    // The waiter's own post.
    semacquire(&SEMA, false, WaitReason::Semacquire);
    FIRST.load(Ordering::Relaxed) == 1
}

/// A waiter that was outrun and goes to the end of the queue, or in front when it should not.
#[kernel_test]
fn lifo_goes_to_the_front() {
    static SEMA: AtomicU32 = AtomicU32::new(0);
    let woken = chan::make(3);
    for (i, lifo) in [(1, false), (2, false), (3, true)] {
        let woken = woken.clone();
        let before = nwait(&SEMA);
        go(move || {
            semacquire(&SEMA, lifo, WaitReason::Semacquire);
            woken.send(i);
        });
        while nwait(&SEMA) == before {
            gosched();
        }
    }
    for expected in [3, 1, 2] {
        semrelease(&SEMA, false);
        assert_eq!(woken.recv(), Some(expected));
    }
}
