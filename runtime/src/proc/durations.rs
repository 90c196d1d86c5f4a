//! How long things took: counts by length, for Go's `runtime/metrics` (Go: `timeHistogram` in
//! `histogram.go`).
//!
//! Rows are powers of two nanoseconds, each in four equal parts: a length is known to a quarter. The first
//! row holds all below 256 ns.

use core::sync::atomic::AtomicU64;
use core::sync::atomic::Ordering::Relaxed;

/// The first row ends at `2^(FIRST - 1)` ns, the last one at `2^(LAST - 1)`.
const FIRST: u32 = 9;
const LAST: u32 = 48;
/// Parts of a row, as a power of two.
const PARTS: u32 = 2;

/// Counts of all lengths: what is below 0, the parts of the rows, and what is longer than all.
pub(crate) const COUNTS: usize = (((LAST - FIRST + 1) << PARTS) + 2) as usize;

/// See the module's text. Anybody may count and read.
pub(crate) struct Durations([AtomicU64; COUNTS]);

impl Durations {
    pub(super) const fn new() -> Durations {
        Durations([const { AtomicU64::new(0) }; COUNTS])
    }

    /// Counts one of `ns` nanoseconds.
    pub(super) fn record(&self, ns: i64) {
        self.0[place(ns)].fetch_add(1, Relaxed);
    }

    /// The counts so far.
    pub(crate) fn read(&self, to: &mut [u64]) {
        for (to, count) in to.iter_mut().zip(&self.0) {
            *to = count.load(Relaxed);
        }
    }
}

/// Where a length is counted.
fn place(ns: i64) -> usize {
    let Ok(ns) = u64::try_from(ns) else { return 0 };
    let bits = u64::BITS - ns.leading_zeros();
    let row = (bits + 1).saturating_sub(FIRST);
    if row > LAST - FIRST {
        return COUNTS - 1;
    }
    // The highest bit says which row, except in the first.
    let part = ns >> (bits.max(FIRST) - 1 - PARTS) & ((1 << PARTS) - 1);
    1 + (((row as u64) << PARTS) + part) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The shortest length of a place, in nanoseconds: as `gzlengths` in `go/runtime/metrics.go` has it.
    fn lower(place: usize) -> u64 {
        let (row, part) = ((place as u64 - 1) >> PARTS, (place as u64 - 1) & 3);
        match row {
            0 => part << (FIRST - 1 - PARTS),
            _ => (4 + part) << (row as u32 + FIRST - 2 - PARTS),
        }
    }

    #[test]
    fn each_length_has_its_place() {
        assert_eq!([i64::MIN, -1].map(place), [0, 0]);
        for at in 1..COUNTS - 1 {
            let (from, to) = (lower(at), lower(at + 1));
            assert!(from < to, "{at}");
            for ns in [from, to - 1] {
                assert_eq!(place(ns as i64), at, "{ns} ns");
            }
        }
        assert_eq!(lower(COUNTS - 1), 1 << (LAST - 1));
        assert_eq!([1 << (LAST - 1), i64::MAX].map(place), [COUNTS - 1; 2]);
    }
}
