//! Ten minutes of all programs on four cores, each time under another seed of the scheduler's; run when asked for (`--ignored`).

use crate::guests::Guests;
use crate::harness::{Job, Outcome};
use crate::programs::{cases, run_seeded};
use std::time::{Duration, Instant};

const LENGTH: Duration = Duration::from_secs(600);
const CORES: u32 = 4;

/// The soak.
pub fn jobs(guests: &Guests) -> Vec<Job<'_>> {
    vec![Job::one("soak::ten_minutes_of_all_programs", || soak(guests)).ignored()]
}

/// Whatever a rare interleaving does to a program that is right in the others; a failure names the program and the seed.
fn soak(guests: &Guests) -> Outcome {
    let start = Instant::now();
    let on_all_cores = || cases().filter(|case| case.smp.contains(&CORES));
    for (seed, case) in (1..).zip(std::iter::repeat_with(on_all_cores).flatten()) {
        if start.elapsed() > LENGTH {
            println!("soak: {} runs", seed - 1);
            break;
        }
        run_seeded(guests, CORES, case, seed)
            .map_err(|error| format!("{} under GODEBUG=schedseed={seed}: {error}", case.name))?;
    }
    Ok(())
}
