//! Many runs of Go programs that serve as tests of the scheduler and the collector, on four cores, preempted at every millisecond, with a collection every few
//! hundred KB, free memory filled and each cycle checked, each run under another seed of the scheduler's.
//!
//! Run when asked for (`--ignored go_soak`), [`RUNS`] times or as often as `GZERO_GO_SOAK_RUNS` says. A failure names program and seed. What is run:
//! `stress.go` with the seed, the tests of sync, time and context, and the programs of Go's `test/chan`.

use crate::go_gc::build_own;
use crate::go_language::{self, Program};
use crate::go_std::{self, Package};
use crate::guests::Guests;
use crate::harness::{Job, Outcome};
use boot::options::Options;
use std::path::PathBuf;
use std::time::{Duration, Instant};

const RUNS: u64 = 1000;
const CORES: u32 = 4;
const PATIENCE: Duration = Duration::from_secs(900);

/// How often `stress.go` is run between two runs of a package's tests.
const STRESSES: usize = 4;

/// The packages, and what of their tests counts on no collection but its own.
const PACKAGES: [(&str, &[&str]); 4] = [
    ("sync", &["TestPool", "TestPoolNew", "TestPoolGC"]),
    ("internal/sync", &[]),
    ("time", &[]),
    ("context", &[]),
];

/// The soak, and a few runs of its own program that are always made.
pub fn jobs(guests: &Guests) -> Vec<Job<'_>> {
    let stress = move || {
        let stress = Soaked::Stress(build_own("stress")?);
        (1..=2).try_for_each(|seed| run(guests, &stress, seed))
    };
    vec![Job::one("go_soak::stress", stress), Job::one("go_soak::runs", || soak(guests)).ignored()]
}

/// A program that is run again and again.
enum Soaked {
    Stress(PathBuf),
    Package(Package<'static>, PathBuf),
    Language(&'static Program),
}

impl Soaked {
    fn name(&self) -> String {
        match self {
            Soaked::Stress(_) => "stress.go".into(),
            Soaked::Package(package, _) => package.path.into(),
            Soaked::Language(program) => program.source.display().to_string(),
        }
    }
}

/// All of them, in the order of a round.
fn round() -> Result<Vec<Soaked>, String> {
    let stress = build_own("stress")?;
    let mut all = Vec::new();
    for (path, left_out) in PACKAGES {
        all.extend((0..STRESSES).map(|_| Soaked::Stress(stress.clone())));
        let package = left_out
            .iter()
            .fold(go_std::package(path)?, |package, name| package.without(name, "counts collections"));
        let elf = go_std::build(&package)?;
        all.push(Soaked::Package(package, elf));
    }
    all.extend(go_language::programs("chan")?.iter().map(Soaked::Language));
    Ok(all)
}

fn soak(guests: &Guests) -> Outcome {
    let runs = match std::env::var("GZERO_GO_SOAK_RUNS") {
        Ok(number) => number.parse().map_err(|error| format!("GZERO_GO_SOAK_RUNS: {error}"))?,
        Err(_) => RUNS,
    };
    let (all, start) = (round()?, Instant::now());
    for (seed, soaked) in (1..=runs).zip(all.iter().cycle()) {
        println!("go_soak: {:?}: run {seed}, {}", start.elapsed(), soaked.name());
        run(guests, soaked, seed).map_err(|error| format!("{}, schedseed={seed}: {error}", soaked.name()))?;
    }
    Ok(())
}

fn run(guests: &Guests, soaked: &Soaked, seed: u64) -> Outcome {
    let godebug = format!("clobberfree=1,gcverify=1,gcstress=300,timeslice=1,schedseed={seed}");
    match soaked {
        Soaked::Stress(elf) => {
            let env = vec![("GODEBUG".into(), godebug.into())];
            let options = Options { smp: CORES, env, ..Options::new("stress", &[&seed.to_string()]) };
            let ran = guests.run_go(&options, elf, PATIENCE)?;
            if (ran.status, ran.output.as_str()) == (0, "whole\n") { Ok(()) } else { Err(ran.describe()) }
        }
        Soaked::Package(package, elf) => {
            go_std::run_built(guests, package, elf, &[], Some(&godebug)).map(drop)
        }
        Soaked::Language(program) => go_language::run_with(guests, program, CORES, Some(&godebug), PATIENCE),
    }
}
