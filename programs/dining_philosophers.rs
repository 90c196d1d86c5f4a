//! Dining philosophers: each eats with two forks, one on either side; a fork lies in a channel of capacity 1.
//!
//! Everybody takes the fork with the lower number first, so they cannot all wait in a circle. `dining_philosophers -greedy` takes the left fork,
//! waits until everybody has one, and wants the right one: a deadlock, reported.

use runtime::chan::Chan;
use runtime::prelude::*;
use runtime::sync::WaitGroup;

const NAMES: [&str; 5] = ["Aristotle", "Plato", "Socrates", "Zeno", "Hypatia"];
const MEALS: u32 = 100;

/// How often it was used.
struct Fork(u32);

fn take(place: &Chan<Fork>) -> Fork {
    place.recv().expect("places of forks are never closed")
}

fn dine(first: &Chan<Fork>, second: &Chan<Fork>) {
    for _ in 0..MEALS {
        let mut one = take(first);
        gosched();
        let mut other = take(second);
        one.0 += 1;
        other.0 += 1;
        second.send(other);
        first.send(one);
    }
}

fn greedy(forks: &[Chan<Fork>]) {
    let everybody = WaitGroup::new();
    everybody.add(NAMES.len() as i32);
    for (seat, name) in NAMES.iter().enumerate() {
        let (left, right) = (forks[seat].clone(), forks[(seat + 1) % NAMES.len()].clone());
        let everybody = everybody.clone();
        go(move || {
            let fork = take(&left);
            everybody.done();
            everybody.wait();
            let other = take(&right);
            println!("{name} eats with forks used {} and {} times", fork.0, other.0);
        });
    }
    everybody.wait();
    println!("everybody has one fork");
    take(&forks[0]);
}

#[program]
fn main() {
    let forks: Vec<_> = NAMES.iter().map(|_| chan::make(1)).collect();
    forks.iter().for_each(|place| place.send(Fork(0)));
    if args().get(1).is_some_and(|arg| *arg == "-greedy") {
        return greedy(&forks);
    }
    let done = WaitGroup::new();
    done.add(NAMES.len() as i32);
    for (seat, name) in NAMES.iter().enumerate() {
        let next = (seat + 1) % NAMES.len();
        let (low, high) = (forks[seat.min(next)].clone(), forks[seat.max(next)].clone());
        let done = done.clone();
        go(move || {
            dine(&low, &high);
            println!("{name} ate {MEALS} times");
            done.done();
        });
    }
    done.wait();
    let uses: u32 = forks.iter().map(|place| take(place).0).sum();
    println!("forks were used {uses} times");
}
