//! What the memory tests share.

use core::hint::black_box;

/// Bytes of stack that a test gets by with.
const DEPTH: usize = 32 * 1024;

/// Runs `test` with the pages below this frame backed. Tests run on goroutines, whose stacks grow by page fault, and what they
/// call holds locks that the fault handler needs.
pub fn on_backed_stack(test: impl FnOnce()) {
    #[inline(never)]
    fn touch() {
        black_box(&mut [0u8; DEPTH]);
    }
    touch();
    test();
}

/// Marsaglia's xorshift64: the same numbers in every run.
pub struct Random(u64);

impl Random {
    /// Starts from `seed`, which is not 0.
    pub fn new(seed: u64) -> Random {
        Random(seed)
    }

    /// A number below `n`.
    pub fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n as u64) as usize
    }
}
