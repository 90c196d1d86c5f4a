//! Panics that are recovered.

use super::B;
use core::hint::black_box;
use core::sync::atomic::{AtomicU64, Ordering};
use runtime::time::{self, Duration};
use runtime::{defer, recover};

/// Frames between `recover` and the panic in the shorter and in the longer of two runs.
const SHORT: u32 = 10;
const LONG: u32 = 110;

/// Op = one panic and its recovery, in one function.
pub fn panic_recover(b: &mut B) {
    for _ in 0..b.n {
        assert!(recover(|| panic!("on purpose")).is_err());
    }
}

/// Op = one more frame that a panic passes, without a destructor; `cleanup_ns` is that of one with deferred work.
pub fn panic_frame(b: &mut B) {
    let plain = frames(b.n, plain);
    let deferred = frames(b.n, deferred);
    b.set_total(plain);
    b.extra("cleanup_ns", deferred.as_nanos() as f64 / b.n as f64);
}

/// How much longer panics take through `n` more frames of `f`, in all.
fn frames(n: u64, f: fn(u32) -> u32) -> Duration {
    let panics = n / u64::from(LONG - SHORT);
    let [short, long] = [SHORT, LONG].map(|depth| {
        let start = time::now();
        for _ in 0..panics {
            assert!(recover(|| f(depth)).is_err());
        }
        start.elapsed()
    });
    long - short
}

#[inline(never)]
fn plain(depth: u32) -> u32 {
    assert!(black_box(depth) != 0, "on purpose");
    black_box(plain(depth - 1)) + 1
}

#[inline(never)]
fn deferred(depth: u32) -> u32 {
    static RUN: AtomicU64 = AtomicU64::new(0);
    defer! { RUN.fetch_add(1, Ordering::Relaxed); }
    assert!(black_box(depth) != 0, "on purpose");
    black_box(deferred(depth - 1)) + 1
}
