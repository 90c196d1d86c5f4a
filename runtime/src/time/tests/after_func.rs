//! Timers that run a function.

use super::{HOUR, MILLISECOND};
use crate::chan;
use crate::sync::WaitGroup;
use crate::time::{Duration, after_func, sleep};
use crate::{go, gosched, kernel_test};
use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Go: `TestAfterFunc`. Functions that are not run on goroutines of their own: the first one's sleep holds up the others.
#[kernel_test]
fn functions_run_on_goroutines_of_their_own() {
    fn next(left: u32, end: chan::Chan<()>) {
        after_func(Duration::ZERO, move || {
            if left == 0 {
                return end.send(());
            }
            next(left - 1, end.clone());
            sleep(HOUR);
        });
    }
    let end = chan::make(0);
    next(10, end.clone());
    end.recv();
}

/// Go: `TestAfterFuncStarvation`. Two goroutines that always have work keep a timer's function from running.
#[kernel_test]
fn busy_goroutines_do_not_starve_it() {
    let stop = Arc::new(AtomicBool::new(false));
    let c = chan::make(1);
    let wg = Arc::new(WaitGroup::new());
    let (tx, stop2) = (c.clone(), stop.clone());
    wg.go(move || {
        while !stop2.load(Ordering::SeqCst) {
            tx.send(true);
        }
        tx.close();
    });
    wg.go(move || assert!(c.iter().all(|v| v)));
    let stop2 = stop.clone();
    after_func(Duration::from_micros(1), move || stop2.store(true, Ordering::SeqCst));
    wg.wait();
}

/// Go: `BenchmarkSimultaneousAfterFunc1000`. A function lost, or run twice, when many are due at once.
#[kernel_test]
fn a_thousand_at_once() {
    let wg = Arc::new(WaitGroup::new());
    let runs = Arc::new(AtomicUsize::new(0));
    wg.add(1000);
    for _ in 0..1000 {
        let (wg, runs) = (wg.clone(), runs.clone());
        after_func(Duration::ZERO, move || {
            runs.fetch_add(1, Ordering::SeqCst);
            wg.done();
        });
    }
    wg.wait();
    assert_eq!(runs.load(Ordering::SeqCst), 1000);
}

/// Counts its drops.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        // A destructor may do what blocks.
        gosched();
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// A function dropped twice, never, or where its destructor must not block.
#[kernel_test]
fn the_function_is_dropped_once() {
    let drops = Arc::new(AtomicUsize::new(0));
    let counted = || Counted(drops.clone());
    let until = |n| {
        while drops.load(Ordering::SeqCst) < n {
            gosched();
        }
        assert_eq!(drops.load(Ordering::SeqCst), n);
    };
    // Stopped, then dropped.
    let c = counted();
    let t = after_func(HOUR, move || _ = &c);
    assert!(t.stop());
    assert_eq!(drops.load(Ordering::SeqCst), 0, "it may be reset");
    drop(t);
    until(1);
    // Goes off without a handle.
    let c = counted();
    drop(after_func(MILLISECOND, move || _ = &c));
    until(2);
    // Goes off, is set again, goes off, is dropped while it runs.
    let (c, runs) = (counted(), Arc::new(AtomicUsize::new(0)));
    let runs2 = runs.clone();
    let t = after_func(Duration::ZERO, move || {
        _ = &c;
        runs2.fetch_add(1, Ordering::SeqCst);
        sleep(MILLISECOND);
    });
    for n in 1..=3 {
        while runs.load(Ordering::SeqCst) < n {
            gosched();
        }
        assert_eq!(drops.load(Ordering::SeqCst), 2);
        t.reset(Duration::ZERO);
    }
    drop(t);
    until(3);
    assert_eq!(runs.load(Ordering::SeqCst), 4);
}

/// Runs of one function that overlap: it is reset while it runs.
#[kernel_test]
fn runs_may_overlap() {
    let (gate, both) = (chan::make::<()>(0), Arc::new(WaitGroup::new()));
    both.add(2);
    let (gate2, both2) = (gate.clone(), both.clone());
    let t = after_func(Duration::ZERO, move || {
        both2.done();
        gate2.recv();
    });
    go(move || {
        // Goes off a second time while the first run waits.
        while t.reset(Duration::ZERO) {
            gosched();
        }
    });
    both.wait();
    gate.close();
}
