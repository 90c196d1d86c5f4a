//! Goroutines that wait on a channel (Go: `sudog`, `waitq`).

use super::Hchan;
use crate::proc::G;
use core::ptr::null_mut;
use core::sync::atomic::{AtomicPtr, Ordering};

/// A goroutine in a channel's wait queue. It lies on that goroutine's stack and is another's to use from the moment it is queued until the
/// goroutine runs again.
#[repr(C)]
pub struct Sudog {
    /// Who waits.
    pub g: *mut G,
    pub(super) next: *mut Sudog,
    /// Where the element is (sender) or goes (receiver).
    pub(super) elem: *mut u8,
    /// An element was handed over; false: the channel was closed.
    pub(super) success: bool,
    /// On what it waits.
    pub c: *const Hchan,
}

/// A queue of sudogs, first in first out; belongs to the holder of the channel's lock, but for [`WaitQ::is_empty`].
#[repr(C)]
pub(super) struct WaitQ {
    first: AtomicPtr<Sudog>,
    last: AtomicPtr<Sudog>,
}

impl WaitQ {
    pub(super) const fn new() -> WaitQ {
        WaitQ { first: AtomicPtr::new(null_mut()), last: AtomicPtr::new(null_mut()) }
    }

    /// Whether nobody waits; without the lock, at some moment.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.first.load(Ordering::Acquire).is_null()
    }

    /// Puts `sg` at the end.
    ///
    /// # Safety
    /// Under the channel's lock. `sg` stays in place until it is taken off.
    #[inline]
    pub(super) unsafe fn enqueue(&self, sg: *mut Sudog) {
        // SAFETY: `sg` is the caller's, and the last one stays in place while it is queued.
        unsafe {
            (*sg).next = null_mut();
            let last = self.last.load(Ordering::Relaxed);
            if last.is_null() {
                self.first.store(sg, Ordering::Relaxed);
            } else {
                (*last).next = sg;
            }
        }
        self.last.store(sg, Ordering::Relaxed);
    }

    /// Takes the first one off; null if nobody waits.
    ///
    /// # Safety
    /// Under the channel's lock.
    #[inline]
    pub(super) unsafe fn dequeue(&self) -> *mut Sudog {
        let sg = self.first.load(Ordering::Relaxed);
        if !sg.is_null() {
            // SAFETY: a queued sudog stays in place.
            let next = unsafe { (*sg).next };
            self.first.store(next, Ordering::Relaxed);
            if next.is_null() {
                self.last.store(null_mut(), Ordering::Relaxed);
            }
        }
        sg
    }
}
