//! The sample programs in Go (`programs/go/`) beside those in Rust that they are the twins of: both run, and what they write is compared line by
//! line. Where the two languages say the same otherwise, or time is in it, the line's form is compared.

use crate::guests::{Guests, Ran};
use crate::harness::{Job, Outcome};
use boot::go::command::Go;
use boot::host::Host;
use boot::options::Options;
use boot::{source_root, target_dir};
use std::fs;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(60);

/// A pair of programs.
struct Twins {
    /// The test's name.
    name: &'static str,
    line: &'static str,
    /// What is compared of a line.
    form: fn(&str) -> String,
    /// Whether lines may come in any order.
    any_order: bool,
}

const fn twins(name: &'static str, line: &'static str) -> Twins {
    Twins { name, line, form: str::to_owned, any_order: false }
}

const TWINS: &[Twins] = &[
    twins("hello", "hello"),
    twins("prime_sieve", "prime_sieve 250"),
    twins("prime_sieve_wrong", "prime_sieve x"),
    twins("pingpong", "pingpong"),
    twins("parfib", "parfib 20"),
    Twins { form: without_numbers, ..twins("skynet", "skynet 100000") },
    twins("skynet_wrong", "skynet 20"),
    twins("select_fairness", "select_fairness"),
    Twins { form: without_numbers, ..twins("tickers", "tickers") },
    twins("worker_pool", "worker_pool"),
    twins("producer_consumer", "producer_consumer"),
    Twins { any_order: true, ..twins("philosophers", "dining_philosophers") },
    twins("philosophers_greedy", "dining_philosophers -greedy"),
    Twins { form: index_error, ..twins("panic_recover", "panic_recover") },
    Twins { form: index_error, ..twins("panic_unrecovered", "panic_recover -unrecovered") },
    twins("deadlock", "deadlock"),
];

/// A number in a line that has a time in it is another at each run.
fn without_numbers(line: &str) -> String {
    let is_timed = line.contains("goroutines in ") || line.contains("fast ticks");
    if !is_timed {
        return line.into();
    }
    // Also the unit of a time.
    line.split(' ')
        .map(|word| if word.starts_with(|c: char| c.is_ascii_digit()) { "#" } else { word })
        .collect::<Vec<_>>()
        .join(" ")
}

/// Each language has its own words for an index that is out of bounds.
fn index_error(line: &str) -> String {
    line.replace(
        "index out of bounds: the len is 3 but the index is 3",
        "runtime error: index out of range [3] with length 3",
    )
}

/// What is compared of a report: why the program ended, and in which states its goroutines were. Frames have each language's names.
fn report(errors: &str) -> Vec<String> {
    let state = |line: &str| {
        let (_, state) = line.strip_prefix("goroutine ")?.split_once(" [")?;
        // `, locked to thread` and how long it waited are not compared.
        Some(format!("[{}]", state.split([',', ']']).next()?))
    };
    let mut states: Vec<_> = errors.lines().filter_map(state).collect();
    states.sort();
    let why = errors.lines().take_while(|line| !line.starts_with("goroutine ")).map(str::to_owned);
    why.chain(states).collect()
}

/// A job for each pair, on one core and on four.
pub fn jobs(guests: &Guests) -> Vec<Job<'_>> {
    let mut jobs = Vec::new();
    for twins in TWINS {
        for smp in [1, 4] {
            let name = format!("go_twins::{}::smp{smp}", twins.name);
            jobs.push(Job::one(name, move || compare(guests, twins, smp)).keeps_busy(smp));
        }
    }
    jobs
}

/// All of `programs/go/`, linked: built by the first test that wants one of them.
fn built() -> Result<&'static PathBuf, String> {
    static BUILT: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let build = || {
        let dir = target_dir().join("go/twins");
        fs::create_dir_all(&dir).map_err(|error| error.to_string())?;
        let go = Go::get(&Host::current()).map_err(|error| error.to_string())?;
        for entry in source_root().join("programs/go").read_dir().map_err(|error| error.to_string())? {
            let source = entry.map_err(|error| error.to_string())?.path();
            let elf = dir.join(source.file_stem().unwrap_or_default());
            let built = go.build([&source], &elf).output().map_err(|error| error.to_string())?;
            if !built.status.success() {
                return Err(String::from_utf8_lossy(&built.stderr).into_owned());
            }
        }
        Ok(dir)
    };
    BUILT.get_or_init(build).as_ref().map_err(Clone::clone)
}

fn compare(guests: &Guests, twins: &Twins, smp: u32) -> Outcome {
    let words: Vec<&str> = twins.line.split(' ').collect();
    let options = Options { smp, ..Options::new(words[0], &words[1..]) };
    let rust = guests.run(&options, PATIENCE)?;
    let go = guests.run_go(&options, &built()?.join(words[0]), PATIENCE)?;
    let seen = |ran: &Ran| {
        let mut lines: Vec<String> = ran.output.lines().map(twins.form).collect();
        if twins.any_order {
            lines.sort();
        }
        (ran.status, lines, report(&ran.errors))
    };
    if seen(&rust) == seen(&go) {
        return Ok(());
    }
    let told = |ran: &Ran| format!("{:?}\n{}\n{}", ran.status, ran.output, ran.errors);
    Err(format!("the Rust program:\n{}\nthe Go program:\n{}", told(&rust), told(&go)))
}
