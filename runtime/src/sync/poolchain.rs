//! A queue that grows, of rings each twice as long as the one before (Go: `poolChain` in `sync/poolqueue.go`).
//!
//! The owner puts into the youngest ring, and when that is full into a new one; it takes from the youngest that has something. Others take from the
//! oldest, and when that is drained, and has a successor, move on for good.
//!
//! In Go the collector frees drained rings. Here they stay until the chain is dropped, since others may still look at them: as each is twice as long as the
//! one before, they are together no longer than the youngest.

use super::pooldequeue::{DEQUEUE_LIMIT, PoolDequeue};
use alloc::boxed::Box;
use core::cell::Cell;
use core::ptr::null_mut;
use core::sync::atomic::{AtomicPtr, Ordering};

const FIRST_LEN: u32 = 8;

/// See the module's text.
pub(super) struct PoolChain<T> {
    /// The youngest ring, for the owner; null before the first is made.
    head: Cell<*mut Ring<T>>,
    /// The oldest ring that may have something.
    tail: AtomicPtr<Ring<T>>,
    /// The oldest ring there is, for the owner.
    first: Cell<*mut Ring<T>>,
}

struct Ring<T> {
    dequeue: PoolDequeue<T>,
    /// The younger neighbour: null, then set once by the owner.
    next: AtomicPtr<Ring<T>>,
    /// The older neighbour: set to null once that is drained for good.
    prev: AtomicPtr<Ring<T>>,
}

// SAFETY: `head` and `first` are the owner's; rings are shared as `PoolDequeue` is, and freed by who has the chain to itself.
unsafe impl<T: Send> Sync for PoolChain<T> {}
// SAFETY: its values move with it.
unsafe impl<T: Send> Send for PoolChain<T> {}

impl<T> PoolChain<T> {
    /// An empty chain.
    pub(super) const fn new() -> PoolChain<T> {
        PoolChain {
            head: Cell::new(null_mut()),
            tail: AtomicPtr::new(null_mut()),
            first: Cell::new(null_mut()),
        }
    }

    /// Puts a value at the head.
    ///
    /// # Safety
    /// The caller is the owner: no other call of this or of [`PoolChain::pop_head`] runs.
    pub(super) unsafe fn push_head(&self, value: T) {
        // SAFETY: the youngest ring lives as long as the chain.
        let Some(head) = (unsafe { self.head.get().as_ref() }) else {
            let ring = new_ring(FIRST_LEN, null_mut());
            self.head.set(ring);
            self.first.set(ring);
            // SAFETY: new and this caller's, who is the owner; it has room.
            _ = unsafe { (*ring).dequeue.push_head(value) };
            self.tail.store(ring, Ordering::Release);
            return;
        };
        // SAFETY: the caller is the owner.
        if let Err(value) = unsafe { head.dequeue.push_head(value) } {
            let ring = new_ring((head.dequeue.capacity() * 2).min(DEQUEUE_LIMIT), self.head.get());
            // SAFETY: new and this caller's, who is the owner; it has room.
            _ = unsafe { (*ring).dequeue.push_head(value) };
            self.head.set(ring);
            head.next.store(ring, Ordering::Release);
        }
    }

    /// Takes the value that was put last.
    ///
    /// # Safety
    /// The caller is the owner, see [`PoolChain::push_head`].
    pub(super) unsafe fn pop_head(&self) -> Option<T> {
        let mut ring = self.head.get();
        // SAFETY: rings live as long as the chain; the caller is the owner.
        while let Some(r) = unsafe { ring.as_ref() } {
            // SAFETY: as above.
            if let Some(value) = unsafe { r.dequeue.pop_head() } {
                return Some(value);
            }
            ring = r.prev.load(Ordering::Acquire);
        }
        None
    }

    /// Takes the oldest value, or one of the oldest.
    pub(super) fn pop_tail(&self) -> Option<T> {
        let mut at = self.tail.load(Ordering::Acquire);
        loop {
            // SAFETY: rings live as long as the chain.
            let ring = unsafe { at.as_ref()? };
            // First the successor, then the ring: if there was one, nothing is put into the ring any more, and if that is empty then, it stays so.
            let next = ring.next.load(Ordering::Acquire);
            let value = ring.dequeue.pop_tail();
            if value.is_some() {
                return value;
            }
            // SAFETY: as above.
            let younger = unsafe { next.as_ref()? };
            if self.tail.compare_exchange(at, next, Ordering::AcqRel, Ordering::Relaxed).is_ok() {
                younger.prev.store(null_mut(), Ordering::Release);
            }
            at = next;
        }
    }
}

fn new_ring<T>(len: u32, prev: *mut Ring<T>) -> *mut Ring<T> {
    Box::into_raw(Box::new(Ring {
        dequeue: PoolDequeue::new(len),
        next: AtomicPtr::new(null_mut()),
        prev: AtomicPtr::new(prev),
    }))
}

impl<T> Drop for PoolChain<T> {
    fn drop(&mut self) {
        let mut ring = self.first.get();
        while !ring.is_null() {
            // SAFETY: made by `new_ring`, freed here only; nobody else has the chain.
            let r = unsafe { Box::from_raw(ring) };
            ring = r.next.load(Ordering::Relaxed);
        }
    }
}
