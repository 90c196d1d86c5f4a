//! Processors and machines other than the one that all other tests have.
//!
//! The normal run has the tests of what saves registers, on processors that save differently, and the machines' own peculiarities. The
//! matrix (`--ignored`) runs three programs on every processor that QEMU has and on machines of all kinds.

use crate::guests::Guests;
use crate::harness::{Job, Outcome};
use crate::kernel_tests::{Batch, run_batch};
use boot::machine;
use boot::options::Options;
use std::process::Command;
use std::time::Duration;

/// How long a program may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// FXSAVE only, an older and a newer XSAVE, and XSAVE without AVX.
const PROCESSORS: [&str; 4] = ["qemu64", "Nehalem", "Haswell", "max,-avx"];

/// Preemption, traps and switches, with registers that are compared.
const TESTS: [&str; 4] = [
    "kernel::port::tests::registers_survive_preemption",
    "kernel::port::tests::spinning_goroutines_share_the_ps",
    "kernel::cpu::tests::trap::a_trap_keeps_all_registers",
    "runtime::proc::tests::lockosthread::locked_goroutines_play_ping_pong",
];

/// Each with what kept a kernel from running on it: a hidden leaf of CPUID, XSAVE that QEMU shows and refuses, ACPI's first FADT, no tables at all, no PCI.
const PECULIAR: [(&str, &str); 8] = [
    ("max,level=1", "q35"),
    ("max,-xsave", "q35"),
    ("Opteron_G4", "q35"),
    ("Opteron_G5", "q35"),
    ("max", "q35,acpi=off"),
    ("max", "pc,acpi=off"),
    ("max", "microvm"),
    ("max", "microvm,acpi=off"),
];

/// What a processor of 32 bits shows, with status 2.
const NO_LONG_MODE: &str =
    "fatal error: this processor has no 64-bit mode (long mode): Gzero needs an x86-64\n";

/// A job for each.
pub fn jobs(guests: &Guests) -> Vec<Job<'_>> {
    let mut jobs = Vec::new();
    for cpu in PROCESSORS {
        let run = move || {
            let batch = Batch { cpu, ..Batch::new(2, &TESTS) };
            let mut failures = Vec::new();
            let end = run_batch(guests, batch, |name, outcome| {
                failures.extend(outcome.err().map(|error| format!("{name}: {error}")));
            });
            if failures.is_empty() { end } else { Err(failures.join("\n")) }
        };
        jobs.push(Job::one(format!("processors::{cpu}::kernel_tests"), run));
    }
    for (cpu, machine) in PECULIAR {
        jobs.push(Job::one(format!("processors::{cpu}::{machine}"), move || {
            run_all(guests, &options(cpu, machine))
        }));
    }
    jobs.push(Job::one("processors::qemu32::no_long_mode", || no_long_mode(guests, "qemu32")));
    jobs.push(Job::one("processors::every_processor", || every_processor(guests)).ignored());
    jobs.push(Job::one("processors::every_machine", || every_machine(guests)).ignored());
    jobs
}

fn options(cpu: &str, machine: &str) -> Options {
    Options { smp: 2, cpu: cpu.into(), machine: machine.into(), ..Options::new("", &[]) }
}

/// The three programs on a machine.
fn run_all(guests: &Guests, options: &Options) -> Outcome {
    let programs: [(&str, &[&str], &str); 3] = [
        ("hello", &[], "hello, world\n"),
        ("parfib", &["23"], "fib(23) = 28657\n"),
        ("endless_loop", &[], "10 ticks beside an endless loop\n"),
    ];
    for (program, args, last) in programs {
        let named = Options::new(program, args);
        let options = Options { program: named.program, args: named.args, ..options.clone() };
        let ran = guests.run(&options, PATIENCE).map_err(|error| format!("{program}: {error}"))?;
        if ran.status != 0 || !ran.output.ends_with(last) {
            return Err(format!("{program}: {}", ran.describe()));
        }
    }
    Ok(())
}

fn no_long_mode(guests: &Guests, cpu: &str) -> Outcome {
    let options = Options { cpu: cpu.into(), smp: 2, ..Options::new("hello", &[]) };
    let ran = guests.run(&options, PATIENCE)?;
    if ran.status == 2 && ran.output.clone() + &ran.errors == NO_LONG_MODE {
        Ok(())
    } else {
        Err(ran.describe())
    }
}

/// All of `-cpu help` but older versions of the same, and what needs KVM. One of 32 bits has nothing but its line.
fn every_processor(guests: &Guests) -> Outcome {
    const SHORT: [&str; 11] = [
        "486", "athlon", "base", "coreduo", "kvm32", "n270", "pentium", "pentium2", "pentium3", "qemu32",
        "max,-lm",
    ];
    let qemu = machine::qemu(&guests.host).map_err(|error| error.to_string())?;
    let help = Command::new(qemu).args(["-cpu", "help"]).output().map_err(|error| error.to_string())?;
    let help = String::from_utf8_lossy(&help.stdout);
    let models = help.lines().filter_map(|line| line.strip_prefix("x86 ")?.split_whitespace().next());
    let version = |model: &str| model.rsplit_once("-v").is_some_and(|(_, n)| n.parse::<u32>().is_ok());
    let models: Vec<&str> = models.filter(|model| !version(model) && *model != "host").collect();
    if models.len() < 44 {
        return Err(format!("QEMU names {} processors only: {models:?}", models.len()));
    }
    all(models.into_iter().chain(["max,-lm"]), |cpu| match SHORT.contains(cpu) {
        true => no_long_mode(guests, cpu),
        false => run_all(guests, &options(cpu, "q35")),
    })
}

/// Types, topologies, memory below and above the hole under 4 GiB.
fn every_machine(guests: &Guests) -> Outcome {
    const MACHINES: [(&str, u32, &str); 14] = [
        ("q35", 1, "512M"),
        ("q35", 4, "32M"),
        ("q35", 4, "3G"),
        ("q35", 4, "5G"),
        ("pc", 4, "3G"),
        ("pc", 4, "5G"),
        ("pc", 1, "40M"),
        ("microvm", 4, "512M"),
        ("microvm", 4, "5G"),
        ("q35,smp.sockets=4,smp.cores=1,smp.threads=1", 4, "512M"),
        ("q35,smp.sockets=2,smp.cores=1,smp.threads=2", 4, "512M"),
        ("q35,smp.sockets=1,smp.dies=2,smp.cores=3,smp.threads=1", 6, "512M"),
        ("q35,hpet=off", 2, "512M"),
        ("q35,max-ram-below-4g=1G", 2, "3G"),
    ];
    all(MACHINES, |&(machine, smp, memory)| {
        run_all(guests, &Options { smp, memory: memory.into(), ..options("max", machine) })
    })
}

/// Tries all, and names those that failed.
fn all<T: std::fmt::Debug>(of: impl IntoIterator<Item = T>, run: impl Fn(&T) -> Outcome) -> Outcome {
    let failures = of.into_iter().filter_map(|each| Some(format!("{each:?}: {}", run(&each).err()?)));
    let failures: Vec<String> = failures.collect();
    if failures.is_empty() { Ok(()) } else { Err(failures.join("\n")) }
}
