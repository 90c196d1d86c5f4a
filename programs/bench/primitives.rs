//! The scheduler's and the channels' operations, one by one.

use super::B;
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::hint::black_box;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use runtime::machine::sys_stats;
use runtime::sync::WaitGroup;
use runtime::time::{self, Duration};
use runtime::{chan, go};

/// Reading the monotonic clock once.
pub fn time_now(b: &mut B) {
    for _ in 0..b.n {
        black_box(time::now());
    }
}

/// Batches of 1000 goroutines that only call `done`; op = one goroutine.
pub fn spawn(b: &mut B) {
    let wg: &'static WaitGroup = Box::leak(Box::new(WaitGroup::new()));
    let mut left = b.n;
    while left > 0 {
        let k = left.min(1000);
        left -= k;
        wg.add(k as i32);
        for _ in 0..k {
            go(|| wg.done());
        }
        wg.wait();
    }
}

/// N goroutines parked on a channel; op = spawning one and it having parked. What the machine's memory lost to one is told, by use.
pub fn spawn_wait(b: &mut B) {
    let block = chan::make::<()>(0);
    let wg = Arc::new(WaitGroup::new());
    let up = Arc::new(AtomicU64::new(0));
    let before = sys_stats();
    b.start();
    wg.add(b.n as i32);
    for _ in 0..b.n {
        let (block, wg, up) = (block.clone(), wg.clone(), up.clone());
        go(move || {
            up.fetch_add(1, Ordering::Relaxed);
            block.recv();
            wg.done();
        });
    }
    while up.load(Ordering::Relaxed) < b.n {
        runtime::gosched();
    }
    b.stop();
    time::sleep(Duration::from_millis(5));
    let after = sys_stats();
    let per_g = |now: usize, then: usize| (now as f64 - then as f64) / b.n as f64;
    let parts = [
        ("bytes_per_g", per_g(before.free, after.free)),
        ("stack_per_g", per_g(after.stacks, before.stacks)),
        ("tables_per_g", per_g(after.page_tables, before.page_tables)),
        ("heap_per_g", per_g(after.heap, before.heap)),
        ("kernel_per_g", per_g(after.kernel, before.kernel)),
    ];
    parts.iter().for_each(|(key, bytes)| b.extra(key, *bytes));
    let t = time::now();
    block.close();
    wg.wait();
    b.extra("wake_ns_per_op", t.elapsed().as_nanos() as f64 / b.n as f64);
}

/// Two goroutines yielding to each other; op = one yield.
pub fn gosched(b: &mut B) {
    let wg = Arc::new(WaitGroup::new());
    let n = b.n / 2;
    for _ in 0..2 {
        wg.go(move || {
            for _ in 0..n {
                runtime::gosched();
            }
        });
    }
    wg.wait();
}

/// Two goroutines, two unbuffered channels; op = one round trip (two sends, two receives).
pub fn pingpong(b: &mut B) {
    let (ping, pong) = (chan::make::<u64>(0), chan::make(0));
    let done = chan::make(0);
    let n = b.n;
    let (ping2, pong2, done2) = (ping.clone(), pong.clone(), done.clone());
    b.start();
    go(move || {
        for _ in 0..n {
            pong.send(ping.recv());
        }
    });
    go(move || {
        for i in 0..n {
            ping2.send(i);
            black_box(pong2.recv());
        }
        done2.send(true);
    });
    done.recv();
    b.stop();
}

/// Capacity 128, one producer, one consumer; op = one item.
pub fn chan_buf(b: &mut B) {
    let c = chan::make(128);
    let (tx, n) = (c.clone(), b.n);
    go(move || {
        for i in 0..n {
            tx.send(i);
        }
        tx.close();
    });
    assert_eq!(c.iter().sum::<u64>(), n * (n - 1) / 2);
}

/// Add 1, done, wait with nobody to wait for.
pub fn waitgroup(b: &mut B) {
    let wg = WaitGroup::new();
    for _ in 0..b.n {
        wg.add(1);
        wg.done();
        wg.wait();
    }
}

/// How late a 1 ms sleep ends while another goroutine spins without calls; op = the lateness of one.
pub fn preempt_latency(b: &mut B) {
    const SLEEP: Duration = Duration::from_millis(1);
    let stop = Arc::new(AtomicBool::new(false));
    let spinning = stop.clone();
    go(move || {
        let mut v = 1u64;
        while !spinning.load(Ordering::Relaxed) {
            v = black_box(v.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
        }
    });
    let mut late = Vec::new();
    for _ in 0..b.n {
        let t = time::now();
        time::sleep(SLEEP);
        late.push(t.elapsed().as_nanos() as i64 - SLEEP.as_nanos() as i64);
    }
    stop.store(true, Ordering::Relaxed);
    b.set_total(Duration::from_nanos(late.iter().sum::<i64>().max(0) as u64));
    percentiles(b, ["p50_us", "p99_us", "max_us"], late);
}

/// Adds the median, the 99th percentile and the largest of some times in nanoseconds, as microseconds.
pub fn percentiles(b: &mut B, names: [&'static str; 3], mut ns: Vec<i64>) {
    ns.sort_unstable();
    let at = [ns.len() / 2, ns.len() * 99 / 100, ns.len() - 1];
    for (name, i) in names.into_iter().zip(at) {
        b.extra(name, ns[i] as f64 / 1e3);
    }
}
