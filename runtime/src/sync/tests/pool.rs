//! `Pool` and the queues in it (Go: `sync/pool_test.go`).

use super::on_goroutines;
use crate::proc::{acquirem, releasem};
use crate::sync::poolchain::PoolChain;
use crate::sync::pooldequeue::PoolDequeue;
use crate::sync::{Pool, WaitGroup, pool_cleanup};
use crate::{gomaxprocs, gosched, kernel_test};
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// Runs `f` on one P: puts and gets of another would go elsewhere (Go: `Runtime_procPin`).
fn pinned(f: impl FnOnce()) {
    let gp = acquirem();
    f();
    releasem(gp);
}

/// A value lost or kept too long (Go: `TestPool`): what was put in last but one comes first, from the private slot; after two clean-ups it is gone.
#[kernel_test]
fn pool_keeps_and_forgets() {
    let pool = Pool::<Box<str>>::new(|| "new".into());
    assert_eq!(pool.take(), None);
    // The first use must not be pinned: it makes room.
    pool.put("a".into());
    pinned(|| {
        while pool.take().is_some() {}
        pool.put("a".into());
        pool.put("b".into());
        assert_eq!(pool.take().as_deref(), Some("a"));
        assert_eq!(pool.take().as_deref(), Some("b"));
        assert_eq!(pool.take(), None);
    });
    for _ in 0..100 {
        pool.put("c".into());
    }
    pool_cleanup();
    assert_eq!(pool.take().as_deref(), Some("c"), "the victim cache is empty");
    pool.put("d".into());
    pool_cleanup();
    assert_eq!(pool.take().as_deref(), Some("d"), "the younger cache was dropped");
    pool_cleanup();
    assert_eq!(pool.take(), None, "still there after two clean-ups");
    assert_eq!(&*pool.get(), "new");
}

/// A function that is called though there is a value, or not called though there is none (Go: `TestPoolNew`).
#[kernel_test]
fn pool_makes_what_it_has_not() {
    let made = AtomicU32::new(0);
    let pool = Pool::new(|| made.fetch_add(1, Ordering::Relaxed) + 1);
    assert_eq!(pool.get(), 1);
    assert_eq!(pool.get(), 2);
    pool.put(42);
    assert_eq!(pool.get(), 42, "found on whatever P");
    assert_eq!(pool.get(), 3);
}

/// Values that are leaked or dropped twice (Go: `TestPoolGC`, `TestPoolRelease`): by clean-ups, with and without what was taken out, and with the pool.
#[kernel_test]
fn pool_drops_each_value_once() {
    struct Counted(Arc<AtomicU32>);
    impl Drop for Counted {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    const N: u32 = 100;
    let dropped = Arc::new(AtomicU32::new(0));
    let counter = dropped.clone();
    let pool = Pool::new(move || Counted(counter.clone()));
    for drain in [true, false] {
        dropped.store(0, Ordering::Relaxed);
        for _ in 0..N {
            pool.put(Counted(dropped.clone()));
        }
        while drain && pool.take().is_some() {}
        pool_cleanup();
        pool_cleanup();
        assert_eq!(dropped.load(Ordering::Relaxed), N);
    }
    dropped.store(0, Ordering::Relaxed);
    for _ in 0..N {
        pool.put(Counted(dropped.clone()));
    }
    pool_cleanup();
    for _ in 0..N {
        pool.put(Counted(dropped.clone()));
    }
    drop(pool);
    assert_eq!(dropped.load(Ordering::Relaxed), 2 * N);
}

/// A value that two have at once, while the pool is cleaned up (Go: `TestPoolStress`).
#[kernel_test]
fn pool_stress() {
    static POOL: Pool<Box<AtomicBool>> = Pool::new(|| Box::new(AtomicBool::new(false)));
    on_goroutines(10, |i| {
        for round in 0..400 {
            let held: Vec<_> = (0..round % 12).map(|_| POOL.get()).collect();
            for value in &held {
                assert!(!value.swap(true, Ordering::Relaxed), "two have it");
            }
            if round % 64 == i {
                gosched();
            }
            for value in held {
                assert!(value.swap(false, Ordering::Relaxed), "another had it");
                POOL.put(value);
            }
            if i == 0 && round % 50 == 0 {
                pool_cleanup();
            }
        }
    });
    pool_cleanup();
    pool_cleanup();
}

/// A value lost or out of reach when P numbers come and go.
#[kernel_test]
fn pool_survives_gomaxprocs() {
    let before = gomaxprocs();
    let pool = Arc::new(Pool::<u32>::new(|| 0));
    for procs in [1, 4, 2, 8, before] {
        crate::set_gomaxprocs(procs);
        let shared = pool.clone();
        on_goroutines(8, move |_| {
            for value in 1..=20 {
                shared.put(value);
                gosched();
                assert!(shared.take().is_none_or(|v| (1..=20).contains(&v)));
            }
        });
    }
    pool_cleanup();
    pool_cleanup();
    assert_eq!(pool.take(), None);
}

/// Values lost or taken twice from one ring (Go: `TestPoolDequeue`).
#[kernel_test]
fn pool_dequeue() {
    queue_test(PoolDequeue::new(16), |q, v| {
        // SAFETY: `queue_test` calls it from one goroutine.
        unsafe { q.push_head(v) }.is_ok()
    });
}

/// Values lost or taken twice when a chain of rings grows (Go: `TestPoolChain`).
#[kernel_test]
fn pool_chain() {
    queue_test(PoolChain::new(), |q, v| {
        // SAFETY: `queue_test` calls it from one goroutine.
        unsafe { q.push_head(v) };
        true
    });
}

trait Queue: Send + Sync + 'static {
    fn pop_tail(&self) -> Option<usize>;
    /// # Safety
    /// As `PoolDequeue::pop_head`.
    unsafe fn pop_head(&self) -> Option<usize>;
}

impl Queue for PoolDequeue<usize> {
    fn pop_tail(&self) -> Option<usize> {
        self.pop_tail()
    }

    unsafe fn pop_head(&self) -> Option<usize> {
        // SAFETY: as the caller promises.
        unsafe { self.pop_head() }
    }
}

impl Queue for PoolChain<usize> {
    fn pop_tail(&self) -> Option<usize> {
        self.pop_tail()
    }

    unsafe fn pop_head(&self) -> Option<usize> {
        // SAFETY: as the caller promises.
        unsafe { self.pop_head() }
    }
}

/// One that puts, and takes now and then; nine that take.
fn queue_test<Q: Queue>(queue: Q, push: fn(&Q, usize) -> bool) {
    const N: usize = 20_000;
    let queue = Arc::new(queue);
    let have: Arc<[AtomicU32]> = (0..N).map(|_| AtomicU32::new(0)).collect();
    let taken = Arc::new(AtomicU32::new(0));
    let wg = Arc::new(WaitGroup::new());
    for _ in 1..10 {
        let (queue, have, taken) = (queue.clone(), have.clone(), taken.clone());
        wg.go(move || {
            while taken.load(Ordering::Relaxed) < N as u32 {
                match queue.pop_tail() {
                    Some(v) => {
                        have[v].fetch_add(1, Ordering::Relaxed);
                        taken.fetch_add(1, Ordering::Relaxed);
                    }
                    None => gosched(),
                }
            }
        });
    }
    let mut from_head = 0;
    for v in 0..N {
        while !push(&queue, v) {
            gosched();
        }
        if v % 10 == 0 {
            // SAFETY: this goroutine is the queue's owner.
            if let Some(v) = unsafe { queue.pop_head() } {
                from_head += 1;
                have[v].fetch_add(1, Ordering::Relaxed);
                taken.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
    wg.wait();
    assert!(from_head > 0, "nothing was ever taken at the head");
    for (v, n) in have.iter().enumerate() {
        assert_eq!(n.load(Ordering::Relaxed), 1, "value {v}");
    }
}
