//! What the primitives cost: one line for each benchmark, best of three repetitions. `bench [NAME…]`; unless told, all but those that need much memory.
//!
//!     bench NAME iters=N total_ns=T ns_per_op=X procs=P reps=R
//!
//! Each does the same work as the Go program under the same name. Under `qemu -icount shift=0` a nanosecond is an instruction.

use alloc::string::String;
use core::fmt::Write;
use runtime::time::{Duration, Instant};
use runtime::{args, eprintln, gomaxprocs, println, program, time};

#[path = "bench/locks.rs"]
mod locks;
#[path = "bench/memory.rs"]
mod memory;
#[path = "bench/panics.rs"]
mod panics;
#[path = "bench/primitives.rs"]
mod primitives;
#[path = "bench/select.rs"]
mod select;
#[path = "bench/switches.rs"]
mod switches;
#[path = "bench/timers.rs"]
mod timers;
#[path = "bench/whole.rs"]
mod whole;

const REPS: u32 = 3;

/// One repetition of a benchmark.
pub struct B {
    /// Operations to do; a benchmark that counts them itself sets it.
    pub n: u64,
    started: Instant,
    total: Option<Duration>,
    extra: String,
}

impl B {
    fn new(n: u64) -> B {
        B { n, started: time::now(), total: None, extra: String::new() }
    }

    /// What came before is not counted.
    pub fn start(&mut self) {
        self.started = time::now();
    }

    /// What comes after is not counted. A benchmark that does not call it is counted to its end.
    pub fn stop(&mut self) {
        self.total = Some(self.started.elapsed());
    }

    /// The time that counts, where a benchmark adds it up itself.
    pub fn set_total(&mut self, total: Duration) {
        self.total = Some(total);
    }

    /// A further `key=value` for the line.
    pub fn extra(&mut self, key: &str, value: f64) {
        _ = write!(self.extra, " {key}={value:.2}");
    }
}

struct Bench {
    name: &'static str,
    n: u64,
    reps: u32,
    /// Only run if it is named: it needs much memory.
    on_request: bool,
    run: fn(&mut B),
}

const fn bench(name: &'static str, n: u64, run: fn(&mut B)) -> Bench {
    Bench { name, n, reps: REPS, on_request: false, run }
}

/// Run once only, as in Go: what it leaves behind makes the next one cheaper.
const fn once(name: &'static str, n: u64, run: fn(&mut B)) -> Bench {
    Bench { reps: 1, on_request: n > 10_000, ..bench(name, n, run) }
}

const BENCHES: &[Bench] = &[
    bench("time_now", 200_000, primitives::time_now),
    bench("spawn", 100_000, primitives::spawn),
    once("spawn_wait_10k", 10_000, primitives::spawn_wait),
    // 500 MiB and 5 GiB.
    once("spawn_wait_100k", 100_000, primitives::spawn_wait),
    once("spawn_wait_1m", 1_000_000, primitives::spawn_wait),
    bench("stack_growth", 2_000, memory::stack_growth),
    bench("gosched", 400_000, primitives::gosched),
    bench("park_ready", 200_000, switches::park_ready),
    bench("m_switch", 100_000, switches::m_switch),
    Bench { reps: 1, ..bench("async_preempt", 50, switches::async_preempt) },
    bench("pingpong_unbuf", 100_000, primitives::pingpong),
    bench("chan_buf", 400_000, primitives::chan_buf),
    bench("select2", 100_000, select::select2),
    bench("select2_ready", 200_000, select::select2_ready),
    bench("select_default", 2_000_000, select::select_default),
    bench("mutex_uncontended", 2_000_000, locks::mutex_uncontended),
    bench("mutex_contended", 400_000, locks::mutex_contended),
    bench("rwmutex_read", 1_000_000, locks::rwmutex_read),
    bench("rwmutex_read4", 1_000_000, locks::rwmutex_read4),
    bench("once", 10_000_000, locks::once),
    bench("waitgroup", 1_000_000, primitives::waitgroup),
    bench("panic_recover", 2_000, panics::panic_recover),
    bench("panic_frame", 10_000, panics::panic_frame),
    bench("timer_sleep", 20_000, timers::timer_sleep),
    bench("timer_addstop", 200_000, timers::timer_addstop),
    bench("timer_reset", 200_000, timers::timer_reset),
    Bench { reps: 1, ..bench("preempt_latency", 200, primitives::preempt_latency) },
    bench("alloc_8", 1_000_000, memory::alloc_words::<1>),
    bench("alloc_16", 1_000_000, memory::alloc_words::<2>),
    bench("alloc_64", 500_000, memory::alloc_words::<8>),
    bench("alloc_1k", 100_000, memory::alloc_words::<128>),
    bench("alloc_32k", 4_000, memory::alloc_uninit::<4096>),
    bench("alloc_1m", 200, memory::alloc_uninit::<131_072>),
    bench("alloc_parallel", 1_000_000, memory::alloc_parallel),
    bench("parfib", 121_392, whole::parfib),
    bench("skynet", 1_111_111, whole::skynet),
    bench("prime_sieve", 1_000, whole::prime_sieve),
    bench("matmul", whole::DIM.pow(3) as u64, whole::matmul),
    bench("steal_balance", 1_000, whole::steal_balance),
];

impl Bench {
    fn report(&self) {
        let best = (0..self.reps)
            .map(|_| {
                let mut b = B::new(self.n);
                b.start();
                (self.run)(&mut b);
                if b.total.is_none() {
                    b.stop();
                }
                b
            })
            .min_by_key(|b| b.total)
            .expect("at least one repetition");
        let ns = best.total.unwrap_or_default().as_nanos();
        println!(
            "bench {} iters={} total_ns={ns} ns_per_op={:.2} procs={} reps={}{}",
            self.name,
            best.n,
            ns as f64 / best.n as f64,
            gomaxprocs(),
            self.reps,
            best.extra
        );
    }
}

#[program]
fn main() -> i32 {
    let names = &args()[1..];
    if let Some(unknown) = names.iter().find(|n| !BENCHES.iter().any(|b| b.name == **n)) {
        eprintln!("bench: no benchmark {unknown:?}");
        return 64;
    }
    for b in BENCHES.iter().filter(|b| names.contains(&b.name) || names.is_empty() && !b.on_request) {
        b.report();
    }
    0
}
