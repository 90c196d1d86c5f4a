//! `Root`, a semaphore's queue: a post is neither lost nor taken twice.

use crate::lock::{Lock, Rank};
use crate::proc::{WaitReason, go};
use crate::rand::Rand;
use loom::sync::Arc;
use loom::sync::atomic::{self, AtomicU32, Ordering};
use std::cell::UnsafeCell;

#[path = "../../src/sync/semaroot.rs"]
mod semaroot;
#[path = "../../src/sync/treap.rs"]
mod treap;

use semaroot::{Root, Waiters};

pub struct Semaphore {
    root: Root,
    posts: AtomicU32,
}

pub fn semaphore() -> Arc<Semaphore> {
    let waiters = Waiters { treap: treap::Treap::new(), tickets: Rand::new(1) };
    let root =
        Root { lock: Lock::new(Rank::Sema), nwait: AtomicU32::new(0), waiters: UnsafeCell::new(waiters) };
    Arc::new(Semaphore { root, posts: AtomicU32::new(0) })
}

impl Semaphore {
    fn acquire(&self) {
        self.acquire_at(&self.posts, false, WaitReason::SyncWaitGroupWait);
    }

    fn release(&self) {
        self.release_at(&self.posts, false);
    }

    /// Takes a post of another's counter.
    pub fn acquire_at(&self, posts: &AtomicU32, lifo: bool, reason: WaitReason) {
        self.root.acquire(posts, lifo, reason);
    }

    /// Posts another's counter.
    pub fn release_at(&self, posts: &AtomicU32, handoff: bool) {
        self.root.release(posts, handoff);
    }
}

/// Finds a waiter that does not look once more after it was counted in: the releaser sees no waiter and the waiter no post (a deadlock).
#[test]
fn acquire_against_release() {
    loom::model(|| {
        let s = semaphore();
        let other = s.clone();
        let releaser = go(move || other.release());
        s.acquire();
        releaser.join().unwrap();
        assert_eq!(s.posts.load(Ordering::Relaxed), 0);
    });
}

/// Two that wait and two posts, one of which a third party may take and give back.
#[test]
fn two_waiters() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(2);
    model.check(|| {
        let s = semaphore();
        let (a, b) = (s.clone(), s.clone());
        let waiters = [go(move || a.acquire()), go(move || b.acquire())];
        s.release();
        s.release();
        waiters.into_iter().for_each(|w| w.join().unwrap());
        assert_eq!(s.posts.load(Ordering::Relaxed), 0);
    });
}
