//! Go programs whose memory is collected every few hundred KB, with free memory filled and each cycle checked, preempted at every
//! millisecond: what they allocate is whole, and finalizers, cleanups and weak pointers are as in Go. And one that
//! looks for what should be gone.

use crate::guests::Guests;
use crate::harness::{Job, Outcome};
use boot::go::command::Go;
use boot::host::Host;
use boot::options::Options;
use boot::{source_root, target_dir};
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(120);

/// What the program says if all is well.
const OUTPUT: &str = "finalizers: true true\nweak: true true true\ncleanup: cleaned\nunique: true\n\
    allocations: 1 1\npercent: 100 50 -1\nlimit: true 1073741824\nstatistics: true true\nok\n";

/// How often it must have been collected for the run to mean something.
const CYCLES: usize = 30;

/// What the program says that looks for what should be gone.
const GONE: &str = "received: true true true true true\nlocal: true\nargument: true\nparked: true\npreempted: true\n\
    faulted: true\n";

/// On 1, 2 and 4 cores.
pub fn jobs(guests: &Guests) -> Vec<Job<'_>> {
    let whole = |smp| Job::one(format!("go_gc::smp{smp}"), move || run(guests, smp)).keeps_busy(smp);
    let gone = |smp| {
        Job::one(format!("go_gc::unreachable::smp{smp}"), move || unreachable(guests, smp)).keeps_busy(smp)
    };
    [1, 2, 4].map(whole).into_iter().chain([1, 2, 4].map(gone)).collect()
}

/// Builds a Go program of the folder `go/` here.
pub fn build_own(program: &str) -> Result<PathBuf, String> {
    let dir = target_dir().join("go/own");
    fs::create_dir_all(&dir).map_err(|error| error.to_string())?;
    let source = source_root().join(format!("boot/tests/qemu/go/{program}.go"));
    let elf = dir.join(format!("{program}-{}", std::process::id()));
    let go = Go::get(&Host::current()).map_err(|error| error.to_string())?;
    let output = go.build([&source], &elf).output().map_err(|error| error.to_string())?;
    if output.status.success() { Ok(elf) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}

fn run(guests: &Guests, smp: u32) -> Outcome {
    let words = "clobberfree=1,gcverify=1,gcstress=200,gctrace=1,timeslice=1";
    let env = vec![("GODEBUG".into(), words.into())];
    let options = Options { smp, env, ..Options::new("collector", &[]) };
    let ran = guests.run_go(&options, &build_own("collector")?, PATIENCE)?;
    let cycles = ran.errors.lines().filter(|line| line.starts_with("gc ")).count();
    if (ran.status, ran.output.as_str()) == (0, OUTPUT) && cycles >= CYCLES {
        return Ok(());
    }
    Err(format!("status {}, {cycles} collections\n{}\n{}", ran.status, ran.output, ran.errors))
}

fn unreachable(guests: &Guests, smp: u32) -> Outcome {
    let env = vec![("GODEBUG".into(), "clobberfree=1,gcverify=1".into())];
    let options = Options { smp, env, ..Options::new("unreachable", &[]) };
    let ran = guests.run_go(&options, &build_own("unreachable")?, PATIENCE)?;
    if (ran.status, ran.output.as_str()) == (0, GONE) {
        return Ok(());
    }
    Err(format!("status {}\n{}\n{}", ran.status, ran.output, ran.errors))
}
