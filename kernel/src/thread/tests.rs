//! Tests of what the machine's timers are used for, by their counts.

use super::counters::{TimerCounts, timer_counts};
use crate::cpu;
use ::alloc::sync::Arc;
use ::alloc::vec::Vec;
use core::hint::spin_loop;
use core::sync::atomic::{AtomicUsize, Ordering};
use runtime::sync::WaitGroup;
use runtime::time::{self, Duration};
use runtime::{go, gomaxprocs, kernel_test};

const LONG: Duration = Duration::from_millis(200);
/// How often it is tried. A core that the host has not run for a while takes an interrupt of earlier days; one that ticks does so each time.
const TRIES: usize = 5;

/// The interrupts of all cores so far; those that the hardware sent too early are its own affair.
fn counts() -> TimerCounts {
    (0..cpu::count()).map(timer_counts).fold(TimerCounts::default(), |sum, c| TimerCounts {
        deadlines: sum.deadlines + c.deadlines,
        signals: sum.signals + c.signals,
        slices: sum.slices + c.slices,
        gone: sum.gone + c.gone,
        early: 0,
    })
}

fn since(before: TimerCounts) -> TimerCounts {
    let now = counts();
    TimerCounts {
        deadlines: now.deadlines - before.deadlines,
        signals: now.signals - before.signals,
        slices: now.slices - before.slices,
        gone: now.gone - before.gone,
        early: 0,
    }
}

/// Whether `f` takes exactly the interrupts `want`, once in [`TRIES`].
fn takes(want: TimerCounts, f: impl Fn()) {
    let mut seen = Vec::new();
    for _ in 0..TRIES {
        let before = counts();
        f();
        seen.push(since(before));
        if seen.last() == Some(&want) {
            return;
        }
    }
    panic!("{seen:?} and never {want:?}");
}

/// With all goroutines asleep no core takes a timer interrupt but the one that ends the sleep. A periodic tick, a sysmon that polls, or a timer that is
/// armed again for nothing would show.
#[kernel_test]
fn an_idle_machine_takes_no_ticks() {
    takes(TimerCounts { deadlines: 1, ..TimerCounts::default() }, || time::sleep(LONG));
}

/// A goroutine that nobody waits with computes undisturbed, whatever the number of Ps; a slice that is armed for a lone goroutine would show.
#[kernel_test]
fn a_lone_goroutine_is_not_interrupted() {
    takes(TimerCounts::default(), || {
        let t = time::now();
        while t.elapsed() < LONG {
            spin_loop();
        }
    });
}

/// The lone goroutine's P notices when others come: one more than there are Ps spin without calls until each has run, which only the timer brings about.
#[kernel_test]
fn a_goroutine_that_gets_company_is_interrupted() {
    let n = gomaxprocs() + 1;
    let (ran, wg) = (Arc::new(AtomicUsize::new(0)), Arc::new(WaitGroup::new()));
    let before = counts();
    wg.add(n as i32);
    for _ in 0..n {
        let (ran, wg) = (ran.clone(), wg.clone());
        go(move || {
            ran.fetch_add(1, Ordering::Relaxed);
            while ran.load(Ordering::Relaxed) < n {
                spin_loop();
            }
            wg.done();
        });
    }
    wg.wait();
    assert!(since(before).signals > 0, "{:?}", (0..cpu::count()).map(timer_counts).collect::<Vec<_>>());
}
