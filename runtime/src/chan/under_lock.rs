//! Loads of atomic fields by the holder of the lock under which all writes are.
//!
//! The fields are atomic for those that look without the lock. Its holder need not load them so,
//! and the compiler merges a plain load with the comparison that it is for, but never an atomic
//! one.

use core::sync::atomic::{AtomicBool, AtomicPtr};

/// See the module's text.
pub(super) trait UnderLock<T> {
    /// The value.
    ///
    /// # Safety
    /// The caller holds the lock under which all writes are.
    unsafe fn get(&self) -> T;
}

impl UnderLock<bool> for AtomicBool {
    #[inline(always)]
    unsafe fn get(&self) -> bool {
        // SAFETY: as the caller promises, nobody writes meanwhile.
        unsafe { self.as_ptr().read() }
    }
}

impl<T> UnderLock<*mut T> for AtomicPtr<T> {
    #[inline(always)]
    unsafe fn get(&self) -> *mut T {
        // SAFETY: as above.
        unsafe { self.as_ptr().read() }
    }
}
