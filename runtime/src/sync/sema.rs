//! The table of semaphores (Go: `semtable` in `sema.go`); see `semaroot.rs`.

use super::semaroot::{Root, Waiters};
use super::treap::Treap;
use crate::lock::{Lock, Rank};
use crate::proc::{G, WaitReason};
use crate::rand::Rand;
use core::cell::UnsafeCell;
use core::sync::atomic::AtomicU32;

const ROOTS: usize = 251;

static TABLE: [Root; ROOTS] = [const {
    Root {
        lock: Lock::new(Rank::Sema),
        nwait: AtomicU32::new(0),
        waiters: UnsafeCell::new(Waiters { treap: Treap::new(), tickets: Rand::new(1) }),
    }
}; ROOTS];

fn root(sema: &AtomicU32) -> &'static Root {
    &TABLE[(core::ptr::from_ref(sema).addr() >> 3) % ROOTS]
}

/// Takes one post off the semaphore, waiting until there is one, with `lifo` in front of those that wait.
pub(crate) fn semacquire(sema: &AtomicU32, lifo: bool, reason: WaitReason) {
    root(sema).acquire(sema, lifo, reason);
}

/// Posts the semaphore and wakes its first waiter, if there is one; with `handoff` nobody else can take the post, and the waiter runs at once in
/// the rest of the caller's time slice.
pub(crate) fn semrelease(sema: &AtomicU32, handoff: bool) {
    root(sema).release(sema, handoff);
}

/// What `f` says of the goroutine that waits first for the semaphore; none if nobody does.
pub(crate) fn first_waiter<R>(sema: &AtomicU32, f: impl FnOnce(&G) -> R) -> Option<R> {
    root(sema).with_first(sema, f)
}

/// How many wait for semaphores in the root of this one (Go: `SemNwait` in `export_test.go`).
#[cfg(all(feature = "kernel-tests", not(test)))]
pub(super) fn nwait(sema: &AtomicU32) -> u32 {
    root(sema).nwait.load(core::sync::atomic::Ordering::Relaxed)
}
