//! `idle.rs` and `queue.rs`: a core that goes to sleep is woken for the thread that is queued for it, and each thread is taken once.
//!
//! An interrupt stays pending while interrupts are off, and ends a halt: a core that halts with none to come is a deadlock.

use crate::cpu::local;
use crate::irq::{IrqMutex, IrqOff};
use loom::sync::atomic;

#[path = "../../src/thread/idle.rs"]
mod idle;
#[path = "../../src/thread/queue.rs"]
mod queue;

use idle::{find, look_or_halt, place};
use runqueue::CORES;
use thread::Thread;

mod thread {
    use super::atomic::AtomicUsize;
    use std::cell::UnsafeCell;

    pub struct Thread {
        pub core: AtomicUsize,
        pub next: UnsafeCell<*mut Thread>,
    }

    // SAFETY: `next` is the queue's, under its lock.
    unsafe impl Sync for Thread {}
}

mod runqueue {
    use super::atomic::{AtomicU32, AtomicU64};
    use super::queue::{List, Queue};
    use super::*;
    use std::ptr::null_mut;

    pub struct Core {
        id: usize,
        pub queue: Queue,
    }

    impl Core {
        pub fn id(&self) -> usize {
            self.id
        }

        pub fn push(&self, _: &IrqOff, t: &'static Thread) {
            self.queue.push(t);
        }
    }

    loom::lazy_static! {
        pub static ref CORES: [Core; crate::cpu::CORES] = std::array::from_fn(|id| Core {
            id,
            queue: Queue {
                list: IrqMutex::new(List { head: null_mut(), tail: null_mut() }),
                len: AtomicU32::new(0),
            },
        });
        pub static ref IDLE: AtomicU64 = AtomicU64::new(0);
    }
}

mod timer {
    use super::runqueue::Core;
    use super::*;

    pub fn program_idle(_: &IrqOff, _: &'static Core) {}

    pub fn queue_grew(_: &IrqOff, _: &'static Core) {}
}

/// A thread that ran on core `core` last.
fn thread_of(core: usize) -> &'static Thread {
    Box::leak(Box::new(Thread {
        core: atomic::AtomicUsize::new(core),
        next: std::ptr::null_mut::<Thread>().into(),
    }))
}

/// A thread is queued for a core that is about to halt. Finds an interrupt that is not sent, or sent before the thread is there, or taken before
/// the halt: the core sleeps beside its thread.
#[test]
fn queue_against_halt() {
    loom::model(|| {
        let t = thread_of(1);
        let sleeper = loom::thread::spawn(move || {
            local::become_core(1);
            let found = loop {
                if let Some(found) = look_or_halt(&IrqOff, &CORES[1]) {
                    break found;
                }
            };
            assert!(std::ptr::eq(found, t));
        });
        place(&IrqOff, t);
        sleeper.join().unwrap();
    });
}

/// Two cores look for work while one thread is there. Finds one that both take, or neither.
#[test]
fn a_thread_is_taken_once() {
    loom::model(|| {
        CORES[1].push(&IrqOff, thread_of(1));
        let thief = loom::thread::spawn(|| find(0).is_some());
        let own = find(1).is_some();
        assert!(thief.join().unwrap() != own);
        assert!(find(1).is_none());
    });
}
