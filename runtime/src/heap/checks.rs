//! What can be checked of every allocation, at no cost while nothing is: an allocation that is to fail (`GZERO_FAILALLOC=N`), and the
//! debug mode (`debug.rs`).
//!
//! The way through a magazine knows nothing of it. A magazine that has no memory is full as well as empty, so everything goes to the
//! slow path; there, while something is checked, magazines are not given any. That is decided before the first P exists, so none has.

use super::debug;
use super::port::{alloc_unchecked, dealloc_unchecked};
use crate::port;
use core::alloc::Layout;
use core::ptr::null_mut;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

static ON: AtomicBool = AtomicBool::new(false);
static DEBUG: AtomicBool = AtomicBool::new(false);
/// The number of the allocation that is to fail, from 1; 0: none is.
static FAIL_AT: AtomicU64 = AtomicU64::new(0);
/// Allocations since the program's `main` began; before that the number is 0.
static COUNT: AtomicU64 = AtomicU64::new(0);
static MAIN_RUNS: AtomicBool = AtomicBool::new(false);

/// Whether anything is checked.
#[inline(always)]
pub(super) fn on() -> bool {
    ON.load(Relaxed)
}

/// The `n`-th allocation from the beginning of `main` is to fail. Before the first P.
pub(super) fn fail_at(n: u64) {
    FAIL_AT.store(n, Relaxed);
    ON.store(true, Relaxed);
}

/// Turns the debug mode on. Before the first P.
pub(super) fn debug() {
    DEBUG.store(true, Relaxed);
    ON.store(true, Relaxed);
}

/// The program's `main` begins.
pub(crate) fn main_begins() {
    MAIN_RUNS.store(true, Relaxed);
}

/// The program ends by itself: what the debug mode has to say then.
pub(crate) fn program_ends() {
    if DEBUG.load(Relaxed) {
        debug::report_leaks();
    }
}

/// An allocation while something is checked.
#[inline(never)]
pub(super) fn alloc(layout: Layout) -> *mut u8 {
    let n = if MAIN_RUNS.load(Relaxed) { COUNT.fetch_add(1, Relaxed) + 1 } else { 0 };
    if n != 0 && n == FAIL_AT.load(Relaxed) {
        return null_mut();
    }
    if DEBUG.load(Relaxed) { debug::alloc(layout, n != 0 && on_goroutine()) } else { alloc_unchecked(layout) }
}

/// Whether a goroutine runs here: what is allocated on a scheduler stack is the runtime's own.
pub(crate) fn on_goroutine() -> bool {
    let gp = port::getg();
    // SAFETY: the current G, whose M is the current one.
    !gp.is_null() && unsafe { !(*gp).m.is_null() && (*(*gp).m).g0 != gp }
}

/// A free while something is checked.
///
/// # Safety
/// As `GlobalAlloc::dealloc`; in the debug mode a breach is found and reported.
#[inline(never)]
pub(super) unsafe fn dealloc(p: *mut u8, layout: Layout) {
    // SAFETY: as the caller promises.
    unsafe { if DEBUG.load(Relaxed) { debug::dealloc(p, layout) } else { dealloc_unchecked(p, layout) } }
}
