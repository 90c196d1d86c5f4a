//! Deaths by name: a fault, a panic that nobody recovers from, a deadlock.

use super::PATIENCE;
use super::case::{Pieces, Text, check, options};
use crate::guests::Guests;
use crate::harness::{Job, Outcome};

/// Deaths by name: each ends in a report and with exit status 2.
const CRASHES: &[(&str, &[&str])] = &[
    ("divide", &["divide error", "goroutine ", "crash::fault::divide"]),
    ("invalid_opcode", &["invalid opcode", "goroutine ", "crash::fault::invalid_opcode"]),
    ("int_8", &["fatal error: instruction int 8: no double fault", "goroutine ", "crash::fault::int_8"]),
    ("int_13", &["instruction int 13: no general protection", "goroutine ", "crash::fault::int_13"]),
    ("int_14", &["fatal error: instruction int 14: no page fault", "goroutine ", "crash::fault::int_14"]),
    ("gs_base", &["the base of GS is 0x0, ", "read of 0x0", "goroutine ", "crash::fault::gs_base"]),
    ("task_switched", &["device not available: ", "goroutine ", "crash::fault::task_switched"]),
    ("null_read", &["0x8", "goroutine ", "crash::fault::null_read"]),
    (
        "stack_overflow",
        &[
            "runtime: goroutine stack exceeds 16777216-byte limit\nfatal error: stack overflow\n",
            "crash::deep",
        ],
    ),
    ("panic", &["panic: crash on purpose", "goroutine ", "crash::panic_in_the_middle"]),
    ("panic_mid_line", &["42 % done\npanic: crash on purpose\n"]),
    ("panic_control_text", &["panic: \\x1b[2Jred\\r\n\talert \\x07\n"]),
    (
        "nested",
        &[
            "panic: crash on purpose\n\tpanic: and again, in a destructor\n",
            "fatal error: panic in a destructor during cleanup\n\ngoroutine ",
            "crash::nested_panic",
        ],
    ),
    (
        "nested_goexit",
        &["goexit\n\tpanic: and again, in a destructor\n", "in a destructor during cleanup\n\ngoroutine "],
    ),
    (
        "deferred_panic",
        &["panic: crash on purpose\n\tpanic: and again, deferred\n\ngoroutine ", "crash::deferred_panic"],
    ),
    ("panic_in_text", &["fatal error: panic while printing panic value, at ", "crash.rs:", "goroutine "]),
    (
        "panic_no_unwind",
        &["panic: crash on purpose\nfatal error: panic in a function that cannot unwind\n\ngoroutine "],
    ),
    (
        "panic_on_g0",
        &[
            "fatal error: panic on a scheduler stack: on the",
            "runtime stack:\n",
            "\n\ngoroutine ",
            "crash::main",
        ],
    ),
    (
        "panic_text_on_g0",
        &["panic on a scheduler stack", "panic on a scheduler stack, at ", "while the error above was being"],
    ),
    ("panic_locked", &["panic with a runtime lock held: crash on purpose", "goroutine ", "panic_locked"]),
    ("deadlock", &["fatal error: all goroutines are asleep - deadlock!", "goroutine ", "chan receive"]),
];

/// A job for each, on one core and on several.
pub fn jobs(guests: &Guests) -> Vec<Job<'_>> {
    let mut jobs = Vec::new();
    for (kind, pieces) in CRASHES {
        for smp in [1, 4] {
            let name = format!("programs::crash_{kind}::smp{smp}");
            jobs.push(Job::one(name, move || crash(guests, smp, kind, pieces)));
        }
    }
    jobs
}

fn crash(guests: &Guests, smp: u32, kind: &str, pieces: &'static [&'static str]) -> Outcome {
    let ran = guests.run(&options(smp, &format!("crash {kind}")), PATIENCE)?;
    let output = if kind == "panic" { "destructor runs\n" } else { "" };
    check(&ran, Text(output), Pieces(pieces), 2)
}
