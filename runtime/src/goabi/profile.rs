//! Profiles of blocking (Go: `blockevent`, `mutexevent` in `mprof.go`).
//!
//! # Problem
//! How long goroutines wait is to be measured in programs that want to know it. The others must not
//! even look.
//!
//! # Protocol
//! 1. While a program takes such a profile, the entries of its table for calls that wait, or that
//!    let one go on that waits for a mutex, are those of functions here (`table.rs`); each calls
//!    the one that it stands for, which is the plain one or a bubble's.
//! 2. A goroutine that parks notes when. So the call has parked if that is another time than
//!    before, and has waited since then.
//! 3. A mutex is unlocked by a call that finds a goroutine waiting for its semaphore. That one's
//!    whole wait is charged to the caller. (Go charges to it what all have waited since the last
//!    one was charged: the sum is the same.) If two release one semaphore at a time, both may be
//!    charged.
//! 4. What has waited is told to Go code, which takes the stack: from the stub on, by which Go's
//!    profiles name the operation. (An unwinder does not begin there: it sets the stack pointer.)

use super::chan::{Chosen, Ended};
use super::layout::layout;
use super::table::{Entry, Kind, Measured};
use super::{m, report};
use crate::chan::{Hchan, Scase};
use crate::port;
use crate::proc::{G, WaitReason, systemstack};
use crate::sync::{NotifyList, first_waiter};
use core::mem::transmute;
use core::sync::atomic::{AtomicPtr, AtomicU32, Ordering};

/// When the current goroutine last parked.
fn parked() -> i64 {
    // SAFETY: the current goroutine.
    unsafe { (*port::getg()).wait_since }
}

/// Steps 2 and 4.
fn waits<R>(f: impl FnOnce() -> R) -> R {
    let before = parked();
    let r = f();
    let since = parked();
    if since != before {
        tell(Kind::Block, port::cputicks() - since);
    }
    r
}

/// Step 4.
#[cold]
fn tell(kind: Kind, ticks: i64) {
    let stub = report::describe_caller();
    let gp = port::getg();
    let what = (ticks as usize) << 1 | kind as usize;
    // SAFETY: on g0; what the program registered for this takes a g, an address and a number.
    systemstack(|| unsafe { m::call(layout().blocked, G::go(gp).addr(), stub, what) });
}

/// Functions that stand for others whose calls are measured.
macro_rules! measured {
    ($($name:literal => $f:ident($($arg:ident: $type:ty),*) -> $result:ty;)*) => {
        $(
            unsafe extern "C" fn $f($($arg: $type),*) -> $result {
                type F = unsafe extern "C" fn($($type),*) -> $result;
                // SAFETY: what the program's table had for the same call.
                let f = unsafe { transmute::<*mut (), F>($f::MEASURES.load(Ordering::Relaxed)) };
                // SAFETY: as the caller promises.
                waits(|| unsafe { f($($arg),*) })
            }
            mod $f {
                pub(super) static MEASURES: super::AtomicPtr<()> = super::AtomicPtr::new(core::ptr::null_mut());
            }
        )*
        /// The calls that wait, and the one that wakes.
        pub(super) static MEASURED: &[Measured] = &[
            $(Measured { name: $name, kind: Kind::Block, by: Entry::new($f as *const ()), measures: &$f::MEASURES },)*
            Measured {
                name: "gzSemrelease",
                kind: Kind::Mutex,
                by: Entry::new(semrelease as *const ()),
                measures: &SEMRELEASE,
            },
        ];
    };
}

measured! {
    "gzChansend" => send(c: *const Hchan, elem: *const u8) -> Ended;
    "gzChanrecv" => recv(c: *const Hchan, elem: *mut u8) -> Ended;
    "selectgo" => select(cases: *const Scase, order: *mut u16, nsends: usize, nrecvs: usize, block: bool) -> Chosen;
    "gzSemacquire" => semacquire(addr: &AtomicU32, lifo: usize, reason: usize) -> ();
    "gzNotifyWait" => notify_wait(l: &NotifyList, ticket: u32) -> ();
}

static SEMRELEASE: AtomicPtr<()> = AtomicPtr::new(core::ptr::null_mut());

/// Step 3.
extern "C" fn semrelease(addr: &AtomicU32, handoff: usize) {
    type F = extern "C" fn(&AtomicU32, usize);
    // SAFETY: what the program's table had for the same call.
    let release = unsafe { transmute::<*mut (), F>(SEMRELEASE.load(Ordering::Relaxed)) };
    let waiter = first_waiter(addr, |gp| (gp.wait_reason, gp.wait_since));
    if let Some((
        WaitReason::SyncMutexLock | WaitReason::SyncRwMutexLock | WaitReason::SyncRwMutexRLock,
        since,
    )) = waiter
    {
        // Before it goes on: what it does then may be to look.
        tell(Kind::Mutex, port::cputicks() - since);
    }
    release(addr, handoff);
}
