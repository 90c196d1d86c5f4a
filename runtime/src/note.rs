//! `Note`, a one-shot event on which one M sleeps (Go: `note` in `lock_sema.go`).
//!
//! # Protocol
//! `key` is 0 (clear), the address of the M that sleeps, or [`SIGNALED`].
//! 1. [`Note::sleep`]: exchange 0 for the M. If the note was signaled already, return; else sleep on the M's semaphore.
//! 2. [`Note::wakeup`]: exchange whatever is there for SIGNALED with *release*; if it was an M, post that M's semaphore. A second
//!    wake-up without a `clear` between is a bug and is reported.
//! 3. [`Note::tsleep`] after a time-out must decide who won: it exchanges its own M for 0. If that fails the waker has
//!    come and has posted or is about to: the post is awaited, so that none is left over for the next sleep.
//!
//! `runtime/models` compiles this file once more, over loom's atomics.
//!
//! What the waker wrote before `wakeup` is seen after `sleep`: *release* in 2 pairs with the *acquire* in 1, or with the semaphore.

use crate::atomic::{AtomicUsize, Ordering};
use crate::port;
use crate::proc::{M, getm};

const SIGNALED: usize = 1;

/// A one-shot event; see the module's text.
pub struct Note {
    key: AtomicUsize,
}

impl Note {
    /// A clear note.
    pub fn new() -> Note {
        Note { key: AtomicUsize::new(0) }
    }

    /// Makes the note ready for its next use. Nobody may sleep on it or wake it at the same time.
    pub fn clear(&self) {
        self.key.store(0, Ordering::Relaxed);
    }

    /// Sleeps on the M until the note is signaled. Called on g0.
    pub fn sleep(&self) {
        self.tsleep(-1);
    }

    /// Sleeps until the note is signaled (true) or `ns` nanoseconds have passed (false); a negative `ns` waits for ever. Called on g0.
    pub fn tsleep(&self, ns: i64) -> bool {
        let mp = getm();
        match self.key.compare_exchange(0, mp as usize, Ordering::AcqRel, Ordering::Acquire) {
            Ok(_) => {}
            Err(SIGNALED) => return true,
            Err(_) => crate::panic::throw("two Ms sleep on one note"),
        }
        // SAFETY: the current M, which is never freed.
        let blocked = |is| unsafe { (*mp).set_blocked(is) };
        blocked(true);
        let posted = port::semasleep(ns);
        blocked(false);
        if posted {
            return true;
        }
        if self.key.compare_exchange(mp as usize, 0, Ordering::AcqRel, Ordering::Acquire).is_ok() {
            return false;
        }
        port::semasleep(-1);
        true
    }

    /// Signals the note and wakes the M that sleeps on it, if one does.
    pub fn wakeup(&self) {
        match self.key.swap(SIGNALED, Ordering::AcqRel) {
            0 => {}
            SIGNALED => crate::panic::throw("double wake-up of a note"),
            mp => {
                // SAFETY: the M is asleep on this note and stays until the post below.
                port::semawakeup(unsafe { (*(mp as *mut M)).os() })
            }
        }
    }
}

impl Default for Note {
    fn default() -> Self {
        Note::new()
    }
}
