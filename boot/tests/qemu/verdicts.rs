//! Tests of this harness: what it says of the program `broken_tests`, whose tests claim that they pass, and whose guests die, hang or
//! end as if nothing were amiss.

use crate::guests::Guests;
use crate::harness::{Job, Outcome};
use crate::kernel_tests::{Batch, run_batch};
use std::time::Duration;

/// How long a guest may hang; long against its start.
const PATIENCE: Duration = Duration::from_secs(20);

/// A guest, and what is to be said of it.
struct Case {
    name: &'static str,
    /// What it does after its tests.
    end: &'static str,
    tests: &'static [&'static str],
    /// The tests with a result, and what a failure's text has; none = passed.
    results: &'static [(&'static str, Option<&'static str>)],
    /// What the text has of a guest that does not end well.
    failure: Option<&'static str>,
}

const DEATH: &str = "fatal error: a broken test";
const LATE: &str = "too late: ended by the harness";
const NO_END: &str = "it passed, but the guest did not end as it should";

const CASES: [Case; 9] = [
    Case {
        name: "all_well",
        end: "well",
        tests: &["passes", "panics", "passes"],
        results: &[("passes", None), ("panics", Some("panic: as it should")), ("passes", None)],
        failure: None,
    },
    Case {
        name: "dies_after_the_last",
        end: "dies",
        tests: &["passes", "passes"],
        results: &[("passes", None), ("passes", Some(NO_END))],
        failure: Some("exit status 2"),
    },
    Case {
        name: "hangs_after_the_last",
        end: "hangs",
        tests: &["panics", "passes"],
        results: &[("panics", Some("panic: as it should")), ("passes", Some(NO_END))],
        failure: Some(LATE),
    },
    Case {
        name: "wrong_status_after_the_last",
        end: "fails",
        tests: &["passes"],
        results: &[("passes", Some(NO_END))],
        failure: Some("exit status 1"),
    },
    Case {
        name: "dies_before_the_end_is_told",
        end: "dies-untold",
        tests: &["passes"],
        results: &[("passes", Some(DEATH))],
        failure: Some("exit status 2"),
    },
    Case {
        name: "hangs_before_the_end_is_told",
        end: "hangs-untold",
        tests: &["passes"],
        results: &[("passes", Some(LATE))],
        failure: Some(LATE),
    },
    Case {
        name: "a_test_dies",
        end: "well",
        tests: &["passes", "dies", "passes"],
        results: &[("passes", None), ("dies", Some(DEATH))],
        failure: Some("exit status 2"),
    },
    Case {
        name: "a_test_hangs",
        end: "well",
        tests: &["hangs", "passes"],
        results: &[("hangs", Some(LATE))],
        failure: Some(LATE),
    },
    Case {
        name: "a_test_ends_the_program",
        end: "well",
        tests: &["exits", "passes"],
        results: &[("exits", Some("exit status 0"))],
        failure: Some("exit status 0"),
    },
];

/// A job for each case.
pub fn jobs(guests: &Guests) -> Vec<Job<'_>> {
    let job = |case: &'static Case| {
        Job::one(format!("verdicts::{}", case.name), move || check(guests, case)).keeps_busy(1)
    };
    const { &CASES }.iter().map(job).collect()
}

fn check(guests: &Guests, case: &Case) -> Outcome {
    let batch =
        Batch { program: "broken_tests", args: &[case.end], patience: PATIENCE, ..Batch::new(1, case.tests) };
    let mut results = Vec::new();
    let end = run_batch(guests, batch, |name, outcome| results.push((name, outcome)));
    let right = results.len() == case.results.len()
        && results
            .iter()
            .zip(case.results)
            .all(|((name, outcome), &(want, text))| name == want && says(outcome, text));
    if right && says(&end, case.failure) { Ok(()) } else { Err(format!("{results:?}\n{end:?}")) }
}

/// Whether it is a failure with this in its text, or none.
fn says(outcome: &Outcome, failure: Option<&str>) -> bool {
    match (outcome, failure) {
        (Ok(()), None) => true,
        (Err(text), Some(piece)) => text.contains(piece),
        _ => false,
    }
}
