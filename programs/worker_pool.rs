//! A worker pool: a few goroutines take jobs from one channel, in whatever order they are free, and send the results to another.
//!
//! The job is to count the steps by which a number comes to 1 in Collatz' sequence.

use runtime::chan::{Receiver, Sender};
use runtime::prelude::*;

const WORKERS: usize = 3;
const JOBS: u64 = 9;

struct Done {
    job: u64,
    steps: u32,
}

fn collatz(mut n: u64) -> u32 {
    let mut steps = 0;
    while n != 1 {
        n = if n.is_multiple_of(2) { n / 2 } else { 3 * n + 1 };
        steps += 1;
    }
    steps
}

fn work(jobs: &Receiver<u64>, results: &Sender<Done>) {
    for job in jobs {
        results.send(Done { job, steps: collatz(job) });
    }
}

#[program]
fn main() {
    let (jobs, results) = (chan::make(JOBS as usize), chan::make(JOBS as usize));
    for _ in 0..WORKERS {
        let (jobs, results) = (jobs.receiver(), results.sender());
        go(move || work(&jobs, &results));
    }
    for job in 1..=JOBS {
        jobs.send(job);
    }
    jobs.close();
    let mut steps = [0; JOBS as usize + 1];
    for done in results.iter().take(JOBS as usize) {
        steps[done.job as usize] = done.steps;
    }
    for job in 1..=JOBS {
        println!("{job}: {} steps", steps[job as usize]);
    }
}
