//! A ring whose owner puts and takes at the head, while anybody takes at the tail, without locks (Go: `poolDequeue` in `sync/poolqueue.go`).
//!
//! `runtime/models` compiles this file once more, over loom's atomics and cells.
//!
//! # Protocol (Go's)
//! `head_tail` holds both indices, 32 bits each, so that one exchange changes them together; they only grow, and wrap. Slot `i % len` is in use for
//! `tail <= i < head`, and beyond that until its taker has read it, which `full` tells.
//! 1. *Put* (owner): not if `head - tail` is the length, nor while the slot is still `full` (*acquire*: its former taker has read it). Write the value, set
//!    `full`, add 1 to `head` with *release*: who sees the new head sees the value.
//! 2. *Take at the head* (owner): exchange `head` for one less. Then the slot is the owner's, and is read and cleared without more ado.
//! 3. *Take at the tail* (anybody): exchange `tail` for one more, with *acquire*. Then the slot is the taker's: read it, then clear `full` with *release*.
//!
//! The exchanges of 2 and 3 are on one word: two never take the same slot, the last one included. A taker that is slow in 3 makes the ring look full and
//! nothing worse.

use super::atomic::{AtomicBool, AtomicU64, Ordering};
use super::cell::UnsafeCell;
use alloc::boxed::Box;
use core::mem::MaybeUninit;

/// The longest ring.
pub(super) const DEQUEUE_LIMIT: u32 = 1 << 30;

/// See the module's text.
pub(super) struct PoolDequeue<T> {
    /// Index of the next slot to fill (high half) and of the oldest value (low half).
    head_tail: AtomicU64,
    slots: Box<[Slot<T>]>,
}

struct Slot<T> {
    full: AtomicBool,
    value: UnsafeCell<MaybeUninit<T>>,
}

// SAFETY: a value is moved in by one goroutine and out by one, who has its slot to itself.
unsafe impl<T: Send> Sync for PoolDequeue<T> {}
// SAFETY: its values move with it.
unsafe impl<T: Send> Send for PoolDequeue<T> {}

const ONE_AT_HEAD: u64 = 1 << 32;

fn unpack(head_tail: u64) -> (u32, u32) {
    ((head_tail >> 32) as u32, head_tail as u32)
}

fn pack(head: u32, tail: u32) -> u64 {
    u64::from(head) << 32 | u64::from(tail)
}

impl<T> PoolDequeue<T> {
    /// An empty ring of `len` slots, a power of two up to [`DEQUEUE_LIMIT`].
    pub(super) fn new(len: u32) -> PoolDequeue<T> {
        debug_assert!(len.is_power_of_two() && len <= DEQUEUE_LIMIT);
        let slot = |_| Slot { full: AtomicBool::new(false), value: UnsafeCell::new(MaybeUninit::uninit()) };
        PoolDequeue { head_tail: AtomicU64::new(0), slots: (0..len).map(slot).collect() }
    }

    /// How many slots it has.
    pub(super) fn capacity(&self) -> u32 {
        self.slots.len() as u32
    }

    fn slot(&self, index: u32) -> &Slot<T> {
        &self.slots[index as usize & (self.slots.len() - 1)]
    }

    /// Puts a value at the head; gives it back if the ring is full.
    ///
    /// # Safety
    /// The caller is the owner: no other call of this or of [`PoolDequeue::pop_head`] runs.
    pub(super) unsafe fn push_head(&self, value: T) -> Result<(), T> {
        let (head, tail) = unpack(self.head_tail.load(Ordering::Relaxed));
        let slot = self.slot(head);
        if head.wrapping_sub(tail) == self.capacity() || slot.full.load(Ordering::Acquire) {
            return Err(value);
        }
        // SAFETY: the slot is neither in use nor still being read, and only the owner fills slots.
        slot.value.with_mut(|v| unsafe { (*v).write(value) });
        slot.full.store(true, Ordering::Relaxed);
        self.head_tail.fetch_add(ONE_AT_HEAD, Ordering::Release);
        Ok(())
    }

    /// Takes the value at the head, the youngest.
    ///
    /// # Safety
    /// The caller is the owner, see [`PoolDequeue::push_head`].
    pub(super) unsafe fn pop_head(&self) -> Option<T> {
        let less_one_at_head = |now| {
            let (head, tail) = unpack(now);
            (head != tail).then(|| pack(head.wrapping_sub(1), tail))
        };
        let before =
            self.head_tail.fetch_update(Ordering::Acquire, Ordering::Relaxed, less_one_at_head).ok()?;
        let slot = self.slot(unpack(before).0.wrapping_sub(1));
        // SAFETY: the exchange took the slot out of use: its value is this caller's.
        let value = slot.value.with_mut(|v| unsafe { (*v).assume_init_read() });
        slot.full.store(false, Ordering::Relaxed);
        Some(value)
    }

    /// Takes the value at the tail, the oldest.
    pub(super) fn pop_tail(&self) -> Option<T> {
        let one_more_at_tail = |now| {
            let (head, tail) = unpack(now);
            (head != tail).then(|| pack(head, tail.wrapping_add(1)))
        };
        let before =
            self.head_tail.fetch_update(Ordering::Acquire, Ordering::Relaxed, one_more_at_tail).ok()?;
        let slot = self.slot(unpack(before).1);
        // SAFETY: as in `pop_head`; the owner does not write it while it is `full`.
        let value = slot.value.with_mut(|v| unsafe { (*v).assume_init_read() });
        slot.full.store(false, Ordering::Release);
        Some(value)
    }
}

impl<T> Drop for PoolDequeue<T> {
    fn drop(&mut self) {
        while self.pop_tail().is_some() {}
    }
}
