//! `Once`: something that is done once (Go: `sync/once.go`).

use super::RawMutex;
use crate::arch;
use core::sync::atomic::{AtomicBool, Ordering};

/// Does something the first time only. To share one, put it into a `static` or an [`Arc`](alloc::sync::Arc).
///
/// See [`OnceValue`](super::OnceValue) for something that is made the first time.
#[derive(Debug, Default)]
pub struct Once {
    /// First, for the shortest address.
    done: AtomicBool,
    running: RawMutex,
}

impl Once {
    /// One that has done nothing so far.
    pub const fn new() -> Once {
        Once { done: AtomicBool::new(false), running: RawMutex::new() }
    }

    /// Calls `f` if this is the first call on this `Once`; when it returns, that first call's `f` has ended, whoever called it (Go: `Do`).
    ///
    /// If `f` panics or ends its goroutine, it counts as done: later calls return at once. If it calls this on the same `Once`, it waits for itself for ever.
    #[inline]
    #[doc(alias = "Do")]
    pub fn call_once(&self, f: impl FnOnce()) {
        // Acquire: what `f` did is seen.
        if !arch::is_set(&self.done) {
            self.call_slow(f);
        }
    }

    /// Whether the first call has ended.
    #[inline]
    pub fn is_completed(&self) -> bool {
        self.done.load(Ordering::Acquire)
    }

    #[cold]
    #[inline(never)]
    fn call_slow(&self, f: impl FnOnce()) {
        self.running.lock();
        let _unlock = Unlock(&self.running);
        if !self.done.load(Ordering::Relaxed) {
            let _done = Done(&self.done);
            f();
        }
    }
}

struct Unlock<'a>(&'a RawMutex);

impl Drop for Unlock<'_> {
    fn drop(&mut self) {
        self.0.unlock();
    }
}

struct Done<'a>(&'a AtomicBool);

impl Drop for Done<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}
