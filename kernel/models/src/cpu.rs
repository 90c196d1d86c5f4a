//! The machine that `idle.rs` and `queue.rs` see: interrupts are flags that end a halt.

pub const CORES: usize = 2;

pub fn count() -> usize {
    CORES
}

pub mod local {
    use std::cell::Cell;

    loom::thread_local! {
        static ID: Cell<usize> = Cell::new(0);
    }

    pub fn id() -> usize {
        ID.with(Cell::get)
    }

    /// The current thread is core `id`.
    pub fn become_core(id: usize) {
        ID.with(|i| i.set(id));
    }
}

pub mod ipi {
    /// What was written before is seen by the core that takes the interrupt: the flag is behind a lock.
    pub fn send_reschedule(cpu: usize) {
        let (pending, come) = super::irq::line(cpu);
        *pending.lock().unwrap() = true;
        come.notify_one();
    }
}

pub mod irq {
    use super::local;
    use loom::sync::{Condvar, Mutex, MutexGuard};

    type Line = (Mutex<bool>, Condvar);

    loom::lazy_static! {
        static ref LINES: [Line; super::CORES] = std::array::from_fn(|_| (Mutex::new(false), Condvar::new()));
    }

    pub fn line(cpu: usize) -> &'static Line {
        &LINES[cpu]
    }

    pub struct IrqOff;

    /// `sti; hlt`: an interrupt that has come before ends the halt.
    pub fn wait_for_interrupt(_: &IrqOff) {
        let (pending, come) = line(local::id());
        let mut pending = pending.lock().unwrap();
        while !*pending {
            pending = come.wait(pending).unwrap();
        }
        *pending = false;
    }

    /// `sti; nop; hlt`: an interrupt that has come before is taken before the halt. For a mutant.
    pub fn enable_then_halt(irq: &IrqOff) {
        *line(local::id()).0.lock().unwrap() = false;
        wait_for_interrupt(irq);
    }

    pub struct IrqMutex<T>(Mutex<T>);

    impl<T> IrqMutex<T> {
        pub fn new(value: T) -> Self {
            IrqMutex(Mutex::new(value))
        }

        pub fn lock(&self) -> MutexGuard<'_, T> {
            self.0.lock().unwrap()
        }
    }
}
