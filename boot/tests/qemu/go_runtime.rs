//! What Go programs ask of package runtime beside the language, on several numbers of cores: each program
//! compares what it is told with what it did and says `ok`.

use crate::guests::Guests;
use crate::harness::{Job, Outcome};
use boot::go::command::Go;
use boot::host::Host;
use boot::options::Options;
use boot::{source_root, target_dir};
use std::fs;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(120);

/// Programs in `boot/tests/qemu/go/`.
const PROGRAMS: [&str; 1] = ["metrics"];

/// Each program on 1, 2 and 4 cores.
pub fn jobs(guests: &Guests) -> Vec<Job<'_>> {
    let job = |program, smp| {
        Job::one(format!("go_runtime::{program}::smp{smp}"), move || run(guests, program, smp))
    };
    PROGRAMS.into_iter().flat_map(|program| [1, 2, 4].map(|smp| job(program, smp))).collect()
}

fn run(guests: &Guests, program: &str, smp: u32) -> Outcome {
    let dir = target_dir().join("go/runtime");
    fs::create_dir_all(&dir).map_err(|error| error.to_string())?;
    let elf = dir.join(format!("{program}-{smp}-{}", std::process::id()));
    let source = source_root().join(format!("boot/tests/qemu/go/{program}.go"));
    let go = Go::get(&Host::current()).map_err(|error| error.to_string())?;
    let built = go.build([&source], &elf).output().map_err(|error| error.to_string())?;
    if !built.status.success() {
        return Err(String::from_utf8_lossy(&built.stderr).into_owned());
    }
    let ran = guests.run_go(&Options { smp, ..Options::new(program, &[]) }, &elf, PATIENCE)?;
    _ = fs::remove_file(&elf);
    match (ran.status, ran.output.as_str(), ran.errors.as_str()) {
        (0, "ok\n", "") => Ok(()),
        _ => Err(format!("status {}\n{}\n{}", ran.status, ran.output, ran.errors)),
    }
}
