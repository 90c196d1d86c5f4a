//! Semaphores: the sleep and wake-up under everything in `sync` (Go: `semaRoot` in `sema.go`).
//!
//! `runtime/models` compiles this file once more, over loom's atomics.
//!
//! # Problem
//! A semaphore is one `u32` in somebody's structure: there is no room for a list of waiters in it, and Go source compiled by a Go
//! compiler will hand over just its address. So waiters are found by address, in a table of the runtime.
//!
//! # Protocol
//! The table has 251 roots, each with a lock, a count of its waiters and a treap (a binary tree by address that random priorities keep
//! balanced) with one node for each address; further waiters of an address hang on its first in a list, first in first out. One that has
//! waited before and was outrun may go to the front (`lifo`).
//! 1. *Acquire*: take one off the count if it is not 0: done. Else lock the root, **count the waiter in, then try once more**, then queue
//!    and park; the lock is given up on g0.
//! 2. *Release*: **add one to the count, then look at the number of waiters**; 0: done. Else lock the root, take the oldest waiter of the
//!    address off and ready it; it tries 1 again. With `handoff` the releaser takes the post for it, unless somebody else was quicker, and lets it
//!    run in the rest of its own time slice: nobody can come between (Go issue 33747).
//!
//! Between the two steps of each emphasised pair stands a sequentially consistent barrier (a Dekker pair): either the releaser sees the
//! waiter, or the waiter sees the post. A woken waiter may find that another has taken the post; then it queues again.
//!
//! What was done before a release is seen after the acquire that takes its post: *release* and *acquire* on the count.

use super::atomic::{AtomicU32, Ordering, fence};
use super::treap::{Treap, Waiter};
use crate::lock::Lock;
use crate::port::getg;
use crate::proc::{G, WaitReason, goparkunlock, goready, goyield};
use crate::rand::Rand;
use core::cell::UnsafeCell;

/// A root of the table, on cache lines of its own.
#[repr(align(128))]
pub(super) struct Root {
    pub(super) lock: Lock,
    pub(super) nwait: AtomicU32,
    pub(super) waiters: UnsafeCell<Waiters>,
}

/// Those that wait, under the root's lock.
pub(super) struct Waiters {
    pub(super) treap: Treap,
    pub(super) tickets: Rand,
}

// SAFETY: `waiters` is used under `lock` only.
unsafe impl Sync for Root {}

#[inline]
fn can_acquire(sema: &AtomicU32) -> bool {
    sema.fetch_update(Ordering::Acquire, Ordering::Relaxed, |n| n.checked_sub(1)).is_ok()
}

impl Root {
    /// Takes one post off `sema`, waiting until there is one, with `lifo` in front of those that wait. This is the root of its address.
    pub(super) fn acquire(&self, sema: &AtomicU32, lifo: bool, reason: WaitReason) {
        if can_acquire(sema) {
            return;
        }
        let addr = core::ptr::from_ref(sema).addr();
        loop {
            let mut w = Waiter::new(getg(), addr);
            self.lock.lock();
            self.nwait.fetch_add(1, Ordering::Relaxed);
            // The waiter's barrier; see the head comment.
            fence(Ordering::SeqCst);
            if can_acquire(sema) {
                self.nwait.fetch_sub(1, Ordering::Relaxed);
                self.lock.unlock();
                return;
            }
            // SAFETY: under the lock; `w` is on this goroutine's stack and in place until it runs again, which is after it was taken out.
            unsafe {
                let waiters = &mut *self.waiters.get();
                let ticket = waiters.tickets.next_u64() as u32;
                waiters.treap.queue(&raw mut w, ticket, lifo);
            }
            goparkunlock(&self.lock, reason);
            if w.handed || can_acquire(sema) {
                return;
            }
        }
    }

    /// What `f` says of the goroutine that waits first for `sema`, whose root this is; none if
    /// nobody does.
    pub(super) fn with_first<R>(&self, sema: &AtomicU32, f: impl FnOnce(&G) -> R) -> Option<R> {
        if self.nwait.load(Ordering::Relaxed) == 0 {
            return None;
        }
        self.lock.lock();
        // SAFETY: under the lock, who waits stays in place, and its goroutine is not run.
        let r = unsafe {
            let w = (*self.waiters.get()).treap.first(core::ptr::from_ref(sema).addr());
            w.as_ref().map(|w| f(&*w.g))
        };
        self.lock.unlock();
        r
    }

    /// Posts `sema` and wakes its first waiter, if there is one; with `handoff` the post is that one's, and it runs at once. This is the root of
    /// its address.
    pub(super) fn release(&self, sema: &AtomicU32, handoff: bool) {
        let addr = core::ptr::from_ref(sema).addr();
        sema.fetch_add(1, Ordering::Release);
        // The releaser's barrier; see the head comment.
        fence(Ordering::SeqCst);
        if self.nwait.load(Ordering::Relaxed) == 0 {
            return;
        }
        self.lock.lock();
        // SAFETY: under the lock.
        let w = unsafe { (*self.waiters.get()).treap.dequeue(addr) };
        if w.is_null() {
            self.lock.unlock();
            return;
        }
        self.nwait.fetch_sub(1, Ordering::Relaxed);
        self.lock.unlock();
        let handed = handoff && can_acquire(sema);
        // SAFETY: it was parked when the lock was free, it was taken out here only, and it stays in place until it is readied.
        unsafe {
            (*w).handed = handed;
            goready((*w).g);
        }
        if handed {
            goyield();
        }
    }
}
