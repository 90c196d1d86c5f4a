//! The tests inside the kernel (`#[kernel_test]`), on 1, 2 and 4 cores.
//!
//! One guest runs many. When one of them takes the guest with it, a new guest goes on with the test after it (`boot::transcript` says when a test has passed).
//!
//! Those of what rests on the scheduler run once more under several `GODEBUG=schedseed`s, which a failure names; `GZERO_SCHEDSEED=N` in the
//! environment runs them under N alone.

use crate::guests::Guests;
use crate::harness::{Job, Outcome, Reporter};
use boot::guest::Event;
use boot::kernel::Variant;
use boot::options::{BootProtocol, DEFAULT_CPU, Options};
use boot::streams::Stream;
use boot::transcript::Transcript;
use std::env;
use std::ffi::OsString;
use std::time::{Duration, Instant};

/// The program that has the tests.
const PROGRAM: &str = "kernel_tests";

/// How long one test may take; starting the guest counts for the first.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Names that go to one guest, in bytes: the kernel keeps 2048 bytes of command line.
const LINE: usize = 1900;

/// How many guests may die before they run a test.
const STILL_BORN: u32 = 3;

/// The seeds of the seeded runs.
const SEEDS: [u32; 4] = [1, 2, 3, 4];

/// Whose tests they run.
const SEEDED: [&str; 4] = ["runtime::proc::", "runtime::chan::", "runtime::sync::", "kernel::port::"];

/// A job for each number of cores, and for each seed. Asks a guest for the names.
pub fn jobs(guests: &Guests) -> Vec<Job<'_>> {
    let names = match list(guests, PROGRAM) {
        Ok(names) => names,
        Err(error) => return vec![Job::one("kernel_tests_list", move || Err(error.clone()))],
    };
    let seeds = match env::var("GZERO_SCHEDSEED").map(|seed| seed.parse()) {
        Err(_) => SEEDS.to_vec(),
        Ok(Ok(seed)) => vec![seed],
        Ok(Err(error)) => return vec![Job::one("kernel_tests_seed", move || Err(error.to_string()))],
    };
    let seeded: Vec<String> =
        names.iter().filter(|name| SEEDED.iter().any(|of| name.starts_with(of))).cloned().collect();
    let mut jobs = Vec::from([1, 2, 4].map(|smp| {
        let full = names.iter().map(|name| format!("smp{smp}::{name}")).collect();
        Job::many(full, move |names, reporter| run(guests, smp, names, reporter)).keeps_busy(smp)
    }));
    for (smp, seed) in [2, 4].into_iter().flat_map(|smp| seeds.iter().map(move |&seed| (smp, seed))) {
        let tests = seeded.clone();
        jobs.push(Job::one(format!("seeded::smp{smp}::seed{seed}"), move || {
            run_seeded(guests, smp, seed, &tests)
        }));
    }
    jobs
}

/// Tests of one program that one guest runs.
pub struct Batch<'a> {
    /// The program that has the tests.
    pub program: &'a str,
    /// Its arguments before the names.
    pub args: &'a [&'a str],
    /// The names.
    pub tests: &'a [&'a str],
    /// The guest's cores.
    pub smp: u32,
    /// Whether its time counts instructions.
    pub icount: bool,
    /// The guest's processor.
    pub cpu: &'a str,
    /// The guest's environment.
    pub env: Vec<(String, OsString)>,
    /// How long a test may take.
    pub patience: Duration,
}

impl<'a> Batch<'a> {
    /// Tests inside the kernel, in the usual guest.
    pub fn new(smp: u32, tests: &'a [&'a str]) -> Batch<'a> {
        Batch {
            program: PROGRAM,
            args: &[],
            tests,
            smp,
            icount: false,
            cpu: DEFAULT_CPU,
            env: Vec::new(),
            patience: PATIENCE,
        }
    }
}

/// The names of a program's tests.
pub fn list(guests: &Guests, program: &str) -> Result<Vec<String>, String> {
    guests.built(Variant::Tests, BootProtocol::Pvh)?;
    let options = Options { smp: 1, ..Options::new(program, &["-list"]) };
    let (session, written) = guests.start(Variant::Tests, &options, None)?.read_to_end(PATIENCE)?;
    let tails = session.tails();
    match session.end()? {
        0 => Ok(String::from_utf8_lossy(&written.out).lines().map(String::from).collect()),
        status => Err(format!("{program} -list: exit status {status}\n{tails}")),
    }
}

fn run(guests: &Guests, smp: u32, names: &[String], reporter: &Reporter) {
    let prefix = format!("smp{smp}::");
    let mut rest: Vec<&str> = names.iter().filter_map(|name| name.strip_prefix(&prefix)).collect();
    let mut still_born = 0;
    while !rest.is_empty() {
        let batch = &rest[..fitting(&rest)];
        let mut done = Vec::new();
        let end = run_batch(guests, Batch::new(smp, batch), |name, outcome| {
            reporter.report(&format!("{prefix}{name}"), outcome);
            done.push(name);
        });
        if done.is_empty() {
            let failure = end.err().unwrap_or("the guest ran no test".into());
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

/// Runs tests under a seed, as few guests as hold their names; an error is of the first guest in which one fails.
fn run_seeded(guests: &Guests, smp: u32, seed: u32, names: &[String]) -> Outcome {
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut rest = names.as_slice();
    while !rest.is_empty() {
        let (batch, after) = rest.split_at(fitting(rest));
        rest = after;
        let env = vec![("GODEBUG".into(), format!("schedseed={seed}").into())];
        let mut failures = Vec::new();
        let mut passed = 0;
        let end = run_batch(guests, Batch { env, ..Batch::new(smp, batch) }, |name, outcome| match outcome {
            Ok(()) => passed += 1,
            Err(text) => failures.push(format!("{name}: {text}")),
        });
        if passed < batch.len() || end.is_err() {
            let end = end.err().unwrap_or_default();
            return Err(format!("GODEBUG=schedseed={seed}:\n{}\n{end}", failures.join("\n")));
        }
    }
    Ok(())
}

/// How many of `names`, at least one, one guest's command line holds.
fn fitting(names: &[&str]) -> usize {
    let mut length = 0;
    let fit = names.iter().take_while(|name| {
        length += name.len() + 1;
        length <= LINE
    });
    fit.count().max(1)
}

/// Runs a guest's tests, telling `result` of each; an error is how the guest ended, if not well.
pub fn run_batch(guests: &Guests, batch: Batch<'_>, mut result: impl FnMut(String, Outcome)) -> Outcome {
    let token = Transcript::new_token();
    let args = [&["-token", &token], batch.args, batch.tests].concat();
    let Batch { smp, icount, .. } = batch;
    let cpu = batch.cpu.into();
    let options = Options { smp, icount, cpu, env: batch.env, ..Options::new(batch.program, &args) };
    let mut session = guests.start(Variant::Tests, &options, None)?;
    let mut transcript = Transcript::new(&token);
    let mut deadline = Instant::now() + batch.patience;
    let (status, report) = loop {
        match session.next(deadline) {
            Event::Output(Stream::Err, bytes) => transcript.push_error(&bytes),
            Event::Output(Stream::Out, bytes) => {
                let current = transcript.current().map(String::from);
                transcript.push(&bytes).into_iter().for_each(|(name, outcome)| result(name, outcome));
                if transcript.current() != current.as_deref() {
                    deadline = Instant::now() + batch.patience;
                }
            }
            Event::Ended => {
                let tails = session.tails();
                break match session.end() {
                    Ok(status) => {
                        (Some(status), format!("the guest ended with exit status {status}\n{tails}"))
                    }
                    Err(report) => (None, report),
                };
            }
            Event::Quiet => break (None, session.late()),
        }
    };
    let (last, end) = transcript.end(status, &report);
    if let Some((name, outcome)) = last {
        result(name, outcome);
    }
    end
}
