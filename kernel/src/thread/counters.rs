//! What each core's timer interrupts were for: the proof that an idle core and one with a lone goroutine are left alone.

use super::runqueue::by_id;
use crate::cpu::{self, local};
use crate::log;
use core::sync::atomic::{AtomicU64, Ordering};

/// What a timer interrupt was for; the first that applies.
#[derive(Clone, Copy)]
pub(super) enum Reason {
    /// The deadline of a sleeping thread.
    Deadline,
    /// The runtime's scheduling timer: a goroutine's slice, or a timer of its P.
    Signal,
    /// A thread's slice.
    Slice,
    /// Something that had gone by then.
    Gone,
}

/// A core's counts, by [`Reason`].
pub(super) struct Counters([AtomicU64; 4]);

impl Counters {
    pub(super) const fn new() -> Counters {
        Counters([const { AtomicU64::new(0) }; 4])
    }

    pub(super) fn count(&self, reason: Reason) {
        self.0[reason as usize].fetch_add(1, Ordering::Relaxed);
    }

    fn of(&self, reason: Reason) -> u64 {
        self.0[reason as usize].load(Ordering::Relaxed)
    }
}

/// A core's timer interrupts since boot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TimerCounts {
    /// For the deadline of a sleeping thread.
    pub deadlines: u64,
    /// For the runtime: a goroutine's slice, or a timer of its P.
    pub signals: u64,
    /// For a thread's slice.
    pub slices: u64,
    /// For something that had gone by then.
    pub gone: u64,
    /// Before their time: the hardware's rounding.
    pub early: u64,
}

/// The timer interrupts of core `cpu`.
pub fn timer_counts(cpu: usize) -> TimerCounts {
    let counters = &by_id(cpu).timer.counters;
    TimerCounts {
        deadlines: counters.of(Reason::Deadline),
        signals: counters.of(Reason::Signal),
        slices: counters.of(Reason::Slice),
        gone: counters.of(Reason::Gone),
        early: local::of(cpu).early_timers.load(Ordering::Relaxed),
    }
}

/// Logs each core's timer interrupts: for the machine's end.
pub fn log_counters() {
    for cpu in 0..cpu::count() {
        let c = timer_counts(cpu);
        log::last_line(format_args!(
            "timer: core {cpu}: {} interrupts for sleeping threads, {} for goroutines, {} for threads' slices, {} late, {} early",
            c.deadlines, c.signals, c.slices, c.gone, c.early
        ));
    }
}
