//! A real gdb at a waiting machine: it stops in a goroutine's function, on the boot core and on another, and shows a
//! right backtrace with source lines.

use crate::guests::Guests;
use crate::harness::{Job, Outcome};
use boot::gdb;
use boot::kernel::Variant;
use boot::options::{Door, Options};
use boot::packages::{GDB, ensure};
use std::process::{Command, Stdio};

/// One job, so that no two guests want the same port.
pub fn jobs(guests: &Guests) -> Vec<Job<'_>> {
    const TESTS: [(&str, u32); 2] = [("gdb::boot_core", 1), ("gdb::another_core", 2)];
    let names = TESTS.map(|(name, _)| name.to_owned()).into();
    vec![Job::many(names, |names, reporter| {
        for (name, thread) in TESTS.iter().filter(|(name, _)| names.iter().any(|n| n == name)) {
            reporter.report(name, breakpoint(guests, *thread));
        }
    })]
}

/// gdb's `thread` is QEMU's core, counted from 1.
fn breakpoint(guests: &Guests, thread: u32) -> Outcome {
    let gdb = ensure(&guests.host, GDB, |host| host.program("gdb")).map_err(|error| error.to_string())?;
    let (kernel, _) = guests.built(Variant::Programs, Door::Pvh)?;
    let port = gdb::free_port().map_err(|error| error.to_string())?;
    let commands = gdb::write_commands(kernel, port).map_err(|error| error.to_string())?;
    let options = Options { smp: 2, ..Options::new("parfib", &["30"]) };
    let guest = guests.start(Variant::Programs, &options, Some(port))?;
    let at = format!("break programs::parfib::fib thread {thread}");
    let output = Command::new("timeout")
        .arg("60")
        .arg(gdb)
        .args(["-nx", "-batch", "-x"])
        .arg(commands)
        .args(["-ex", &at, "-ex", "continue", "-ex", "thread", "-ex", "backtrace", "-ex", "kill"])
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("gdb: {error}"))?;
    drop(guest);
    let text = String::from_utf8_lossy(&output.stdout);
    let stopped =
        text.contains("Temporary breakpoint 1") && text.contains(&format!("Current thread is {thread} "));
    let frames: Vec<&str> = text.lines().filter(|line| line.starts_with('#')).collect();
    let function =
        frames.first().is_some_and(|f| f.contains("programs::parfib::fib") && f.contains("parfib.rs:"));
    let entry = frames.iter().any(|f| f.contains("runtime::proc::newproc::goroutine_entry"));
    if stopped && function && entry {
        return Ok(());
    }
    Err(format!("{text}\n{}", String::from_utf8_lossy(&output.stderr)))
}
