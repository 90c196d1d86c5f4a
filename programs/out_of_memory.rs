//! Allocates until there is no memory: how it ends. `out_of_memory [BYTES]` in blocks of so many, 1 MiB unless told.

use alloc::vec;
use alloc::vec::Vec;
use runtime::{args, eprintln, println, program};

#[program]
fn main() -> i32 {
    let size = match args() {
        [_] => 1 << 20,
        [_, bytes] if bytes.parse::<usize>().is_ok_and(|n| n > 0) => bytes.parse().unwrap_or_default(),
        _ => {
            eprintln!("out_of_memory: expected a number of bytes");
            return 64;
        }
    };
    let mut blocks: Vec<Vec<u8>> = Vec::new();
    loop {
        blocks.push(vec![1; size]);
        if blocks.len().is_power_of_two() {
            println!("{} blocks of {size} bytes", blocks.len());
        }
    }
}
