//! Promptness and fairness of the scheduler (`runtime/src/proc/tests/prompt.rs`), where time counts instructions.
//!
//! The environment's `GZERO_GODEBUG` is the guests' `GODEBUG`: mutants are chosen by it.

use crate::guests::Guests;
use crate::harness::{Job, Outcome};
use crate::kernel_tests::{Batch, list, run_batch};
use std::env;

/// The program that has the tests.
const PROGRAM: &str = "prompt_tests";

/// A job for each test, with a guest of its own: what a test leaves running would count in the next one's time.
pub fn jobs(guests: &Guests) -> Vec<Job<'_>> {
    match list(guests, PROGRAM) {
        Err(error) => vec![Job::one("prompt_tests_list", move || Err(error.clone()))],
        Ok(names) => names
            .into_iter()
            .map(|name| Job::one(format!("prompt::{name}"), move || run(guests, &name)).keeps_busy(1))
            .collect(),
    }
}

/// Runs one, on as many cores as its name says.
fn run(guests: &Guests, name: &str) -> Outcome {
    let cores = name.split_once("::").and_then(|(smp, _)| smp.strip_prefix("smp")?.parse().ok());
    let smp = cores.ok_or_else(|| format!("{name} does not begin with a number of cores"))?;
    let env = env::var_os("GZERO_GODEBUG").map(|value| ("GODEBUG".into(), value)).into_iter().collect();
    let batch = Batch { program: PROGRAM, icount: true, env, ..Batch::new(smp, std::slice::from_ref(&name)) };
    let mut result = Err("the guest ran no test".into());
    run_batch(guests, batch, |_, outcome| result = outcome).and_then(|()| result.clone()).map_err(|end| {
        match &result {
            Err(text) => text.clone(),
            Ok(()) => end,
        }
    })
}
