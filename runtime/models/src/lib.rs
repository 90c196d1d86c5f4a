//! Models of the runtime's lock-free parts: the same source files, compiled over loom's atomics, in all interleavings that the memory orders
//! written in them allow.
//!
//! A file that is modelled names its surroundings through `super::` and `crate::` paths, and this crate has small ones under the same
//! names: a G is a number, an M a semaphore. Each model's text says which bug it would find.
#![cfg(test)]
#![allow(missing_docs, dead_code, reason = "the modelled files bring functions that a model does not call")]
#![allow(clippy::duplicate_mod, reason = "two models compile one file, each in its own surroundings")]

extern crate alloc;

mod chan_model;
mod handover_model;
mod lock_model;
mod mutex_model;
mod note_model;
mod poller_model;
mod pool_model;
mod runq_model;
mod rwmutex_model;
mod sema_model;
mod spinning_model;

use loom::sync::atomic;

#[path = "../../src/rand.rs"]
mod rand;

/// The calls that `status.rs` makes.
mod arch {
    pub fn call_keeping_registers<A>(f: extern "C" fn(&A, u32, u32), a: &A, b: u32, c: u32) {
        f(a, b, c);
    }
}

mod goroutine;
mod lock;
mod xchg;

/// The machine that `lock.rs` and `note.rs` see: a semaphore a thread.
mod port {
    pub use super::goroutine::getg;
    use super::proc::current;
    pub use super::proc::{OsThread, nanotime};

    /// A time that is never over.
    pub const FOR_EVER: i64 = 1 << 50;

    /// Sleeps until posted; if `ns` is neither negative nor [`FOR_EVER`], the time is up at once if nothing was posted.
    pub fn semasleep(ns: i64) -> bool {
        let m = current();
        // SAFETY: the model's Ms outlive its threads.
        let sema = unsafe { &(*m).sema };
        let mut posted = sema.0.lock().unwrap();
        while !*posted {
            if (0..FOR_EVER).contains(&ns) {
                return false;
            }
            posted = sema.1.wait(posted).unwrap();
        }
        *posted = false;
        true
    }

    pub fn semawakeup(t: OsThread) {
        // SAFETY: as above.
        let sema = unsafe { &(*t.0).sema };
        let mut posted = sema.0.lock().unwrap();
        assert!(!*posted, "a post was left over");
        *posted = true;
        sema.1.notify_one();
    }
}

/// The Ms that these see, and the scheduler that channels and semaphores see.
mod proc {
    pub use super::goroutine::*;
    use loom::sync::atomic::AtomicUsize;
    use loom::sync::{Condvar, Mutex};
    use std::cell::Cell;

    #[derive(Clone, Copy)]
    pub struct OsThread(pub *const M);

    pub struct M {
        pub sema: (Mutex<bool>, Condvar),
        pub nextwaitm: AtomicUsize,
    }

    impl M {
        pub fn new() -> M {
            M { sema: (Mutex::new(false), Condvar::new()), nextwaitm: AtomicUsize::new(0) }
        }

        pub fn os(&self) -> OsThread {
            OsThread(self)
        }

        /// Only `schedtrace` asks.
        pub fn set_blocked(&self, _: bool) {}
    }

    loom::thread_local! {
        static CURRENT: Cell<*mut M> = Cell::new(std::ptr::null_mut());
    }

    pub fn become_m(m: *mut M) {
        CURRENT.with(|c| c.set(m));
    }

    pub fn current() -> *mut M {
        CURRENT.with(Cell::get)
    }

    pub fn getm() -> *mut M {
        current()
    }
}

/// The timers that channels see: no channel of the models has one.
mod time {
    pub struct TimerCore;
}

mod panic {
    pub fn fatal(message: std::fmt::Arguments<'_>) -> ! {
        panic!("fatal error: {message}")
    }

    pub fn throw(message: &str) -> ! {
        panic!("fatal error: {message}")
    }
}

mod must_fail;

/// The modelled files with one barrier removed each, which their models must find; `mutants.rs` beside the build script lists them.
#[allow(warnings, clippy::all, reason = "a mutant is wrong, and need not be neat")]
mod mutants {
    include!(concat!(env!("OUT_DIR"), "/mutants.rs"));
}
