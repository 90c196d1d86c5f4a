//! The ports' face: what a machine under the runtime implements ([`Port`],
//! [`set_port!`](crate::set_port!)), what it calls, and what benchmarks of the runtime call. Programs
//! need none of it.
//!
//! Code that does not run as a goroutine may use no channel, no lock that parks, and no `go`. Without
//! `unsafe` no code gets there. None of these compiles:
//!
//! ```compile_fail,E0603
//! let c = runtime::chan::make::<u8>(0);
//! runtime::proc::syscall::block(|| _ = c.try_send(1)); // while another M may have the P
//! ```
//!
//! ```compile_fail,E0133
//! runtime::machine::block(|| runtime::go(|| {}));
//! ```
//!
//! ```compile_fail,E0133
//! let pool = runtime::sync::Pool::new(|| 1);
//! runtime::machine::block(|| pool.get());
//! ```
//!
//! ```compile_fail,E0603
//! runtime::port::exit_thread(); // of an M, with its goroutine
//! ```
//!
//! ```compile_fail,E0133
//! # use runtime::machine::{WaitReason, gopark};
//! gopark(None, core::ptr::null_mut(), WaitReason::Sleep); // for ever
//! ```
//!
//! ```compile_fail,E0133
//! let c = runtime::chan::make::<u8>(0);
//! runtime::machine::systemstack(|| c.recv()); // the scheduler's stack cannot park
//! ```

pub use crate::goabi::{Fault as GoFault, fault as go_fault, run as run_go};
pub use crate::heap::Allocator;
pub use crate::lock::Rank;
pub use crate::panic::{begin_panic, exit_status, report_current, report_others, throw_with};
pub use crate::port::{
    Input, OsThread, Port, PortError, SHALLOW_STACK, Stack, Stream, SysStats, Written, getg, nanotime,
    sys_stats,
};
pub use crate::proc::{
    G, GoG, M, P, Signal, StartError, Startup, WaitReason, getm, getp, goready, preempt_signal, rt0,
    stack_grew, stack_limit, step,
};

/// `GODEBUG`: what a port reads of it.
pub mod godebug {
    pub use crate::godebug::{Error, KASLR, SCHEDSEED, SMPLATE, Setting, Words, init, last};
}

use crate::lock::Lock;
use crate::port;
use crate::proc::{self, syscall};

/// Runs `f` on the M's scheduler stack (Go: `systemstack`).
///
/// # Safety
/// `f` does not park, and holds no lock at its end that it did not hold before.
pub unsafe fn systemstack<R>(f: impl FnOnce() -> R) -> R {
    proc::systemstack(f)
}

/// Parks the current goroutine; `unlock` runs then, on the scheduler's stack (Go: `gopark`).
///
/// # Safety
/// `unlock` is sound for `arg`, and the goroutine is readied once.
pub unsafe fn gopark(unlock: Option<unsafe fn(*mut G, *mut ()) -> bool>, arg: *mut (), why: WaitReason) {
    proc::gopark(unlock, arg, why);
}

/// Runs `f`, which may block the thread; if it does so for long, the P goes to another M (Go:
/// `entersyscall` to `exitsyscall`).
///
/// # Safety
/// As [`block`].
pub unsafe fn call<R>(f: impl FnOnce() -> R) -> R {
    syscall::call(f)
}

/// [`call`] for what is known to wait: the P goes to another M at once (Go: `entersyscallblock`).
///
/// # Safety
/// `f` uses nothing of the runtime but [`semasleep`] and [`semawakeup`].
pub unsafe fn block<R>(f: impl FnOnce() -> R) -> R {
    syscall::block(f)
}

/// [`Port::semasleep`].
///
/// # Safety
/// Called in [`block`]: what the scheduler posts to this thread's semaphore is not for the caller.
pub unsafe fn semasleep(ns: i64) -> bool {
    port::semasleep(ns)
}

/// [`Port::semawakeup`].
///
/// # Safety
/// The thread sleeps in [`semasleep`] in [`block`], or will.
pub unsafe fn semawakeup(thread: OsThread) {
    port::semawakeup(thread);
}

/// Runs `f` with a lock of the runtime held.
///
/// # Safety
/// `f` ends the program, or does not park.
pub unsafe fn locked<R>(rank: Rank, f: impl FnOnce() -> R) -> R {
    let lock = Lock::new(rank);
    lock.lock();
    let r = f();
    lock.unlock();
    r
}
