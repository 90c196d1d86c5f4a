//! The thread itself: its states, its making, which one is current.

use super::idle::place;
use super::{exit, switch};
use crate::cpu::local;
use crate::irq::IrqOff;
use crate::memory::region;
use crate::memory::stack::{self, Stack};
use ::alloc::boxed::Box;
use core::cell::UnsafeCell;
use core::ptr::null_mut;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use runtime::machine::G;

/// Bytes of a thread's stack, the smallest slot less its guard area: the runtime's scheduler and the allocator's slow paths run on it.
const STACK_BYTES: usize = 64 << 10;

/// What a thread is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(super) enum State {
    /// On a run queue, or about to be put there.
    Runnable,
    /// Current on a core.
    Running,
    /// Waiting for its semaphore.
    Sleeping,
}

/// A kernel thread. Never freed, so that a stale reference is at worst a needless wake-up.
pub struct Thread {
    /// Guards `state` against wakers, and `posted`; taken with interrupts off, before a core's queue lock. Held over the switch when a
    /// thread goes to sleep, so that nobody can run it before its registers are saved.
    lock: AtomicBool,
    state: AtomicU32,
    /// The semaphore: posted and not yet consumed.
    pub(super) posted: AtomicBool,
    /// Counts sleeps, to tell a deadline of this one from one of an earlier one.
    pub(super) sleeps: AtomicU64,
    /// When the sleep ends at the latest, in nanotime; `u64::MAX` = never.
    pub(super) deadline: AtomicU64,
    /// When the runtime's signal is due on it, in nanotime; `u64::MAX` = not.
    pub(super) signal_at: AtomicU64,
    /// The core it runs on or ran on last.
    pub(super) core: AtomicUsize,
    /// Next on the queue or the list of sleepers that it is on; under that core's lock.
    pub(super) next: UnsafeCell<*mut Thread>,
    pub(super) next_sleeper: UnsafeCell<*mut Thread>,
    /// Saved stack pointer, and what `gs:` holds for it, while it does not run.
    pub(super) sp: UnsafeCell<usize>,
    pub(super) g: UnsafeCell<*mut G>,
    stack: UnsafeCell<Stack>,
}

// SAFETY: the cells belong to the lock, queue or core that their comments name.
unsafe impl Sync for Thread {}

impl Thread {
    /// A thread that runs as soon as its core is told about it: with an empty stack for new ones, with the boot stack for idle threads.
    pub(super) fn new(stack: Stack, state: State) -> Thread {
        Thread {
            lock: AtomicBool::new(false),
            state: AtomicU32::new(state as u32),
            posted: AtomicBool::new(false),
            sleeps: AtomicU64::new(0),
            deadline: AtomicU64::new(u64::MAX),
            signal_at: AtomicU64::new(u64::MAX),
            core: AtomicUsize::new(local::id()),
            next: UnsafeCell::new(null_mut()),
            next_sleeper: UnsafeCell::new(null_mut()),
            sp: UnsafeCell::new(0),
            g: UnsafeCell::new(null_mut()),
            stack: UnsafeCell::new(stack),
        }
    }

    /// The thread's stack.
    pub fn stack(&self) -> Stack {
        // SAFETY: it changes only while the thread has ended.
        unsafe { *self.stack.get() }
    }

    /// Takes the stack of a thread that has ended.
    pub(super) fn take_stack(&self) -> Stack {
        // SAFETY: whoever took the thread off the list of ended ones is alone with it.
        unsafe { core::mem::replace(&mut *self.stack.get(), Stack { lo: 0, hi: 0 }) }
    }

    pub(super) fn set_state(&self, s: State) {
        self.state.store(s as u32, Ordering::Relaxed);
    }

    pub(super) fn is(&self, s: State) -> bool {
        self.state.load(Ordering::Relaxed) == s as u32
    }

    /// Takes the thread's lock. It is held for tens of instructions, or for one switch.
    pub(super) fn acquire(&self, _: &IrqOff) {
        while self.lock.compare_exchange_weak(false, true, Ordering::Acquire, Ordering::Relaxed).is_err() {
            core::hint::spin_loop();
        }
    }

    /// Gives the thread's lock back. The caller holds it.
    pub(super) fn release(&self) {
        self.lock.store(false, Ordering::Release);
    }
}

/// The current thread of this core, null before [`super::init`].
#[inline]
pub fn current() -> *mut Thread {
    local::thread().cast()
}

/// Makes a thread that will run `entry(arg)` with `g` as its current G, and lets `prepare` see it before it runs.
///
/// # Errors
/// Says which memory is lacking for the stack.
pub fn spawn(
    entry: extern "C" fn(usize) -> !,
    arg: usize,
    g: *mut G,
    prepare: impl FnOnce(&'static Thread),
) -> Result<(), stack::StackError> {
    exit::dig();
    let stack = region::alloc_kernel_stack(STACK_BYTES)?;
    let t = match exit::spare() {
        Some(t) => t,
        None => Box::leak(Box::new(Thread::new(stack, State::Runnable))),
    };
    t.posted.store(false, Ordering::Relaxed);
    t.signal_at.store(u64::MAX, Ordering::Relaxed);
    // SAFETY: the stack is new and fully backed; the thread is on no queue yet.
    unsafe {
        *t.stack.get() = stack;
        *t.g.get() = g;
        *t.sp.get() = switch::new_context(stack.hi, entry, arg);
    }
    prepare(t);
    place(&IrqOff::new(), t);
    Ok(())
}
