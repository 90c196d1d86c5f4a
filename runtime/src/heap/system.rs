//! What the heap asks of what is under it, so that the same code runs over a port and, in tests, over plain memory and threads.

use core::cell::UnsafeCell;
use core::ops::{Deref, DerefMut};

/// A mutual exclusion lock without a value.
///
/// # Safety
/// `lock` returns to one holder at a time, and what one holder wrote before `unlock` is seen by the next.
pub unsafe trait RawLock: Sync {
    /// Takes the lock.
    fn lock(&self);
    /// Gives it back; only the holder may.
    fn unlock(&self);
}

/// Pages and locks for a [`Heap`](super::Heap).
///
/// # Safety
/// `alloc` returns memory that nothing else uses until it is given to `free`, within `arena`.
pub unsafe trait System: Sync {
    /// The heap's locks. Those of central lists are taken before the page heap's.
    type Lock: RawLock;
    /// The address range in which all memory of `alloc` lies.
    fn arena(&self) -> (usize, usize);
    /// `bytes` (a multiple of the page size) aligned to `align` (a power of two, at least the page size), with any contents; null if
    /// there is none.
    fn alloc(&self, bytes: usize, align: usize) -> *mut u8;
    /// Gives pages back, in any pieces.
    ///
    /// # Safety
    /// The range came from `alloc`, is not in use and is not given back twice.
    unsafe fn free(&self, p: *mut u8, bytes: usize);
    /// Calls `f` on a stack that is fully backed.
    fn systemstack<R>(&self, f: impl FnOnce() -> R) -> R;
    /// Ends the program: it misused the heap at the object `ptr`.
    fn misuse(&self, what: &str, ptr: *mut u8) -> !;
}

/// A value behind a lock.
pub(crate) struct Locked<L, T> {
    lock: L,
    value: UnsafeCell<T>,
}

// SAFETY: the value is reached only through a guard, and the lock admits one holder at a time.
unsafe impl<L: RawLock, T: Send> Sync for Locked<L, T> {}

impl<L: RawLock, T> Locked<L, T> {
    pub(crate) const fn new(lock: L, value: T) -> Self {
        Locked { lock, value: UnsafeCell::new(value) }
    }

    /// The value without the lock: for a report that ends the program, when nobody else runs.
    pub(crate) fn peek(&self) -> *const T {
        self.value.get()
    }

    pub(crate) fn lock(&self) -> LockedGuard<'_, L, T> {
        self.lock.lock();
        LockedGuard { of: self }
    }
}

pub(crate) struct LockedGuard<'a, L: RawLock, T> {
    of: &'a Locked<L, T>,
}

impl<L: RawLock, T> Deref for LockedGuard<'_, L, T> {
    type Target = T;
    fn deref(&self) -> &T {
        // SAFETY: the guard holds the lock.
        unsafe { &*self.of.value.get() }
    }
}

impl<L: RawLock, T> DerefMut for LockedGuard<'_, L, T> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the guard holds the lock and is borrowed mutably.
        unsafe { &mut *self.of.value.get() }
    }
}

impl<L: RawLock, T> Drop for LockedGuard<'_, L, T> {
    fn drop(&mut self) {
        self.of.lock.unlock();
    }
}
