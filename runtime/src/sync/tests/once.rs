//! `Once`, `OnceValue`, `OnceFunc` (Go: `sync/once_test.go`, `sync/oncefunc_test.go`).

use super::on_goroutines;
use crate::panic::catch_unwind;
use crate::sync::{Once, OnceFunc, OnceValue};
use crate::testing::panic_text;
use crate::{go, goexit, gosched, kernel_test};
use alloc::sync::Arc;
use core::sync::atomic::{AtomicU32, Ordering};

/// A second call, or a call that returns before the first has ended (Go: `TestOnce`).
#[kernel_test]
fn once_is_once() {
    for _ in 0..20 {
        let (once, calls) = (Once::new(), AtomicU32::new(0));
        on_goroutines(10, move |_| {
            once.call_once(|| {
                gosched();
                calls.fetch_add(1, Ordering::Relaxed);
            });
            assert_eq!(calls.load(Ordering::Relaxed), 1);
        });
    }
}

/// A panic after which it is done again, or its lock is kept (Go: `TestOncePanic`).
#[kernel_test]
fn a_panic_counts_as_done() {
    let once = Once::new();
    let first = catch_unwind(|| once.call_once(|| panic!("failed")));
    assert_eq!(panic_text(&*first.expect_err("no panic")), "failed");
    assert!(once.is_completed());
    once.call_once(|| panic!("called twice"));
}

/// A function that is called again, or not at all (Go: `TestOnceFunc`).
#[kernel_test]
fn once_func() {
    let calls = AtomicU32::new(0);
    let f = OnceFunc::new(|| _ = calls.fetch_add(1, Ordering::Relaxed));
    for _ in 0..10 {
        f.call();
    }
    drop(f);
    assert_eq!(calls.into_inner(), 1);
}

/// Another value for each call; a value that is made again (Go: `TestOnceValue`, `TestOnceValues`).
#[kernel_test]
fn once_value() {
    static CALLS: AtomicU32 = AtomicU32::new(0);
    static VALUES: OnceValue<(u32, u32)> = OnceValue::new(|| {
        let n = CALLS.fetch_add(1, Ordering::Relaxed);
        gosched();
        (10 + n, 20 + n)
    });
    let before = CALLS.load(Ordering::Relaxed);
    on_goroutines(10, |_| assert_eq!(*VALUES.get(), (10, 20)));
    // The test may run more than once, the static is one.
    assert!(CALLS.load(Ordering::Relaxed) == 1 && before <= 1);
}

/// A panic that is raised for the first caller only, or a function that is called again because it panicked (Go: `TestOnceFuncPanic`,
/// `TestOnceValuePanic`, `TestOnceValuesPanic`).
#[kernel_test]
fn a_panic_is_raised_again() {
    let calls = AtomicU32::new(0);
    let f = OnceValue::<u32, _>::new(|| {
        calls.fetch_add(1, Ordering::Relaxed);
        panic!("x")
    });
    for _ in 0..3 {
        let panic = catch_unwind(|| *f.get()).expect_err("no panic");
        assert_eq!(panic_text(&*panic), "x");
    }
    drop(f);
    assert_eq!(calls.into_inner(), 1);
}

/// A function that is called again because it ended its goroutine, or a caller that waits for it for ever (Go: `TestOnceFuncGoexit`).
#[kernel_test]
fn goexit_counts_as_done() {
    static CALLS: AtomicU32 = AtomicU32::new(0);
    CALLS.store(0, Ordering::Relaxed);
    let f = Arc::new(OnceFunc::new(|| {
        CALLS.fetch_add(1, Ordering::Relaxed);
        goexit()
    }));
    let ended = crate::chan::make(0);
    let (first, end) = (f.clone(), ended.clone());
    go(move || {
        crate::defer! { end.send(()) };
        first.call();
    });
    ended.recv();
    assert!(catch_unwind(|| f.call()).is_err());
    assert_eq!(CALLS.load(Ordering::Relaxed), 1);
}

/// What the function holds living on after its one call, though it returned or panicked (Go: `TestOnceXGC`).
#[kernel_test]
fn the_function_is_dropped_after_its_call() {
    for panics in [false, true] {
        let held = Arc::new(());
        let (shared, weak) = (held.clone(), Arc::downgrade(&held));
        drop(held);
        let f = OnceFunc::new(move || {
            assert_eq!(Arc::strong_count(&shared), 1);
            assert!(!panics, "on purpose");
        });
        assert_eq!(weak.strong_count(), 1, "dropped too early");
        assert_eq!(catch_unwind(|| f.call()).is_err(), panics);
        assert_eq!(weak.strong_count(), 0, "still held");
    }
}
