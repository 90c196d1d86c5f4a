//! Coroutines of Go code (Go: `coro.go`): a goroutine hands its M to another one.

use super::layout::layout;
use super::proc::inherit_labels;
use crate::proc::{self, G, GoG};

/// A goroutine that runs a func value when it is first switched to; `pc` is where it is made.
pub(super) unsafe extern "C" fn start(funcval: *mut u8, pc: usize) -> *mut GoG {
    // SAFETY: as in `newproc`.
    unsafe { G::go(proc::new_foreign_parked(layout().gostart, funcval, pc, |me, gp| inherit_labels(me, gp))) }
}

/// Runs `to`, which waits for this; the current goroutine waits until it is switched to.
pub(super) unsafe extern "C" fn switch(to: *mut GoG) {
    // SAFETY: Go's `coro` holds the one goroutine that waits in it.
    unsafe { proc::switch_to(G::before(to)) };
}

/// [`switch`] in a bubble.
///
/// # Safety
/// As [`switch`].
pub(super) unsafe fn switch_in_bubble(to: *mut GoG) {
    // SAFETY: as in `switch`.
    unsafe { proc::switch_on_g0(G::before(to)) };
}

/// Runs `to`, which waits for this; the current goroutine ends.
pub(super) unsafe extern "C" fn exit(to: *mut GoG) -> ! {
    // SAFETY: as in `switch`.
    unsafe { proc::end_foreign_to(G::before(to)) }
}
