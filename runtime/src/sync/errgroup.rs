//! Goroutines that work on parts of one task, any of which may fail (Go: `golang.org/x/sync/errgroup`).

use super::{Mutex, WaitGroup};
use crate::chan::{self, Chan};
use crate::context::{self, Cause, Context};
use crate::panic::goexits;
use alloc::boxed::Box;
use alloc::sync::Arc;

/// A group of goroutines with one result: `Ok`, or the first error that one of them returned. Its clones are the same group.
///
/// ```no_run
/// use runtime::sync::errgroup::Group;
/// let group = Group::new();
/// for url in ["a", "b"] {
///     group.go(move || if url.is_empty() { Err("no address") } else { Ok(()) });
/// }
/// assert_eq!(group.wait(), Ok(()));
/// ```
pub struct Group<E> {
    shared: Arc<Shared<E>>,
}

struct Shared<E> {
    running: WaitGroup,
    /// Has room for as many as may run; the nil channel if there is no limit.
    tokens: Mutex<Option<Chan<()>>>,
    error: Mutex<Option<E>>,
    cancel: Option<Cancel<E>>,
}

/// Cancels the group's context, for an error or for the end of all.
type Cancel<E> = Box<dyn Fn(Option<&E>) + Send + Sync>;

impl<E> Clone for Group<E> {
    fn clone(&self) -> Self {
        Group { shared: self.shared.clone() }
    }
}

impl<E> Default for Group<E> {
    fn default() -> Self {
        Group::new()
    }
}

impl<E> Group<E> {
    /// A group without limit.
    pub fn new() -> Group<E> {
        Group::with_cancel(None)
    }

    /// A group, and a context that is cancelled when one of its goroutines returns an error, which is then the cause, or when [`Group::wait`] returns.
    pub fn with_context(parent: &Context) -> (Group<E>, Context)
    where
        E: core::error::Error + Clone + Send + Sync + 'static,
    {
        let (ctx, cancel) = context::with_cancel_cause(parent);
        let cancel = move |error: Option<&E>| cancel.cancel(error.map(|e| -> Cause { Arc::new(e.clone()) }));
        (Group::with_cancel(Some(Box::new(cancel))), ctx)
    }

    fn with_cancel(cancel: Option<Cancel<E>>) -> Group<E> {
        let (tokens, error) = (Mutex::new(None), Mutex::new(None));
        Group { shared: Arc::new(Shared { running: WaitGroup::new(), tokens, error, cancel }) }
    }

    /// Lets at most `limit` goroutines of the group run at once; `None` lifts the limit, 0 lets none start.
    ///
    /// # Panics
    /// If some are running under a limit: "errgroup: modify limit while N goroutines in the group are still active".
    pub fn set_limit(&self, limit: Option<usize>) {
        let mut tokens = self.shared.tokens.lock();
        let active = tokens.as_ref().map_or(0, Chan::len);
        if limit.is_some() && active != 0 {
            drop(tokens);
            panic!("errgroup: modify limit while {active} goroutines in the group are still active");
        }
        *tokens = limit.map(chan::make);
    }
}

impl<E: Send + 'static> Group<E> {
    /// Runs `f` on a new goroutine, waiting for one of the group to end first if its limit is reached. As with [`WaitGroup::go`], a panic in `f` ends the
    /// program.
    #[track_caller]
    pub fn go(&self, f: impl FnOnce() -> Result<(), E> + Send + 'static) {
        let tokens = self.shared.tokens.lock().clone();
        if let Some(tokens) = &tokens {
            tokens.send(());
        }
        self.start(tokens, f);
    }

    /// Runs `f` on a new goroutine unless the group's limit is reached; tells whether it does.
    #[track_caller]
    pub fn try_go(&self, f: impl FnOnce() -> Result<(), E> + Send + 'static) -> bool {
        let tokens = self.shared.tokens.lock().clone();
        let free = tokens.as_ref().is_none_or(|tokens| tokens.try_send(()).is_ok());
        if free {
            self.start(tokens, f);
        }
        free
    }

    #[track_caller]
    fn start(&self, tokens: Option<Chan<()>>, f: impl FnOnce() -> Result<(), E> + Send + 'static) {
        let mut end = End { shared: self.shared.clone(), tokens, returned: false };
        self.shared.running.add(1);
        crate::go(move || {
            if let Err(e) = f() {
                let mut first = end.shared.error.lock();
                if first.is_none() {
                    end.shared.cancel(Some(first.insert(e)));
                }
            }
            end.returned = true;
            drop(end);
        });
    }

    /// Waits until all goroutines of the group have ended.
    ///
    /// # Errors
    /// The first error that one of them returned.
    pub fn wait(&self) -> Result<(), E>
    where
        E: Clone,
    {
        self.shared.running.wait();
        let error = self.shared.error.lock();
        self.shared.cancel(error.as_ref());
        error.clone().map_or(Ok(()), Err)
    }
}

impl<E> Shared<E> {
    fn cancel(&self, error: Option<&E>) {
        if let Some(cancel) = &self.cancel {
            cancel(error);
        }
    }
}

/// The end of a goroutine of the group, by return or [`goexit`](crate::goexit).
struct End<E> {
    shared: Arc<Shared<E>>,
    tokens: Option<Chan<()>>,
    returned: bool,
}

impl<E> Drop for End<E> {
    fn drop(&mut self) {
        if !self.returned && !goexits() {
            // A panic, which ends the program: nobody goes on in the belief that the work is done.
            return;
        }
        if let Some(tokens) = &self.tokens {
            tokens.recv();
        }
        self.shared.running.done();
    }
}
