//! Init tasks that wait for each other: the program ends before `main`, and the report names them.

use runtime::{init, println, program};

#[init(after = [egg])]
fn chicken() {
    println!("never printed");
}

#[init(after = [chicken])]
fn egg() {
    println!("never printed");
}

#[program]
fn main() {
    println!("never printed");
}
