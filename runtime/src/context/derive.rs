//! Contexts from contexts (Go: `WithCancel`, `WithDeadline`, `WithValue`, …).

use super::tree::Core;
use super::value::Pair;
use super::{CancelCauseFunc, CancelFunc, Cause, Context, Error, Key, Kind, Node, Repr};
use crate::time::{Duration, Instant, after_func, now, until};
use alloc::sync::Arc;

/// A context that is cancelled when the function says so, or `parent` is.
///
/// Whoever derives a context cancels it when the work under it is done: until then, or until all its handles are gone, `parent` has it in its list.
pub fn with_cancel(parent: &Context) -> (Context, CancelFunc) {
    let (ctx, core) = cancellable(parent, None);
    (ctx, CancelFunc(core))
}

/// [`with_cancel`] by a function that says why.
pub fn with_cancel_cause(parent: &Context) -> (Context, CancelCauseFunc) {
    let (ctx, core) = cancellable(parent, None);
    (ctx, CancelCauseFunc(core))
}

/// A context that is cancelled at `deadline`, or earlier when the function says so or `parent` is. Its timer is stopped when it is cancelled.
pub fn with_deadline(parent: &Context, deadline: Instant) -> (Context, CancelFunc) {
    with_deadline_and(parent, deadline, None)
}

/// [`with_deadline`]; if the deadline passes, `cause` is the [`cause`](super::cause).
pub fn with_deadline_cause(parent: &Context, deadline: Instant, cause: Cause) -> (Context, CancelFunc) {
    with_deadline_and(parent, deadline, Some(cause))
}

/// [`with_deadline`], `timeout` from now.
pub fn with_timeout(parent: &Context, timeout: Duration) -> (Context, CancelFunc) {
    with_deadline_and(parent, now() + timeout, None)
}

/// [`with_deadline_cause`], `timeout` from now.
pub fn with_timeout_cause(parent: &Context, timeout: Duration, cause: Cause) -> (Context, CancelFunc) {
    with_deadline_and(parent, now() + timeout, Some(cause))
}

/// A context with `value` under `key`.
pub fn with_value<K: Key>(parent: &Context, key: K, value: K::Value) -> Context {
    derived(parent, Kind::Value(Pair::entry(key, value)))
}

/// A context with the values of `parent` that is not cancelled with it, and has no deadline.
pub fn without_cancel(parent: &Context) -> Context {
    derived(parent, Kind::WithoutCancel)
}

fn derived(parent: &Context, kind: Kind) -> Context {
    Context(Repr::Derived(Arc::new(Node { parent: parent.clone(), kind })))
}

fn cancellable(parent: &Context, deadline: Option<Instant>) -> (Context, Arc<Core>) {
    let core = Core::new(parent.core(), None);
    (derived(parent, Kind::Cancel { core: core.clone(), deadline }), core)
}

fn with_deadline_and(parent: &Context, deadline: Instant, cause: Option<Cause>) -> (Context, CancelFunc) {
    if parent.deadline().is_some_and(|d| d < deadline) {
        // The parent's deadline comes first.
        return with_cancel(parent);
    }
    let (ctx, core) = cancellable(parent, Some(deadline));
    let left = until(deadline);
    if left.is_zero() {
        core.cancel(Error::DeadlineExceeded, cause);
    } else if core.err().is_none() {
        // The timer has the core until it goes off or is stopped.
        let timed = core.clone();
        core.set_timer(after_func(left, move || timed.cancel(Error::DeadlineExceeded, cause.clone())));
    }
    (ctx, CancelFunc(core))
}
