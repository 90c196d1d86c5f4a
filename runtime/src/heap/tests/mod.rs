//! Tests of the heap on the host, over memory of the host's allocator and without a scheduler.

mod model;
mod oom;
mod pages;
mod size_class;
pub(crate) mod source;
mod threads;

/// Random numbers (xorshift64*), from a seed that a failing test prints: `HEAP_SEED` replays it.
pub(crate) struct Rng(u64);

impl Rng {
    /// Seeded by `HEAP_SEED`, else by the test's own number.
    pub(crate) fn new(test: u64) -> Rng {
        let seed = std::env::var("HEAP_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(test);
        std::println!("HEAP_SEED={seed}");
        Rng(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// A number below `n`.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    /// A number from 1 to about `1 << bits`, small ones as likely as large ones.
    pub(crate) fn size(&mut self, bits: u32) -> usize {
        let shift = self.below(bits as usize + 1);
        1 + self.below(1 << shift)
    }
}
