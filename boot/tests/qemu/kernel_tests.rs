//! The tests inside the kernel (`#[kernel_test]`), on 1, 2 and 4 cores.
//!
//! One guest runs many. When one of them takes the guest with it, a new guest goes on with the test after it.

use crate::guests::Guests;
use crate::harness::{Job, Reporter};
use boot::guest::Event;
use boot::kernel::Variant;
use boot::options::{Door, Options};
use boot::transcript::Transcript;
use std::time::{Duration, Instant};

/// How long one test may take; starting the guest counts for the first.
const PATIENCE: Duration = Duration::from_secs(60);

/// Names that go to one guest, in bytes: the kernel keeps 2048 bytes of command line.
const LINE: usize = 1900;

/// How many guests may die before they run a test.
const STILL_BORN: u32 = 3;

/// A job for each number of cores. Asks a guest for the names.
pub fn jobs(guests: &Guests) -> Vec<Job<'_>> {
    let names = match list(guests) {
        Ok(names) => names,
        Err(error) => return vec![Job::one("kernel_tests_list", move || Err(error.clone()))],
    };
    [1, 2, 4]
        .map(|smp| {
            let full = names.iter().map(|name| format!("smp{smp}::{name}")).collect();
            Job::many(full, move |names, reporter| run(guests, smp, names, reporter))
        })
        .into()
}

fn options(smp: u32, args: &[&str]) -> Options {
    Options { smp, ..Options::new("kernel_tests", args) }
}

fn list(guests: &Guests) -> Result<Vec<String>, String> {
    guests.built(Variant::Tests, Door::Pvh)?;
    let (session, output) =
        guests.start(Variant::Tests, &options(1, &["-list"]), None)?.read_to_end(PATIENCE)?;
    let tail = session.tail();
    match session.end()? {
        0 => Ok(String::from_utf8_lossy(&output).lines().map(String::from).collect()),
        status => Err(format!("kernel_tests -list: exit status {status}\n{tail}")),
    }
}

fn run(guests: &Guests, smp: u32, names: &[String], reporter: &Reporter) {
    let prefix = format!("smp{smp}::");
    let mut rest: Vec<&str> = names.iter().filter_map(|name| name.strip_prefix(&prefix)).collect();
    let mut still_born = 0;
    while !rest.is_empty() {
        let mut length = 0;
        let fit = rest.iter().take_while(|name| {
            length += name.len() + 1;
            length <= LINE
        });
        let batch = &rest[..fit.count().max(1)];
        let mut done = Vec::new();
        let failure = run_batch(guests, smp, batch, |name, outcome| {
            reporter.report(&format!("{prefix}{name}"), outcome);
            done.push(name);
        });
        if done.is_empty() {
            // The guest died before the first began, which is that one's misfortune; but it may well go on like this.
            let first = rest[0].to_owned();
            reporter.report(&format!("{prefix}{first}"), Err(failure));
            still_born += 1;
            if still_born == STILL_BORN {
                for name in &rest[1..] {
                    reporter
                        .report(&format!("{prefix}{name}"), Err(format!("guests do not start, see {first}")));
                }
                return;
            }
            done.push(first);
        }
        rest.retain(|&name| !done.iter().any(|done| done == name));
    }
}

/// Runs tests in one guest; returns how that ended.
fn run_batch(
    guests: &Guests,
    smp: u32,
    names: &[&str],
    mut result: impl FnMut(String, Result<(), String>),
) -> String {
    let mut session = match guests.start(Variant::Tests, &options(smp, names), None) {
        Ok(session) => session,
        Err(error) => return error,
    };
    let mut transcript = Transcript::default();
    let mut deadline = Instant::now() + PATIENCE;
    let report = loop {
        match session.next(deadline) {
            Event::Output(bytes) => {
                let running = transcript.running().map(String::from);
                transcript.push(&bytes).into_iter().for_each(|(name, outcome)| result(name, outcome));
                if transcript.running() != running.as_deref() {
                    deadline = Instant::now() + PATIENCE;
                }
            }
            Event::Ended => {
                let tail = session.tail();
                break match session.end() {
                    Ok(status) => format!("the guest ended with exit status {status}\n{tail}"),
                    Err(report) => report,
                };
            }
            Event::Quiet => break session.late(),
        }
    };
    if let Some((name, outcome)) = transcript.end(&report) {
        result(name, outcome);
    }
    report
}
