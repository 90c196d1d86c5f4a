//! `Cond` (Go: `sync/cond_test.go`).

use crate::sync::{Cond, Mutex, RwMutex};
use crate::{chan, go, gosched, kernel_test};
use alloc::sync::Arc;

/// A goroutine that a signal does not wake (a hang), or that wakes without one; two that wake for one (Go: `TestCondSignal`).
#[kernel_test]
fn signal_wakes_one() {
    const N: usize = 2;
    let shared = Arc::new((Mutex::new(()), Cond::new()));
    let (running, awake) = (chan::make(N), chan::make(N));
    for _ in 0..N {
        let (shared, running, awake) = (shared.clone(), running.clone(), awake.clone());
        go(move || {
            let mut guard = shared.0.lock();
            running.send(());
            shared.1.wait(&mut guard);
            awake.send(());
        });
    }
    for _ in 0..N {
        running.recv();
    }
    for _ in 0..N {
        assert!(awake.try_recv().is_err(), "a goroutine is not asleep");
        let guard = shared.0.lock();
        shared.1.signal();
        drop(guard);
        awake.recv();
        assert!(awake.try_recv().is_err(), "too many goroutines are awake");
    }
    shared.1.signal();
}

/// A signal that wakes another than the one that waits, as when a new waiter takes an old one's (Go: `TestCondSignalGenerations`).
#[kernel_test]
fn signals_wake_in_order() {
    const N: usize = 100;
    let shared = Arc::new((Mutex::new(()), Cond::new()));
    let (running, awake) = (chan::make(N), chan::make(N));
    for i in 0..N {
        let (shared2, running2, awake2) = (shared.clone(), running.clone(), awake.clone());
        go(move || {
            let mut guard = shared2.0.lock();
            running2.send(());
            shared2.1.wait(&mut guard);
            awake2.send(i);
        });
        if i > 0 {
            assert_eq!(awake.recv(), Some(i - 1));
        }
        running.recv();
        let guard = shared.0.lock();
        shared.1.signal();
        drop(guard);
    }
}

/// A waiter that a broadcast forgets (a hang) or wakes twice (Go: `TestCondBroadcast`).
#[kernel_test]
fn broadcast_wakes_all() {
    const N: usize = 60;
    let shared = Arc::new((Mutex::new(false), Cond::new()));
    let (running, awake) = (chan::make(N), chan::make(N));
    for i in 0..N {
        let (shared, running, awake) = (shared.clone(), running.clone(), awake.clone());
        go(move || {
            let mut exit = shared.0.lock();
            while !*exit {
                running.send(i);
                shared.1.wait(&mut exit);
                awake.send(i);
            }
        });
    }
    for round in 1..=N {
        for _ in 0..N {
            running.recv();
        }
        if round == N {
            *shared.0.lock() = true;
        }
        assert!(awake.try_recv().is_err(), "a goroutine is not asleep");
        let guard = shared.0.lock();
        shared.1.broadcast();
        drop(guard);
        let mut seen = [false; N];
        for _ in 0..N {
            let i = awake.recv().expect("never closed");
            assert!(!core::mem::replace(&mut seen[i], true), "a goroutine woke twice");
        }
    }
    assert!(running.try_recv().is_err(), "a goroutine did not end");
    shared.1.broadcast();
}

/// A wait that returns without the lock, or before the signal (Go: `TestRace`).
#[kernel_test]
fn three_take_turns() {
    let shared = Arc::new((Mutex::new(0), Cond::new()));
    let done = chan::make(0);
    let bodies: [fn(&Mutex<i32>, &Cond); 3] = [
        |x, cond| {
            let mut x = x.lock();
            *x = 1;
            cond.wait(&mut x);
            assert_eq!(*x, 2);
            *x = 3;
            cond.signal();
        },
        |x, cond| {
            loop {
                let mut x = x.lock();
                if *x == 1 {
                    *x = 2;
                    cond.signal();
                    return;
                }
                drop(x);
                gosched();
            }
        },
        |x, cond| {
            loop {
                let mut x = x.lock();
                if *x == 2 {
                    cond.wait(&mut x);
                    assert_eq!(*x, 3);
                    return;
                }
                if *x == 3 {
                    return;
                }
                drop(x);
                gosched();
            }
        },
    ];
    for body in bodies {
        let (shared, done) = (shared.clone(), done.clone());
        go(move || {
            body(&shared.0, &shared.1);
            done.send(());
        });
    }
    for _ in 0..3 {
        done.recv();
    }
}

/// A broadcast that a later waiter takes from the one that has waited longer (Go: `TestCondSignalStealing`, issue 14064).
#[kernel_test]
fn broadcast_reaches_who_waited_before() {
    for _ in 0..200 {
        let shared = Arc::new((Mutex::new(false), Cond::new()));
        let waiter = chan::make(0);
        let (first, steps) = (shared.clone(), waiter.clone());
        go(move || {
            let mut guard = first.0.lock();
            steps.send(());
            first.1.wait(&mut guard);
            drop(guard);
            steps.send(());
        });
        waiter.recv();
        // It waits once its lock can be had.
        drop(shared.0.lock());
        let broadcaster = shared.clone();
        go(move || broadcaster.1.broadcast());
        let second = shared.clone();
        go(move || {
            let mut done = second.0.lock();
            while !*done {
                second.1.wait(&mut done);
            }
        });
        waiter.recv();
        *shared.0.lock() = true;
        shared.1.broadcast();
    }
}

/// A wait under a lock for reading that keeps a writer out, or takes the lock for writing again.
#[kernel_test]
fn waits_under_a_read_lock() {
    static VALUE: RwMutex<u32> = RwMutex::new(0);
    static CHANGED: Cond = Cond::new();
    *VALUE.write() = 0;
    let done = chan::make(3);
    for _ in 0..3 {
        let done = done.clone();
        go(move || {
            let mut value = VALUE.read();
            while *value == 0 {
                CHANGED.wait(&mut value);
            }
            assert!(VALUE.try_read().is_some(), "it holds more than a lock for reading");
            done.send(*value);
        });
    }
    gosched();
    let mut value = VALUE.write();
    *value = 7;
    CHANGED.broadcast();
    drop(value);
    for _ in 0..3 {
        assert_eq!(done.recv(), Some(7));
    }
}
