//! Addresses that are drawn at boot: that they are, where, and what turns it off.
//!
//! The boot log (`-v`) says where the ranges are.

use crate::guests::{Guests, Ran};
use crate::harness::{Job, Outcome};
use boot::options::{BootProtocol, Options};
use std::time::Duration;

/// How long a start may take, by the slowest boot protocol.
const PATIENCE: Duration = Duration::from_secs(120);

/// Where the ranges are unless drawn (`kernel/src/memory/layout.rs`): the direct map, three of stacks, devices, tables, the image.
const FIXED: [u64; 7] = [
    0xffff_8000_0000_0000,
    0x1000_0000_0000,
    0x5000_0000_0000,
    0xffff_c000_0000_0000,
    0xffff_e000_0000_0000,
    0xffff_e800_0000_0000,
    0xffff_ffff_8020_0000,
];

/// A job for each way to ask for it or against it, and for machines that differ in what the kernel draws from.
pub fn jobs(guests: &Guests) -> Vec<Job<'_>> {
    let fixed = |name: &str, options: Options| {
        Job::one(format!("kaslr::{name}"), move || {
            let got = places(guests, &options)?;
            if got == FIXED { Ok(()) } else { Err(format!("{got:x?}, expected {FIXED:x?}")) }
        })
        .keeps_busy(1)
    };
    let drawn = |name: &str, options: Options| {
        Job::one(format!("kaslr::{name}"), move || are_drawn(&places(guests, &options)?)).keeps_busy(1)
    };
    let env = |value: &str| Options { env: vec![("GODEBUG".into(), value.into())], ..hello() };
    let cpu = |cpu: &str| Options { cpu: cpu.into(), ..hello() };
    let memory = |memory: &str| Options { memory: memory.into(), ..hello() };
    vec![
        Job::one("kaslr::boots_differ", || boots_differ(guests)).keeps_busy(1),
        fixed("off_by_godebug", env("schedtrace=0,kaslr=0")),
        fixed("off_with_a_seed", env("schedseed=7")),
        fixed("off_with_gdb", Options { gdb: true, ..hello() }),
        fixed("off_in_virtual_time", Options { icount: true, ..env("kaslr=1") }),
        fixed("off_by_a_disk_image", Options { protocol: BootProtocol::Bios, ..env("kaslr=0") }),
        drawn("on_with_a_seed", env("schedseed=7,kaslr=1")),
        drawn("bios", Options { protocol: BootProtocol::Bios, ..hello() }),
        drawn("uefi", Options { protocol: BootProtocol::Uefi, ..hello() }),
        drawn("without_rdrand", cpu("qemu64")),
        drawn("without_1_gib_pages", cpu("max,-pdpe1gb")),
        drawn("64_mib", memory("64M")),
        drawn("8_gib", memory("8G")),
    ]
}

fn hello() -> Options {
    Options { smp: 2, verbose: true, ..Options::new("hello", &[]) }
}

/// Runs it; where its ranges were, in the order of [`FIXED`].
fn places(guests: &Guests, options: &Options) -> Result<Vec<u64>, String> {
    let ran = guests.run(options, PATIENCE)?;
    let found = found(&ran).filter(|found| found.len() == FIXED.len());
    found.filter(|_| ran.status == 0 && ran.output == "hello, world\n").ok_or_else(|| ran.describe())
}

fn found(ran: &Ran) -> Option<Vec<u64>> {
    let line = ran.errors.lines().find(|line| line.contains("direct map at 0x"))?;
    let numbers = line.split(|c: char| !c.is_ascii_alphanumeric()).filter_map(|word| word.strip_prefix("0x"));
    numbers.map(|digits| u64::from_str_radix(digits, 16).ok()).collect()
}

/// Three boots: one range may be at one place twice, by a chance of one in some ten thousands.
fn boots_differ(guests: &Guests) -> Outcome {
    let [one, two, three] = [(); 3].map(|()| places(guests, &hello()));
    let (one, two, three) = (one?, two?, three?);
    all_differ(&one, &two).or_else(|_| all_differ(&one, &three)).or_else(|_| all_differ(&two, &three))
}

/// Whether the ranges are elsewhere than without drawing. One may be there all the same, by a chance of one in some ten thousands.
fn are_drawn(places: &[u64]) -> Outcome {
    let there = places.iter().zip(&FIXED).filter(|(a, b)| a == b).count();
    if there < 2 { Ok(()) } else { Err(format!("{there} of {places:x?} were not drawn")) }
}

/// Whether no range of one is where it is in the other.
fn all_differ(one: &[u64], other: &[u64]) -> Outcome {
    if one.iter().zip(other).all(|(a, b)| a != b) { Ok(()) } else { Err(format!("{one:x?} and {other:x?}")) }
}
