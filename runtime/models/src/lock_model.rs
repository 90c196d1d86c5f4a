//! `Lock`, the runtime's own: one holder at a time, who sees what the last one did, and no M sleeps
//! for ever.

use crate::proc::become_m;
use lock::{Lock, Rank};
use loom::cell::UnsafeCell;
use loom::model::Builder;
use loom::sync::Arc;
use loom::thread;
use proc::M;

#[path = "../../src/lock.rs"]
mod lock;

/// Loom's, made at the first use: a lock is made in a constant.
mod atomic {
    use loom::sync::atomic;
    pub use loom::sync::atomic::Ordering;
    use std::sync::OnceLock;

    pub struct AtomicUsize {
        begins: usize,
        now: OnceLock<atomic::AtomicUsize>,
    }

    impl AtomicUsize {
        pub const fn new(begins: usize) -> AtomicUsize {
            AtomicUsize { begins, now: OnceLock::new() }
        }
    }

    impl std::ops::Deref for AtomicUsize {
        type Target = atomic::AtomicUsize;
        fn deref(&self) -> &atomic::AtomicUsize {
            self.now.get_or_init(|| atomic::AtomicUsize::new(self.begins))
        }
    }
}

/// One core: who finds the lock taken does not spin.
mod port {
    use super::proc::G;
    pub use crate::port::{semasleep, semawakeup};

    loom::thread_local! {
        static CURRENT: G = G { m: crate::proc::current() };
    }

    pub fn getg() -> *mut G {
        CURRENT.with(|g| core::ptr::from_ref(g).cast_mut())
    }

    pub fn ncpu() -> usize {
        1
    }

    pub fn os_yield() {
        loom::thread::yield_now();
    }
}

mod proc {
    pub use crate::proc::M;

    pub struct G {
        pub m: *mut M,
    }

    pub fn lock_count_up() {}
    pub fn lock_count_down() {}
    pub fn lock_rank_push(_: super::Rank) {}
    pub fn lock_rank_pop(_: super::Rank) {}
}

struct Counter {
    lock: Lock,
    value: UnsafeCell<u32>,
    ms: [UnsafeCell<M>; 3],
}

// SAFETY: the value is used under the lock, which is what the model checks, and an M by its thread.
unsafe impl Sync for Counter {}
// SAFETY: as above.
unsafe impl Send for Counter {}

impl Counter {
    fn new() -> Arc<Counter> {
        let lock = Lock::new(Rank::Hchan);
        // The first use, which makes loom's atomic, comes before any other thread.
        lock.lock();
        lock.unlock();
        let ms = [(); 3].map(|()| UnsafeCell::new(M::new()));
        Arc::new(Counter { lock, value: UnsafeCell::new(0), ms })
    }

    fn count(&self) {
        self.lock.lock();
        // SAFETY: under the lock.
        self.value.with_mut(|v| unsafe { *v += 1 });
        self.lock.unlock();
    }

    /// Each of `threads` threads counts, the calling one twice.
    fn count_all(threads: usize) {
        let counter = Counter::new();
        let others: Vec<_> = (1..threads)
            .map(|i| {
                let counter = counter.clone();
                thread::spawn(move || {
                    become_m(counter.ms[i].with_mut(|m| m));
                    counter.count();
                })
            })
            .collect();
        become_m(counter.ms[0].with_mut(|m| m));
        counter.count();
        counter.count();
        for other in others {
            other.join().unwrap();
        }
        // SAFETY: the other threads are done.
        assert_eq!(counter.value.with(|v| unsafe { *v }), threads as u32 + 1);
    }
}

/// Finds two holders at once and a holder that does not see what the last one did (loom reports the
/// unordered accesses of the value), and a waiter whose wake-up is lost (a deadlock).
#[test]
fn two_count() {
    loom::model(|| Counter::count_all(2));
}

/// Finds waiters that are lost when the lock is taken while some wait, and an M that takes the lock
/// from a holder that woke another and does not see what that holder did.
#[test]
fn lock_with_waiters_is_taken_again() {
    let mut few = Builder::new();
    few.preemption_bound = Some(2);
    few.check(|| Counter::count_all(3));
}
