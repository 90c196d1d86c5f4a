//! The smallest program.

use runtime::{println, program};

#[program]
fn main() {
    println!("hello, world");
}
