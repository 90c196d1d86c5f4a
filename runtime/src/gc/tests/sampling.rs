//! Which objects a heap profile gets.

use super::World;
use core::sync::atomic::{AtomicUsize, Ordering};

static RATE: AtomicUsize = AtomicUsize::new(0);

/// How many of `n` objects are sampled.
fn samples(w: &World, n: usize, size: usize) -> usize {
    (0..n)
        .filter(|_| {
            w.alloc(size, None);
            let hit = w.runs.sampling.take_hit();
            assert!(hit == 0 || (size..2 * size + 16).contains(&hit), "{hit} of {size}");
            hit != 0
        })
        .count()
}

#[test]
fn one_of_so_many_bytes_is_sampled() {
    let w = World::new(256 << 20);
    // SAFETY: a static.
    unsafe { w.gc.rate.read_from(core::ptr::from_ref(&RATE).cast_mut()) };
    assert_eq!(samples(&w, 1000, 64), 0);
    RATE.store(1, Ordering::Relaxed);
    // The first row was there before.
    w.collect();
    assert_eq!([samples(&w, 1000, 64), samples(&w, 100, 24), samples(&w, 50, 100_000)], [1000, 100, 50]);
    RATE.store(4096, Ordering::Relaxed);
    for (n, size) in [(40_000, 64), (2000, 1024), (500, 16_384)] {
        // Of an object of size s a share of 1 - e^(-s/4096).
        let share = 1.0 - f64::exp(-(size as f64) / 4096.0);
        let (expected, got) = ((n as f64 * share) as usize, samples(&w, n, size));
        assert!(got.abs_diff(expected) < 5 * expected.isqrt(), "{got} of {n} of {size} B, not {expected}");
    }
    let before = w.stats().mallocs;
    assert_eq!(before, 1000 + 1000 + 100 + 50 + 40_000 + 2000 + 500, "cut rows lose no slot");
    RATE.store(0, Ordering::Relaxed);
    w.collect();
    assert_eq!(samples(&w, 1000, 64), 0);
}
