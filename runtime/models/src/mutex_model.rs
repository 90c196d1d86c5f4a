//! `RawMutex`: one holder at a time, who sees what the last one did, and nobody waits for ever.

use crate::proc::go;
use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::sync::atomic::{self, Ordering};

#[path = "../../src/sync/rawmutex.rs"]
pub mod rawmutex;

use rawmutex::RawMutex;

/// One semaphore's queue, which is all of the table that one mutex uses.
pub mod sema {
    use crate::proc::WaitReason;
    use crate::sema_model::{Semaphore, semaphore};
    use loom::sync::Arc;
    use loom::sync::atomic::AtomicU32;

    loom::lazy_static! {
        static ref TABLE: Arc<Semaphore> = semaphore();
    }

    pub fn semacquire(sema: &AtomicU32, lifo: bool, reason: WaitReason) {
        TABLE.acquire_at(sema, lifo, reason);
    }

    pub fn semrelease(sema: &AtomicU32, handoff: bool) {
        TABLE.release_at(sema, handoff);
    }
}

/// What a mutex guards: loom reports two that use it at once, or one that does not see the other's use.
struct Counter {
    mutex: RawMutex,
    value: UnsafeCell<u32>,
}

// SAFETY: the value is used under the mutex, which is what the model checks.
unsafe impl Sync for Counter {}

impl Counter {
    fn count(&self) {
        self.mutex.lock();
        self.add();
        self.mutex.unlock();
    }

    fn try_count(&self) -> u32 {
        let taken = self.mutex.try_lock();
        if taken {
            self.add();
            self.mutex.unlock();
        }
        taken.into()
    }

    /// Under the mutex.
    fn add(&self) {
        // SAFETY: under the mutex.
        self.value.with_mut(|v| unsafe { *v += 1 });
    }
}

impl Counter {
    /// Nobody holds the mutex or waits for it: nothing of that is left in it.
    fn assert_settled(&self) {
        assert_eq!(self.mutex.state.load(Ordering::Relaxed), 0);
        assert_eq!(self.mutex.sema.load(Ordering::Relaxed), 0);
    }
}

fn counter() -> Arc<Counter> {
    Arc::new(Counter { mutex: RawMutex::default(), value: UnsafeCell::new(0) })
}

pub fn check(bound: usize, f: impl Fn() + Sync + Send + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(bound);
    model.check(f);
}

/// Finds a wake-up that is lost (a deadlock), two holders, and an unlock that does not publish (a race on the value).
#[test]
fn lock_against_lock() {
    check(4, || {
        let c = counter();
        let other = c.clone();
        let t = go(move || other.count());
        c.count();
        c.count();
        t.join().unwrap();
        c.assert_settled();
        c.mutex.lock();
        // SAFETY: under the mutex.
        assert_eq!(c.value.with(|v| unsafe { *v }), 3);
    });
}

/// Three: an unlocker that wakes one waiter and forgets the other, a newcomer that outruns the woken one, starvation mode (a wait in the model is
/// always longer than its threshold).
#[test]
fn three() {
    check(3, || {
        let c = counter();
        let (a, b) = (c.clone(), c.clone());
        let others = [go(move || a.count()), go(move || b.count())];
        c.count();
        others.into_iter().for_each(|t| t.join().unwrap());
        c.assert_settled();
    });
}

/// `try_lock` beside a waiter, which must be woken nevertheless.
#[test]
fn try_lock_against_lock() {
    check(3, || {
        let c = counter();
        let (a, b) = (c.clone(), c.clone());
        let waiter = go(move || a.count());
        let tries = go(move || b.try_count());
        c.count();
        waiter.join().unwrap();
        let tried = tries.join().unwrap();
        c.assert_settled();
        c.mutex.lock();
        // SAFETY: under the mutex.
        assert_eq!(c.value.with(|v| unsafe { *v }), 2 + tried);
    });
}
