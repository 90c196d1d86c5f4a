//! `gomaxprocs_ramp`: the goroutines on each line of `GODEBUG=schedtrace` add up, whatever the number of Ps.

use crate::guests::Guests;
use crate::harness::{Job, Outcome};
use boot::options::Options;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(60);

/// Cores, and Ps at the end: as many as there are cores, and many more.
const RAMPS: [(u32, usize); 2] = [(16, 16), (2, 16)];

/// A job for each ramp.
pub fn jobs(guests: &Guests) -> Vec<Job<'_>> {
    RAMPS
        .map(|(smp, most)| {
            Job::one(format!("programs::gomaxprocs_ramp::smp{smp}"), move || ramp(guests, smp, most))
                .keeps_busy(smp)
        })
        .into()
}

fn ramp(guests: &Guests, smp: u32, most: usize) -> Outcome {
    const N: usize = 5000;
    let (most_arg, n_arg) = (most.to_string(), N.to_string());
    // Where cores or Ms share what is below them, a step of the program's main goroutine can take longer than 10 ms; its slice over, its next turn
    // comes after those of all others.
    let env = vec![("GODEBUG".into(), "schedtrace=50,timeslice=1000".into())];
    let options = Options { smp, env, ..Options::new("gomaxprocs_ramp", &[&most_arg, "200", &n_arg]) };
    let ran = guests.run(&options, PATIENCE)?;
    let wanted: Vec<String> = (3..=most).map(|procs| format!("gomaxprocs: {procs}")).collect();
    let printed = ran.errors.lines().filter(|line| wanted.iter().any(|w| w == line));
    if ran.status != 0 || ran.output != format!("all {N} have ended\n") || !printed.eq(wanted.iter()) {
        return Err(ran.describe());
    }
    let counting = ran.errors.lines().skip_while(|line| !line.starts_with("5000 goroutines count"));
    let lines: Vec<&str> =
        counting.take_while(|line| *line != "enough").filter(|line| line.starts_with("SCHED")).collect();
    if lines.len() < most {
        return Err(format!("only {} lines of schedtrace in\n{}", lines.len(), ran.errors));
    }
    // Every P is busy and goroutines are queued: whoever gives up a P must look for them first.
    if !lines.iter().any(|line| line.contains(" needspinning=1 ")) {
        return Err(format!("needspinning was never set in\n{}", ran.errors));
    }
    for line in lines {
        match goroutines(line) {
            // The main goroutine is one more while it is awake.
            Some(N | 5001) => {}
            sum => return Err(format!("{sum:?} goroutines, not {N}, on\n{line}\nof\n{}", ran.errors)),
        }
    }
    Ok(())
}

/// How many goroutines are ready or run according to a line of `schedtrace`; none if it is no such line.
fn goroutines(line: &str) -> Option<usize> {
    let number = |key: &str| {
        let (_, rest) = line.split_once(key)?;
        rest.split(' ').next()?.parse::<usize>().ok()
    };
    let (_, queues) = line.split_once("[ ")?;
    let (queues, _) = queues.split_once(" ]")?;
    let queued: Option<Vec<usize>> = queues.split(' ').map(|n| n.parse().ok()).collect();
    let queued = queued?;
    let procs = number(" gomaxprocs=")?;
    (queued.len() == procs)
        .then_some(number(" runqueue=")? + queued.iter().sum::<usize>() + procs - number(" idleprocs=")?)
}
