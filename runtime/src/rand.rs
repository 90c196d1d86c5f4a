//! Small random numbers for the scheduler (Go: `cheaprand`, wyrand).

use core::sync::atomic::{AtomicU64, Ordering};

/// A generator of one owner and of the interrupts on it, which may be given the number that the interrupted code is given; not for secrets.
pub struct Rand(AtomicU64);

impl Rand {
    /// A generator that starts at `seed`.
    pub const fn new(seed: u64) -> Rand {
        Rand(AtomicU64::new(seed))
    }

    /// Starts again at `seed`.
    pub fn seed(&self, seed: u64) {
        self.0.store(seed, Ordering::Relaxed);
    }

    /// The next 64 bits.
    #[inline]
    pub fn next_u64(&self) -> u64 {
        let s = self.0.load(Ordering::Relaxed).wrapping_add(0xa076_1d64_78bd_642f);
        self.0.store(s, Ordering::Relaxed);
        let m = u128::from(s) * u128::from(s ^ 0xe703_7ed1_a0b4_28db);
        (m >> 64) as u64 ^ m as u64
    }

    /// A number below `n`, which is not 0.
    #[inline]
    pub fn below(&self, n: u32) -> u32 {
        (((self.next_u64() >> 32) * u64::from(n)) >> 32) as u32
    }
}
