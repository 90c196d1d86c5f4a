//! What can be cancelled, and the tree of it (Go: `cancelCtx`, `propagateCancel`). The protocol stands at the head of `mod.rs`.

use super::{Cause, Error};
use crate::chan::{self, Chan, Receiver};
use crate::sync::Mutex;
use crate::time::Timer;
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::sync::{Arc, Weak};
use alloc::vec::Vec;

/// What is to be run once, on a goroutine of its own, when a core is cancelled.
pub(super) type Func = Box<dyn FnOnce() + Send>;

pub(super) struct Core {
    /// Whose child it is while it is one.
    parent: Weak<Core>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// Made when it is first asked for.
    done: Option<Chan<()>>,
    err: Option<Error>,
    cause: Option<Cause>,
    /// By their addresses.
    children: BTreeMap<usize, Arc<Core>>,
    /// Cancels it at its deadline.
    timer: Option<Timer>,
    /// See [`after_func`](super::after_func()).
    func: Option<Func>,
}

impl Core {
    /// A core that is cancelled when `parent` is (Go: `propagateCancel`).
    pub(super) fn new(parent: Option<&Arc<Core>>, func: Option<Func>) -> Arc<Core> {
        let core = Arc::new(Core {
            parent: parent.map_or_else(Weak::new, Arc::downgrade),
            state: Mutex::new(State { func, ..State::default() }),
        });
        if let Some(parent) = parent {
            let mut state = parent.state.lock();
            let cancelled = state.err.map(|err| (err, state.cause.clone()));
            if cancelled.is_none() {
                state.children.insert(core.key(), core.clone());
            }
            drop(state);
            if let Some((err, cause)) = cancelled {
                core.cancel(err, cause);
            }
        }
        core
    }

    fn key(&self) -> usize {
        core::ptr::from_ref(self).addr()
    }

    /// Cancels it and all below it, unless it is cancelled.
    pub(super) fn cancel(&self, err: Error, cause: Option<Cause>) {
        let Some(mut below) = self.mark_cancelled(err, &cause) else { return };
        self.leave_parent();
        while let Some(child) = below.pop() {
            below.extend(child.mark_cancelled(err, &cause).unwrap_or_default());
        }
    }

    /// Cancels it alone. Returns its children, `None` if it is cancelled already.
    fn mark_cancelled(&self, err: Error, cause: &Option<Cause>) -> Option<Vec<Arc<Core>>> {
        let mut state = self.state.lock();
        if state.err.is_some() {
            return None;
        }
        state.err = Some(err);
        state.cause = cause.clone();
        if let Some(done) = &state.done {
            done.close();
        }
        let children = core::mem::take(&mut state.children).into_values().collect();
        let (timer, func) = (state.timer.take(), state.func.take());
        drop(state);
        timer.inspect(|t| _ = t.stop());
        if let Some(func) = func {
            crate::go(func);
        }
        Some(children)
    }

    /// Has `timer` cancel it; stops that if it is cancelled already.
    pub(super) fn set_timer(&self, timer: Timer) {
        let mut state = self.state.lock();
        if state.err.is_none() {
            state.timer = Some(timer);
        } else {
            drop(state);
            timer.stop();
        }
    }

    /// Takes it out of its parent's children.
    fn leave_parent(&self) {
        let left = self.parent.upgrade().and_then(|p| p.state.lock().children.remove(&self.key()));
        // Dropped when the parent's lock is free.
        drop(left);
    }

    /// Takes the function that is to be run when it is cancelled, and with it the reason to be cancelled.
    pub(super) fn take_func(&self) -> Option<Func> {
        let func = self.state.lock().func.take();
        if func.is_some() {
            self.leave_parent();
        }
        func
    }

    /// Nobody has a handle of its node any more: unless somebody can notice whether it is cancelled, it need not be.
    pub(super) fn handles_are_gone(&self) {
        let mut state = self.state.lock();
        let noticed = state.done.as_ref().is_some_and(|d| !d.is_unique()) || !state.children.is_empty();
        if noticed || state.err.is_some() {
            return;
        }
        let timer = state.timer.take();
        drop(state);
        timer.inspect(|t| _ = t.stop());
        self.leave_parent();
    }

    pub(super) fn done(&self) -> Receiver<()> {
        let mut state = self.state.lock();
        let cancelled = state.err.is_some();
        let made = || {
            let c = chan::make(0);
            if cancelled {
                c.close();
            }
            c
        };
        state.done.get_or_insert_with(made).receiver()
    }

    pub(super) fn err(&self) -> Option<Error> {
        self.state.lock().err
    }

    pub(super) fn cause(&self) -> Option<Cause> {
        let state = self.state.lock();
        let err = state.err?;
        Some(state.cause.clone().unwrap_or_else(|| Arc::new(err)))
    }

    /// How many children it has.
    #[cfg(all(feature = "kernel-tests", not(test)))]
    pub(super) fn children(&self) -> usize {
        self.state.lock().children.len()
    }
}

impl Drop for Core {
    fn drop(&mut self) {
        // Level by level: the tree may be deeper than the stack.
        let mut below = core::mem::take(&mut self.state.get_mut().children);
        while let Some((_, child)) = below.pop_first() {
            if let Some(mut child) = Arc::into_inner(child) {
                below.append(&mut child.state.get_mut().children);
            }
        }
    }
}
