//! `PoolDequeue`: each value is taken once, after what its owner did to it, and no slot is written while it is read.

use crate::proc::go;
use loom::cell::UnsafeCell;
use loom::sync::Arc;

use loom::cell;

/// Loom's atomics, but each load and store is an exchange of the same order: loom remembers the last access of a variable only, so that a load
/// would hide an earlier one by another thread, and orders in which that matters would not be tried.
mod atomic {
    use loom::sync::atomic;
    pub use loom::sync::atomic::Ordering;

    pub struct AtomicU64(atomic::AtomicU64);

    impl AtomicU64 {
        pub fn new(v: u64) -> Self {
            AtomicU64(atomic::AtomicU64::new(v))
        }

        pub fn load(&self, order: Ordering) -> u64 {
            self.0.fetch_add(0, order)
        }

        pub fn fetch_add(&self, v: u64, order: Ordering) -> u64 {
            self.0.fetch_add(v, order)
        }

        pub fn fetch_update(
            &self,
            set: Ordering,
            fetch: Ordering,
            mut f: impl FnMut(u64) -> Option<u64>,
        ) -> Result<u64, u64> {
            let mut old = self.load(fetch);
            loop {
                let Some(new) = f(old) else { return Err(old) };
                match self.0.compare_exchange(old, new, set, fetch) {
                    Ok(_) => return Ok(old),
                    Err(now) => old = now,
                }
            }
        }
    }

    pub struct AtomicBool(atomic::AtomicBool);

    impl AtomicBool {
        pub fn new(v: bool) -> Self {
            AtomicBool(atomic::AtomicBool::new(v))
        }

        pub fn load(&self, order: Ordering) -> bool {
            self.0.fetch_or(false, order)
        }

        pub fn store(&self, v: bool, order: Ordering) {
            self.0.swap(v, order);
        }
    }
}

#[path = "../../src/sync/pooldequeue.rs"]
mod pooldequeue;

use pooldequeue::PoolDequeue;

/// A value that loom watches: one that is read without having been handed over is a race.
struct Item(UnsafeCell<u32>);

impl Item {
    fn new(n: u32) -> Box<Item> {
        let item = Box::new(Item(UnsafeCell::new(0)));
        // SAFETY: new.
        item.0.with_mut(|v| unsafe { *v = n });
        item
    }

    #[expect(clippy::boxed_local, reason = "it is the box that is handed over")]
    fn read(self: Box<Item>) -> u32 {
        // SAFETY: the box is the caller's.
        self.0.with(|v| unsafe { *v })
    }
}

fn check(f: impl Fn() + Sync + Send + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(f);
}

/// The owner takes at the head what another takes at the tail: finds the last value taken twice or by nobody.
#[test]
fn head_against_tail() {
    check(|| {
        let q = Arc::new(PoolDequeue::new(2));
        let thief = q.clone();
        let stolen = go(move || thief.pop_tail().map(Item::read));
        // SAFETY: this thread is the owner.
        let mine = unsafe {
            assert!(q.push_head(Item::new(1)).is_ok());
            q.pop_head().map(Item::read)
        };
        assert_eq!([mine, stolen.join().unwrap()].into_iter().flatten().collect::<Vec<_>>(), [1]);
    });
}

/// The ring comes round while a taker is still reading: finds a slot that is filled again too early, and a value that is not seen.
#[test]
fn a_slot_is_used_again() {
    check(|| {
        let q = Arc::new(PoolDequeue::new(1));
        let thief = q.clone();
        let stolen = go(move || [thief.pop_tail().map(Item::read), thief.pop_tail().map(Item::read)]);
        let mut put = Vec::new();
        for n in 1..=2 {
            // SAFETY: this thread is the owner.
            if unsafe { q.push_head(Item::new(n)) }.is_ok() {
                put.push(n);
            }
        }
        let mut taken: Vec<u32> = stolen.join().unwrap().into_iter().flatten().collect();
        taken.extend(q.pop_tail().map(Item::read));
        assert_eq!(taken, put);
    });
}

/// Two takers: finds one value taken by both.
#[test]
fn two_at_the_tail() {
    check(|| {
        let q = Arc::new(PoolDequeue::new(2));
        // SAFETY: this thread is the owner.
        unsafe {
            assert!(q.push_head(Item::new(1)).is_ok());
            assert!(q.push_head(Item::new(2)).is_ok());
        }
        let thief = q.clone();
        let stolen = go(move || thief.pop_tail().map(Item::read));
        let mut taken = vec![q.pop_tail().map(Item::read), stolen.join().unwrap()];
        taken.sort_unstable();
        assert_eq!(taken, [Some(1), Some(2)]);
    });
}
