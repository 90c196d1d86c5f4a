//! `Lock`, the runtime's own mutex (Go: `mutex`, `lock2`/`unlock2` in `lock_sema.go`).
//!
//! It blocks the M, not the goroutine, and is held for tens of instructions by the scheduler, the heap and channels.
//! While it is held the current goroutine cannot be preempted (its `locks` count is raised).
//!
//! # Problem
//! A waiter must sleep when the holder's M is itself descheduled by the machine (more Ms than cores), else a core spins
//! for a whole time slice. A ticket or plain spin lock cannot do that; a futex wants a hash table in the machine.
//!
//! # Protocol
//! `key` is 0 (free), [`LOCKED`], or the address of the M that waits first with [`LOCKED`] or-ed in; further waiters hang on
//! `M::nextwaitm`, so the list costs no memory.
//! 1. `lock`: set LOCKED with *acquire*; if it was not set, the lock is taken. That is the whole
//!    uncontended path. It may overtake waiters: those behind the one that was woken, and that one
//!    itself.
//! 2. Else spin a little while the holder may be running on another core, then yield to the machine once.
//! 3. Else push this M: store `nextwaitm`, then exchange `key` with *release*, so that the popper sees `nextwaitm`; sleep on the M's
//!    semaphore; on waking start again at 1 (the lock is not handed over: a running M takes it faster than a sleeper).
//! 4. `unlock`: exchange LOCKED for 0 with *release*. If there are waiters, pop the first one: exchange `key` for its `nextwaitm`
//!    with *acquire* (to see the link) and *release* (to give up the critical section), then post its semaphore.
//!
//! Only the holder pops, so an M cannot be popped and pushed again between the load and the exchange of one pop (no ABA). Each push
//! is popped once and posted once, so no post is left over in a semaphore.
//!
//! `runtime/models` compiles this file once more, over loom's atomics.

use super::atomic::{AtomicUsize, Ordering};
use super::port;
use super::proc::{self, M};
use core::cell::UnsafeCell;
use core::ops::{Deref, DerefMut};

const LOCKED: usize = 1;
/// Rounds of spinning before the machine is asked for another thread, and pauses in a round (Go: `mutexActiveSpinCount`, `…Size`).
const ACTIVE_SPIN: u32 = 4;
const ACTIVE_SPIN_PAUSES: u32 = 30;

/// The order in which locks may be taken: a lock only while all that are held have a lower rank (Go: `lockrank.go`). Checked in debug builds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Rank {
    /// A bubble, or the list of them.
    Bubble,
    /// A channel (several at a time in `select`, by address).
    Hchan,
    /// A semaphore or wait queue of `sync`.
    Sema,
    /// A P's timers.
    Timers,
    /// A timer.
    Timer,
    /// The scheduler.
    Sched,
    /// The list of all goroutines.
    Allg,
    /// The heap's debug mode.
    Mdebug,
    /// A span class's central list.
    Mcentral,
    /// The page heap.
    Mheap,
}

/// The runtime's M-level mutex; see the module's text.
pub struct Lock {
    key: AtomicUsize,
    #[cfg(debug_assertions)]
    rank: Rank,
}

impl Lock {
    /// A free lock of a rank.
    pub const fn new(rank: Rank) -> Lock {
        #[cfg(not(debug_assertions))]
        let _ = rank;
        Lock {
            key: AtomicUsize::new(0),
            #[cfg(debug_assertions)]
            rank,
        }
    }

    /// Takes the lock; sleeps on the M while another M holds it.
    #[inline]
    pub fn lock(&self) {
        proc::lock_count_up();
        self.lock_pinned();
    }

    /// [`Lock::lock`] for a goroutine between [`crate::proc::acquirem`] and `releasem`: its `locks` count stays as it is.
    #[inline(always)]
    pub(crate) fn lock_pinned(&self) {
        if !self.lock_fast() {
            self.lock_slow();
        }
    }

    /// The first half of [`Lock::lock_pinned`]; if it fails, [`Lock::lock_slow`] must follow. For code that has a slow path anyway.
    #[inline(always)]
    pub(crate) fn lock_fast(&self) -> bool {
        #[cfg(debug_assertions)]
        proc::lock_rank_push(self.rank);
        self.set_locked()
    }

    /// Step 1. Two instructions, where an exchange of 0 for `LOCKED` would take four.
    #[inline(always)]
    fn set_locked(&self) -> bool {
        self.key.fetch_or(LOCKED, Ordering::Acquire) & LOCKED == 0
    }

    /// [`Lock::lock_pinned`] for one more lock of a rank of which the current G holds one (a `select` locks thousands of channels);
    /// [`Lock::release`] gives it back.
    #[inline(always)]
    pub(crate) fn lock_another(&self) {
        if !self.set_locked() {
            self.lock_slow();
        }
    }

    /// Gives the lock back. The current M must hold it.
    #[inline]
    pub fn unlock(&self) {
        self.unlock_pinned();
        proc::lock_count_down();
    }

    /// Gives back what [`Lock::lock_pinned`] took.
    #[inline(always)]
    pub(crate) fn unlock_pinned(&self) {
        self.forget();
        self.release();
    }

    /// The first half of [`Lock::unlock_pinned`]; if it fails, [`Lock::unlock_slow`] must follow.
    #[inline(always)]
    pub(crate) fn unlock_fast(&self) -> bool {
        self.forget();
        self.key.compare_exchange(LOCKED, 0, Ordering::Release, Ordering::Relaxed).is_ok()
    }

    /// Strikes the lock from those that the current G holds (debug builds): another is about to [`Lock::release`] it.
    #[inline(always)]
    pub(crate) fn forget(&self) {
        #[cfg(debug_assertions)]
        proc::lock_rank_pop(self.rank);
    }

    /// Gives back a lock that its holder has forgotten. Nothing of it is touched once it is free: what it guards may be gone with it.
    #[inline(always)]
    pub(crate) fn release(&self) {
        if self.key.compare_exchange(LOCKED, 0, Ordering::Release, Ordering::Relaxed).is_err() {
            self.unlock_slow();
        }
    }

    #[cold]
    #[inline(never)]
    pub(crate) fn lock_slow(&self) {
        let gp = port::getg();
        // Before the first M there is nothing to sleep on, and on one core nobody else runs while this M spins.
        let spin = if gp.is_null() || port::ncpu() > 1 { ACTIVE_SPIN } else { 0 };
        let mut round = 0;
        loop {
            let mut v = self.key.load(Ordering::Relaxed);
            while v & LOCKED == 0 {
                match self.key.compare_exchange_weak(v, v | LOCKED, Ordering::Acquire, Ordering::Relaxed) {
                    Ok(_) => return,
                    Err(now) => v = now,
                }
            }
            if round < spin || gp.is_null() {
                for _ in 0..ACTIVE_SPIN_PAUSES {
                    core::hint::spin_loop();
                }
                round += 1;
                continue;
            }
            if round == spin {
                port::os_yield();
                round += 1;
                continue;
            }
            // SAFETY: a G's `m` is valid while the G runs, and this G cannot leave its M: its `locks` count is raised.
            let mp: *mut M = unsafe { (*gp).m };
            // SAFETY: `nextwaitm` is this M's own until the exchange below publishes it.
            unsafe { (*mp).nextwaitm.store(v & !LOCKED, Ordering::Relaxed) };
            if self
                .key
                .compare_exchange(v, mp as usize | LOCKED, Ordering::Release, Ordering::Relaxed)
                .is_ok()
            {
                port::semasleep(-1);
                round = 0;
            }
        }
    }

    #[cold]
    #[inline(never)]
    pub(crate) fn unlock_slow(&self) {
        loop {
            let v = self.key.load(Ordering::Acquire);
            if v == LOCKED {
                if self.key.compare_exchange(LOCKED, 0, Ordering::Release, Ordering::Relaxed).is_ok() {
                    return;
                }
                continue;
            }
            assert!(v & LOCKED != 0, "unlock of an unlocked runtime lock");
            let mp = (v & !LOCKED) as *mut M;
            // SAFETY: a waiting M stays in place until it is popped, and only the holder (this M) pops.
            let next = unsafe { (*mp).nextwaitm.load(Ordering::Relaxed) };
            if self.key.compare_exchange(v, next, Ordering::AcqRel, Ordering::Relaxed).is_ok() {
                // SAFETY: Ms are never freed while they can be waiting.
                port::semawakeup(unsafe { (*mp).os() });
                return;
            }
        }
    }
}

/// A value guarded by a [`Lock`], for the scheduler: code that is not preempted anyway.
pub struct Guarded<T> {
    lock: Lock,
    value: UnsafeCell<T>,
}

// SAFETY: the value is reached only through the guard, and the lock admits one M at a time.
unsafe impl<T: Send> Sync for Guarded<T> {}

impl<T> Guarded<T> {
    /// `value` behind a free lock of a rank.
    pub const fn new(rank: Rank, value: T) -> Guarded<T> {
        Guarded { lock: Lock::new(rank), value: UnsafeCell::new(value) }
    }

    /// Takes the lock until the guard is dropped. The caller is not preempted: it stands on g0 or between `acquirem` and `releasem`.
    #[inline]
    pub fn lock(&self) -> Guard<'_, T> {
        self.lock.lock_pinned();
        Guard { of: self }
    }
}

/// Holds a [`Guarded`] value's lock.
pub struct Guard<'a, T> {
    of: &'a Guarded<T>,
}

impl<T> Deref for Guard<'_, T> {
    type Target = T;
    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the guard holds the lock.
        unsafe { &*self.of.value.get() }
    }
}

impl<T> DerefMut for Guard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the guard holds the lock, and is borrowed mutably.
        unsafe { &mut *self.of.value.get() }
    }
}

impl<T> Drop for Guard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.of.lock.unlock_pinned();
    }
}
