//! Recursion without an end: the goroutine's stack reaches its limit, and the report says whose and where.

use core::hint::black_box;
use runtime::{println, program};

/// How many calls it is from `n` to `end`.
fn descend(n: u64, end: u64) -> u64 {
    if n == end { 0 } else { black_box(descend(n + 1, end)) + 1 }
}

#[program]
fn main() {
    println!("{}", descend(0, black_box(u64::MAX)));
}
