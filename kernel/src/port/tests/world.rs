//! Stopping the world and GOMAXPROCS while goroutines run that never call the runtime.

use super::crowd;
use ::alloc::sync::Arc;
use ::alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use core::time::Duration;
use runtime::sync::WaitGroup;
use runtime::time::sleep;
use runtime::{go, kernel_test, set_gomaxprocs};

/// `n` goroutines that count in a loop of their own until they are dropped.
struct Spinners {
    turns: Arc<Vec<AtomicUsize>>,
    stop: Arc<AtomicBool>,
    ended: Arc<WaitGroup>,
}

impl Spinners {
    fn start(n: usize) -> Spinners {
        let spinners = Spinners {
            turns: Arc::new((0..n).map(|_| AtomicUsize::new(0)).collect()),
            stop: Arc::new(AtomicBool::new(false)),
            ended: Arc::new(WaitGroup::new()),
        };
        spinners.ended.add(n as i32);
        for i in 0..n {
            let (turns, stop, ended) =
                (spinners.turns.clone(), spinners.stop.clone(), spinners.ended.clone());
            go(move || {
                while !stop.load(Ordering::Relaxed) {
                    turns[i].fetch_add(1, Ordering::Relaxed);
                }
                ended.done();
            });
        }
        spinners
    }

    /// Waits until each has been seen to run on.
    fn all_run(&self) {
        let turns = || self.turns.iter().map(|n| n.load(Ordering::Relaxed)).collect::<Vec<_>>();
        let before = turns();
        while turns().iter().zip(&before).any(|(now, then)| now == then) {
            sleep(Duration::from_millis(1));
        }
    }
}

impl Drop for Spinners {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.ended.wait();
    }
}

/// A goroutine that is alone on its P has no timer armed and waits for nobody: it must be stopped all the same, and run on afterwards.
#[kernel_test]
fn lone_spinning_goroutines_are_stopped() {
    let old = set_gomaxprocs(2);
    let spinner = Spinners::start(1);
    for n in [3, 2, 4, 2, 5, 2] {
        spinner.all_run();
        set_gomaxprocs(n);
    }
    spinner.all_run();
    set_gomaxprocs(old);
}

/// More Ps than cores, all with spinning goroutines: Ms that do not run when they are signaled must stop when they do.
#[kernel_test]
fn more_spinning_ms_than_cores_are_stopped() {
    let old = set_gomaxprocs(1);
    let spinners = Spinners::start(crowd() + 6);
    for n in [2, 9, 3, 16, 1] {
        set_gomaxprocs(n);
        spinners.all_run();
    }
    drop(spinners);
    set_gomaxprocs(old);
}
