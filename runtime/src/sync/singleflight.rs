//! One call for all that ask for the same at the same time (Go: `golang.org/x/sync/singleflight`).

use super::{Mutex, WaitGroup};
use crate::chan::{self, Chan};
use crate::panic::recover;
use crate::{go, goexit};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::hash::Hash;
use foldhash::fast::FixedState;
use hashbrown::HashMap;

/// A class of work: calls with equal keys that overlap are one. Its clones are the same group. A result that may fail is a `V` of [`Result`].
pub struct Group<K, V> {
    calls: Arc<Mutex<Calls<K, V>>>,
}

type Calls<K, V> = HashMap<K, Arc<Call<V>>, FixedState>;

/// What a call brought, for one of those that asked for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flight<V> {
    /// What the function returned.
    pub value: V,
    /// Others got it, too.
    pub shared: bool,
}

/// A call under way, or one that has ended.
struct Call<V> {
    running: WaitGroup,
    state: Mutex<CallState<V>>,
}

struct CallState<V> {
    end: End<V>,
    /// Others that asked for it.
    dups: usize,
    /// Those that get it by channel.
    chans: Vec<Chan<Flight<V>>>,
}

#[derive(Clone)]
enum End<V> {
    /// It goes on; or the function ended its goroutine.
    NotReturned,
    Returned(V),
    Panicked(String),
}

impl<K, V> Clone for Group<K, V> {
    fn clone(&self) -> Self {
        Group { calls: self.calls.clone() }
    }
}

impl<K, V> Default for Group<K, V> {
    fn default() -> Self {
        Group::new()
    }
}

impl<K, V> Group<K, V> {
    /// A group with no calls.
    pub fn new() -> Group<K, V> {
        Group { calls: Arc::new(Mutex::new(HashMap::with_hasher(FixedState::with_seed(0)))) }
    }
}

impl<K: Eq + Hash + Clone + Send + 'static, V: Clone + Send + 'static> Group<K, V> {
    /// Calls `f`, or waits for a call for the same key that is under way; returns what it returned.
    ///
    /// # Panics
    /// If `f` panics, all that wait for it panic with the same text. If it ends its goroutine ([`goexit`]), theirs end, too.
    #[doc(alias = "Do")]
    pub fn do_(&self, key: K, f: impl FnOnce() -> V) -> Flight<V> {
        let (call, mine) = self.join(&key, None);
        if mine {
            return self.call(&key, &call, f);
        }
        call.running.wait();
        let end = call.state.lock().end.clone();
        match end {
            End::Returned(value) => Flight { value, shared: true },
            End::Panicked(text) => panic!("{text}"),
            End::NotReturned => goexit(),
        }
    }

    /// As [`Group::do_`], with the result sent on a channel when it is there; `f` is called on a new goroutine. If `f` panics, the program ends, since who
    /// waits for the channel could not be told; if it ends its goroutine, nothing is ever sent.
    pub fn do_chan(&self, key: K, f: impl FnOnce() -> V + Send + 'static) -> Chan<Flight<V>> {
        let result = chan::make(1);
        let (call, mine) = self.join(&key, Some(result.clone()));
        if mine {
            let group = self.clone();
            go(move || _ = group.call(&key, &call, f));
        }
        result
    }

    /// Forgets the call for a key: the next one calls its function, though this one may be under way.
    pub fn forget(&self, key: &K) {
        self.calls.lock().remove(key);
    }

    /// How many wait for the call for a key beside the one that makes it.
    #[cfg(all(feature = "kernel-tests", not(test)))]
    pub(super) fn duplicates(&self, key: &K) -> usize {
        self.calls.lock().get(key).map_or(0, |call| call.state.lock().dups)
    }

    /// The call for a key, and whether it is the caller's to make.
    fn join(&self, key: &K, chan: Option<Chan<Flight<V>>>) -> (Arc<Call<V>>, bool) {
        let mut calls = self.calls.lock();
        if let Some(call) = calls.get(key) {
            let mut state = call.state.lock();
            state.dups += 1;
            state.chans.extend(chan);
            drop(state);
            return (call.clone(), false);
        }
        let state = CallState { end: End::NotReturned, dups: 0, chans: chan.into_iter().collect() };
        let call = Arc::new(Call { running: WaitGroup::new(), state: Mutex::new(state) });
        call.running.add(1);
        calls.insert(key.clone(), call.clone());
        (call, true)
    }

    /// Makes the call.
    fn call(&self, key: &K, call: &Arc<Call<V>>, f: impl FnOnce() -> V) -> Flight<V> {
        // Also if the function ends the goroutine.
        let ended = Ended { group: self, key, call };
        let result = recover(f);
        call.state.lock().end = match &result {
            Ok(value) => End::Returned(value.clone()),
            Err(panic) => End::Panicked(panic.message.clone()),
        };
        drop(ended);
        let mut state = call.state.lock();
        let chans = core::mem::take(&mut state.chans);
        let shared = state.dups > 0;
        drop(state);
        match result {
            Ok(value) => {
                for chan in chans {
                    chan.send(Flight { value: value.clone(), shared });
                }
                Flight { value, shared }
            }
            Err(panic) if chans.is_empty() => panic.resume(),
            Err(panic) => {
                // Those that wait for a channel would wait for ever: a panic that nobody can recover. This goroutine stays, to be seen in the report.
                go(move || panic.resume());
                chan::Chan::<()>::nil().recv();
                goexit()
            }
        }
    }
}

/// A call that has come to its end.
struct Ended<'a, K: Eq + Hash, V> {
    group: &'a Group<K, V>,
    key: &'a K,
    call: &'a Arc<Call<V>>,
}

impl<K: Eq + Hash, V> Drop for Ended<'_, K, V> {
    fn drop(&mut self) {
        let mut calls = self.group.calls.lock();
        if calls.get(self.key).is_some_and(|now| Arc::ptr_eq(now, self.call)) {
            calls.remove(self.key);
        }
        drop(calls);
        self.call.running.done();
    }
}
