//! The program `broken_tests [-token TOKEN] END NAME…`: what goes wrong in a guest that runs tests, for the tests of the harness
//! (`boot/tests/qemu/verdicts.rs`). Each test says in every way that it has passed; only [`passes`] has.
//!
//! `END` is what happens after the tests: `well`, or one of [`END`].

use super::KernelTest;
use super::runner::{self, NO_SUCH_TEST};
use crate::{args, exit, panic, print, println, program};

/// Ways to end, and whether the runner's last line comes before that.
const END: [(&str, bool, fn()); 5] = [
    ("dies", true, dies),
    ("hangs", true, hangs),
    ("fails", true, || exit(1)),
    ("dies-untold", false, dies),
    ("hangs-untold", false, hangs),
];

static TESTS: [KernelTest; 5] = [
    KernelTest { name: "passes", run: claims },
    KernelTest { name: "panics", run: || panics("as it should") },
    KernelTest {
        name: "dies",
        run: || {
            claims();
            dies();
        },
    },
    KernelTest {
        name: "hangs",
        run: || {
            claims();
            hangs();
        },
    },
    KernelTest {
        name: "exits",
        run: || {
            claims();
            exit(0);
        },
    },
];

#[program]
fn main() -> i32 {
    let args = args();
    let (token, [end, names @ ..]) = runner::token(&args[1..]) else { return NO_SUCH_TEST };
    let Some(tests) = runner::choose(&TESTS, names) else { return NO_SUCH_TEST };
    let tally = runner::run(token, &tests);
    let end = END.iter().find(|(name, ..)| name == end);
    if end.is_none_or(|&(_, told, _)| told) {
        tally.report(token);
    }
    if let Some((_, _, end)) = end {
        end();
    }
    tally.status()
}

/// Writes what results looked like or look like, in lines of its own and as the end of an unfinished one.
fn claims() {
    for test in &TESTS {
        println!("test {} ... ok", test.name);
        println!("kernel_tests: passed {}", test.name);
    }
    println!("kernel_tests: end {} 0", TESTS.len());
    println!("kernel tests: {} passed, 0 failed", TESTS.len());
    print!("ok\nit looks ok");
}

fn panics(text: &str) {
    claims();
    panic!("{text}");
}

fn dies() {
    panic::throw("a broken test");
}

fn hangs() {
    loop {
        core::hint::spin_loop();
    }
}
