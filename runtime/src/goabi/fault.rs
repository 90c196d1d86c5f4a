//! Faults of Go code (Go: `signal_amd64.go`): the code is made to call `sigpanic`, which panics.

use super::layout::{g_word, is_on, layout};
use crate::port;

/// What the port is to do with Go code that faulted.
pub struct Fault {
    /// Where it goes on.
    pub rip: usize,
    /// Its address is pushed first, as if it had called.
    pub push: bool,
}

/// Bytes below a faulting goroutine's stack pointer that are backed first: what is pushed.
const PUSHED: usize = 256;

/// A fault of the code at `pc`, whose stack pointer is `sp`: by Linux' numbers the signal `sig` of kind `code` at address `addr`. None if the code is not a Go
/// goroutine's.
///
/// # Safety
/// Called by the current core's trap handler, with interrupts off, about the code that it interrupted.
pub unsafe fn fault(pc: usize, sp: usize, sig: u32, code: usize, addr: usize) -> Option<Fault> {
    if !is_on() {
        return None;
    }
    let l = layout();
    let gp = port::getg();
    let in_text = |pc: usize| (l.text..l.etext).contains(&pc);
    // SAFETY: the current G, if there is one, and its M; the stack's page is backed before it is read.
    unsafe {
        if gp.is_null() || (*gp).m.is_null() || gp == (*(*gp).m).g0 || !(*gp).stack.contains(sp) {
            return None;
        }
        if !port::stack_back((*gp).stack, sp.saturating_sub(PUSHED).max((*gp).stack.lo), sp + 8) {
            return None;
        }
        // A call of a nil func, or of what is no code: whoever called is at fault.
        let called = !in_text(pc) && in_text((sp as *const usize).read());
        if !in_text(pc) && !called {
            return None;
        }
        g_word::<u32>(gp, l.g_sig).write(sig);
        g_word::<usize>(gp, l.g_sigcode0).write(code);
        g_word::<usize>(gp, l.g_sigcode1).write(addr);
        g_word::<usize>(gp, l.g_sigpc).write(pc);
        Some(Fault { rip: l.sigpanic, push: !called })
    }
}
