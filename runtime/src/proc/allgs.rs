//! All goroutines there are, dead ones that are kept for reuse included (Go: `allgs`). Go never shrinks it: a burst of goroutines costs a program
//! their memory for ever. Here a dead G beyond a reserve is taken off and freed.
//!
//! # When
//! Dead Gs that a P has too many of go to the global list (`spill_gfree`). If that then holds more than [`RESERVE`] and more than there are live
//! goroutines, twice as many are freed as came. So the reserve follows the number of goroutines as it falls, a program that makes as many again finds half
//! of them, and the cost is borne by deaths, a few at a time.
//!
//! # Who may still hold a pointer
//! A G is freed from the global list of dead ones; it got there under `sched.lock`, after it had left its M (`curg`, `lockedg`).
//! - Walks of this list hold its lock. A fatal report walks without it: all other cores stand, perhaps in the middle of a change, so the links
//!   forward are whole after each store, and a G is freed only after the lock was given up.
//! - `schedtrace` follows an M's `curg` under `sched.lock`: what it finds there cannot reach the global list before it is done.
//! - Queues' slots keep old pointers; what is read from a slot is used only if the exchange succeeds that takes the goroutine off the queue.
//! - Wait lists, timers and semaphores hold goroutines that wait. Who readies one does not touch it after it was queued.
//! - The machine's record of an M's current G: it is the M's g0 from before the goroutine is dead.

use super::G;
use super::alllist::{AllList, Listed};
use super::p::GList;
use crate::lock::{Lock, Rank};
use core::ptr::null_mut;
use core::sync::atomic::Ordering;

/// Dead Gs that are kept on the global list in any case.
pub(super) const RESERVE: usize = 4096;

/// See the module's text.
pub(crate) static ALLGS: AllGs = AllGs { list: AllList::new(), lock: Lock::new(Rank::Allg) };

/// The list and its lock.
pub(crate) struct AllGs {
    list: AllList<G>,
    lock: Lock,
}

impl AllGs {
    /// Adds a new G.
    ///
    /// # Safety
    /// It is on no list, and freed by [`AllGs::free`] only.
    pub(super) unsafe fn add(&self, gp: *mut G) {
        self.lock.lock();
        // SAFETY: as the caller promises; the links are changed under the lock.
        unsafe {
            let head = self.list.head();
            if !head.is_null() {
                (*head).allprev = gp;
            }
            (*gp).allprev = null_mut();
            self.list.add(gp);
        }
        self.lock.unlock();
    }

    /// Takes dead Gs off the list and frees them.
    ///
    /// # Safety
    /// They are dead, and were taken off the global list of dead Gs.
    #[cold]
    pub(super) unsafe fn free(&self, mut dead: GList) {
        let mut unlinked = GList::new();
        self.lock.lock();
        loop {
            let gp = dead.pop();
            if gp.is_null() {
                break;
            }
            // SAFETY: as the caller promises; the links are changed under the lock.
            unsafe { self.unlink(gp) };
            unlinked.push(gp);
        }
        self.lock.unlock();
        loop {
            let gp = unlinked.pop();
            if gp.is_null() {
                break;
            }
            // SAFETY: a G of the list, and nobody has a pointer to it any more; see the module's text.
            unsafe { G::free(gp) };
        }
    }

    /// # Safety
    /// Under the lock; `gp` is on the list.
    unsafe fn unlink(&self, gp: *mut G) {
        // SAFETY: as the caller promises; neighbours are on the list, too.
        unsafe {
            let (prev, next) = ((*gp).allprev, (*gp).alllink().load(Ordering::Relaxed));
            if prev.is_null() {
                self.list.set_head(next);
            } else {
                (*prev).alllink().store(next, Ordering::Release);
            }
            if !next.is_null() {
                (*next).allprev = prev;
            }
        }
    }

    /// Calls `f` with each, newest first; none is freed meanwhile. What others own of them changes. `f` takes no lock of the scheduler or
    /// of a lower rank.
    pub(crate) fn for_each(&self, f: impl FnMut(*mut G)) {
        self.lock.lock();
        self.list.for_each(f);
        self.lock.unlock();
    }

    /// The G that was made next after `gp`, the first one if that is null; null at the end. `at_end`: all other cores stand, perhaps with the lock.
    pub(crate) fn next_oldest(&self, gp: *mut G, at_end: bool) -> *mut G {
        if !at_end {
            self.lock.lock();
        }
        let next = if gp.is_null() {
            let mut last = null_mut();
            self.list.for_each(|gp| last = gp);
            last
        } else {
            // SAFETY: on the list, and not freed.
            unsafe { (*gp).allprev }
        };
        if !at_end {
            self.lock.unlock();
        }
        next
    }

    /// [`AllGs::for_each`], oldest first (Go: `forEachG`).
    pub(super) fn for_each_from_oldest(&self, mut f: impl FnMut(*mut G)) {
        self.lock.lock();
        let mut gp = null_mut();
        self.list.for_each(|next| gp = next);
        while !gp.is_null() {
            f(gp);
            // SAFETY: on the list, whose links are changed under the lock.
            gp = unsafe { (*gp).allprev };
        }
        self.lock.unlock();
    }

    /// Calls `f` with each, oldest first, for a report that ends the program.
    ///
    /// # Safety
    /// All other cores stand for good.
    pub(crate) unsafe fn for_each_at_end(&self, f: impl FnMut(*mut G)) {
        // SAFETY: as the caller promises; what is on the list is not freed.
        unsafe { self.list.sort(|gp| (*gp).goid) };
        self.list.for_each(f);
    }
}
