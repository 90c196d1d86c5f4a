//! Tests of promptness and fairness: not only that a goroutine runs, but when.
//!
//! Preemption after a slice hides what the scheduler forgets: a wake-up that is lost costs 10 ms, and no test of results notices. So these run where time is
//! exact: under `-icount`, an instruction is a nanosecond, and what a busy host does is not seen. The program `prompt_tests` has them, apart from the
//! other tests (`boot/tests/qemu/prompt.rs` runs it); `boot/tests/qemu/mutants/` has the faults that each must find.
//!
//! Where several cores are emulated so, one runs at a time, and the next does so at a `pause`; what they compute counts for all. So times are
//! compared with a few milliseconds there, still far below a slice.

mod cores;
mod slices;
mod turns;

use super::super::getp;
use super::super::preempt::{acquirem, releasem};
use crate::port;
use crate::testing::KernelTest;
use alloc::sync::Arc;
use core::hint::{black_box, spin_loop};
use core::sync::atomic::{AtomicBool, AtomicI64, Ordering};

/// Names the tests, each once: on so many cores, of that file.
macro_rules! tests {
    ($($cores:ident { $($file:ident { $($test:ident)+ })+ })+) => {
        /// All of them; a name begins with the number of cores that it is for.
        pub(crate) static TESTS: &[KernelTest] = &[$($($(
            KernelTest { name: concat!(stringify!($cores), "::", stringify!($test)), run: $file::$test },
        )+)+)+];
    };
}

tests! {
    smp1 {
        turns {
            the_global_queue_has_its_turn
            timers_have_their_turn
            parking_looks_at_the_global_queue
            who_is_readied_runs_next
            sleepers_go_before_who_yields
            a_mutex_goes_to_who_starves
            a_blocking_call_leaves_its_queue
            a_blocking_call_leaves_its_timers
            sysmon_takes_the_queue_of_a_call
        }
        slices {
            hogs_take_turns_of_a_slice
            a_slice_counts_from_its_beginning
            a_timer_ends_a_lone_slice
            a_call_returns_beside_a_lone_hog
            a_pair_shares_a_slice
            a_pair_shares_a_slice_beside_timers
            who_is_woken_at_the_end_of_a_slice_has_a_whole_one
            a_refused_preemption_is_repeated
            a_refused_preemption_comes_less_often
            no_preemption_without_room
        }
    }
    smp2 {
        cores {
            an_idle_p_is_found
            a_timer_fires_beside_a_hog
        }
    }
    smp4 {
        cores {
            every_idle_p_is_woken
        }
    }
}

const MS: i64 = 1_000_000;

/// Computes for some microseconds, and lets other cores do so.
fn work() {
    for i in 0..1000u32 {
        black_box(i);
    }
    spin_loop();
}

/// Computes until `done`, or for `ns`; whether it was done.
fn compute_until(ns: i64, done: impl Fn() -> bool) -> bool {
    let end = port::nanotime() + ns;
    while !done() {
        if port::nanotime() >= end {
            return false;
        }
        work();
    }
    true
}

fn compute(ns: i64) {
    compute_until(ns, || false);
}

/// When something happened, in nanotime; 0 = not yet.
#[derive(Clone, Default)]
struct Moment(Arc<AtomicI64>);

impl Moment {
    fn is_now(&self) {
        self.0.store(port::nanotime(), Ordering::SeqCst);
    }

    fn has_been(&self) -> bool {
        self.0.load(Ordering::SeqCst) != 0
    }

    /// How long after `start` it was.
    #[track_caller]
    fn after(&self, start: i64) -> i64 {
        assert!(self.has_been(), "it did not happen");
        self.0.load(Ordering::SeqCst) - start
    }
}

/// Set while goroutines that a test has started are to go on; not set when it ends, however it ends.
struct Going(Arc<AtomicBool>);

impl Going {
    fn new() -> Going {
        Going(Arc::new(AtomicBool::new(true)))
    }

    fn flag(&self) -> Arc<AtomicBool> {
        self.0.clone()
    }
}

impl Drop for Going {
    fn drop(&mut self) {
        self.0.store(false, Ordering::SeqCst);
    }
}

/// Makes the current P's scheduler begin with the global queue, as it does every 61st time.
fn make_it_the_61st_time() {
    let gp = acquirem();
    // SAFETY: not preempted, so the P stays the current one.
    unsafe { (*getp()).schedtick.store(61, Ordering::Relaxed) };
    releasem(gp);
}
