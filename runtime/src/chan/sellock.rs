//! The locks of all channels of a select (Go: `sellock`, `selunlock`, `selparkcommit`).
//!
//! `runtime/models` compiles this file once more, over loom's atomics.

use super::hchan::Hchan;
use super::select::Scase;
use crate::proc::G;
use core::ptr::null;

/// All channels of a select, locked. It lies on the goroutine's stack, where another M reads it
/// ([`unlock_parked`]) while a lock is held, and not after.
pub(super) struct Locked {
    pub(super) cases: *const Scase,
    /// The arms by the address of their channels.
    pub(super) order: *mut u16,
    pub(super) n: usize,
}

impl Locked {
    /// Locks the channels of the `n` arms in `poll_order`, once each; `order` is room for as many.
    ///
    /// # Safety
    /// Each of the `n` arms names a case whose channel lives and is not null; pinned.
    #[inline(always)]
    pub(super) unsafe fn new(
        cases: *const Scase,
        poll_order: *const u16,
        order: *mut u16,
        n: usize,
    ) -> Locked {
        let locked = Locked { cases, order, n };
        // SAFETY: as the caller promises.
        unsafe {
            // From the poll order, so that arms on one channel are in random order, too.
            order.copy_from_nonoverlapping(poll_order, n);
            let address = |i: &u16| (*cases.add(usize::from(*i))).c.addr();
            match core::slice::from_raw_parts_mut(order, n) {
                // Most selects have two arms, and a call of the sort costs more than it does.
                [a, b] if address(a) > address(b) => core::mem::swap(a, b),
                [_, _] => {}
                order => order.sort_unstable_by_key(address),
            }
            let mut last: *const Hchan = null();
            for at in 0..n {
                let c = locked.channel(at);
                if last.is_null() {
                    (*c).lock.lock_pinned();
                } else if c != last {
                    (*c).lock.lock_another();
                }
                last = c;
            }
        }
        locked
    }

    /// The channel that is locked as `at`th.
    ///
    /// # Safety
    /// As [`Locked::new`].
    #[inline(always)]
    unsafe fn channel(&self, at: usize) -> *const Hchan {
        // SAFETY: as the caller promises.
        unsafe { (*self.cases.add(usize::from(*self.order.add(at)))).c }
    }

    /// Strikes the locks from those that the current G holds; [`release_all`] follows.
    ///
    /// # Safety
    /// As [`Locked::new`].
    #[inline(always)]
    pub(super) unsafe fn forget(&self) {
        if self.n != 0 {
            // SAFETY: as the caller promises.
            unsafe { (*self.channel(0)).lock.forget() };
        }
    }

    /// Gives all locks back.
    ///
    /// # Safety
    /// They are held; as [`Locked::new`].
    #[inline(always)]
    pub(super) unsafe fn unlock(&self) {
        // SAFETY: as the caller promises.
        unsafe {
            self.forget();
            release_all(self);
        }
    }
}

/// Gives back the locks of a select, last one first. What `locked` points to may be gone once the last is free: that is read no more.
///
/// # Safety
/// The locks are held and forgotten.
#[inline(always)]
unsafe fn release_all(locked: *const Locked) {
    // SAFETY: as the caller promises: a lock is held while this reads.
    unsafe {
        let mut at = (*locked).n;
        if at == 0 {
            return;
        }
        let mut c = (*locked).channel(at - 1);
        loop {
            at -= 1;
            if at == 0 {
                return (*c).lock.release();
            }
            let next = (*locked).channel(at - 1);
            if next != c {
                (*c).lock.release();
            }
            c = next;
        }
    }
}

/// On g0, when the registers of the goroutine of `locked` are saved (Go: `selparkcommit`).
///
/// # Safety
/// `locked` is a [`Locked`] whose locks are held and forgotten.
pub(super) unsafe fn unlock_parked(_: *mut G, locked: *mut ()) -> bool {
    // SAFETY: as the caller promises.
    unsafe { release_all(locked.cast()) };
    true
}
