//! Idle cores sleep without losing a wake-up, and which core a woken thread goes to.
//!
//! `kernel/models` compiles this file once more, over loom's atomics.
//!
//! # Problem
//! An idle core executes `hlt` and must be woken by an interrupt when a thread is queued for it. The race: it finds its queue empty, a thread
//! is queued, the interrupt comes, then it halts, for ever.
//!
//! # Protocol
//! 1. The idle core turns interrupts off.
//! 2. It marks itself idle, looks at its queue, and then at the other cores' queues.
//! 3. If all are empty it executes `sti; hlt` as one asm block: `sti` takes effect after the next instruction (SDM vol. 2, STI), so an
//!    interrupt that came since 1 is taken with the core in `hlt`, and ends it.
//!
//! A waker queues the thread under the queue's lock and then *always* sends the interrupt, unless the queue is its own core's. Nothing is read
//! to decide whether to send it, so there is nothing to get wrong: if the core had looked before the thread was there, the interrupt comes
//! after 1 and is held until 3. A busy core needs the interrupt, too: to start a time slice.
//!
//! The idle mask only chooses a good core. A waker takes the bit away, so that two wakers choose two cores.
//!
//! A thread on a busy core's queue is taken by a core that becomes idle (step 2). It cannot be queued there after that core has become
//! idle, unless the waker saw no idle core before: then the busy core's time slice runs it, at most 10 ms later.

use super::atomic::Ordering;
use super::runqueue::{CORES, Core, IDLE};
use super::thread::Thread;
use super::timer;
use crate::cpu::{self, ipi, local};
use crate::irq::{IrqOff, wait_for_interrupt};

/// One round of a core's idle loop: a thread to run, or none after an interrupt.
pub(super) fn look_or_halt(irq: &IrqOff, core: &'static Core) -> Option<&'static Thread> {
    let bit = 1 << core.id();
    IDLE.fetch_or(bit, Ordering::SeqCst);
    let found = find(core.id());
    if found.is_some() {
        IDLE.fetch_and(!bit, Ordering::SeqCst);
    } else {
        timer::program_idle(irq, core);
        wait_for_interrupt(irq);
    }
    found
}

/// A thread for core `me`: the first of its own queue, else of another core's.
pub(super) fn find(me: usize) -> Option<&'static Thread> {
    let n = cpu::count();
    (0..n).find_map(|i| CORES[(me + i) % n].queue.pop())
}

/// Gives a runnable thread to a core: an idle one, best the one that it ran on before; else that one.
pub(super) fn place(irq: &IrqOff, t: &'static Thread) {
    let last = t.core.load(Ordering::Relaxed);
    let id = claim_idle(last).unwrap_or(last);
    let core = &CORES[id];
    core.push(irq, t);
    if id == local::id() {
        timer::queue_grew(irq, core);
    } else {
        ipi::send_reschedule(id);
    }
}

/// Takes an idle core out of the mask, `prefer` if it is idle.
fn claim_idle(prefer: usize) -> Option<usize> {
    let mut mask = IDLE.load(Ordering::SeqCst);
    while mask != 0 {
        let id = if mask & 1 << prefer != 0 { prefer } else { mask.trailing_zeros() as usize };
        let before = IDLE.fetch_and(!(1 << id), Ordering::SeqCst);
        if before & 1 << id != 0 {
            return Some(id);
        }
        mask = before & !(1 << id);
    }
    None
}
