//! Allocation and freeing by size.

use super::B;
use alloc::boxed::Box;
use core::hint::black_box;

/// One allocation of `WORDS` zeroed words, and its freeing.
pub fn alloc_words<const WORDS: usize>(b: &mut B) {
    for _ in 0..b.n {
        drop(black_box(Box::new([0_u64; WORDS])));
    }
}

/// One allocation of `WORDS` words as they come, and its freeing. (Go zeroes; BASELINE compares without that.)
pub fn alloc_uninit<const WORDS: usize>(b: &mut B) {
    for _ in 0..b.n {
        drop(black_box(Box::<[u64; WORDS]>::new_uninit()));
    }
}
