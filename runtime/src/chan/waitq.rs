//! Goroutines that wait on a channel (Go: `sudog`, `waitq`).
//!
//! `runtime/models` compiles this file once more, over loom's atomics.

use super::atomic::{AtomicPtr, Ordering};
use super::under_lock::UnderLock;
use crate::proc::G;
use core::cell::Cell;
use core::mem::MaybeUninit;
use core::ptr::null_mut;

/// A goroutine in a channel's wait queue. It lies on that goroutine's stack and is another's to use from the moment it is queued until the
/// goroutine runs again; one of a `select` until the goroutine has taken it off, or seen under the channel's lock that it is off.
#[repr(C)]
pub struct Sudog {
    /// Who waits.
    pub g: *mut G,
    pub(super) next: *mut Sudog,
    /// Written only when another is before it in the queue.
    prev: MaybeUninit<*mut Sudog>,
    /// Where the element is (sender) or goes (receiver).
    pub(super) elem: *mut u8,
    /// An element was handed over; false: the channel was closed.
    pub(super) success: bool,
    of: Of,
}

/// What its goroutine does with a sudog.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Of {
    /// It waits for this one alone.
    Wait,
    /// A `select` waits for several: whoever takes it off must win the goroutine (`G::select_done`).
    Select,
    /// One of a `select`, taken off by somebody who then found that another had won the goroutine.
    Lost,
}

impl Sudog {
    #[inline(always)]
    pub(super) fn new(g: *mut G, elem: *mut u8, of: Of) -> Sudog {
        Sudog { g, next: null_mut(), prev: MaybeUninit::uninit(), elem, success: false, of }
    }

    /// Whether it is one of several of its goroutine.
    #[inline(always)]
    pub(super) fn of_select(&self) -> bool {
        self.of != Of::Wait
    }
}

/// A queue of sudogs, first in first out; belongs to the holder of the channel's lock, but for [`WaitQ::is_empty`].
#[repr(C)]
pub(super) struct WaitQ {
    pub(super) first: AtomicPtr<Sudog>,
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
            if self.first.get().is_null() {
                self.first.store(sg, Ordering::Relaxed);
            } else {
                let last = self.last.get();
                (*last).next = sg;
                (*sg).prev.write(last);
            }
        }
        self.last.set(sg);
    }

    /// Takes the first one off; null if there is none. The goroutine of one that is a `select`'s is yet to be won.
    ///
    /// # Safety
    /// Under the channel's lock.
    #[inline(always)]
    pub(super) unsafe fn pop(&self) -> *mut Sudog {
        let sg = self.first.load(Ordering::Relaxed);
        if !sg.is_null() {
            // SAFETY: a queued sudog stays in place.
            self.first.store(unsafe { (*sg).next }, Ordering::Relaxed);
        }
        sg
    }

    /// Takes the first one off whose goroutine is the caller's to ready; null if there is none (Go: `dequeue`).
    ///
    /// # Safety
    /// Under the channel's lock.
    #[inline(always)]
    pub(super) unsafe fn dequeue(&self) -> *mut Sudog {
        // SAFETY: as the caller promises.
        unsafe { self.win(self.pop()) }
    }

    /// `sg` or the first one after it whose goroutine is the caller's to ready; null if there is none.
    ///
    /// The goroutine of a `select` waits in several queues, so it must be won; then its `param` says with which sudog. One that another
    /// has won is on its way to take its sudogs off, and finds this one lost.
    ///
    /// # Safety
    /// Under the channel's lock; `sg` has just been popped, or is null.
    #[inline(always)]
    pub(super) unsafe fn win(&self, mut sg: *mut Sudog) -> *mut Sudog {
        // SAFETY: a select's goroutine does not go on before it has had this lock, unless it is won here, and then not before it is readied.
        unsafe {
            while !sg.is_null() && (*sg).of_select() {
                let g = (*sg).g;
                // Relaxed: this decides and publishes nothing. The winner's writes are published when it readies the goroutine; that the
                // word was set to 0 before the sudog was queued is known by the lock.
                if (*g).select_done.compare_exchange(0, 1, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
                    (*g).param = sg.cast();
                    break;
                }
                (*sg).of = Of::Lost;
                sg = self.pop();
            }
        }
        sg
    }

    /// Takes `sg` off wherever it stands, unless it is off (Go: `dequeueSudoG`).
    ///
    /// # Safety
    /// Under the channel's lock. `sg` is one of the current goroutine's `select`, was put on this queue, and is not the one with which
    /// the goroutine was won.
    #[inline]
    pub(super) unsafe fn remove(&self, sg: *mut Sudog) {
        // SAFETY: it is on the queue, and its neighbours stay in place while they are; all but the first know who is before them.
        unsafe {
            if (*sg).of == Of::Lost {
                return;
            }
            let next = (*sg).next;
            if self.first.load(Ordering::Relaxed) == sg {
                self.first.store(next, Ordering::Relaxed);
                return;
            }
            let prev = (*sg).prev.assume_init();
            (*prev).next = next;
            if next.is_null() {
                self.last.set(prev);
            } else {
                (*next).prev.write(prev);
            }
        }
    }
}
