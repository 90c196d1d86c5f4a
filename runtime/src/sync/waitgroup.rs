//! `WaitGroup` (Go: `sync/waitgroup.go`).

use super::sema::{semacquire, semrelease};
use crate::panic::goexits;
use crate::proc::WaitReason;
use alloc::sync::Arc;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// Waits for a number of things to be done. Its clones are one group: each goroutine that takes part has one of its own.
///
/// ```no_run
/// use runtime::{println, sync::WaitGroup};
///
/// let wg = WaitGroup::new();
/// for n in 0..3 {
///     wg.go(move || println!("{n}"));
/// }
/// wg.wait();
/// ```
///
/// # Protocol
/// `state` holds the counter in its high half and the number of waiters in its low half, so that both change in one step.
/// 1. [`WaitGroup::add`] adds to the high half. If that makes the counter 0 while somebody waits, nobody may touch the state (those who do
///    misuse it, and most of them are caught), so it is cleared with a plain store, and each waiter gets a post of `sema`.
/// 2. [`WaitGroup::wait`] counts itself into the low half while the counter is not 0, and waits for a post.
///
/// What was done before `done` is seen after `wait`: the read-modify-write of the state is *release* in one and *acquire* in the other.
#[derive(Clone, Debug, Default)]
pub struct WaitGroup(pub(super) Arc<State>);

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) state: AtomicU64,
    sema: AtomicU32,
}

const ONE_MORE: u64 = 1 << 32;

impl WaitGroup {
    /// A group with nothing to wait for.
    pub fn new() -> WaitGroup {
        WaitGroup::default()
    }

    /// Adds `delta`, which may be negative, to the number of things to wait for; at 0 those that wait go on.
    ///
    /// If it is 0 with nobody waiting, a positive `add` must come before the `wait` that is to see it.
    ///
    /// # Panics
    /// If the number becomes negative, or it is raised from 0 while somebody waits.
    #[inline]
    pub fn add(&self, delta: i32) {
        // Sign extension: a negative delta subtracts from the high half and leaves the low one.
        let added = ((i64::from(delta)) << 32) as u64;
        let state = self.0.state.fetch_add(added, Ordering::AcqRel).wrapping_add(added);
        let (counter, waiters) = ((state >> 32) as i32, state as u32);
        if counter < 0 || waiters != 0 {
            self.add_slow(delta, state);
        }
    }

    #[cold]
    #[inline(never)]
    fn add_slow(&self, delta: i32, state: u64) {
        let (counter, waiters) = ((state >> 32) as i32, state as u32);
        if counter < 0 {
            panic!("sync: negative WaitGroup counter");
        }
        if waiters != 0 && delta > 0 && counter == delta {
            panic!("sync: WaitGroup misuse: Add called concurrently with Wait");
        }
        if counter > 0 {
            return;
        }
        if self.0.state.load(Ordering::Relaxed) != state {
            panic!("sync: WaitGroup misuse: Add called concurrently with Wait");
        }
        self.0.state.store(0, Ordering::Release);
        for _ in 0..waiters {
            semrelease(&self.0.sema, false);
        }
    }

    /// One thing less to wait for.
    ///
    /// # Panics
    /// If there was none.
    #[inline]
    pub fn done(&self) {
        self.add(-1);
    }

    /// Waits until there is nothing more to wait for.
    ///
    /// # Panics
    /// If the group is used again before all have returned from an earlier `wait`.
    #[inline]
    pub fn wait(&self) {
        if self.0.state.load(Ordering::Acquire) >= ONE_MORE {
            self.wait_slow();
        }
    }

    #[cold]
    #[inline(never)]
    fn wait_slow(&self) {
        loop {
            let state = self.0.state.load(Ordering::Acquire);
            if state < ONE_MORE {
                return;
            }
            if self.0.state.compare_exchange(state, state + 1, Ordering::AcqRel, Ordering::Relaxed).is_err() {
                continue;
            }
            semacquire(&self.0.sema, false, WaitReason::SyncWaitGroupWait);
            if self.0.state.load(Ordering::Acquire) != 0 {
                panic!("sync: WaitGroup is reused before previous Wait has returned");
            }
            return;
        }
    }

    /// Runs `f` on a new goroutine and waits for its end in [`WaitGroup::wait`] (Go: `wg.Go`), be it by [`goexit`](crate::goexit). `f` must not panic: that
    /// ends the program, and nobody goes on waiting in the belief that the work is done.
    #[track_caller]
    pub fn go(&self, f: impl FnOnce() + Send + 'static) {
        self.add(1);
        let wg = self.clone();
        crate::go(move || {
            let mut end = End { wg: &wg, returned: false };
            f();
            end.returned = true;
        });
    }
}

/// The end of a goroutine that a group waits for.
struct End<'a> {
    wg: &'a WaitGroup,
    returned: bool,
}

impl Drop for End<'_> {
    #[inline]
    fn drop(&mut self) {
        if self.returned || goexits() {
            self.wg.done();
        }
    }
}
