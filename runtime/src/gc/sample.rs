//! Which objects a heap profile has: on average one of so many bytes that are allocated (Go:
//! `profilealloc`, `nextSample` in `malloc.go`).
//!
//! # Problem
//! An allocation counts nothing (`run.rs`), and is not to look for a sample either.
//!
//! # Protocol
//! Go has each P count down from a random number with an exponential distribution, by the bytes of
//! each object; the object that reaches 0 is sampled. The distribution has no memory, so each run
//! may count down by itself: as many samples come of all runs together.
//! 1. A run that gets a row of slots is told to end where its countdown does ([`Run::cut`]): at the
//!    next row, or before the object to be sampled.
//! 2. So that object is asked for in the slow path, and gets a row of one slot. The countdown
//!    begins again.
//! 3. The rate is the program's variable. Each slow allocation looks whether it has changed; then
//!    all countdowns begin again, and rows that are being used are cut anew. What has a row already
//!    when the program changes its rate may be missed until one of the P's runs is at its end.
//!
//! # Rejected
//! - *A countdown in the fast path* (Go's): three instructions an object.
//! - *One countdown for all runs of a P.* What the others have used of their rows must be known
//!   whenever one is at its end.

use super::run::{NUM_SPAN_CLASSES, Run, Runs};
use crate::rand::Rand;
use core::cell::Cell;
use core::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

/// The largest mean distance of samples (Go: in `fastexprand`).
const MAX_RATE: usize = 0x700_0000;

/// Where the program says every how many bytes it wants a sample; 0: none.
pub(super) struct Rate(AtomicPtr<AtomicUsize>);

impl Rate {
    /// None.
    pub(super) const fn new() -> Rate {
        Rate(AtomicPtr::new(core::ptr::null_mut()))
    }

    /// # Safety
    /// The word stays.
    pub(super) unsafe fn read_from(&self, word: *mut AtomicUsize) {
        self.0.store(word, Ordering::Release);
    }

    #[inline]
    fn get(&self) -> usize {
        // SAFETY: null or a word that stays.
        unsafe { self.0.load(Ordering::Acquire).as_ref() }.map_or(0, |word| word.load(Ordering::Relaxed))
    }
}

/// A P's countdowns.
pub(super) struct Sampling {
    /// The rate that they are for.
    rate: Cell<usize>,
    /// Bytes before the next sample: of a run from its `end` on.
    left: [Cell<usize>; NUM_SPAN_CLASSES],
    random: Rand,
    /// Bytes of the object that was just allocated, if it is to be sampled.
    hit: Cell<usize>,
}

impl Sampling {
    pub(super) const fn new() -> Sampling {
        Sampling {
            rate: Cell::new(0),
            left: [const { Cell::new(0) }; NUM_SPAN_CLASSES],
            random: Rand::new(0),
            hit: Cell::new(0),
        }
    }

    fn draw(&self) -> usize {
        exponential(self.random.next_u64(), self.rate.get())
    }

    /// Counts an object of a class down; true: it is the sample.
    fn object(&self, class: usize, size: usize) -> bool {
        let left = &self.left[class];
        match left.get().checked_sub(size) {
            Some(less) => {
                left.set(less);
                false
            }
            None => {
                left.set(self.draw());
                self.hit.set(size);
                true
            }
        }
    }

    /// Bytes of the object that was just allocated, if it is to be sampled, else 0. It is asked
    /// once.
    pub(super) fn take_hit(&self) -> usize {
        self.hit.replace(0)
    }
}

impl Runs {
    /// Step 3: true if there are samples to be taken.
    #[inline]
    pub(super) fn look_at_rate(&self, rate: &Rate) -> bool {
        let rate = rate.get();
        if rate != self.sampling.rate.get() {
            self.change_rate(rate);
        }
        rate != 0
    }

    #[cold]
    fn change_rate(&self, rate: usize) {
        let s = &self.sampling;
        s.rate.set(rate);
        s.random.seed(s.random.next_u64() ^ core::ptr::from_ref(self).addr() as u64);
        for (left, run) in s.left.iter().zip(&self.run) {
            left.set(s.draw());
            if rate != 0 && run.next.get() < run.end.get() {
                let slots = (left.get() / run.size.get()).min(run.row());
                run.cut(slots);
                left.set(left.get() - slots * run.size.get());
            }
        }
    }

    /// Steps 1 and 2, for a run that has a row, of which one slot will be taken.
    pub(super) fn sample_row(&self, class: usize) {
        let (run, s) = (&self.run[class], &self.sampling);
        let size = run.size.get();
        if s.object(class, size) {
            return run.cut(1);
        }
        // The first is counted.
        let left = &s.left[class];
        let slots = (left.get() / size).min(run.row() - 1);
        run.cut(1 + slots);
        left.set(left.get() - slots * size);
    }

    /// A large object was allocated.
    pub(super) fn sample_large(&self, class: usize, size: usize) {
        self.sampling.object(class, size);
    }
}

impl Run {
    /// Slots of the row.
    fn row(&self) -> usize {
        (self.end.get() - self.next.get()) / self.size.get()
    }

    /// Ends the row after so many slots, at most those that it has. The others are free as before.
    fn cut(&self, slots: usize) {
        self.index.set(self.index.get() - (self.row() - slots));
        self.end.set(self.next.get() + slots * self.size.get());
    }
}

/// A number of exponential distribution with this mean, of 64 random bits.
fn exponential(random: u64, mean: usize) -> usize {
    if mean <= 1 {
        return 0;
    }
    // -ln of a number above 0, up to 1, as a sum: of the power of two, and of what is left, 1 to 2,
    // with ln m = 2 artanh z.
    let n = random | 1;
    let zeros = n.leading_zeros();
    let m = ((n << zeros) >> 11) as f64 / (1_u64 << 52) as f64;
    let z = (m - 1.0) / (m + 1.0);
    let ln_m = 2.0 * z * (1.0 + z * z * (1.0 / 3.0 + z * z * (1.0 / 5.0 + z * z / 7.0)));
    let ln = f64::from(zeros + 1) * core::f64::consts::LN_2 - ln_m;
    (ln.max(0.0) * mean.min(MAX_RATE) as f64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_exponential() {
        let random = Rand::new(7);
        let (n, mean) = (100_000, 1 << 16);
        let drawn: std::vec::Vec<usize> = (0..n).map(|_| exponential(random.next_u64(), mean)).collect();
        let average = drawn.iter().sum::<usize>() / n;
        assert!(average.abs_diff(mean) < mean / 50, "{average}");
        // A share of 1 - 1/e is below the mean, one of 1 - 1/e² below twice that.
        for (times, share) in [(1, 0.632), (2, 0.865)] {
            let below = drawn.iter().filter(|&&d| d < times * mean).count() as f64 / n as f64;
            assert!((below - share).abs() < 0.01, "{below} below {times} means");
        }
        assert_eq!([exponential(0, 1), exponential(9, 0)], [0, 0]);
        assert!(exponential(1, usize::MAX) < 50 * MAX_RATE);
    }
}
