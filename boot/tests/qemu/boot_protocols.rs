//! The three boot protocols: the same program by each.

use crate::guests::Guests;
use crate::harness::Job;
use crate::programs::check_text;
use boot::options::{BootProtocol, Options};
use std::time::Duration;

/// How long a start by firmware may take; OVMF alone needs seconds.
const PATIENCE: Duration = Duration::from_secs(120);

/// A job for each protocol and program.
pub fn jobs(guests: &Guests) -> Vec<Job<'_>> {
    let protocols = [("pvh", BootProtocol::Pvh), ("bios", BootProtocol::Bios), ("uefi", BootProtocol::Uefi)];
    let jobs = protocols.map(|(name, protocol)| {
        let run = move |program: &str, args: &[&str], want| {
            let options = Options { smp: 2, protocol, ..Options::new(program, args) };
            check_text(&guests.run(&options, PATIENCE)?, want)
        };
        [
            Job::one(format!("boot_protocols::{name}_hello"), move || run("hello", &[], "hello, world\n")),
            Job::one(format!("boot_protocols::{name}_echo"), move || {
                run("echo", &["a b", "c,d"], "a b c,d\n")
            }),
            Job::one(format!("boot_protocols::{name}_input"), move || {
                let options = Options { smp: 2, protocol, ..Options::new("cat", &[]) };
                check_text(&guests.run_reading(&options, PATIENCE, Box::new(&b"typed\n"[..]))?, "typed\n")
            }),
        ]
    });
    jobs.into_iter().flatten().collect()
}
