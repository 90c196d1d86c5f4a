//! A lock for one writer or any number of readers that guards no value of its own (Go: `sync.RWMutex`; `rwmutex.go`).
//!
//! `runtime/models` compiles this file once more, over loom's atomics.
//!
//! # Problem
//! Readers must not pay for more than one counter, and must not keep a writer out for ever.
//!
//! # Protocol (Go's)
//! `readers` counts those that read or wait to; a writer takes [`MAX_READERS`] off it, so that its sign says whether there is one.
//! 1. *Read*: add 1 to `readers`. If the sum is negative, a writer holds the lock or waits for it: sleep on `reader_sem`.
//! 2. *End of reading*: subtract 1. If the sum is negative a writer waits for those that were there before it: subtract 1 from `departing`, and who
//!    makes that 0 posts `writer_sem`.
//! 3. *Write*: take `writers`, which puts the writers in a queue. Make `readers` negative: from here on nobody begins to read. Add to `departing` how many
//!    read; they may have subtracted already, so that 0 means all are gone; else sleep on `writer_sem`.
//! 4. *End of writing*: make `readers` positive again. Post `reader_sem` for each that came meanwhile, so that they read before the next writer writes; give
//!    `writers` back.
//!
//! Neither side starves: a writer waits for the readers that came before it only, a reader for one writer only.
//!
//! What a writer did is seen by later readers (*release* in 4, *acquire* in 1, or the post of `reader_sem`) and writers (`writers`). What was done before an
//! end of reading is seen by later writers: *release* in 2, *acquire* in 3, in either counter, or the post of `writer_sem`.

use super::atomic::{AtomicI32, AtomicU32, Ordering};
use super::rawmutex::RawMutex;
use super::sema::{semacquire, semrelease};
use crate::panic::fatal;
use crate::proc::WaitReason;

/// More readers than there can be goroutines.
const MAX_READERS: i32 = 1 << 30;

/// A lock for one writer or any number of readers, without a value: for what [`RwMutex`](super::RwMutex) cannot express. As in Go it belongs to no
/// goroutine.
///
/// Reading is **not recursive**: a writer that comes between the two of one goroutine waits for the first, and the second waits for the writer.
#[derive(Debug, Default)]
pub struct RawRwMutex {
    pub(super) writers: RawMutex,
    pub(super) writer_sem: AtomicU32,
    pub(super) reader_sem: AtomicU32,
    pub(super) readers: AtomicI32,
    /// Readers that the writer in front waits for, less those that are gone.
    pub(super) departing: AtomicI32,
}

impl RawRwMutex {
    /// Takes the lock for reading, waiting while a writer has it or waits for it (Go: `RLock`).
    #[inline]
    pub fn rlock(&self) {
        if self.readers.fetch_add(1, Ordering::Acquire) + 1 < 0 {
            self.rlock_slow();
        }
    }

    #[cold]
    #[inline(never)]
    fn rlock_slow(&self) {
        semacquire(&self.reader_sem, false, WaitReason::SyncRwMutexRLock);
    }

    /// Takes the lock for reading if no writer has it or waits for it; tells whether it did (Go: `TryRLock`).
    #[inline]
    pub fn try_rlock(&self) -> bool {
        let one_more = |n: i32| (n >= 0).then(|| n + 1);
        self.readers.fetch_update(Ordering::Acquire, Ordering::Relaxed, one_more).is_ok()
    }

    /// Undoes one [`RawRwMutex::rlock`] (Go: `RUnlock`). If it is not locked for reading, the program ends with `fatal error: sync: RUnlock of unlocked
    /// RWMutex`.
    #[inline]
    pub fn runlock(&self) {
        let now = self.readers.fetch_sub(1, Ordering::Release) - 1;
        if now < 0 {
            self.runlock_slow(now);
        }
    }

    #[cold]
    #[inline(never)]
    fn runlock_slow(&self, now: i32) {
        if now + 1 == 0 || now + 1 == -MAX_READERS {
            fatal(format_args!("sync: RUnlock of unlocked RWMutex"));
        }
        if self.departing.fetch_sub(1, Ordering::AcqRel) == 1 {
            semrelease(&self.writer_sem, false);
        }
    }

    /// Takes the lock for writing, waiting until nobody else has it (Go: `Lock`).
    #[inline]
    pub fn lock(&self) {
        self.writers.lock();
        let reading = self.readers.fetch_sub(MAX_READERS, Ordering::AcqRel);
        if reading != 0 {
            self.lock_slow(reading);
        }
    }

    #[cold]
    #[inline(never)]
    fn lock_slow(&self, reading: i32) {
        if self.departing.fetch_add(reading, Ordering::AcqRel) + reading != 0 {
            semacquire(&self.writer_sem, false, WaitReason::SyncRwMutexLock);
        }
    }

    /// Takes the lock for writing if nobody has it; tells whether it did (Go: `TryLock`).
    pub fn try_lock(&self) -> bool {
        if !self.writers.try_lock() {
            return false;
        }
        let free =
            self.readers.compare_exchange(0, -MAX_READERS, Ordering::AcqRel, Ordering::Relaxed).is_ok();
        if !free {
            self.writers.unlock();
        }
        free
    }

    /// Gives the lock back that was taken for writing (Go: `Unlock`). If it is not locked for writing, the program ends with `fatal error: sync: Unlock of
    /// unlocked RWMutex`.
    #[inline]
    pub fn unlock(&self) {
        // Wrapping: the sum of one that is not locked may be too large.
        let waiting = self.readers.fetch_add(MAX_READERS, Ordering::Release).wrapping_add(MAX_READERS);
        if waiting != 0 {
            self.unlock_slow(waiting);
        }
        self.writers.unlock();
    }

    #[cold]
    #[inline(never)]
    fn unlock_slow(&self, waiting: i32) {
        if !(0..MAX_READERS).contains(&waiting) {
            fatal(format_args!("sync: Unlock of unlocked RWMutex"));
        }
        for _ in 0..waiting {
            semrelease(&self.reader_sem, false);
        }
    }
}
