//! The program `prompt_tests [-list] [-token TOKEN] [NAME…]`: tests that need exact time (`runtime/src/proc/tests/prompt.rs`), to be run under `-icount`.

use super::runner::{self, NO_SUCH_TEST};
use crate::proc::PROMPT_TESTS;
use crate::{args, println, program};

#[program]
fn main() -> i32 {
    let args = args();
    let (token, names) = runner::token(&args[1..]);
    if names == ["-list"] {
        for t in PROMPT_TESTS {
            println!("{}", t.name);
        }
        return 0;
    }
    let Some(tests) = runner::choose(PROMPT_TESTS, names) else { return NO_SUCH_TEST };
    let tally = runner::run(token, &tests);
    tally.report(token);
    tally.status()
}
