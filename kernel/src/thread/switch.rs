//! The switch between two threads of one core.
//!
//! # Protocol
//! A thread must not run on another core before its registers are saved here, yet it is this core that puts it on a queue or lets wakers at it.
//! So that is done by the thread that comes next, on its own stack:
//! 1. With interrupts off, the former thread notes in its core what is to be done with it ([`After`]), then switches.
//! 2. The next thread, as its first act after the switch ([`finish`]), does it: gives the former thread's lock back (it sleeps now
//!    and may be woken), or puts it on the queue (it yielded).
//!
//! Both sides run on one core with interrupts off, so the note needs no atomics; the lock or the queue's lock publishes the saved registers.

use super::runqueue::{self as cores, Core};
use super::thread::{State, Thread};
use super::{exit, timer};
use crate::cpu::local;
use crate::irq::IrqOff;
use core::arch::global_asm;
use core::sync::atomic::Ordering;

/// What is to be done with the former thread after a switch.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum After {
    /// Its lock is given back: it sleeps.
    Unlock,
    /// It goes to the end of this core's queue.
    Requeue,
    /// It has ended: it is buried.
    Bury,
    /// Nothing: it is this core's idle thread.
    Nothing,
}

unsafe extern "C" {
    fn __gzero_switch(save: *mut usize, sp: usize);
    fn __gzero_thread_start();
}

global_asm!(
    // fn(save: *mut usize, sp: usize): saves the callee-saved registers and rsp, goes on where `sp` was saved.
    ".global __gzero_switch",
    ".type __gzero_switch, @function",
    "__gzero_switch:",
    ".cfi_startproc",
    "push rbp",
    ".cfi_def_cfa_offset 16",
    ".cfi_offset rbp, -16",
    "mov rbp, rsp",
    ".cfi_def_cfa_register rbp",
    "push rbx",
    "push r12",
    "push r13",
    "push r14",
    "push r15",
    "mov [rdi], rsp",
    "mov rsp, rsi",
    "pop r15",
    "pop r14",
    "pop r13",
    "pop r12",
    "pop rbx",
    "pop rbp",
    ".cfi_def_cfa rsp, 8",
    "ret",
    ".cfi_endproc",
    ".size __gzero_switch, . - __gzero_switch",
    // A new thread's first instruction: r12 = entry, r13 = argument.
    ".global __gzero_thread_start",
    ".type __gzero_thread_start, @function",
    "__gzero_thread_start:",
    ".cfi_startproc",
    ".cfi_undefined rip",
    "call {finish}",
    "sti",
    "mov rdi, r13",
    "call r12",
    "ud2",
    ".cfi_endproc",
    ".size __gzero_thread_start, . - __gzero_thread_start",
    finish = sym finish,
);

/// Lays on an empty stack what [`__gzero_switch`] takes off again, so that `entry(arg)` runs with interrupts on. Returns the stack pointer.
///
/// # Safety
/// `hi` is the 16-byte aligned top of a backed, unused stack.
pub(super) unsafe fn new_context(hi: usize, entry: extern "C" fn(usize) -> !, arg: usize) -> usize {
    let frame = (hi - 9 * 8) as *mut usize;
    // r15, r14, r13, r12, rbx, rbp, the return address, and null for backtraces to end at. `ret` leaves rsp at hi - 16.
    let words = [0, 0, arg, entry as usize, 0, 0, __gzero_thread_start as *const () as usize, 0, 0];
    // SAFETY: as the caller promises.
    unsafe { frame.cast::<[usize; 9]>().write(words) };
    frame as usize
}

/// Runs `next` on this core. Returns when the current thread is run again, perhaps on another core.
///
/// With [`After::Unlock`] the caller holds the current thread's lock.
pub(super) fn switch_to(irq: &IrqOff, core: &'static Core, next: &'static Thread, after: After) {
    // SAFETY: the current thread of this core; set by `init` and below.
    let prev: &'static Thread = unsafe { &*super::current() };
    core.note_former(irq, prev, after);
    next.set_state(State::Running);
    // Sequentially consistent, as is the load of `signal_at` in `program`: `timer::signal` stores and loads the two the other way round, so that
    // either it interrupts the right core or `program` sees the signal.
    next.core.store(core.id(), Ordering::SeqCst);
    // SAFETY: interrupts are off and `next` was taken off its queue by this core, so its saved registers are complete and ours.
    unsafe {
        *prev.g.get() = local::g();
        local::set_g(*next.g.get());
        local::set_thread(core::ptr::from_ref(next).cast_mut().cast());
        __gzero_switch(prev.sp.get(), *next.sp.get());
    }
    finish();
}

/// The first act of a thread after a switch to it.
extern "C" fn finish() {
    let irq = IrqOff::new();
    let core = cores::this(&irq);
    if let Some((former, after)) = core.take_former(&irq) {
        match after {
            After::Unlock => former.release(),
            After::Requeue => core.push(&irq, former),
            After::Bury => exit::bury(former),
            After::Nothing => {}
        }
    }
    timer::program(&irq, core);
}
