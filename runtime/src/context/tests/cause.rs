//! Why a context was cancelled.

use super::{LONG, SHORT};
use crate::context::{
    Cause, Context, Error, background, cause, todo, with_cancel, with_cancel_cause, with_deadline_cause,
    with_timeout, with_timeout_cause, without_cancel,
};
use crate::time::{Duration, now};
use crate::{go, gosched, kernel_test};
use alloc::sync::Arc;
use core::fmt;

#[derive(Debug)]
struct Because(&'static str);

impl fmt::Display for Because {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl core::error::Error for Because {}

fn because(text: &'static str) -> Cause {
    Arc::new(Because(text))
}

/// The error and the text of the cause.
#[track_caller]
fn assert_why(ctx: &Context, err: Option<Error>, text: Option<&str>) {
    assert_eq!(ctx.err(), err, "{ctx}");
    assert_eq!(cause(ctx).map(|c| alloc::string::ToString::to_string(&c)).as_deref(), text, "{ctx}");
}

const CANCELED: Option<&str> = Some("context canceled");

/// Go: `TestCause`, of contexts cancelled by a function. The cause of another cancellation than that which came first.
#[kernel_test]
fn the_first_cancellation_gives_the_cause() {
    assert_why(&background(), None, None);
    assert_why(&todo(), None, None);
    let (ctx, cancel) = with_cancel(&background());
    assert_why(&ctx, None, None);
    cancel.cancel();
    assert_why(&ctx, Some(Error::Canceled), CANCELED);

    let (ctx, cancel) = with_cancel_cause(&background());
    cancel.cancel(Some(because("one")));
    cancel.cancel(Some(because("two")));
    assert_why(&ctx, Some(Error::Canceled), Some("one"));

    let (ctx, cancel) = with_cancel_cause(&background());
    cancel.cancel(None);
    cancel.cancel(Some(because("late")));
    assert_why(&ctx, Some(Error::Canceled), CANCELED);
}

/// Go: `TestCause`, of parents and children. A child that has its own cause when its parent was cancelled first, or the other way round.
#[kernel_test]
fn a_child_has_its_parents_cause() {
    let (parent, cancel_parent) = with_cancel_cause(&background());
    let (child, cancel_child) = with_cancel_cause(&parent);
    let (plain, _cancel) = with_cancel(&child);
    cancel_parent.cancel(Some(because("parent")));
    cancel_child.cancel(Some(because("child")));
    for ctx in [&parent, &child, &plain] {
        assert_why(ctx, Some(Error::Canceled), Some("parent"));
    }
    // Derived afterwards.
    assert_why(&with_cancel(&parent).0, Some(Error::Canceled), Some("parent"));

    let (parent, cancel_parent) = with_cancel_cause(&background());
    let (child, cancel_child) = with_cancel_cause(&parent);
    cancel_child.cancel(Some(because("child")));
    assert_why(&parent, None, None);
    cancel_parent.cancel(Some(because("parent")));
    assert_why(&parent, Some(Error::Canceled), Some("parent"));
    assert_why(&child, Some(Error::Canceled), Some("child"));
}

/// Go: `TestCause`, of deadlines. The deadline's cause when it did not pass, or none when it did.
#[kernel_test]
fn a_deadline_gives_its_cause_if_it_passes() {
    let exceeded = Some(Error::DeadlineExceeded);
    let (ctx, _cancel) = with_timeout(&background(), Duration::ZERO);
    assert_why(&ctx, exceeded, Some("context deadline exceeded"));
    let (ctx, _cancel) = with_timeout_cause(&background(), Duration::ZERO, because("too slow"));
    assert_why(&ctx, exceeded, Some("too slow"));
    let (ctx, _cancel) = with_deadline_cause(&background(), now() + SHORT, because("too slow"));
    ctx.done().recv();
    assert_why(&ctx, exceeded, Some("too slow"));
    let (ctx, cancel) = with_timeout_cause(&background(), LONG, because("too slow"));
    cancel.cancel();
    assert_why(&ctx, Some(Error::Canceled), CANCELED);
    // The parent's deadline comes first.
    let (parent, _cancel) = with_timeout_cause(&background(), SHORT, because("parent"));
    let (ctx, _cancel) = with_timeout_cause(&parent, LONG, because("child"));
    ctx.done().recv();
    assert_why(&ctx, exceeded, Some("parent"));
}

/// Go: `TestCause`, of `WithoutCancel`. A cause that comes through from above.
#[kernel_test]
fn without_cancel_has_no_cause() {
    let (parent, cancel) = with_cancel_cause(&background());
    let ctx = without_cancel(&parent);
    cancel.cancel(Some(because("parent")));
    assert_why(&ctx, None, None);
    let (timed, _cancel) = with_timeout_cause(&ctx, Duration::ZERO, because("own"));
    assert_why(&timed, Some(Error::DeadlineExceeded), Some("own"));
}

/// Go: `TestCauseRace`. `done` is closed, or the error is there, before the cause is.
#[kernel_test]
fn the_cause_is_there_when_the_error_is() {
    for _ in 0..300 {
        let (ctx, cancel) = with_cancel_cause(&background());
        go(move || cancel.cancel(Some(because("reason"))));
        while ctx.err().is_none() {
            // Nobody may see `Canceled` for a moment.
            assert!(cause(&ctx).is_none_or(|c| alloc::string::ToString::to_string(&c) == "reason"));
            gosched();
        }
        assert_why(&ctx, Some(Error::Canceled), Some("reason"));
    }
}
