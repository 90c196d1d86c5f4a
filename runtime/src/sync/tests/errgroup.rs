//! `errgroup` (Go: `golang.org/x/sync/errgroup/errgroup_test.go`).

use crate::context;
use crate::panic::catch_unwind;
use crate::sync::errgroup::Group;
use crate::testing::panic_text;
use crate::{chan, go, goexit, gosched, kernel_test};
use alloc::sync::Arc;
use core::sync::atomic::{AtomicUsize, Ordering};

/// An error that is lost, or a later one in the first one's place (Go: `TestZeroGroup`).
#[kernel_test]
fn first_error() {
    let cases: [&[Result<(), u32>]; 5] =
        [&[], &[Ok(())], &[Err(1)], &[Err(1), Ok(())], &[Err(1), Ok(()), Err(2)]];
    for results in cases {
        let group = Group::new();
        let mut want = Ok(());
        for result in results {
            let result = *result;
            group.go(move || result);
            want = want.and(result);
            assert_eq!(group.wait(), want, "{results:?}");
        }
        assert_eq!(group.wait(), want);
    }
}

/// A limit that lets more run, or fewer, or cannot be changed (Go: `TestTryGo`).
#[kernel_test]
fn try_go() {
    const N: usize = 42;
    let group = Group::<()>::new();
    group.set_limit(Some(N));
    let gate = chan::make(0);
    let waits = || {
        let gate = gate.clone();
        move || {
            gate.send(());
            Ok(())
        }
    };
    let open = |n: usize| {
        let gate = gate.clone();
        go(move || (0..n).for_each(|_| _ = gate.recv()));
    };
    for _ in 0..N {
        assert!(group.try_go(waits()));
    }
    assert!(!group.try_go(waits()), "more than the limit");
    open(N);
    assert_eq!(group.wait(), Ok(()));
    assert!(group.try_go(waits()), "the limit stays reached");
    open(1);
    assert_eq!(group.wait(), Ok(()));
    group.set_limit(Some(1));
    assert!(group.try_go(waits()));
    assert!(!group.try_go(waits()));
    open(1);
    assert_eq!(group.wait(), Ok(()));
    group.set_limit(Some(0));
    assert!((0..100).all(|_| !group.try_go(waits())));
    assert_eq!(group.wait(), Ok(()));
    group.set_limit(None);
    assert!(group.try_go(|| Ok(())));
    assert_eq!(group.wait(), Ok(()));
}

/// `go` that does not wait at the limit (Go: `TestGoLimit`).
#[kernel_test]
fn go_waits_at_the_limit() {
    const LIMIT: usize = 10;
    let group = Group::new();
    group.set_limit(Some(LIMIT));
    let active = Arc::new(AtomicUsize::new(0));
    for _ in 0..300 {
        let active = active.clone();
        group.go(move || {
            let n = active.fetch_add(1, Ordering::Relaxed) + 1;
            gosched();
            active.fetch_sub(1, Ordering::Relaxed);
            if n > LIMIT { Err(n) } else { Ok(()) }
        });
    }
    assert_eq!(group.wait(), Ok(()));
}

/// A limit changed under goroutines that run, which then give their tokens back to the wrong one.
#[kernel_test]
fn a_limit_in_use_cannot_be_changed() {
    let group = Group::<()>::new();
    group.set_limit(Some(2));
    let gate = chan::make::<()>(0);
    let wait = gate.clone();
    group.go(move || {
        wait.recv();
        Ok(())
    });
    let e = catch_unwind(|| group.set_limit(Some(3))).expect_err("no panic");
    assert_eq!(panic_text(&*e), "errgroup: modify limit while 1 goroutines in the group are still active");
    gate.close();
    assert_eq!(group.wait(), Ok(()));
}

/// A goroutine that ends by `goexit` and is waited for for ever.
#[kernel_test]
fn goexit_ends_a_part() {
    let group = Group::<()>::new();
    group.set_limit(Some(1));
    for _ in 0..3 {
        group.go(|| goexit());
    }
    assert_eq!(group.wait(), Ok(()));
}

/// A context that outlives its group, or does not know the error (Go: `TestWithContext`, `TestCancelCause`).
#[kernel_test]
fn the_context_ends_with_the_group() {
    let doom = context::Error::DeadlineExceeded;
    for results in [&[][..], &[Ok(())], &[Err(doom)], &[Err(doom), Ok(())]] {
        let (group, ctx) = Group::with_context(&context::background());
        for result in results {
            let result = *result;
            group.go(move || result);
        }
        let want = results.iter().copied().collect::<Result<(), _>>();
        assert_eq!(group.wait(), want, "{results:?}");
        assert_eq!(ctx.err(), Some(context::Error::Canceled), "{results:?}");
        let cause = context::cause(&ctx).expect("a cause");
        let cause = cause.downcast_ref::<context::Error>().copied();
        assert_eq!(cause, Some(want.err().unwrap_or(context::Error::Canceled)), "{results:?}");
    }
}

/// A context that is cancelled only when all have ended: the others go on in vain.
#[kernel_test]
fn an_error_cancels_the_others() {
    let (group, ctx) = Group::with_context(&context::background());
    group.go(move || {
        ctx.done().recv();
        Ok(())
    });
    group.go(|| Err(context::Error::DeadlineExceeded));
    assert_eq!(group.wait(), Err(context::Error::DeadlineExceeded));
}
