//! Time goes forward, on all cores.

use crate::cpu::{self, clock};
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

const READINGS: u32 = 20_000;

static LATEST: AtomicU64 = AtomicU64::new(0);
static BACKWARD: AtomicU64 = AtomicU64::new(0);
static READY: AtomicUsize = AtomicUsize::new(0);

fn read_often() {
    for _ in 0..READINGS {
        let seen = LATEST.load(Ordering::Acquire);
        let now = clock::nanotime();
        BACKWARD.fetch_add(u64::from(now < seen), Ordering::Relaxed);
        LATEST.fetch_max(now, Ordering::AcqRel);
    }
    READY.fetch_add(1, Ordering::Release);
}

#[runtime::kernel_test]
fn nanotime_is_monotonic_across_cores() {
    for _ in 0..cpu::count() {
        runtime::go(read_often);
    }
    while READY.load(Ordering::Acquire) < cpu::count() {
        runtime::gosched();
    }
    assert_eq!(BACKWARD.load(Ordering::Relaxed), 0, "readings before one that another core had made");
    assert_eq!(clock::behind(), 0, "cycles out of step");
}

#[runtime::kernel_test]
fn clocks_out_of_step_are_pushed_up() {
    let now = clock::nanotime();
    assert!(clock::push_up(now) >= now);
    assert!(clock::push_up(now / 2) >= now);
}

#[runtime::kernel_test]
fn cycles_and_nanoseconds_agree() {
    let ns = clock::nanotime() + 1_000_000_000;
    let ahead = clock::cycles_at(ns) - clock::cycles();
    let second = clock::cycles_per_ms() * 1000;
    assert!((second / 10 * 9..=second + 1000).contains(&ahead), "{ahead} of {second}");
}
