//! Whole programs: what they print, how they end; and the ones that must do so a hundred times in a row.

mod case;
mod crashes;
mod examples;
mod figures;
mod limits;
mod misuses;

pub use case::{check_text, run_seeded};

use crate::guests::Guests;
use crate::harness::{Job, Outcome};
use case::{Case, options, run};
use std::time::Duration;

/// How long a program may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often programs run that race for a chance to fail.
const STRESS: u32 = 100;

const MALLOCDEBUG: &[(&str, &str)] = &[("GODEBUG", "mallocdebug=1")];

/// Programs that end by themselves.
pub fn cases() -> impl Iterator<Item = &'static Case> {
    examples::CASES.iter().chain(limits::CASES)
}

/// A job for each program and number of cores.
pub fn jobs(guests: &Guests) -> Vec<Job<'_>> {
    let mut jobs = Vec::new();
    for case in cases() {
        for &smp in case.smp {
            let name = format!("programs::{}::smp{smp}", case.name);
            jobs.push(Job::one(name, move || run(guests, smp, case, case.line)).keeps_busy(smp));
        }
    }
    jobs.extend(crashes::jobs(guests));
    jobs.extend(misuses::jobs(guests));
    jobs.extend(figures::jobs(guests));
    let primes = primes(100);
    for (program, want) in [("prime_sieve", primes), ("parfib", "fib(25) = 75025\n".into())] {
        let name = format!("stress::{program}_{STRESS}_times");
        jobs.push(Job::one(name, move || stress(guests, program, &want)));
    }
    jobs
}

fn stress(guests: &Guests, program: &str, want: &str) -> Outcome {
    for i in 1..=STRESS {
        let ran = guests
            .run(&options(4, program), PATIENCE)
            .map_err(|error| format!("run {i} of {STRESS}: {error}"))?;
        if ran.output != want || ran.status != 0 {
            return Err(format!("run {i} of {STRESS}: {}", ran.describe()));
        }
    }
    Ok(())
}

/// The first `n` primes as prime_sieve prints them, ten to a line.
fn primes(n: usize) -> String {
    let is_prime = |i: &u32| (2..*i).all(|divisor| !i.is_multiple_of(divisor));
    let primes: Vec<String> = (2..).filter(is_prime).take(n).map(|i| i.to_string()).collect();
    primes.chunks(10).map(|line| line.join(" ") + "\n").collect()
}
