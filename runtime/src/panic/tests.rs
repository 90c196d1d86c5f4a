//! Tests of recovery, on the bare machine and over host threads.

use super::text::PanicText;
use super::{PanicPayload, catch_unwind, panic_any, recover, traceback};
use crate::proc::{G, Status};
use crate::testing::panic_text;
use crate::{chan, defer, go, goexit, kernel_test, port};
use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cell::RefCell;
use core::sync::atomic::{AtomicUsize, Ordering};

/// A value of any kind comes back from `recover`, with its text.
#[kernel_test]
fn panic_any_carries_its_value() {
    let panic = recover(|| panic_any(42_u64)).expect_err("no panic");
    assert_eq!(panic.message, "42");
    assert!(panic.location.as_deref().is_some_and(|l| l.contains("panic/tests.rs")));
    assert_eq!(panic.value.and_then(|v| v.downcast::<u64>().ok()), Some(Box::new(42)));
    assert_eq!(recover(|| 7).expect("a panic"), 7);
}

/// A recovered panic can go on, past the frames between.
#[kernel_test]
fn a_recovered_panic_goes_on() {
    let passed = AtomicUsize::new(0);
    let outer = recover(|| {
        let inner = recover(|| panic_any(String::from("first"))).expect_err("no panic");
        defer! { passed.fetch_add(1, Ordering::Relaxed); }
        inner.resume()
    });
    assert_eq!(outer.expect_err("no panic").message, "first");
    assert_eq!(passed.into_inner(), 1);
}

/// Deferred blocks run last in, first out: at the end of a scope, on return, on panic.
#[kernel_test]
fn deferred_blocks_run_in_reverse() {
    let order = RefCell::new(Vec::new());
    let work = |fail: bool| {
        defer! { order.borrow_mut().push(1); }
        {
            defer! { order.borrow_mut().push(2); }
        }
        defer! { order.borrow_mut().push(3); }
        if fail {
            panic_any("on purpose");
        }
    };
    work(false);
    assert_eq!(order.take(), [2, 3, 1]);
    assert!(recover(|| work(true)).is_err());
    assert_eq!(order.take(), [2, 3, 1]);
}

/// The end of a goroutine runs deferred blocks and is not recovered.
#[kernel_test]
fn goexit_runs_deferred_blocks_and_passes_recover() {
    let log = chan::make(8);
    let end = log.clone();
    go(move || {
        defer! { end.close(); }
        defer! { end.send("deferred"); }
        let ended = catch_unwind(|| {
            defer! { end.send("inner"); }
            goexit()
        });
        end.send(if ended.is_ok() { "returned" } else { "recovered" });
    });
    assert_eq!(log.receiver().into_iter().collect::<Vec<_>>(), ["inner", "deferred"]);
}

/// A panic of deferred work takes the place of the one that is running; the rest of the deferred work still runs.
#[kernel_test]
fn a_deferred_panic_takes_the_place() {
    let ran = Arc::new(AtomicUsize::new(0));
    let panic = recover(|| {
        defer! { ran.fetch_add(1, Ordering::Relaxed); }
        defer! { panic_any("second"); }
        panic_any("first")
    });
    let panic = panic.expect_err("no panic");
    assert_eq!(panic.message, "second");
    assert_eq!(panic.replaced.as_ref().map(|p| p.message.as_str()), Some("first"));
    assert_eq!(ran.load(Ordering::Relaxed), 1);
    assert!(!super::panicking());
}

/// Deferred work may recover from panics of its own, and sees that a panic is running.
#[kernel_test]
fn deferred_work_recovers_its_own_panics() {
    let seen = chan::make(1);
    let panic = recover(|| {
        defer! {
            let inner = recover(|| panic_any("inner")).expect_err("no panic");
            seen.send((inner.message, super::panicking()));
        }
        panic_any("outer")
    });
    assert_eq!(panic.expect_err("no panic").message, "outer");
    assert_eq!(seen.recv(), Some(("inner".into(), true)));
}

/// A goroutine that ends in deferred work drops the panic that ran (Go: `Goexit` aborts panics).
#[kernel_test]
fn a_deferred_goexit_aborts_the_panic() {
    let log = chan::make(4);
    let end = log.clone();
    go(move || {
        defer! { end.send("ended"); }
        let panic = recover(|| {
            defer! { goexit() }
            panic_any("aborted")
        });
        end.send(if panic.is_ok() { "returned" } else { "recovered" });
    });
    assert_eq!(log.recv(), Some("ended"));
}

/// A panic of the language itself is recovered with its text.
#[kernel_test]
fn core_panics_are_recovered() {
    let panic: Box<PanicPayload> =
        recover(|| core::hint::black_box(&[1, 2][..])[core::hint::black_box(2)]).expect_err("no panic");
    assert_eq!(panic_text(&*panic), "index out of bounds: the len is 2 but the index is 2");
    assert!(!super::panicking());
}

/// The text of a panic can neither be taken for another line of the report nor reach the terminal's controls.
#[kernel_test]
fn control_characters_are_escaped() {
    let shown = |text: &str| PanicText(text).to_string();
    assert_eq!(shown("plain, ä, \ttab \\"), "plain, ä, \ttab \\");
    assert_eq!(shown("a\n\ngoroutine 1 [running]:"), "a\n\t\n\tgoroutine 1 [running]:");
    assert_eq!(shown("\x1b[2J\x07\r\0\x7f\u{9b}2J"), "\\x1b[2J\\x07\\r\\x00\\x7f\\u009b2J");
}

/// A header tells whole minutes of waiting.
#[kernel_test]
fn headers_tell_wait_time() {
    let mut g = G::new();
    g.goid = 7;
    for (from, to) in [
        (Status::Idle, Status::Dead),
        (Status::Dead, Status::Runnable),
        (Status::Runnable, Status::Running),
        (Status::Running, Status::Waiting),
    ] {
        g.cas_status(from, to);
    }
    for (seconds, want) in [(59, "goroutine 7 [select]:\n"), (150, "goroutine 7 [select, 2 minutes]:\n")] {
        g.wait_since = port::cputicks() - seconds * 1000 * port::cputicks_per_ms();
        let mut text = String::new();
        // SAFETY: the G exists.
        unsafe { traceback::header(&mut text, &raw mut g, "select") };
        assert_eq!(text, want);
    }
}
