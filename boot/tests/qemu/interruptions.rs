//! A non-maskable interrupt from outside, by QEMU's monitor, at any time of a run: a report, and the machine ends with status 2.

use crate::guests::Guests;
use crate::harness::{Job, Outcome};
use boot::guest::Event;
use boot::kernel::Variant;
use boot::options::Options;
use std::time::{Duration, Instant};

/// How long a step may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the boot log has said by the time that the interrupt is sent.
const MOMENTS: [&str; 5] = ["] Gzero ", "] memory: ", "] clock: ", "] smp: ", "\n2 "];

/// A job for each moment.
pub fn jobs(guests: &Guests) -> Vec<Job<'_>> {
    let names = ["start", "memory", "clock", "cores", "program"];
    let job = |(name, moment)| {
        Job::one(format!("interruptions::nmi::{name}"), move || nmi(guests, moment)).keeps_busy(1)
    };
    names.into_iter().zip(MOMENTS).map(job).collect()
}

/// On one core: one that is being started has no table of interrupts for some instructions, and the machine is reset.
fn nmi(guests: &Guests, moment: &str) -> Outcome {
    // Without end, so that the interrupt is never late.
    let program = Options::new("prime_sieve", &["1000000"]);
    let mut session = guests.start(Variant::Programs, &Options { smp: 1, verbose: true, ..program }, None)?;
    let deadline = Instant::now() + PATIENCE;
    let (mut output, mut monitor) = (Vec::new(), None);
    while !String::from_utf8_lossy(&output).contains(moment) {
        match session.next(deadline) {
            Event::Output(_, bytes) => {
                output.extend(bytes);
                if monitor.is_none() {
                    // Open since before the guest ran, and ready when it is wanted.
                    monitor = Some(session.monitor()?);
                }
            }
            Event::Ended => return Err(format!("ended before '{moment}'\n{}", session.tails())),
            Event::Quiet => return Err(session.late()),
        }
    }
    let mut monitor = monitor.ok_or("no output")?;
    monitor.command("nmi").map_err(|error| error.to_string())?;
    let (session, rest) = session.read_to_end(PATIENCE)?;
    let report = String::from_utf8_lossy(&rest.err).into_owned();
    match session.end()? {
        2 if report.contains("fatal error: non-maskable interrupt\n[exception 2 NMI") => Ok(()),
        status => Err(format!("exit status {status}\n{report}")),
    }
}
