//! `Semaphore`: a number of tokens, of which goroutines take some and give them back (Go: `golang.org/x/sync/semaphore`, `Weighted`).

use super::Mutex;
use crate::chan::{self, Chan};
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
        let ready = if n > self.size {
            Chan::nil()
        } else {
            let ready = chan::make(0);
            state.waiters.push_back(Waiter { n, ready: ready.clone() });
            ready
        };
        drop(state);
        ready.recv();
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

    fn take(&self, state: &mut State, n: u64) -> bool {
        let there = n <= self.size - state.taken && state.waiters.is_empty();
        if there {
            state.taken += n;
        }
        there
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
