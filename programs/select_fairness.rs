//! `select!` among channels that are all ready chooses at random, with equal chances: none starves.

use runtime::chan::{self, Chan};
use runtime::{println, program, select};

const ROUNDS: u32 = 1_000_000;

/// A closed channel is always ready.
fn closed() -> Chan<()> {
    let c = chan::make(0);
    c.close();
    c
}

#[program]
fn main() {
    let (a, b, c, d) = (closed(), closed(), closed(), closed());
    let mut chosen = [0; 5];
    for _ in 0..ROUNDS {
        select! {
            a.recv() => chosen[0] += 1,
            b.recv() => chosen[1] += 1,
            c.recv() => chosen[2] += 1,
            d.recv() => chosen[3] += 1,
            default => chosen[4] += 1,
        }
    }
    for (arm, n) in ["first", "second", "third", "fourth", "default"].iter().zip(chosen) {
        println!("{arm}: {:.0} %", f64::from(n) * 100.0 / f64::from(ROUNDS));
    }
}
