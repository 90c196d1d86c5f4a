//! A core's queue of runnable threads, first in first out.
//!
//! `kernel/models` compiles this file once more, over loom's atomics.

use super::atomic::{AtomicU32, Ordering};
use super::thread::Thread;
use crate::irq::IrqMutex;
use core::ptr::null_mut;

/// The queue.
pub(super) struct Queue {
    pub(super) list: IrqMutex<List>,
    /// How many are on it, for a look without the lock.
    pub(super) len: AtomicU32,
}

/// Threads linked by `next`.
pub(super) struct List {
    pub(super) head: *mut Thread,
    pub(super) tail: *mut Thread,
}

// SAFETY: the list owns its threads' links, under its lock.
unsafe impl Send for List {}

impl Queue {
    /// Whether nothing is queued, as seen at some moment. Who has had the interrupt that was sent for a thread sees that one.
    pub(super) fn is_empty(&self) -> bool {
        self.len.load(Ordering::Relaxed) == 0
    }

    /// Queues a runnable thread that belongs to the caller.
    pub(super) fn push(&self, t: &'static Thread) {
        let p = core::ptr::from_ref(t).cast_mut();
        let mut q = self.list.lock();
        // SAFETY: under the lock; a thread is on one queue at most.
        unsafe {
            *t.next.get() = null_mut();
            if q.tail.is_null() {
                q.head = p;
            } else {
                *(*q.tail).next.get() = p;
            }
        }
        q.tail = p;
        self.len.fetch_add(1, Ordering::Relaxed);
    }

    /// Takes the first.
    pub(super) fn pop(&self) -> Option<&'static Thread> {
        if self.is_empty() {
            return None;
        }
        let mut q = self.list.lock();
        // SAFETY: under the lock; threads are never freed.
        let t = unsafe { q.head.as_ref()? };
        // SAFETY: as above.
        q.head = unsafe { *t.next.get() };
        if q.head.is_null() {
            q.tail = null_mut();
        }
        self.len.fetch_sub(1, Ordering::Relaxed);
        Some(t)
    }
}
