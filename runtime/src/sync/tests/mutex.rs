//! `RawMutex` and `Mutex` (Go: `sync/mutex_test.go`).

use super::on_goroutines;
use crate::panic::catch_unwind;
use crate::sync::{Mutex, RawMutex};
use crate::time::{Duration, sleep};
use crate::{chan, go, gosched, kernel_test};
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// Two that hold the lock, a wake-up that is lost (a hang), `try_lock` that takes what is taken or leaves what is free (Go: `TestMutex`).
#[kernel_test]
fn hammer() {
    let m = Arc::new(RawMutex::new());
    m.lock();
    assert!(!m.try_lock(), "a locked mutex was taken");
    m.unlock();
    assert!(m.try_lock(), "a free mutex was not taken");
    m.unlock();
    let inside = AtomicU32::new(0);
    let mutex = m.clone();
    on_goroutines(10, move |_| {
        for i in 0..1000 {
            if i % 3 == 0 {
                if mutex.try_lock() {
                    mutex.unlock();
                }
                continue;
            }
            mutex.lock();
            assert_eq!(inside.fetch_add(1, Ordering::Relaxed), 0, "two hold the lock");
            if i % 50 == 1 {
                gosched();
            }
            inside.fetch_sub(1, Ordering::Relaxed);
            mutex.unlock();
        }
    });
    assert!(m.try_lock(), "the lock was not given back");
    m.unlock();
}

/// A waiter that a goroutine which takes the lock again at once keeps out for ever: a starvation mode that does not begin (Go: `TestMutexFairness`).
#[kernel_test]
fn fairness() {
    let m = Arc::new(RawMutex::new());
    let stop = Arc::new(AtomicBool::new(false));
    let (greedy, stopped) = (m.clone(), stop.clone());
    let ended = chan::make(0);
    let end = ended.clone();
    go(move || {
        while !stopped.load(Ordering::Relaxed) {
            greedy.lock();
            sleep(Duration::from_micros(100));
            greedy.unlock();
        }
        end.send(());
    });
    for _ in 0..10 {
        sleep(Duration::from_micros(100));
        m.lock();
        m.unlock();
    }
    stop.store(true, Ordering::Relaxed);
    ended.recv();
}

/// Starvation mode that lets newcomers in front, or does not end: all wait longer than its threshold, so the lock goes from one to the next.
#[kernel_test]
fn starving_waiters_are_served() {
    let m = Arc::new(RawMutex::new());
    let held = m.clone();
    m.lock();
    let served = Arc::new(AtomicU32::new(0));
    let counter = served.clone();
    let release = go_after(Duration::from_millis(5), move || held.unlock());
    on_goroutines(8, move |_| {
        for _ in 0..3 {
            m.lock();
            counter.fetch_add(1, Ordering::Relaxed);
            sleep(Duration::from_micros(1100));
            m.unlock();
        }
    });
    release.recv();
    assert_eq!(served.load(Ordering::Relaxed), 24);
}

fn go_after(d: Duration, f: impl FnOnce() + Send + 'static) -> chan::Chan<()> {
    let done = chan::make(1);
    let end = done.clone();
    go(move || {
        sleep(d);
        f();
        end.send(());
    });
    done
}

/// A value that two change at once, on one core or several.
#[kernel_test]
fn guards_its_value() {
    let value = Arc::new(Mutex::new((0_u64, String::new())));
    let shared = value.clone();
    on_goroutines(4, move |i| {
        for _ in 0..500 {
            let mut v = shared.lock();
            v.0 += 1;
            if v.0.is_multiple_of(64) {
                gosched();
            }
            v.1.clear();
            v.1.push_str(["a", "b", "c", "d"][i]);
        }
    });
    let value = Arc::into_inner(value).expect("the last handle").into_inner();
    assert_eq!(value.0, 2000);
    assert_eq!(value.1.len(), 1);
}

/// A panic that keeps the lock, or poisons it: Go's deferred unlock does neither.
#[kernel_test]
fn a_panic_gives_the_lock_back() {
    let m = Mutex::new(1);
    let panicked = catch_unwind(|| {
        let mut v = m.lock();
        *v = 2;
        panic!("with the lock held");
    });
    assert!(panicked.is_err());
    assert_eq!(m.try_lock().map(|v| *v), Some(2));
}

/// A guard that only the goroutine may drop which took it: in Go any may unlock.
#[kernel_test]
fn a_guard_may_go_to_another_goroutine() {
    static M: Mutex<u32> = Mutex::new(7);
    let guard = M.lock();
    let done = chan::make(0);
    let end = done.clone();
    go(move || {
        let mut guard = guard;
        *guard += 1;
        drop(guard);
        end.send(());
    });
    assert_eq!(*M.lock(), 8);
    done.recv();
}

/// `Debug` that waits for the lock, which its own goroutine may hold.
#[kernel_test]
fn debug_does_not_wait() {
    let m = Mutex::new(5);
    assert_eq!(format!("{m:?}"), "Mutex(5)");
    let guard = m.lock();
    assert_eq!(format!("{m:?} {guard:?} {guard}"), "Mutex(<locked>) 5 5");
}
