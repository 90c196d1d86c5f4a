//! The program `kernel_tests [-list] [-token TOKEN] [NAME…]`: lists all tests, or runs those of these names, or all.

use super::KERNEL_TESTS;
use super::runner::{self, NO_SUCH_TEST};
use crate::{args, println, program};

#[program]
fn main() -> i32 {
    let args = args();
    let (token, names) = runner::token(&args[1..]);
    if names == ["-list"] {
        for t in KERNEL_TESTS {
            println!("{}", t.name);
        }
        return 0;
    }
    let Some(tests) = runner::choose(&KERNEL_TESTS, names) else { return NO_SUCH_TEST };
    let tally = runner::run(token, &tests);
    tally.report(token);
    tally.status()
}
