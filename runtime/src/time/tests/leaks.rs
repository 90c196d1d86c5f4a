//! Timers that nobody needs leave nothing behind (Go: `TestTimerGC`).

use super::HOUR;
use crate::proc::timers_len;
use crate::sync::WaitGroup;
use crate::time::{Duration, Ticker, Timer, after, after_func, tick};
use crate::{kernel_test, mem_stats};
use alloc::sync::Arc;
use alloc::vec::Vec;

/// Entries of stopped timers that may be left: a heap is swept when it has 32 and they are more than a quarter.
fn left_over() -> usize {
    32 * crate::gomaxprocs()
}

/// Stopped timers that stay in their heap, or in memory, until their time would have come.
#[kernel_test]
fn a_million_stopped_timers_leave_nothing() {
    const N: u64 = 1_000_000;
    let (entries, before) = (timers_len(), mem_stats());
    let timers: Vec<Timer> =
        (0..N).map(|i| after_func(HOUR + Duration::from_nanos(i * 7919 % N), || {})).collect();
    assert!(timers_len() >= N as usize);
    assert!(timers.iter().all(Timer::stop));
    drop(timers);
    assert!(timers_len() <= entries + left_over(), "{} entries", timers_len());
    let after = mem_stats();
    let (objects, bytes) = (
        after.heap_objects.saturating_sub(before.heap_objects),
        after.heap_alloc.saturating_sub(before.heap_alloc),
    );
    assert!(objects < N / 1000 && bytes < N, "{objects} objects, {bytes} bytes");
}

/// The same for timers made and stopped one after the other, by many goroutines: each heap is swept by whoever stops.
#[kernel_test]
fn timers_stopped_elsewhere_leave_nothing() {
    let (entries, objects) = (timers_len(), mem_stats().heap_objects);
    let (makers, stoppers) = (Arc::new(WaitGroup::new()), Arc::new(WaitGroup::new()));
    let handed_on = crate::chan::make::<Timer>(64);
    for _ in 0..4 {
        let (made, taken) = (handed_on.clone(), handed_on.clone());
        makers.go(move || {
            for i in 0..5000 {
                made.send(after_func(HOUR, || {}));
                if i % 2 == 0
                    && let Ok(t) = made.try_recv()
                {
                    assert!(t.stop());
                }
            }
        });
        stoppers.go(move || taken.iter().for_each(|t| assert!(t.stop())));
    }
    makers.wait();
    handed_on.close();
    stoppers.wait();
    assert!(timers_len() <= entries + left_over(), "{} entries", timers_len());
    let left = mem_stats().heap_objects.saturating_sub(objects);
    assert!(left < 1000, "{left} objects");
}

/// Timers with channels that were let go of without a stop, as Go's collector takes them away.
#[kernel_test]
fn dropped_timers_leave_nothing() {
    const N: u64 = 10_000;
    let makers: [fn(); 6] = [
        || drop(after(HOUR)),
        || drop(tick(HOUR)),
        || drop(Timer::new(HOUR)),
        || drop(Ticker::new(HOUR)),
        || _ = Timer::new(HOUR).stop(),
        || Ticker::new(HOUR).stop(),
    ];
    for (i, make) in makers.into_iter().enumerate() {
        let (entries, objects) = (timers_len(), mem_stats().heap_objects);
        (0..N).for_each(|_| make());
        // What other tests stopped may be swept out meanwhile.
        assert!(timers_len() <= entries, "maker {i}");
        let left = mem_stats().heap_objects.saturating_sub(objects);
        assert!(left < N / 100, "maker {i}: {left} objects");
    }
}

/// A timer that is let go of while its entry is in a heap, since somebody waited for it: it must be freed when the entry goes, and not before.
#[kernel_test]
fn dropped_while_in_a_heap() {
    let (entries, objects) = (timers_len(), mem_stats().heap_objects);
    for _ in 0..1000 {
        let t = Timer::new(HOUR);
        let c = t.c.clone();
        let wg = Arc::new(WaitGroup::new());
        wg.go(move || _ = c.recv());
        crate::gosched();
        t.reset(Duration::from_nanos(1));
        wg.wait();
    }
    assert!(timers_len() <= entries + left_over());
    let left = mem_stats().heap_objects.saturating_sub(objects);
    assert!(left < 500, "{left} objects");
}
