//! A `qemu-run.sh` that is killed, while it waits for a reader of its output, leaves no QEMU.

use crate::harness::{Job, Outcome};
use boot::source_root;
use rustix::process::{Pid, Signal, kill_process};
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

const SIGNALS: [(&str, Signal); 2] = [("TERM", Signal::TERM), ("KILL", Signal::KILL)];

/// A job for each signal.
pub fn jobs<'a>() -> Vec<Job<'a>> {
    let job = |(name, signal)| Job::one(format!("killed::{name}"), move || killed(signal));
    SIGNALS.into_iter().map(job).collect()
}

fn killed(signal: Signal) -> Outcome {
    let mut tool = Command::new(source_root().join("qemu-run.sh"))
        .args(["-icount", "-smp", "1", "cat"])
        .stdin(File::open("/dev/zero").map_err(|e| e.to_string())?)
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|e| e.to_string())?;
    // The script has become the tool: its process number is the same.
    let pid = tool.id();
    let mut output = tool.stdout.take().expect("stdout is piped");
    output.read_exact(&mut [0; 1]).map_err(|e| format!("no output: {e}"))?;
    let machines = children(pid);
    if machines.is_empty() {
        return Err("no QEMU is a child of the tool".into());
    }
    // From here on nobody reads: the tool waits in `poll` once the pipe is full, and nowhere else.
    let full =
        |pid: u32| fs::read_to_string(format!("/proc/{pid}/wchan")).is_ok_and(|at| at.contains("poll"));
    wait("the pipe is full", || full(pid))?;
    // Not by the program `kill`, which a new machine has not.
    kill_process(Pid::from_child(&tool), signal).map_err(|error| error.to_string())?;
    let mut ended = None;
    wait("the tool ends", || {
        ended = tool.try_wait().ok().flatten();
        ended.is_some()
    })?;
    if ended.and_then(|status| status.signal()) != Some(signal.as_raw()) {
        return Err(format!("the tool ended with {ended:?}"));
    }
    wait("QEMU ends", || machines.iter().all(|&machine| parent(machine).is_none()))
}

/// Processes whose parent is `pid`.
fn children(pid: u32) -> Vec<u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|&child| parent(child) == Some(pid)).collect()
}

/// The parent of a process that has not ended.
fn parent(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // Behind the name in parentheses: state, parent.
    let (_, rest) = stat.rsplit_once(") ")?;
    let mut words = rest.split(' ');
    (words.next()? != "Z").then(|| words.next()?.parse().ok()).flatten()
}

fn wait(what: &str, mut condition: impl FnMut() -> bool) -> Outcome {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !condition() {
        if Instant::now() > deadline {
            return Err(format!("after a minute it is not so that {what}"));
        }
        thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}
