//! The tests of Go's `context` package, written anew, and our own. Each names the bug that it would show.

mod after_func;
mod cancel;
mod cause;
mod tree;
mod values;

use super::{Context, Error};
use crate::chan::TryRecvError;
use crate::time::Duration;

/// Soon.
const SHORT: Duration = Duration::from_millis(1);
/// Longer than any test.
const LONG: Duration = Duration::from_secs(1000 * 3600);

/// It is cancelled for `err`, and everything says so.
#[track_caller]
fn assert_done(ctx: &Context, err: Error) {
    assert_eq!(ctx.done().try_recv(), Err(TryRecvError::Closed), "{ctx}");
    assert_eq!(ctx.err(), Some(err), "{ctx}");
}

/// It is not cancelled.
#[track_caller]
fn assert_not_done(ctx: &Context) {
    assert_eq!(ctx.done().try_recv(), Err(TryRecvError::Empty), "{ctx}");
    assert_eq!(ctx.err(), None, "{ctx}");
}

/// Waits until it is cancelled, which must be for its deadline.
#[track_caller]
fn assert_times_out(ctx: &Context) {
    assert_eq!(ctx.done().recv(), None);
    assert_done(ctx, Error::DeadlineExceeded);
}
