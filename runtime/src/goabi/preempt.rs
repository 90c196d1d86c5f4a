//! Where Go code may be preempted (Go: `isAsyncSafePoint`, `wantAsyncPreempt` in `preempt.go`).
//!
//! A goroutine of Go code gives way only in Go code: in a Rust function that it called, half a frame may hide the Go frames below from whoever walks them, and
//! those functions are short. In Go code, where the compiler says so, and not while Go's runtime holds its `m`.
//!
//! Where it may not, its guard is poisoned: the next function that it calls gives way in its prologue (`newstack` in `go/runtime/stack.go`).

use super::layout::{g_word, is_on, layout, word};
use super::pclntab::{self, SafePoint};
use crate::proc::G;

/// Whether the current goroutine may be made to give way at `pc`. If it has to go on somewhere else then, that is the address.
///
/// # Safety
/// `gp` is the current G, not a g0; it was interrupted at `pc`.
pub(crate) unsafe fn may_preempt(gp: *mut G, pc: usize) -> Option<usize> {
    // SAFETY: the current G, whose m is that of the M it runs on.
    unsafe {
        if !is_on() || !(*gp).is_go() {
            return Some(pc);
        }
        let l = layout();
        let m = g_word::<*mut u8>(gp, l.g_m).read();
        if m.is_null()
            || !(l.text..l.etext).contains(&pc)
            || word::<_, i32>(m, l.m_locks).read() != 0
            || word::<_, i32>(m, l.m_mallocing).read() != 0
            // A string: its length.
            || word::<_, usize>(m, l.m_preemptoff + 8).read() != 0
        {
            return None;
        }
        match pclntab::safe_point(l, pc) {
            SafePoint::Here => Some(pc),
            SafePoint::At(earlier) => Some(earlier),
            SafePoint::No => None,
        }
    }
}

/// [`may_preempt`] said no: has the goroutine give way in its next prologue.
///
/// # Safety
/// `gp` is the current G, not a g0.
pub(crate) unsafe fn refused(gp: *mut G) {
    // SAFETY: words of Go's g.
    unsafe {
        if is_on() && (*gp).is_go() {
            let l = layout();
            g_word::<bool>(gp, l.g_preempt).write(true);
            g_word::<usize>(gp, l.g_stackguard0).write(l.stack_preempt);
        }
    }
}
