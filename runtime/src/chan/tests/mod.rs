//! Channels and select on the machine, on as many cores as it has. Each test names the bug that it would show. Those written after Go's
//! (`go_*.rs`) are listed in `docs/go-tests.md`.

mod basic;
mod cases;
mod go_chan;
mod go_select;
mod go_test_chan;
mod go_test_select;
mod powser;
mod races;
mod select;

use super::Chan;
use super::waitq::WaitQ;
use crate::gosched;
use alloc::sync::Arc;
use core::sync::atomic::{AtomicUsize, Ordering};

/// Yields until `done`, for a moment that is bound to come.
fn until(done: impl Fn() -> bool) {
    while !done() {
        gosched();
    }
}

impl<T> Chan<T> {
    /// How many goroutines wait on the channel.
    fn waiters(&self) -> usize {
        fn count(q: &WaitQ) -> usize {
            let mut n = 0;
            let mut sg = q.first.load(Ordering::Relaxed);
            while !sg.is_null() {
                n += 1;
                // SAFETY: under the channel's lock, where a queued sudog stays in place.
                sg = unsafe { (*sg).next };
            }
            n
        }
        self.hchan().map_or(0, |c| {
            c.lock.lock();
            let n = count(&c.recvq) + count(&c.sendq);
            c.lock.unlock();
            n
        })
    }

    /// Returns when `n` goroutines wait on the channel.
    fn until_waiters(&self, n: usize) {
        until(|| self.waiters() == n);
    }
}

/// Counts its drops.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}
