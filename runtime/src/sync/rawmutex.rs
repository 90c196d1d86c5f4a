//! A mutual exclusion lock that guards no value of its own (Go: `sync.Mutex`; `internal/sync/mutex.go`).
//!
//! `runtime/models` compiles this file once more, over loom's atomics.
//!
//! # Problem
//! Handing a lock to the goroutine that has waited longest costs a switch for every use under contention; letting whoever comes first take it is
//! far quicker, since that one runs already, but may keep a waiter out for ever.
//!
//! # Protocol (Go's)
//! `state` has three flags and above them the number of waiters; `sema` is where they wait.
//!
//! In **normal mode** a woken waiter competes with those that arrive.
//! 1. *Lock*: exchange 0 for LOCKED. That is the whole uncontended path.
//! 2. Else spin while that makes sense (`proc/spin.rs`), with WOKEN set so that the unlocker wakes nobody beside.
//! 3. Else count in as a waiter and sleep on `sema`, in front of the others if this is not the first time.
//! 4. *Unlock*: subtract LOCKED. If there are waiters and none of LOCKED, WOKEN, STARVING is set, count one out, set WOKEN, and post `sema`.
//!
//! Who has waited for more than 1 ms switches to **starvation mode** when it comes to wait again.
//! 5. Nobody takes the lock and nobody spins; those that arrive queue at the end.
//! 6. The unlocker hands the post to the first waiter and yields to it. That one owns the lock: it sets LOCKED and counts itself out in one
//!    addition; if it is the last waiter or has waited for less than 1 ms, it ends the mode in the same.
//!
//! LOCKED is clear while the lock is on its way in 6, but STARVING keeps everybody else off.
//!
//! What was done before an unlock is seen after the next lock: every step that takes the lock is *acquire*, every one that gives it up *release*;
//! in 6 it is the semaphore's post that carries it.

use super::atomic::{AtomicU32, Ordering};
use super::sema::{semacquire, semrelease};
use crate::panic::{fatal, throw};
use crate::port::nanotime;
use crate::proc::{WaitReason, can_spin, do_spin};

const LOCKED: u32 = 1;
/// A waiter is awake: no need to wake another.
const WOKEN: u32 = 2;
const STARVING: u32 = 4;
/// One waiter; their number is what is left of `state` above the flags.
const WAITER: u32 = 8;

const STARVATION_THRESHOLD_NS: i64 = 1_000_000;

/// A mutual exclusion lock without a value: for what [`Mutex`](super::Mutex) cannot express, such as a lock taken by one goroutine and given back
/// by another. As in Go it belongs to no goroutine.
#[derive(Debug, Default)]
pub struct RawMutex {
    pub(super) state: AtomicU32,
    pub(super) sema: AtomicU32,
}

impl RawMutex {
    /// Takes the lock, waiting until it is free. Not recursive: a second `lock` on the same goroutine waits for ever.
    #[inline]
    pub fn lock(&self) {
        if self.state.compare_exchange(0, LOCKED, Ordering::Acquire, Ordering::Relaxed).is_err() {
            self.lock_slow();
        }
    }

    /// Takes the lock if it is free; tells whether it did.
    #[inline]
    pub fn try_lock(&self) -> bool {
        let old = self.state.load(Ordering::Relaxed);
        // There may be a waiter; but this goroutine runs already.
        old & (LOCKED | STARVING) == 0
            && self.state.compare_exchange(old, old | LOCKED, Ordering::Acquire, Ordering::Relaxed).is_ok()
    }

    /// Gives the lock back; it need not be the goroutine that took it. Unlocking what is not locked ends the program with `fatal error: sync: unlock
    /// of unlocked mutex`.
    #[inline]
    pub fn unlock(&self) {
        let old = self.state.fetch_sub(LOCKED, Ordering::Release);
        if old != LOCKED {
            self.unlock_slow(old);
        }
    }

    #[cold]
    #[inline(never)]
    fn lock_slow(&self) {
        let mut wait_start = None;
        let (mut starving, mut awoke) = (false, false);
        let mut round = 0;
        let mut old = self.state.load(Ordering::Relaxed);
        loop {
            if old & (LOCKED | STARVING) == LOCKED && can_spin(round) {
                if !awoke && old & WOKEN == 0 && old >= WAITER && self.exchange(old, old | WOKEN).is_ok() {
                    awoke = true;
                }
                do_spin();
                round += 1;
                old = self.state.load(Ordering::Relaxed);
                continue;
            }
            let mut new = old;
            if old & STARVING == 0 {
                new |= LOCKED;
            }
            if old & (LOCKED | STARVING) != 0 {
                new += WAITER;
            }
            // Not if it is unlocked: in starvation mode there is always a waiter, and this goroutine would not be one.
            if starving && old & LOCKED != 0 {
                new |= STARVING;
            }
            if awoke {
                if new & WOKEN == 0 {
                    inconsistent();
                }
                new &= !WOKEN;
            }
            if let Err(now) = self.exchange(old, new) {
                old = now;
                continue;
            }
            if old & (LOCKED | STARVING) == 0 {
                return;
            }
            let lifo = wait_start.is_some();
            let since = *wait_start.get_or_insert_with(nanotime);
            semacquire(&self.sema, lifo, WaitReason::SyncMutexLock);
            starving = starving || nanotime() - since > STARVATION_THRESHOLD_NS;
            old = self.state.load(Ordering::Relaxed);
            if old & STARVING != 0 {
                // The lock was handed over, see 6.
                if old & (LOCKED | WOKEN) != 0 || old < WAITER {
                    inconsistent();
                }
                let mut delta = LOCKED.wrapping_sub(WAITER);
                if !starving || old / WAITER == 1 {
                    // Starvation mode is so slow that two goroutines could go on in it for ever, lock-step.
                    delta = delta.wrapping_sub(STARVING);
                }
                self.state.fetch_add(delta, Ordering::Acquire);
                return;
            }
            awoke = true;
            round = 0;
        }
    }

    #[inline]
    fn exchange(&self, old: u32, new: u32) -> Result<u32, u32> {
        self.state.compare_exchange(old, new, Ordering::Acquire, Ordering::Relaxed)
    }

    /// `old` is the state before [`RawMutex::unlock`] subtracted LOCKED.
    #[cold]
    #[inline(never)]
    fn unlock_slow(&self, old: u32) {
        if old & LOCKED == 0 {
            fatal(format_args!("sync: unlock of unlocked mutex"));
        }
        let mut old = old - LOCKED;
        if old & STARVING != 0 {
            semrelease(&self.sema, true);
            return;
        }
        loop {
            // Nobody to wake, or somebody is awake, or has taken the lock and will see to it when unlocking.
            if old < WAITER || old & (LOCKED | WOKEN | STARVING) != 0 {
                return;
            }
            match self.state.compare_exchange(
                old,
                (old - WAITER) | WOKEN,
                Ordering::Relaxed,
                Ordering::Relaxed,
            ) {
                Ok(_) => return semrelease(&self.sema, false),
                Err(now) => old = now,
            }
        }
    }
}

#[cold]
#[inline(never)]
fn inconsistent() -> ! {
    throw("sync: inconsistent mutex state")
}
