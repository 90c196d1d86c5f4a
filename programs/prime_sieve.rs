//! The concurrent prime sieve: a chain of goroutines, each of which lets pass what its prime does not divide.
//!
//! `prime_sieve [N]` prints the first N primes, 100 unless told.

use runtime::chan::{Receiver, Sender};
use runtime::prelude::*;

/// Sends 2, 3, 4, … to `out`.
fn generate(out: &Sender<u32>) {
    for i in 2.. {
        out.send(i);
    }
}

/// Copies what `prime` does not divide from `input` to `out`.
fn filter(input: &Receiver<u32>, out: &Sender<u32>, prime: u32) {
    for i in input {
        if i % prime != 0 {
            out.send(i);
        }
    }
}

#[program]
fn main() {
    let n = match args().get(1).map(|a| a.parse::<usize>()) {
        None => 100,
        Some(Ok(n)) => n,
        Some(Err(_)) => {
            println!("prime_sieve: {:?} is not a number", args()[1]);
            exit(64)
        }
    };
    let ch = chan::make(0);
    let mut input = ch.receiver();
    go(move || generate(&ch.sender()));
    for i in 1..=n {
        let prime = input.recv().expect("numbers do not end");
        print!("{prime}{}", if i % 10 == 0 || i == n { "\n" } else { " " });
        let next = chan::make(0);
        let (from, out) = (input, next.sender());
        go(move || filter(&from, &out, prime));
        input = next.receiver();
    }
}
