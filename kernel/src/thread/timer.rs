//! A core's one timer, shared by three users: the deadlines of threads that sleep here, the time slice of the current thread when others
//! are queued, and the runtime's scheduling timer of the current thread.
//!
//! The hardware is armed for the earliest of the three, and armed again only for an earlier moment: an interrupt that comes for a reason which
//! has gone costs a look, a device access for each change of mind costs more. Only a core that goes idle takes back what has gone, so that it sleeps
//! undisturbed. A core with none of the three takes no timer interrupts.
//!
//! A thread whose slice is over is made to call `yield_now` on its own stack, after all its registers were saved there, in the same way
//! in which the runtime preempts a goroutine.

use super::counters::{Counters, Reason};
use super::runqueue::{Core, by_id, frame_sp, this, yield_now};
use super::sleep::expire;
use super::thread::{Thread, current};
use crate::cpu::trap::TrapFrame;
use crate::cpu::{apic, clock, ipi, local};
use crate::irq::{IrqMutex, IrqOff};
use crate::memory::stack;
use core::ptr::null_mut;
use core::sync::atomic::{AtomicU64, Ordering};
use spin::Once;

/// How long a thread runs while others are queued on its core, in nanoseconds. Shorter than a goroutine's slice: a thread that wakes for
/// a moment, such as sysmon, must not wait that long for one that computes.
const SLICE_NS: u64 = 2_000_000;
/// How soon a slice that ended in a place without room is ended again.
const RETRY_NS: u64 = 100_000;

/// The runtime's signal handler: may change what the interrupted code does next.
pub type SignalFn = fn(frame: &mut TrapFrame);

static SIGNAL: Once<SignalFn> = Once::new();

/// Sets the runtime's signal handler, once.
pub fn on_signal(f: SignalFn) {
    SIGNAL.call_once(|| f);
}

/// A core's timer and its users' deadlines, in nanotime; `u64::MAX` = none.
pub(super) struct CoreTimer {
    sleepers: IrqMutex<Sleepers>,
    first_deadline: AtomicU64,
    slice_end: AtomicU64,
    armed: AtomicU64,
    pub(super) counters: Counters,
}

/// Threads that sleep with a deadline, the earliest first. Few: the runtime lets one M wait for all goroutine timers.
struct Sleepers(*mut Thread);

// SAFETY: the list owns its threads' `next_sleeper` links, under its lock.
unsafe impl Send for Sleepers {}

impl CoreTimer {
    pub(super) const fn new() -> CoreTimer {
        CoreTimer {
            sleepers: IrqMutex::new(Sleepers(null_mut())),
            first_deadline: AtomicU64::new(u64::MAX),
            slice_end: AtomicU64::new(u64::MAX),
            armed: AtomicU64::new(u64::MAX),
            counters: Counters::new(),
        }
    }

    /// Adds a thread that is about to sleep until its deadline; the switch that follows arms the timer.
    pub(super) fn add_sleeper(&self, _: &IrqOff, t: &'static Thread) {
        let deadline = t.deadline.load(Ordering::Relaxed);
        let mut list = self.sleepers.lock();
        let mut at: *mut *mut Thread = &raw mut list.0;
        // SAFETY: under the lock; threads are never freed.
        unsafe {
            while !(*at).is_null() && (**at).deadline.load(Ordering::Relaxed) <= deadline {
                at = (**at).next_sleeper.get();
            }
            *t.next_sleeper.get() = *at;
            *at = core::ptr::from_ref(t).cast_mut();
        }
        self.note_first(&list);
    }

    /// Removes a thread that was woken before its deadline, unless the deadline was quicker.
    pub(super) fn remove_sleeper(&self, t: &'static Thread) {
        let mut list = self.sleepers.lock();
        let mut at: *mut *mut Thread = &raw mut list.0;
        // SAFETY: under the lock.
        unsafe {
            while !(*at).is_null() {
                if core::ptr::eq(*at, t) {
                    *at = *t.next_sleeper.get();
                    break;
                }
                at = (**at).next_sleeper.get();
            }
        }
        self.note_first(&list);
    }

    /// Takes a thread whose deadline has passed off the list, with the number of its sleep.
    fn pop_expired(&self, now: u64) -> Option<(&'static Thread, u64)> {
        if self.first_deadline.load(Ordering::Relaxed) > now {
            return None;
        }
        let mut list = self.sleepers.lock();
        // SAFETY: under the lock; threads are never freed.
        let t = unsafe { list.0.as_ref()? };
        if t.deadline.load(Ordering::Relaxed) > now {
            return None;
        }
        // SAFETY: as above.
        list.0 = unsafe { *t.next_sleeper.get() };
        self.note_first(&list);
        Some((t, t.sleeps.load(Ordering::Relaxed)))
    }

    fn note_first(&self, list: &Sleepers) {
        // SAFETY: under the lock.
        let first = unsafe { list.0.as_ref() }.map_or(u64::MAX, |t| t.deadline.load(Ordering::Relaxed));
        self.first_deadline.store(first, Ordering::Relaxed);
    }
}

/// Arms this core's timer for what its current thread, its queue and its sleepers need.
pub(super) fn program(irq: &IrqOff, core: &'static Core) {
    // SAFETY: a core that has a timer to program has a current thread.
    let t = unsafe { &*current() };
    if !core.has_queued() || core.is_idle() {
        core.timer.slice_end.store(u64::MAX, Ordering::Relaxed);
    } else if core.timer.slice_end.load(Ordering::Relaxed) == u64::MAX {
        core.timer.slice_end.store(clock::nanotime() + SLICE_NS, Ordering::Relaxed);
    }
    let when = core
        .timer
        .slice_end
        .load(Ordering::Relaxed)
        .min(core.timer.first_deadline.load(Ordering::Relaxed))
        .min(t.signal_at.load(Ordering::SeqCst));
    arm(irq, core, when);
}

/// Arms the timer of this core, which is about to halt, for its first sleeper or not at all.
pub(super) fn program_idle(_: &IrqOff, core: &'static Core) {
    core.timer.slice_end.store(u64::MAX, Ordering::Relaxed);
    let when = core.timer.first_deadline.load(Ordering::Relaxed);
    if core.timer.armed.swap(when, Ordering::Relaxed) != when {
        apic::set_timer(when);
    }
}

fn arm(_: &IrqOff, core: &'static Core, when: u64) {
    if when < core.timer.armed.load(Ordering::Relaxed) {
        core.timer.armed.store(when, Ordering::Relaxed);
        apic::set_timer(when);
    }
}

/// A thread was queued on this core by itself.
pub(super) fn queue_grew(irq: &IrqOff, core: &'static Core) {
    program(irq, core);
}

/// The timer interrupt.
pub fn on_timer(frame: &mut TrapFrame) {
    let irq = IrqOff::new();
    let core = this(&irq);
    core.timer.armed.store(u64::MAX, Ordering::Relaxed);
    let now = clock::nanotime();
    let mut expired = None;
    while let Some((t, sleep)) = core.timer.pop_expired(now) {
        expire(&irq, t, sleep);
        expired = Some(Reason::Deadline);
    }
    let served = serve(&irq, core, frame, now);
    core.timer.counters.count(expired.or(served).unwrap_or(Reason::Gone));
}

/// The reschedule interrupt: this core's queue has grown, or a signal is due.
pub fn on_reschedule(frame: &mut TrapFrame) {
    let irq = IrqOff::new();
    let core = this(&irq);
    serve(&irq, core, frame, clock::nanotime());
}

/// Does what is due for the current thread; says what that was.
fn serve(irq: &IrqOff, core: &'static Core, frame: &mut TrapFrame, now: u64) -> Option<Reason> {
    // SAFETY: the current thread; threads are never freed.
    let Some(t) = (unsafe { current().as_ref() }) else {
        // A core that has come online and not reached its idle loop yet; there it looks at its queue.
        return None;
    };
    let mut served = None;
    if !core.is_idle() {
        if t.signal_at.load(Ordering::Relaxed) <= now {
            served = Some(Reason::Signal);
            t.signal_at.store(u64::MAX, Ordering::Relaxed);
            if let Some(signal) = SIGNAL.get() {
                signal(frame);
            }
        }
        if core.has_queued() && core.timer.slice_end.load(Ordering::Relaxed) <= now {
            served = served.or(Some(Reason::Slice));
            if has_room(frame_sp(frame)) {
                core.timer.slice_end.store(u64::MAX, Ordering::Relaxed);
                // SAFETY: there is room on the stack, and the code saves every register.
                unsafe { frame.push_call(preempt_thread()) };
            } else {
                core.timer.slice_end.store(now + RETRY_NS, Ordering::Relaxed);
            }
        }
    }
    program(irq, core);
    served
}

/// Whether the saved registers fit below `sp`, in the thread's own stack or a goroutine's; backs the pages if so.
fn has_room(sp: usize) -> bool {
    let need = crate::cpu::fpu::save_size() + 1024;
    stack::back_range(sp - need, sp)
}

fn preempt_thread() -> usize {
    unsafe extern "C" {
        fn __gzero_preempt_thread();
    }
    __gzero_preempt_thread as *const () as usize
}

extern "C" fn preempted() {
    yield_now();
}

runtime::interrupt_call_asm!("__gzero_preempt_thread", preempted);

/// Arms the current thread's scheduling timer: the signal handler runs on it at `when` (nanotime) or when it next runs. `u64::MAX` disarms.
pub fn set_signal_timer(when: u64) {
    let irq = IrqOff::new();
    // SAFETY: the current thread.
    unsafe { (*current()).signal_at.store(when, Ordering::Relaxed) };
    arm(&irq, this(&irq), when);
}

/// Has the signal handler run on `t` as soon as it runs.
pub fn signal(t: &'static Thread) {
    t.signal_at.store(0, Ordering::SeqCst);
    let core = t.core.load(Ordering::SeqCst);
    if core == local::id() {
        let irq = IrqOff::new();
        arm(&irq, by_id(core), 0);
    } else {
        ipi::send_reschedule(core);
    }
}
