//! Copies its input to its output. `cat [-n]`, with `-n` line by line and numbered.

use alloc::vec;
use runtime::io::{stdin, stdout};
use runtime::{args, println, program};

#[program]
fn main() {
    if args().get(1) == Some(&"-n") {
        for (i, line) in stdin().lines().enumerate() {
            println!("{:>6}  {line}", i + 1);
        }
        return;
    }
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match stdin().read(&mut buffer) {
            0 => return,
            n => stdout().write_all(&buffer[..n]),
        }
    }
}
