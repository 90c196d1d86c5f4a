//! A core: its queue of runnable threads, its idle thread, and how a thread leaves the core to another.

use super::idle;
use super::queue::{List, Queue};
use super::switch::{After, switch_to};
use super::thread::{State, Thread, current};
use super::timer::CoreTimer;
use crate::cpu::trap::{Hooks, TrapFrame};
use crate::cpu::{MAX_CPUS, local, trap};
use crate::irq::{IrqMutex, IrqOff};
use crate::memory::stack::Stack;
use ::alloc::boxed::Box;
use core::cell::Cell;
use core::ptr::null_mut;
use core::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering};
use spin::Once;

/// A core's part of the scheduler of threads.
pub(super) struct Core {
    id: usize,
    pub(super) queue: Queue,
    idle_thread: AtomicPtr<Thread>,
    pub(super) timer: CoreTimer,
    former: Cell<Option<(&'static Thread, After)>>,
}

// SAFETY: `former` is touched by its own core only, with interrupts off.
unsafe impl Sync for Core {}

pub(super) static CORES: [Core; MAX_CPUS] = {
    let mut cores = [const { Core::new() }; MAX_CPUS];
    let mut i = 0;
    while i < MAX_CPUS {
        cores[i].id = i;
        i += 1;
    }
    cores
};

/// One bit for each idle core; see `idle.rs`.
pub(super) static IDLE: AtomicU64 = AtomicU64::new(0);

/// This core.
pub(super) fn this(_: &IrqOff) -> &'static Core {
    &CORES[local::id()]
}

pub(super) fn by_id(id: usize) -> &'static Core {
    &CORES[id]
}

impl Core {
    const fn new() -> Core {
        Core {
            id: 0,
            queue: Queue {
                list: IrqMutex::new(List { head: null_mut(), tail: null_mut() }),
                len: AtomicU32::new(0),
            },
            idle_thread: AtomicPtr::new(null_mut()),
            timer: CoreTimer::new(),
            former: Cell::new(None),
        }
    }

    pub(super) fn id(&self) -> usize {
        self.id
    }

    /// Whether another thread waits for this core.
    pub(super) fn has_queued(&self) -> bool {
        !self.queue.is_empty()
    }

    pub(super) fn note_former(&self, _: &IrqOff, t: &'static Thread, after: After) {
        self.former.set(Some((t, after)));
    }

    pub(super) fn take_former(&self, _: &IrqOff) -> Option<(&'static Thread, After)> {
        self.former.take()
    }

    /// Queues a runnable thread that belongs to the caller.
    pub(super) fn push(&self, _: &IrqOff, t: &'static Thread) {
        t.set_state(State::Runnable);
        self.queue.push(t);
    }

    /// The thread to run next: the queue's first, else another core's, else the idle thread.
    fn choose(&self) -> &'static Thread {
        if let Some(t) = idle::find(self.id) {
            return t;
        }
        // SAFETY: set before the core runs any thread, never freed.
        unsafe { &*self.idle_thread.load(Ordering::Relaxed) }
    }

    /// Whether the current thread of this core is its idle thread.
    pub(super) fn is_idle(&self) -> bool {
        current() == self.idle_thread.load(Ordering::Relaxed)
    }
}

/// Makes the boot core's context its idle thread and takes over the timer and the reschedule interrupt.
pub fn init(hooks: &'static Hooks) {
    static ONCE: Once<()> = Once::new();
    ONCE.call_once(|| trap::set_hooks(hooks));
    adopt_idle();
}

/// Makes the running boot context of this core its idle thread.
fn adopt_idle() {
    // It runs on the boot stack, which is not the thread's to give back.
    let t = Box::leak(Box::new(Thread::new(Stack { lo: 0, hi: 0 }, State::Running)));
    CORES[local::id()].idle_thread.store(t, Ordering::Relaxed);
    local::set_thread(core::ptr::from_mut(t).cast());
}

/// The idle loop, where every core ends up. The boot core has called [`init`] before.
pub fn enter_idle() -> ! {
    let irq = IrqOff::new();
    if current().is_null() {
        adopt_idle();
    }
    let core = this(&irq);
    loop {
        if let Some(next) = idle::look_or_halt(&irq, core) {
            switch_to(&irq, core, next, After::Nothing);
        }
    }
}

/// Leaves the core to another runnable thread, if there is one.
pub fn yield_now() {
    let irq = IrqOff::new();
    let core = this(&irq);
    if let Some(next) = core.queue.pop() {
        switch_to(&irq, core, next, After::Requeue);
    }
}

/// Leaves the core; the caller holds the current thread's lock, which is given back once its registers are saved.
pub(super) fn switch_away(irq: &IrqOff) {
    let core = this(irq);
    let next = core.choose();
    switch_to(irq, core, next, After::Unlock);
}

/// Leaves the core for good: the current thread has ended.
pub(super) fn switch_away_for_good(irq: &IrqOff, core: &'static Core) -> ! {
    let next = core.choose();
    switch_to(irq, core, next, After::Bury);
    unreachable!("a thread that has ended was run")
}

/// A frame's stack pointer, for those who decide whether a call can be pushed there.
pub(super) fn frame_sp(frame: &TrapFrame) -> usize {
    frame.rsp as usize
}
