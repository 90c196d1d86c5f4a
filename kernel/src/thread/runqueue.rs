//! A core: its queue of runnable threads, its idle loop, and which core a woken thread goes to.
//!
//! # Idle cores sleep without losing a wake-up
//! An idle core executes `hlt` and must be woken by an interrupt when a thread is queued for it. The race: it finds its queue empty, a thread
//! is queued, the interrupt comes, then it halts, for ever.
//!
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

use super::switch::{After, switch_to};
use super::thread::{State, Thread, current};
use super::timer::{self, CoreTimer};
use crate::cpu::irq::{IrqMutex, IrqOff};
use crate::cpu::trap::{Hooks, TrapFrame};
use crate::cpu::{self, MAX_CPUS, ipi, local, trap};
use crate::memory::stack::Stack;
use ::alloc::boxed::Box;
use core::arch::asm;
use core::cell::Cell;
use core::ptr::null_mut;
use core::sync::atomic::{AtomicPtr, AtomicU32, AtomicU64, Ordering};
use spin::Once;

/// A core's part of the scheduler of threads.
pub(super) struct Core {
    id: usize,
    queue: IrqMutex<Queue>,
    /// Threads on the queue, for a look without the lock.
    queued: AtomicU32,
    idle_thread: AtomicPtr<Thread>,
    pub(super) timer: CoreTimer,
    former: Cell<Option<(&'static Thread, After)>>,
}

// SAFETY: `former` is touched by its own core only, with interrupts off.
unsafe impl Sync for Core {}

struct Queue {
    head: *mut Thread,
    tail: *mut Thread,
}

// SAFETY: the queue owns its threads' links, under its lock.
unsafe impl Send for Queue {}

static CORES: [Core; MAX_CPUS] = {
    let mut cores = [const { Core::new() }; MAX_CPUS];
    let mut i = 0;
    while i < MAX_CPUS {
        cores[i].id = i;
        i += 1;
    }
    cores
};

/// One bit for each idle core.
static IDLE: AtomicU64 = AtomicU64::new(0);

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
            queue: IrqMutex::new(Queue { head: null_mut(), tail: null_mut() }),
            queued: AtomicU32::new(0),
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
        self.queued.load(Ordering::Relaxed) != 0
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
        let p = core::ptr::from_ref(t).cast_mut();
        let mut q = self.queue.lock();
        // SAFETY: under the lock; a thread is on one queue at most.
        unsafe {
            *t.next.get() = null_mut();
            if q.tail.is_null() {
                q.head = p;
            } else {
                *(*q.tail).next.get() = p;
            }
        }
        q.tail = p;
        self.queued.fetch_add(1, Ordering::Relaxed);
    }

    fn pop(&self) -> Option<&'static Thread> {
        if !self.has_queued() {
            return None;
        }
        let mut q = self.queue.lock();
        // SAFETY: under the lock; threads are never freed.
        let t = unsafe { q.head.as_ref()? };
        // SAFETY: as above.
        q.head = unsafe { *t.next.get() };
        if q.head.is_null() {
            q.tail = null_mut();
        }
        self.queued.fetch_sub(1, Ordering::Relaxed);
        Some(t)
    }

    /// The thread to run next: the queue's first, else another core's, else the idle thread.
    fn choose(&self) -> &'static Thread {
        if let Some(t) = self.pop() {
            return t;
        }
        let n = cpu::count();
        if let Some(t) = (1..n).find_map(|i| CORES[(self.id + i) % n].pop()) {
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
    let bit = 1 << core.id;
    loop {
        IDLE.fetch_or(bit, Ordering::SeqCst);
        let next = core.choose();
        if !core::ptr::eq(next, current()) {
            IDLE.fetch_and(!bit, Ordering::SeqCst);
            switch_to(&irq, core, next, After::Nothing);
            continue;
        }
        timer::program_idle(&irq, core);
        // SAFETY: the idle thread holds no lock; interrupts are on for the length of the halt.
        unsafe { asm!("sti", "hlt", "cli", options(nomem, nostack)) };
    }
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

/// Leaves the core to another runnable thread, if there is one.
pub fn yield_now() {
    let irq = IrqOff::new();
    let core = this(&irq);
    if let Some(next) = core.pop() {
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
