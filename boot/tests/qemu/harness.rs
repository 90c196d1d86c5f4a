//! libtest's lines and options over jobs that may hold many tests.

use std::collections::BTreeSet;
use std::env;
use std::num::NonZero;
use std::process::ExitCode;
use std::sync::mpsc::{Sender, channel};
use std::sync::{Condvar, Mutex};
use std::thread;
use std::time::Instant;

/// What a test came to; a failure in words.
pub type Outcome = Result<(), String>;

/// A test's name and the test.
pub type Row = (&'static str, fn() -> Outcome);

/// Runs those of a job's tests that it is given and reports each.
type Run<'a> = Box<dyn Fn(&[String], &Reporter) + Send + Sync + 'a>;

/// Host cores that a job takes unless it says that it needs fewer: most guests have several cores, and
/// builds use all there are.
const COMMON_CORES: usize = 2;

/// Work that yields the results of one test or of many.
pub struct Job<'a> {
    names: Vec<String>,
    run: Run<'a>,
    ignored: bool,
    /// How many of the host's cores it keeps busy.
    cores: usize,
}

impl<'a> Job<'a> {
    /// A job of one test.
    pub fn one(name: impl Into<String>, run: impl Fn() -> Outcome + Send + Sync + 'a) -> Job<'a> {
        let run: Run<'a> = Box::new(move |names, reporter| reporter.report(&names[0], run()));
        Job { names: vec![name.into()], run, ignored: false, cores: COMMON_CORES }
    }

    /// A job for each row of a table, named `prefix::NAME`.
    pub fn table(prefix: &str, tests: &'static [Row]) -> Vec<Job<'a>> {
        tests.iter().map(|(name, run)| Job::one(format!("{prefix}::{name}"), run)).collect()
    }

    /// A job of many tests, which gets the names of those that are wanted.
    pub fn many(names: Vec<String>, run: impl Fn(&[String], &Reporter) + Send + Sync + 'a) -> Job<'a> {
        Job { names, run: Box::new(run), ignored: false, cores: COMMON_CORES }
    }

    /// The job is only run when it is asked for by `--ignored` or `--include-ignored`.
    pub fn ignored(self) -> Job<'a> {
        Job { ignored: true, ..self }
    }

    /// The job takes at most `cores` host cores, as many as its guest keeps busy: one while it boots.
    pub fn keeps_busy(self, cores: u32) -> Job<'a> {
        Job { cores: COMMON_CORES.min(cores as usize), ..self }
    }
}

/// Takes results.
pub struct Reporter(Sender<(String, Outcome)>);

impl Reporter {
    /// The outcome of the test `name`.
    pub fn report(&self, name: &str, outcome: Outcome) {
        self.0.send((name.into(), outcome)).expect("the harness listens until all jobs are done");
    }
}

/// The command line.
#[derive(Debug, Default)]
pub struct Arguments {
    list: bool,
    exact: bool,
    /// Only tests that are otherwise ignored.
    ignored: bool,
    include_ignored: bool,
    /// Cores of the host that are shared out.
    threads: Option<usize>,
    filters: Vec<String>,
    skip: Vec<String>,
}

impl Arguments {
    /// Those of libtest's that mean something here are heeded; those about its output are accepted.
    fn parse(mut words: impl Iterator<Item = String>) -> Result<Arguments, String> {
        let mut args = Arguments::default();
        while let Some(word) = words.next() {
            let (option, joined) = match word.split_once('=') {
                Some((option, value)) if option.starts_with("--") => (option, Some(value.to_owned())),
                _ => (word.as_str(), None),
            };
            let mut value =
                || joined.clone().or_else(|| words.next()).ok_or(format!("{option} needs a value"));
            match option {
                "--list" => args.list = true,
                "--exact" => args.exact = true,
                "--ignored" => args.ignored = true,
                "--include-ignored" => args.include_ignored = true,
                "--test-threads" => {
                    let number: NonZero<usize> =
                        value()?.parse().map_err(|_| "--test-threads: no number above 0")?;
                    args.threads = Some(number.get());
                }
                "--skip" => args.skip.push(value()?),
                "--format" | "--color" | "--logfile" => drop(value()?),
                "--nocapture" | "--no-capture" | "--show-output" | "--quiet" | "-q" | "--test" => {}
                unknown if unknown.starts_with('-') => return Err(format!("unknown option {unknown}")),
                _ => args.filters.push(word),
            }
        }
        Ok(args)
    }

    /// Whether it may ask for a test that is not ignored and whose name begins with one of these: else nobody need find out which there are.
    pub fn may_want(&self, prefixes: &[&str]) -> bool {
        let begins = |name: &String| prefixes.iter().any(|prefix| name.starts_with(prefix));
        !self.ignored && (!self.exact || self.filters.is_empty() || self.filters.iter().any(begins))
    }

    fn wants(&self, name: &str) -> bool {
        let matches =
            |filter: &String| if self.exact { name == filter } else { name.contains(filter.as_str()) };
        (self.filters.is_empty() || self.filters.iter().any(matches)) && !self.skip.iter().any(matches)
    }
}

/// Runs the tests that the command line asks for.
pub fn main<'a>(jobs: impl FnOnce(&Arguments) -> Vec<Job<'a>>) -> ExitCode {
    let start = Instant::now();
    let args = match Arguments::parse(env::args().skip(1)) {
        Ok(args) => args,
        Err(error) => {
            eprintln!("qemu tests: {error}");
            return ExitCode::from(101);
        }
    };
    let mut jobs = jobs(&args);
    let all: usize = jobs.iter().map(|job| job.names.len()).sum();
    for job in &mut jobs {
        job.names.retain(|name| args.wants(name));
    }
    jobs.retain(|job| !job.names.is_empty() && (job.ignored || !args.ignored));
    if args.list {
        for name in jobs.iter().flat_map(|job| &job.names) {
            println!("{name}: test");
        }
        return ExitCode::SUCCESS;
    }
    let (jobs, ignored): (Vec<Job>, Vec<Job>) =
        jobs.into_iter().partition(|job| !job.ignored || args.ignored || args.include_ignored);
    let count = |jobs: &[Job]| jobs.iter().map(|job| job.names.len()).sum::<usize>();
    let (wanted, ignored_tests) = (count(&jobs), count(&ignored));
    println!("\nrunning {} tests", wanted + ignored_tests);
    ignored.iter().flat_map(|job| &job.names).for_each(|name| println!("test {name} ... ignored"));
    let failures = run(&jobs, args.threads.unwrap_or_else(host_cores));

    if !failures.is_empty() {
        println!("\nfailures:\n");
        for (name, text) in &failures {
            println!("---- {name} ----\n{text}\n");
        }
        println!("\nfailures:");
        failures.iter().for_each(|(name, _)| println!("    {name}"));
    }
    println!(
        "\ntest result: {}. {} passed; {} failed; {ignored_tests} ignored; 0 measured; {} filtered out; finished in {:.2}s\n",
        if failures.is_empty() { "ok" } else { "FAILED" },
        wanted - failures.len(),
        failures.len(),
        all - wanted - ignored_tests,
        start.elapsed().as_secs_f64()
    );
    if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(101) }
}

fn host_cores() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get)
}

/// Jobs that wait, and cores for them.
struct Queue<'q, 'a> {
    waiting: Vec<&'q Job<'a>>,
    free: usize,
}

impl<'q, 'a> Queue<'q, 'a> {
    /// The first job for which enough cores are free, of `all`, and how many it has taken.
    fn take(&mut self, all: usize) -> Option<(&'q Job<'a>, usize)> {
        let needs = |job: &&Job<'_>| job.cores.min(all);
        let first = self.waiting.iter().position(|job| needs(job) <= self.free)?;
        let job = self.waiting.remove(first);
        self.free -= needs(&job);
        Some((job, needs(&job)))
    }
}

/// Runs jobs, as many at once as `cores` host cores suffice for, and prints results as they come;
/// returns the failures.
fn run(jobs: &[Job<'_>], cores: usize) -> Vec<(String, String)> {
    let (sender, results) = channel();
    let queue = Mutex::new(Queue { waiting: jobs.iter().collect(), free: cores });
    let given_back = Condvar::new();
    // Waits for a job whose cores are free; `None`: no job is left.
    let next = || {
        let mut queue = queue.lock().expect("no job runs with the lock held");
        loop {
            match queue.take(cores) {
                None if queue.waiting.is_empty() => return None,
                None => queue = given_back.wait(queue).expect("as above"),
                taken => return taken,
            }
        }
    };
    let give_back = |n| {
        queue.lock().expect("no job runs with the lock held").free += n;
        given_back.notify_all();
    };
    let mut failures = Vec::new();
    thread::scope(|scope| {
        for _ in 0..cores {
            let reporter = Reporter(sender.clone());
            let (next, give_back) = (&next, &give_back);
            scope.spawn(move || {
                while let Some((job, n)) = next() {
                    run_job(job, &reporter);
                    give_back(n);
                }
            });
        }
        drop(sender);
        for (name, outcome) in results {
            println!("test {name} ... {}", if outcome.is_ok() { "ok" } else { "FAILED" });
            failures.extend(outcome.err().map(|text| (name, text)));
        }
    });
    failures
}

/// Runs one job. Tests that it does not report, because it panicked or forgot them, have failed.
fn run_job(job: &Job<'_>, reporter: &Reporter) {
    let (sender, results) = channel();
    let mut missing: BTreeSet<&str> = job.names.iter().map(String::as_str).collect();
    thread::scope(|scope| {
        let inner = Reporter(sender);
        let worker = scope.spawn(move || (job.run)(&job.names, &inner));
        for (name, outcome) in results {
            missing.remove(name.as_str());
            reporter.report(&name, outcome);
        }
        let text = match worker.join() {
            Ok(()) => "the harness has no result".into(),
            Err(panic) => match panic.downcast_ref::<String>() {
                Some(text) => text.clone(),
                None => panic.downcast_ref::<&str>().unwrap_or(&"panic").to_string(),
            },
        };
        for name in missing {
            reporter.report(name, Err(text.clone()));
        }
    });
}
