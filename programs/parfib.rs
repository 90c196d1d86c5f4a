//! Fibonacci numbers with a goroutine and a channel for every left branch: nothing but spawning, parking and waking.
//!
//! `parfib [N]` computes the Nth, the 25th unless told.

use runtime::prelude::*;

fn fib(n: u32) -> u64 {
    if n < 2 {
        return u64::from(n);
    }
    let left = chan::make(1);
    let result = left.clone();
    go(move || result.send(fib(n - 1)));
    let right = fib(n - 2);
    left.recv().expect("one result") + right
}

#[program]
fn main() {
    let n = match args().get(1).map(|a| a.parse::<u32>()) {
        None => 25,
        Some(Ok(n)) if n <= 40 => n,
        Some(_) => {
            println!("parfib: {:?} is not a number up to 40", args()[1]);
            exit(64)
        }
    };
    println!("fib({n}) = {}", fib(n));
}
