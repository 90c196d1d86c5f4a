//! The Ps as all of them were at one moment, though none is stopped for it: what `schedtrace` prints adds up.
//!
//! # Problem
//! Goroutines go from queue to queue and to an M while somebody counts them. Read one after the other the numbers are of different moments, and
//! a goroutine that an M has in its hands is in none of them.
//!
//! # Rejected
//! Stopping the world: it would change what is looked at, every goroutine loses its turn. A count of goroutines in each M's hands: two stores a switch.
//!
//! # Protocol
//! Under `sched.lock`, so that the global queue and the idle list stay as they are:
//! 1. Each P's state, the ends of its queue and the goroutine of its M are read, P by P.
//! 2. All are read again. If nothing differs, nothing moved between: the ends of a queue only grow.
//! 3. It was no moment if a P runs no goroutine but is neither idle nor in a blocking call: its M may have one in its hands. Nor if a P is idle but not on
//!    the list: it is about to get an M.
//!
//! If it was no moment the caller tries again, *having given the lock up*: the M may be waiting for it.

use super::p::PStatus;
use super::sched::{NPIDLE, Sched, allp, gomaxprocs};
use super::{G, P};
use alloc::vec::Vec;
use core::ptr::null_mut;
use core::sync::atomic::Ordering;

/// A P at that moment.
#[derive(PartialEq, Eq)]
pub(super) struct PMoment {
    status: u32,
    ends: (u32, u32),
    next: *mut G,
    curg: *mut G,
}

impl PMoment {
    fn of(p: &P) -> PMoment {
        let (ends, next) = p.runq.ends();
        // SAFETY: Ms are never freed.
        let curg = unsafe { p.m.as_ref() }.map_or(null_mut(), |m| m.curg);
        PMoment { status: p.status_number(), ends, next, curg }
    }

    /// How many goroutines are queued, `runnext` included (Go's trace leaves that one out).
    pub(super) fn queued(&self) -> usize {
        self.ends.1.wrapping_sub(self.ends.0) as usize + usize::from(!self.next.is_null())
    }

    /// Whether a goroutine runs on it.
    pub(super) fn runs(&self) -> bool {
        self.is(PStatus::Running) && !self.curg.is_null()
    }

    fn is(&self, status: PStatus) -> bool {
        self.status == status as u32
    }
}

/// Reads all Ps into `to`, which has room for `gomaxprocs()`. False if there are more, or if it was no moment.
pub(super) fn read(_: &Sched, to: &mut Vec<PMoment>) -> bool {
    to.clear();
    let room = to.capacity();
    to.extend((0..gomaxprocs()).take(room).map(|i| PMoment::of(allp(i))));
    let idle = to.iter().filter(|p| p.is(PStatus::Idle)).count();
    to.len() == gomaxprocs()
        && to.iter().enumerate().all(|(i, p)| {
            *p == PMoment::of(allp(i)) && (p.is(PStatus::Idle) || p.is(PStatus::Syscall) || !p.curg.is_null())
        })
        && idle as i32 == NPIDLE.load(Ordering::Relaxed)
}
