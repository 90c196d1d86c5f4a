//! A pipeline: stages joined by channels, each a goroutine; the middle one stands twice, and its results are merged.
//!
//! Every stage closes its output when its input has ended, so that the end runs down the pipeline by itself.

use runtime::chan::Receiver;
use runtime::prelude::*;

/// Numbers up to `last`.
fn generate(last: u64) -> Receiver<u64> {
    let out = chan::make(0);
    let output = out.receiver();
    go(move || {
        for n in 1..=last {
            out.send(n);
        }
        out.close();
    });
    output
}

/// The squares of what comes in.
fn square(input: Receiver<u64>) -> Receiver<u64> {
    let out = chan::make(0);
    let output = out.receiver();
    go(move || {
        for n in input {
            out.send(n * n);
        }
        out.close();
    });
    output
}

/// All that comes from any of `inputs`.
fn merge<const N: usize>(inputs: [Receiver<u64>; N]) -> Receiver<u64> {
    let out = chan::make(0);
    let output = out.receiver();
    let ended = sync::WaitGroup::new();
    for input in inputs {
        let out = out.sender();
        ended.go(move || {
            for n in input {
                out.send(n);
            }
        });
    }
    go(move || {
        ended.wait();
        out.close();
    });
    output
}

#[program]
fn main() {
    let numbers = generate(100);
    let squares = merge([square(numbers.clone()), square(numbers)]);
    let (count, sum) = squares.into_iter().fold((0, 0), |(count, sum), n| (count + 1, sum + n));
    println!("{count} squares, sum {sum}");
}
