//! Lists of all that was ever made of a kind: Gs, Ms (Go: `allgs`, `allm`). What is on them is never freed, so that they are walked
//! without a lock.

use core::ptr::null_mut;
use core::sync::atomic::{AtomicPtr, Ordering};

/// A structure that is on such a list.
pub(crate) trait Listed: Sized {
    /// The next older one; for the list alone.
    fn alllink(&self) -> &AtomicPtr<Self>;
}

/// All of a kind, newest first.
pub(crate) struct AllList<T>(AtomicPtr<T>);

impl<T: Listed> AllList<T> {
    pub(crate) const fn new() -> AllList<T> {
        AllList(AtomicPtr::new(null_mut()))
    }

    /// Adds a new one. *Release*, so that who finds it on the list finds what is in it.
    ///
    /// # Safety
    /// It is never freed, on no list, and the caller's.
    pub(super) unsafe fn add(&self, new: *mut T) {
        let mut head = self.0.load(Ordering::Relaxed);
        loop {
            // SAFETY: as the caller promises.
            unsafe { (*new).alllink().store(head, Ordering::Relaxed) };
            match self.0.compare_exchange_weak(head, new, Ordering::Release, Ordering::Relaxed) {
                Ok(_) => return,
                Err(now) => head = now,
            }
        }
    }

    /// Calls `f` with each. What others own of them changes meanwhile.
    pub(crate) fn for_each(&self, mut f: impl FnMut(*mut T)) {
        let mut at = self.0.load(Ordering::Acquire);
        while !at.is_null() {
            f(at);
            // SAFETY: what is on the list is never freed.
            at = unsafe { (*at).alllink().load(Ordering::Relaxed) };
        }
    }
}
