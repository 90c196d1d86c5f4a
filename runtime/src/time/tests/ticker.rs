//! Tickers.

use super::{HOUR, MILLISECOND};
use crate::chan::TryRecvError;
use crate::panic::catch_unwind;
use crate::sync::WaitGroup;
use crate::testing::panic_text;
use crate::time::{Duration, Ticker, now, sleep, tick};
use crate::{go, gosched, kernel_test};
use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, Ordering};

/// Go: `TestTicker`. Ticks that come early, by the former period after a reset, or after a stop.
#[kernel_test]
fn ticks_come_one_a_period() {
    let d = 3 * MILLISECOND;
    let start = now();
    let t = Ticker::new(d);
    for n in 1..=5 {
        let at = t.c.recv().expect("not closed");
        assert!(at >= start + n * d, "tick {n} at {:?}", at - start);
    }
    let start = now();
    t.reset(2 * d);
    for n in 1..=5 {
        let at = t.c.recv().expect("not closed");
        assert!(at >= start + n * 2 * d, "tick {n} at {:?} after the reset", at - start);
    }
    t.stop();
    sleep(3 * d);
    assert_eq!(t.c.try_recv(), Err(TryRecvError::Empty));
}

/// Ticks that drift, or come in a burst to one who was late: their times are whole periods from the start, each once.
#[kernel_test]
fn ticks_keep_their_pace() {
    let d = MILLISECOND;
    let t = Ticker::new(d);
    let first = t.c.recv().expect("not closed");
    let mut last = first;
    for n in 0..10 {
        if n % 3 == 0 {
            sleep(3 * d);
        }
        let at = t.c.recv().expect("not closed");
        let since_first = (at - first).as_nanos();
        assert!(at > last && since_first.is_multiple_of(d.as_nanos()), "tick at {since_first} ns");
        last = at;
    }
}

/// Go: `TestTeardown`. Stopping a ticker that has just ticked hangs.
#[kernel_test]
fn a_ticker_stops_after_a_tick() {
    for _ in 0..3 {
        let t = Ticker::new(2 * MILLISECOND);
        t.c.recv();
        t.stop();
    }
}

/// Go: `TestTick`, `TestNewTickerLtZeroDuration`, `TestTickerResetLtZeroDuration`. A ticker without a period.
#[kernel_test]
fn a_period_must_be_positive() {
    assert!(tick(Duration::ZERO).is_nil());
    let made = catch_unwind(|| Ticker::new(Duration::ZERO)).expect_err("it panics");
    assert_eq!(panic_text(&*made), "non-positive interval for NewTicker");
    let t = Ticker::new(HOUR);
    let reset = catch_unwind(|| t.reset(Duration::ZERO)).expect_err("it panics");
    assert_eq!(panic_text(&*reset), "non-positive interval for Ticker.Reset");
    t.reset(MILLISECOND);
    t.c.recv();
}

/// Has others sleep for a moment, again and again, until `done`: timers come and go about the ticker's.
fn disturb(done: &Arc<AtomicBool>) {
    let done = done.clone();
    go(move || {
        while !done.load(Ordering::SeqCst) {
            sleep(Duration::from_nanos(1));
        }
    });
}

/// Go: `TestTickerStress`. A ticker with the smallest period that keeps the scheduler from everything else.
#[kernel_test]
fn the_smallest_period() {
    let done = Arc::new(AtomicBool::new(false));
    disturb(&done);
    let t = Ticker::new(Duration::from_nanos(1));
    for _ in 0..200 {
        t.c.recv();
    }
    t.stop();
    done.store(true, Ordering::SeqCst);
}

/// Go: `TestTickerConcurrentStress`. A tick that wakes nobody although many wait.
#[kernel_test]
fn many_wait_for_one_ticker() {
    let done = Arc::new(AtomicBool::new(false));
    disturb(&done);
    let t = Arc::new(Ticker::new(Duration::from_nanos(1)));
    let wg = Arc::new(WaitGroup::new());
    for _ in 0..10 {
        let t = t.clone();
        wg.go(move || {
            for _ in 0..100 {
                t.c.recv();
            }
        });
    }
    wg.wait();
    t.stop();
    done.store(true, Ordering::SeqCst);
}

/// Go: `TestLongAdjustTimers`. Thousands of sleepers about, and a heap that is sorted anew for each timer that is set and stopped.
#[kernel_test]
fn a_long_heap_does_not_hold_up_others() {
    let wg = Arc::new(WaitGroup::new());
    for _ in 0..2000 {
        wg.go(|| sleep(Duration::from_micros(10)));
    }
    let t = super::with_function(HOUR);
    for i in 0..5000_u64 {
        t.timer.reset(HOUR - Duration::from_nanos(i));
        if i % 16 == 0 {
            gosched();
        }
    }
    wg.wait();
    assert!(t.timer.stop());
}
