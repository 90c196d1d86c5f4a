//! The end of a thread.
//!
//! A thread cannot free the stack that it stands on. It switches away for good; the next thread of the core buries it ([`bury`]), as
//! part of the switch, with interrupts off; and because giving a stack back may wait for other cores, that is left to the next thread
//! that ends or is made ([`dig`]), which may wait. So at most as many stacks as ended since then are kept.

use super::runqueue::{switch_away_for_good, this};
use super::thread::Thread;
use crate::irq::{IrqMutex, IrqOff};
use crate::memory::stack;
use core::ptr::null_mut;

/// Threads linked by `next`.
struct List(*mut Thread);

// SAFETY: a list owns its threads' `next` links, under its lock.
unsafe impl Send for List {}

/// Ended, stack and all.
static BURIED: IrqMutex<List> = IrqMutex::new(List(null_mut()));
/// Without a stack, to be used again.
static SPARE: IrqMutex<List> = IrqMutex::new(List(null_mut()));

fn push(list: &IrqMutex<List>, t: &'static Thread) {
    let mut list = list.lock();
    // SAFETY: under the lock; the thread is on no other list.
    unsafe { *t.next.get() = list.0 };
    list.0 = core::ptr::from_ref(t).cast_mut();
}

fn pop(list: &IrqMutex<List>) -> Option<&'static Thread> {
    let mut list = list.lock();
    // SAFETY: threads are never freed.
    let t = unsafe { list.0.as_ref()? };
    // SAFETY: under the lock.
    list.0 = unsafe { *t.next.get() };
    Some(t)
}

/// Ends the current thread.
pub fn exit() -> ! {
    dig();
    let irq = IrqOff::new();
    switch_away_for_good(&irq, this(&irq))
}

/// Notes that a thread has ended; nothing runs on its stack any more. Called in the switch to the next one.
pub(super) fn bury(t: &'static Thread) {
    push(&BURIED, t);
}

/// Gives the stacks of ended threads back. Interrupts are on.
pub(super) fn dig() {
    while let Some(t) = pop(&BURIED) {
        let old = t.take_stack();
        // SAFETY: the thread has ended, and its stack was its own.
        unsafe { stack::free(old) };
        push(&SPARE, t);
    }
}

/// A thread to be used again.
pub(super) fn spare() -> Option<&'static Thread> {
    pop(&SPARE)
}
