//! A hundred goroutines block in the kernel and one waits for input, holding an M each; as many others as there are Ps compute at full speed.

use alloc::string::String;
use core::hint::black_box;
use core::sync::atomic::{AtomicUsize, Ordering};
use runtime::io::stdin;
use runtime::sync::WaitGroup;
use runtime::syscall::nanosleep;
use runtime::time::{Duration, now};
use runtime::{go, println};

const BLOCKED: usize = 100;
static CALLS: AtomicUsize = AtomicUsize::new(0);

/// A fixed amount of work.
fn compute() {
    let mut x = 1u64;
    for _ in 0..50_000_000 {
        x = black_box(x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
    }
}

/// How long as many goroutines as there are Ps need for the work, side by side.
fn compute_on_all() -> Duration {
    let start = now();
    let wg = WaitGroup::new();
    for _ in 0..runtime::gomaxprocs() {
        wg.go(compute);
    }
    wg.wait();
    start.elapsed()
}

#[runtime::program]
fn main() {
    let alone = compute_on_all();
    for _ in 0..BLOCKED {
        go(|| {
            loop {
                nanosleep(Duration::from_millis(100));
                CALLS.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    go(|| {
        let mut line = String::new();
        stdin().read_line(&mut line);
        println!("the first line of input: {line:?}");
    });
    let beside = compute_on_all();
    println!("alone {alone:?}, beside {BLOCKED} goroutines in blocking calls {beside:?}");
    println!("beside/alone {:.2}", beside.as_secs_f64() / alone.as_secs_f64());
    println!("{} calls returned meanwhile", CALLS.load(Ordering::Relaxed));
}
