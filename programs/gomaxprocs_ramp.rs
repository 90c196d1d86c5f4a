//! Thousands of goroutines that only count, and every second one more P for them: with `GODEBUG=schedtrace=1000` one sees how the queues fill.
//!
//! `gomaxprocs_ramp [MOST [STEP [N]]]`: N goroutines, 5000 unless told, on 2 Ps and then on more and more, up to MOST, as many as there were at the start
//! unless told; a step takes STEP milliseconds, 1000 unless told. Then they are told to end. Its steps go to standard error, to be seen among the lines of
//! the trace.

use core::hint::black_box;
use core::sync::atomic::{AtomicBool, Ordering};
use runtime::sync::WaitGroup;
use runtime::time::{Duration, sleep};
use runtime::{args, eprintln, exit, go, gosched, println, program, set_gomaxprocs};

static START: AtomicBool = AtomicBool::new(false);
static STOP: AtomicBool = AtomicBool::new(false);

/// The `i`th argument, a number.
fn number(i: usize, default: usize) -> usize {
    match args().get(i).map(|a| a.parse()) {
        None => default,
        Some(Ok(n)) => n,
        Some(Err(_)) => {
            eprintln!("gomaxprocs_ramp: {:?} is not a number", args()[i]);
            exit(64)
        }
    }
}

#[program]
fn main() {
    let mut procs = 2;
    let most = number(1, set_gomaxprocs(procs));
    let step = Duration::from_millis(number(2, 1000) as u64);
    let n = number(3, 5000);

    let wg = WaitGroup::new();
    wg.add(n as i32);
    for _ in 0..n {
        let wg = wg.clone();
        go(move || {
            // Until all are there they give way at once: else this program would go on making them after each had had its 10 ms.
            while !START.load(Ordering::Relaxed) {
                gosched();
            }
            let mut x = 0u64;
            while !STOP.load(Ordering::Relaxed) {
                x = black_box(x + 1);
            }
            wg.done();
        });
    }
    gosched();
    START.store(true, Ordering::Relaxed);
    eprintln!("{n} goroutines count; main is one more that is ready or runs while it is awake");

    // Half a step off the trace, which began with the program: main mostly sleeps when a line is made.
    sleep(step / 2);
    while procs < most {
        procs += 1;
        set_gomaxprocs(procs);
        eprintln!("gomaxprocs: {procs}");
        sleep(step);
    }
    eprintln!("enough");
    STOP.store(true, Ordering::Relaxed);
    wg.wait();
    println!("all {n} have ended");
}
