//! `singleflight` (Go: `golang.org/x/sync/singleflight/singleflight_test.go`).

use super::on_goroutines;
use crate::panic::catch_unwind;
use crate::sync::WaitGroup;
use crate::sync::singleflight::{Flight, Group};
use crate::testing::panic_text;
use crate::{chan, go, goexit, gosched, kernel_test};
use alloc::sync::Arc;
use core::sync::atomic::{AtomicU32, Ordering};

/// Another result than the function's (Go: `TestDo`, `TestDoErr`, `TestDoChan`).
#[kernel_test]
fn one_call() {
    let group = Group::new();
    assert_eq!(group.do_("key", || Ok("bar")), Flight { value: Ok("bar"), shared: false });
    assert_eq!(group.do_("key", || Err(7)), Flight { value: Err(7), shared: false });
    assert_eq!(group.do_chan("key", || Ok("bar")).recv(), Some(Flight { value: Ok("bar"), shared: false }));
}

/// A function that is called for each of those that ask at once (Go: `TestDoDupSuppress`).
#[kernel_test]
fn duplicates_share_a_call() {
    const N: usize = 10;
    let group = Group::<&str, &str>::new();
    let calls = Arc::new(AtomicU32::new(0));
    let (shared, one) = (group.clone(), calls.clone());
    on_goroutines(N, move |_| {
        let flight = shared.do_("key", || {
            one.fetch_add(1, Ordering::Relaxed);
            while shared.duplicates(&"key") < N - 1 {
                gosched();
            }
            "bar"
        });
        assert_eq!(flight, Flight { value: "bar", shared: true });
    });
    assert_eq!(calls.load(Ordering::Relaxed), 1);
}

/// A call that was forgotten and takes the later one's place (Go: `TestForget`, issue 31420).
#[kernel_test]
fn forget() {
    let group = Group::<&str, u32>::new();
    let (started, unblock_first, finished) = (chan::make::<()>(0), chan::make::<()>(0), chan::make::<()>(0));
    let (first, s, u, f) = (group.clone(), started.clone(), unblock_first.clone(), finished.clone());
    go(move || {
        first.do_("key", || {
            s.close();
            u.recv();
            1
        });
        f.close();
    });
    started.recv();
    group.forget(&"key");
    let unblock_second = chan::make::<()>(0);
    let gate = unblock_second.clone();
    let second = group.do_chan("key", move || {
        gate.recv();
        2
    });
    unblock_first.close();
    finished.recv();
    let third = group.do_chan("key", || 3);
    unblock_second.close();
    assert_eq!(second.recv(), Some(Flight { value: 2, shared: true }));
    assert_eq!(
        third.recv(),
        Some(Flight { value: 2, shared: true }),
        "the second call's result is the third's"
    );
}

/// A panic that only one of those that wait gets, or that leaves others waiting for ever (Go: `TestPanicDo`, issue 41133).
#[kernel_test]
fn a_panic_reaches_all() {
    const N: u32 = 5;
    let group = Group::<&str, ()>::new();
    let panics = Arc::new(AtomicU32::new(0));
    let wg = Arc::new(WaitGroup::new());
    for _ in 0..N {
        let (group, panics) = (group.clone(), panics.clone());
        wg.go(move || {
            let flight = || {
                group.do_("key", || {
                    (0..5).for_each(|_| gosched());
                    panic!("on purpose")
                })
            };
            let e = catch_unwind(flight).expect_err("no panic");
            assert_eq!(panic_text(&*e), "on purpose");
            panics.fetch_add(1, Ordering::Relaxed);
        });
    }
    wg.wait();
    assert_eq!(panics.load(Ordering::Relaxed), N);
}

/// The end of one goroutine that leaves the others waiting, or gives them a result (Go: `TestGoexitDo`).
#[kernel_test]
fn goexit_reaches_all() {
    let group = Group::<&str, ()>::new();
    let wg = Arc::new(WaitGroup::new());
    for _ in 0..5 {
        let group = group.clone();
        wg.go(move || {
            group.do_("key", || {
                (0..5).for_each(|_| gosched());
                goexit()
            });
            panic!("there is no result");
        });
    }
    wg.wait();
    assert_eq!(group.do_("key", || ()), Flight { value: (), shared: false });
}
