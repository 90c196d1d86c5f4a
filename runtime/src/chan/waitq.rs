//! Goroutines that wait on a channel (Go: `sudog`, `waitq`).
//!
//! `runtime/models` compiles this file once more, over loom's atomics.

use super::atomic::{AtomicPtr, Ordering};
use crate::proc::G;
use core::cell::Cell;
use core::ptr::null_mut;

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
}

impl Sudog {
    #[inline(always)]
    pub(super) fn new(g: *mut G, elem: *mut u8) -> Sudog {
        Sudog { g, next: null_mut(), elem, success: false }
    }
}

/// A queue of sudogs, first in first out; belongs to the holder of the channel's lock, but for [`WaitQ::is_empty`].
#[repr(C)]
pub(super) struct WaitQ {
    first: AtomicPtr<Sudog>,
    /// Means something only if there is a first one.
    last: Cell<*mut Sudog>,
}

impl WaitQ {
    pub(super) fn new() -> WaitQ {
        WaitQ { first: AtomicPtr::new(null_mut()), last: Cell::new(null_mut()) }
    }

    /// Whether nobody waits; without the lock, at some moment.
    #[inline(always)]
    pub(super) fn is_empty(&self) -> bool {
        self.first.load(Ordering::Acquire).is_null()
    }

    /// Puts `sg` at the end.
    ///
    /// # Safety
    /// Under the channel's lock. `sg` is new, and stays in place until it is taken off.
    #[inline(always)]
    pub(super) unsafe fn enqueue(&self, sg: *mut Sudog) {
        // SAFETY: `sg` is the caller's, and the last one stays in place while it is queued.
        unsafe {
            (*sg).next = null_mut();
            if self.is_empty() {
                self.first.store(sg, Ordering::Relaxed);
            } else {
                (*self.last.get()).next = sg;
            }
        }
        self.last.set(sg);
    }

    /// Takes the first one off; null if nobody waits.
    ///
    /// # Safety
    /// Under the channel's lock.
    #[inline(always)]
    pub(super) unsafe fn dequeue(&self) -> *mut Sudog {
        let sg = self.first.load(Ordering::Relaxed);
        if !sg.is_null() {
            // SAFETY: a queued sudog stays in place.
            self.first.store(unsafe { (*sg).next }, Ordering::Relaxed);
        }
        sg
    }
}
