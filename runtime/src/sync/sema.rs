//! Semaphores: the sleep and wake-up under everything in `sync` (Go: `sema.go`).
//!
//! # Problem
//! A semaphore is one `u32` in somebody's structure: there is no room for a list of waiters in it, and Go source compiled by a Go
//! compiler will hand over just its address. So waiters are found by address, in a table of the runtime.
//!
//! # Protocol
//! The table has 251 roots, each with a lock, a count of its waiters and a treap (a binary tree by address that random priorities keep
//! balanced) with one node for each address; further waiters of an address hang on its first in a list, first in first out.
//! 1. *Acquire*: take one off the count if it is not 0: done. Else lock the root, **count the waiter in, then try once more**, then queue
//!    and park; the lock is given up on g0.
//! 2. *Release*: **add one to the count, then look at the number of waiters**; 0: done. Else lock the root, take the oldest waiter of the
//!    address off and ready it; it tries 1 again.
//!
//! The emphasised pairs are sequentially consistent read-modify-writes: either the releaser sees the waiter, or the waiter sees the
//! post. A woken waiter may find that another has taken the post; then it queues again.

use super::treap::{Treap, Waiter};
use crate::lock::{Lock, Rank};
use crate::port::getg;
use crate::proc::{WaitReason, goparkunlock, goready};
use crate::rand::Rand;
use core::cell::UnsafeCell;
use core::sync::atomic::{AtomicU32, Ordering};

const ROOTS: usize = 251;

/// What shares a remainder of its address; on cache lines of its own.
#[repr(align(128))]
struct Root {
    lock: Lock,
    nwait: AtomicU32,
    waiters: UnsafeCell<Waiters>,
}

struct Waiters {
    treap: Treap,
    tickets: Rand,
}

// SAFETY: `waiters` is used under `lock` only.
unsafe impl Sync for Root {}

static ROOT: [Root; ROOTS] = [const {
    Root {
        lock: Lock::new(Rank::Sema),
        nwait: AtomicU32::new(0),
        waiters: UnsafeCell::new(Waiters { treap: Treap::new(), tickets: Rand::new(1) }),
    }
}; ROOTS];

fn root(addr: usize) -> &'static Root {
    &ROOT[(addr >> 3) % ROOTS]
}

#[inline]
fn can_acquire(sema: &AtomicU32) -> bool {
    sema.try_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).is_ok()
}

/// Takes one post off the semaphore, waiting until there is one.
pub(super) fn semacquire(sema: &AtomicU32, reason: WaitReason) {
    if can_acquire(sema) {
        return;
    }
    let addr = core::ptr::from_ref(sema).addr();
    let root = root(addr);
    loop {
        let mut w = Waiter::new(getg(), addr);
        root.lock.lock();
        root.nwait.fetch_add(1, Ordering::SeqCst);
        if can_acquire(sema) {
            root.nwait.fetch_sub(1, Ordering::SeqCst);
            root.lock.unlock();
            return;
        }
        // SAFETY: under the lock; `w` is on this goroutine's stack and in place until it runs again, which is after it was taken out.
        unsafe {
            let waiters = &mut *root.waiters.get();
            let ticket = waiters.tickets.next_u64() as u32;
            waiters.treap.queue(&raw mut w, ticket);
        }
        goparkunlock(&root.lock, reason);
        if can_acquire(sema) {
            return;
        }
    }
}

/// Posts the semaphore and wakes the one that has waited longest, if one does.
pub(super) fn semrelease(sema: &AtomicU32) {
    let addr = core::ptr::from_ref(sema).addr();
    let root = root(addr);
    sema.fetch_add(1, Ordering::SeqCst);
    if root.nwait.load(Ordering::SeqCst) == 0 {
        return;
    }
    root.lock.lock();
    // SAFETY: under the lock.
    let w = unsafe { (*root.waiters.get()).treap.dequeue(addr) };
    if w.is_null() {
        root.lock.unlock();
        return;
    }
    root.nwait.fetch_sub(1, Ordering::SeqCst);
    root.lock.unlock();
    // SAFETY: it was parked when the lock was free, it was taken out here only, and it stays in place until it is readied.
    unsafe { goready((*w).g) };
}
