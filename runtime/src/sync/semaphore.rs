//! `Semaphore`: a number of tokens, of which goroutines take some and give them back (Go: `golang.org/x/sync/semaphore`, `Weighted`).

use super::Mutex;
use crate::chan::{self, Chan};
use crate::context::{self, Context};
use crate::select;
use alloc::collections::VecDeque;
use core::fmt;

/// Bounds the use of a resource: goroutines take tokens, as many as they need, and wait for them in turn.
///
/// Who waits for many is not passed by those that need few, so a semaphore of `n` tokens is a lock for readers, who take one, and writers, who take `n`.
pub struct Semaphore {
    size: u64,
    state: Mutex<State>,
}

struct State {
    /// Tokens that are taken.
    taken: u64,
    waiters: VecDeque<Waiter>,
}

struct Waiter {
    n: u64,
    /// Closed when it has its tokens.
    ready: Chan<()>,
}

impl Semaphore {
    /// A semaphore of `size` tokens (Go: `NewWeighted`).
    pub const fn new(size: u64) -> Semaphore {
        Semaphore { size, state: Mutex::new(State { taken: 0, waiters: VecDeque::new() }) }
    }

    /// Takes `n` tokens, waiting until they are there and all that came before have theirs. More than there are it waits for for ever; others do not
    /// wait behind it.
    pub fn acquire(&self, n: u64) {
        let mut state = self.state.lock();
        if self.take(&mut state, n) {
            return;
        }
        let ready = self.queue(&mut state, n);
        drop(state);
        ready.recv();
    }

    /// As [`Semaphore::acquire`], but gives up when `ctx` is done. If it is done already, it may still take them.
    ///
    /// # Errors
    /// Why the context is done; then nothing was taken.
    pub fn acquire_with(&self, ctx: &Context, n: u64) -> Result<(), context::Error> {
        let mut state = self.state.lock();
        if self.take(&mut state, n) {
            return Ok(());
        }
        let ready = self.queue(&mut state, n);
        drop(state);
        let done = ctx.done();
        select! {
            _ = ready.recv() => return Ok(()),
            _ = done.recv() => {}
        }
        let mut state = self.state.lock();
        let place = state.waiters.iter().position(|w| w.ready == ready);
        if place.is_none() && n <= self.size {
            // It was served after all.
            return Ok(());
        }
        if let Some(place) = place {
            state.waiters.remove(place);
            if place == 0 {
                // Those behind may need less.
                self.serve(&mut state);
            }
        }
        Err(ctx.err().unwrap_or(context::Error::Canceled))
    }

    /// Takes `n` tokens if they are there and nobody waits; tells whether it did.
    pub fn try_acquire(&self, n: u64) -> bool {
        self.take(&mut self.state.lock(), n)
    }

    /// Gives `n` tokens back.
    ///
    /// # Panics
    /// If fewer are taken: "semaphore: released more than held".
    pub fn release(&self, n: u64) {
        let mut state = self.state.lock();
        let Some(left) = state.taken.checked_sub(n) else {
            drop(state);
            panic!("semaphore: released more than held");
        };
        state.taken = left;
        self.serve(&mut state);
    }

    /// How many wait.
    #[cfg(all(feature = "kernel-tests", not(test)))]
    pub(super) fn waiting(&self) -> usize {
        self.state.lock().waiters.len()
    }

    fn take(&self, state: &mut State, n: u64) -> bool {
        let there = n <= self.size - state.taken && state.waiters.is_empty();
        if there {
            state.taken += n;
        }
        there
    }

    /// Waits in the queue, on the channel that is returned; for more than there are, on the nil channel.
    fn queue(&self, state: &mut State, n: u64) -> Chan<()> {
        if n > self.size {
            return Chan::nil();
        }
        let ready = chan::make(0);
        state.waiters.push_back(Waiter { n, ready: ready.clone() });
        ready
    }

    /// Gives tokens to those that wait, in turn, as long as there are enough for the first.
    fn serve(&self, state: &mut State) {
        while let Some(waiter) = state.waiters.pop_front_if(|w| w.n <= self.size - state.taken) {
            state.taken += waiter.n;
            waiter.ready.close();
        }
    }
}

impl fmt::Debug for Semaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (size, state) = (self.size, self.state.lock());
        write!(f, "Semaphore({} of {size} taken, {} wait)", state.taken, state.waiters.len())
    }
}
