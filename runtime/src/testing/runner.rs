//! Runs tests, each on a goroutine of its own, and says how each ends, for `boot/src/transcript.rs` to read.
//!
//! # Problem
//! A test writes to the same console as the runner, and may write anything: half a line, or what looks like a result. And the guest may die or hang at
//! any moment, after the last test, too.
//!
//! # Protocol
//! A line that begins with the token is the runner's, every other line is the tests'. The host draws a new token for each guest, so no test knows it;
//! by hand it is `kernel_tests:`.
//! 1. `TOKEN start NAME`, before the test runs: a guest that dies in it shows which one it was.
//! 2. `TOKEN passed NAME` or, after the panic's text, `TOKEN failed NAME`.
//! 3. After the last test: `TOKEN end PASSED FAILED`, and the program ends with status 0, or 1 if a test failed.
//!
//! A line of the runner's is written in one piece that begins with a newline, as a test may have left a line unfinished.

use super::KernelTest;
use crate::panic::{PanicPayload, catch_unwind};
use crate::proc::report_seed;
use crate::{chan, eprintln, go, print, println};
use alloc::string::String;
use alloc::vec::Vec;
use core::any::Any;
use core::fmt::Display;

/// The exit status if a test is asked for that there is not.
pub(super) const NO_SUCH_TEST: i32 = 64;

/// Splits `-token TOKEN` off the arguments.
pub(super) fn token<'a, 'b>(args: &'b [&'a str]) -> (&'a str, &'b [&'a str]) {
    match args {
        ["-token", token, names @ ..] => (token, names),
        names => ("kernel_tests:", names),
    }
}

/// The tests of these names, or all; nothing, having said so, if there is none of a name.
pub(super) fn choose(tests: &'static [KernelTest], names: &[&str]) -> Option<Vec<&'static KernelTest>> {
    if names.is_empty() {
        return Some(tests.iter().collect());
    }
    let find = |name: &&str| {
        let test = tests.iter().find(|t| t.name == *name);
        if test.is_none() {
            eprintln!("there is no test {name}; `-list` names all");
        }
        test
    };
    names.iter().map(find).collect()
}

/// Which tests passed and failed.
#[derive(Default)]
pub(super) struct Tally {
    passed: usize,
    failed: Vec<&'static str>,
}

impl Tally {
    /// Step 3 of the protocol. Names the failed tests once more, for readers of a log's end.
    pub(super) fn report(&self, token: &str) {
        for name in &self.failed {
            print!("\nfailed: {name}");
        }
        say(token, "end", format_args!("{} {}", self.passed, self.failed.len()));
    }

    /// The program's exit status.
    pub(super) fn status(&self) -> i32 {
        i32::from(!self.failed.is_empty())
    }
}

/// Runs the tests one after the other: steps 1 and 2 of the protocol.
pub(super) fn run(token: &str, tests: &[&'static KernelTest]) -> Tally {
    let mut tally = Tally::default();
    for test in tests {
        say(token, "start", test.name);
        if passes(test) {
            say(token, "passed", test.name);
            tally.passed += 1;
        } else {
            say(token, "failed", test.name);
            tally.failed.push(test.name);
        }
    }
    tally
}

fn say(token: &str, what: &str, of: impl Display) {
    print!("\n{token} {what} {of}\n");
}

fn passes(test: &'static KernelTest) -> bool {
    let result = chan::make(1);
    let end = result.clone();
    go(move || end.send(catch_unwind(test.run)));
    match result.recv() {
        Some(Ok(())) => true,
        Some(Err(payload)) => {
            print_panic(&*payload);
            let mut seed = String::new();
            _ = report_seed(&mut seed);
            print!("{seed}");
            false
        }
        None => unreachable!("nobody closes the channel"),
    }
}

fn print_panic(payload: &(dyn Any + Send)) {
    match payload.downcast_ref::<PanicPayload>().and_then(|p| p.location.as_deref()) {
        Some(location) => println!("panic: {} at {location}", panic_text(payload)),
        None => println!("panic: {}", panic_text(payload)),
    }
}

/// The text of a panic that `catch_unwind` caught.
pub fn panic_text(payload: &(dyn Any + Send)) -> &str {
    if let Some(p) = payload.downcast_ref::<PanicPayload>() {
        &p.message
    } else if let Some(text) = payload.downcast_ref::<String>() {
        // On a host, the panics of `std` arrive as they are.
        text
    } else {
        payload.downcast_ref::<&str>().unwrap_or(&"(a value that is not text)")
    }
}
