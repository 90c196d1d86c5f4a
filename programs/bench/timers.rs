//! Timers.

use super::B;
use super::primitives::percentiles;
use alloc::sync::Arc;
use core::sync::atomic::{AtomicI64, Ordering};
use runtime::go;
use runtime::sync::WaitGroup;
use runtime::time::{self, Duration, after_func};

const HOUR: Duration = Duration::from_secs(3600);

/// Rounds of 1000 goroutines that each sleep 1 ms; op = one sleep.
pub fn timer_sleep(b: &mut B) {
    const SLEEP: Duration = Duration::from_millis(1);
    let late: Arc<[AtomicI64]> = (0..b.n).map(|_| AtomicI64::new(0)).collect();
    let wg = Arc::new(WaitGroup::new());
    b.start();
    for round in 0..b.n / 1000 {
        wg.add(1000);
        for i in 0..1000 {
            let (wg, late) = (wg.clone(), late.clone());
            let slot = (round * 1000 + i) as usize;
            go(move || {
                let t = time::now();
                time::sleep(SLEEP);
                let over = t.elapsed().as_nanos() as i64 - SLEEP.as_nanos() as i64;
                late[slot].store(over, Ordering::Relaxed);
                wg.done();
            });
        }
        wg.wait();
    }
    b.stop();
    let late = late.iter().map(|ns| ns.load(Ordering::Relaxed)).collect();
    percentiles(b, ["late_p50_us", "late_p99_us", "late_max_us"], late);
}

/// Create a timer an hour away and stop it.
pub fn timer_addstop(b: &mut B) {
    for _ in 0..b.n {
        after_func(HOUR, || {}).stop();
    }
}

/// One reset.
pub fn timer_reset(b: &mut B) {
    let t = after_func(HOUR, || {});
    for _ in 0..b.n {
        t.reset(HOUR);
    }
    t.stop();
}
