//! Skynet: a goroutine with ten children, each with ten of its own, down to a million leaves, which send their numbers up to be added.
//!
//! `skynet [LEAVES]`, a power of ten, a million unless told. Prints the sum, how many goroutines there were and how long they took.

use runtime::chan::Sender;
use runtime::prelude::*;

const CHILDREN: u64 = 10;

/// Sends the sum of the `leaves` numbers from `first` to `parent`.
fn node(parent: &Sender<u64>, first: u64, leaves: u64) {
    if leaves == 1 {
        return parent.send(first);
    }
    let sums = chan::make(0);
    for i in 0..CHILDREN {
        let (parent, share) = (sums.sender(), leaves / CHILDREN);
        go(move || node(&parent, first + i * share, share));
    }
    parent.send(sums.iter().take(CHILDREN as usize).sum());
}

fn is_power_of_ten(n: u64) -> bool {
    n.checked_ilog10().is_some_and(|digits| n == 10u64.pow(digits))
}

#[program]
fn main() {
    let leaves = match args().get(1).map(|a| a.parse::<u64>()) {
        None => 1_000_000,
        Some(Ok(n)) if is_power_of_ten(n) => n,
        Some(_) => {
            eprintln!("skynet: {:?} is not a power of ten", args()[1]);
            exit(64)
        }
    };
    let start = time::now();
    let sum = chan::make(0);
    let root = sum.sender();
    go(move || node(&root, 0, leaves));
    println!("sum {}", sum.recv().expect("one sum"));
    // 1 + 10 + 100 + … + leaves.
    let goroutines = (leaves * CHILDREN - 1) / (CHILDREN - 1);
    println!("{goroutines} goroutines in {:?}", start.elapsed());
}
