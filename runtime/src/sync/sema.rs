//! The table of semaphores (Go: `semtable` in `sema.go`); see `semaroot.rs`.

use super::semaroot::{Root, Waiters};
use super::treap::Treap;
use crate::lock::{Lock, Rank};
use crate::proc::WaitReason;
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

/// Takes one post off the semaphore, waiting until there is one.
pub(super) fn semacquire(sema: &AtomicU32, reason: WaitReason) {
    root(sema).acquire(sema, reason);
}

/// Posts the semaphore and wakes the one that has waited longest, if one does.
pub(super) fn semrelease(sema: &AtomicU32) {
    root(sema).release(sema);
}
