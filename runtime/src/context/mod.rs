//! Deadlines, cancellation and request-scoped values, carried along a chain of calls (Go: package `context`).
//!
//! ```no_run
//! use runtime::{chan::Receiver, context::{self, Context}, select, time::Duration};
//!
//! fn first(ctx: &Context, results: &Receiver<u32>) -> Result<u32, context::Error> {
//!     select! {
//!         r = results.recv() => Ok(r.unwrap_or(0)),
//!         _ = ctx.done().recv() => Err(ctx.err().unwrap_or(context::Error::Canceled)),
//!     }
//! }
//!
//! let (ctx, cancel) = context::with_timeout(&context::background(), Duration::from_millis(100));
//! # let results = runtime::chan::make(0).receiver();
//! first(&ctx, &results).ok();
//! cancel.cancel();
//! ```
//!
//! # Problem
//! Cancelling a context cancels all that were derived from it, and those alone, whichever goroutine does it and however many do it at once.
//! A context that is done with must not stay in its parent's list, nor its timer in a heap. A child needs its parent (values, deadline), a parent its
//! children (to cancel them): with owned memory that is a cycle.
//!
//! # Protocol
//! A context is two objects. The *node* is what handles count: it has the parent, and a value or a core. The *core* (`Core`) is what can be cancelled:
//! the `done` channel, the error, and the cores of the children. Nodes own upwards, cores own downwards, so there is no cycle:
//! 1. Deriving puts the new core into that of the nearest parent that has one, under its lock, unless that is cancelled: then the new one is, too.
//! 2. Cancelling a core, under its lock: the error is set, `done` closed, the children taken out; they are cancelled in the same way when the lock is given
//!    up. The core is taken out of its parent's. Later cancellations find the error, and do nothing.
//! 3. When the last handle of a node goes, its core is taken out of the parent's unless somebody could notice: has its `done`, or waits for it by
//!    [`after_func`] or by a child. (Go leaks it until the parent is cancelled.)

mod after_func;
mod cancel;

mod derive;
mod error;
#[cfg(all(feature = "kernel-tests", not(test)))]
mod tests;
mod tree;
mod value;

pub use after_func::{Stop, after_func};
pub use cancel::{CancelCauseFunc, CancelFunc};
pub use derive::{
    with_cancel, with_cancel_cause, with_deadline, with_deadline_cause, with_timeout, with_timeout_cause,
    with_value, without_cancel,
};
pub use error::{Cause, Error};
pub use value::Key;

use crate::chan::Receiver;
use crate::time::{Instant, until};
use alloc::sync::Arc;
use core::fmt;
use tree::Core;
use value::Entry;

/// A deadline, a sign of cancellation, and values. A handle that is cheap to clone; the same context may be used by many goroutines at once.
#[derive(Clone)]
pub struct Context(Repr);

#[derive(Clone)]
enum Repr {
    Background,
    Todo,
    Derived(Arc<Node>),
}

struct Node {
    parent: Context,
    kind: Kind,
}

enum Kind {
    Cancel { core: Arc<Core>, deadline: Option<Instant> },
    Value(alloc::boxed::Box<dyn Entry>),
    WithoutCancel,
}

/// The context from which others are derived: never cancelled, without deadline and values (Go: `context.Background`).
pub const fn background() -> Context {
    Context(Repr::Background)
}

/// The same, where it is not clear yet which context to use (Go: `context.TODO`).
pub const fn todo() -> Context {
    Context(Repr::Todo)
}

/// Why `ctx` was cancelled: the cause given for it or for the parent that cancelled it, else [`Context::err`] (Go: `context.Cause`).
pub fn cause(ctx: &Context) -> Option<Cause> {
    ctx.core().and_then(|core| core.cause())
}

impl Context {
    /// When it will be cancelled at the latest (Go: `Deadline`).
    pub fn deadline(&self) -> Option<Instant> {
        self.nodes().map_while(Node::cancellable).find_map(|node| match node.kind {
            Kind::Cancel { deadline, .. } => deadline,
            _ => None,
        })
    }

    /// A channel that is closed when the context is cancelled; the nil channel if it never can be. Each call gives a handle of the same channel (Go: `Done`).
    pub fn done(&self) -> Receiver<()> {
        self.core().map_or_else(Receiver::default, |core| core.done())
    }

    /// Why [`Context::done`] is closed; `None` as long as it is not (Go: `Err`).
    pub fn err(&self) -> Option<Error> {
        self.core().and_then(|core| core.err())
    }

    /// The value that was stored last under `key` (Go: `Value`).
    pub fn value<K: Key>(&self, key: &K) -> Option<&K::Value> {
        self.nodes().find_map(|node| match &node.kind {
            Kind::Value(entry) => entry.find(key),
            _ => None,
        })
    }

    /// It and those that it was derived from, but for the first.
    fn nodes(&self) -> impl Iterator<Item = &Node> {
        core::iter::successors(self.node(), |node| node.parent.node())
    }

    fn node(&self) -> Option<&Node> {
        match &self.0 {
            Repr::Derived(node) => Some(node),
            _ => None,
        }
    }

    /// What is cancelled when this context is: the nearest core (Go: `parentCancelCtx`).
    fn core(&self) -> Option<&Arc<Core>> {
        self.nodes().map_while(Node::cancellable).find_map(|node| match &node.kind {
            Kind::Cancel { core, .. } => Some(core),
            _ => None,
        })
    }
}

impl Node {
    /// Itself if it is cancelled with its parents.
    fn cancellable(&self) -> Option<&Node> {
        (!matches!(self.kind, Kind::WithoutCancel)).then_some(self)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Kind::Cancel { core, .. } = &self.kind {
            core.handles_are_gone();
        }
        // A long chain is taken down link by link: it may be longer than the stack is deep.
        let mut next = core::mem::replace(&mut self.parent, background());
        while let Repr::Derived(node) = next.0 {
            match Arc::into_inner(node) {
                Some(mut node) => next = core::mem::replace(&mut node.parent, background()),
                None => break,
            }
        }
    }
}

/// How it was made, in Go's words: `context.Background.WithCancel`.
impl fmt::Display for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut nodes: alloc::vec::Vec<&Node> = self.nodes().collect();
        let first = nodes.last().map_or(self, |node| &node.parent);
        f.write_str(if matches!(first.0, Repr::Todo) { "context.TODO" } else { "context.Background" })?;
        while let Some(node) = nodes.pop() {
            match &node.kind {
                Kind::Cancel { deadline: None, .. } => f.write_str(".WithCancel")?,
                Kind::Cancel { deadline: Some(at), .. } => {
                    write!(f, ".WithDeadline({at:?} [{:?}])", until(*at))?;
                }
                Kind::Value(entry) => write!(f, ".WithValue({})", entry.text())?,
                Kind::WithoutCancel => f.write_str(".WithoutCancel")?,
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
