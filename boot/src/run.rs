//! One run of one program, from its options to its exit status.

use crate::command_line::{kernel_options, program_words};
use crate::guest::{End, Event, Guest, RunDir};
use crate::host::Host;
use crate::kernel::{self, Kernel, Variant};
use crate::machine::{self, Accelerator, Machine};
use crate::options::{Door, Options};
use crate::packages::{GDB, ensure};
use crate::report::{self, Tail};
use crate::toolchain::Toolchain;
use crate::{Result, gdb, image, trial};
use std::io::{self, Write, stdin, stdout};
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

/// The exit status of a machine that ended without one: `EX_SOFTWARE` of BSD's `sysexits.h`.
pub const NO_STATUS: u8 = 70;

/// The exit status of a machine ended by its timeout, as of coreutils' `timeout`.
pub const TIMED_OUT: u8 = 124;

/// How often the timeout is looked at while the guest is silent.
const GLANCE: Duration = Duration::from_millis(20);

/// Builds what is to be booted: the kernel, and its disk image for the doors that want one.
///
/// # Errors
/// What [`kernel::build`] and [`image::build`] return.
pub fn prepare(host: &Host, variant: Variant, door: Door) -> Result<(Kernel, PathBuf)> {
    let toolchain = Toolchain::get(host)?;
    let kernel = kernel::build(&toolchain, variant)?;
    let medium = match door {
        Door::Pvh => kernel.stripped.clone(),
        Door::Bios | Door::Uefi => image::build(host, &toolchain, &kernel, door)?,
    };
    Ok((kernel, medium))
}

/// Runs a program with its console on stdin and stdout.
///
/// Returns the program's exit status, [`NO_STATUS`] or [`TIMED_OUT`] after a report on stderr, or nothing if nobody reads the
/// program's output any more.
///
/// # Errors
/// Whatever keeps the machine from starting.
pub fn run(host: &Host, options: &Options) -> Result<Option<u8>> {
    let dir = RunDir::new()?;
    let qemu = machine::qemu(host)?;
    trial::check(&qemu, options)?;
    let files = dir.files().clone();
    let probe = thread::spawn({
        let (qemu, wanted) = (qemu.clone(), !options.icount);
        move || wanted && machine::kvm_works(&qemu, &files)
    });
    let (kernel, medium) = prepare(host, Variant::Programs, options.door)?;
    let kvm = probe.join().unwrap_or(false);
    let gdb_port = if options.gdb { Some(wait_for_gdb(host, &kernel)?) } else { None };
    let machine = Machine {
        options,
        command_line: &kernel_options(options),
        words: &program_words(options),
        kernel: &medium,
        accelerator: if kvm { Accelerator::Kvm } else { Accelerator::Tcg },
        gdb_port,
    };
    let mut guest = Guest::start(host, &qemu, &machine, &kernel, dir, Box::new(stdin()))?;
    let mut console = Console::new(options, kvm, guest.started);
    let deadline = options.timeout.map(|timeout| guest.started + timeout);
    loop {
        match guest.next(GLANCE) {
            Event::Output(bytes) => {
                if console.write(&bytes).is_err() {
                    // Whoever read our output has gone, and what the program does now nobody will see.
                    return Ok(None);
                }
            }
            Event::Ended => break,
            Event::Quiet => {}
        }
        if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            let cores = guest.monitor().and_then(|mut m| report::cores(&mut m, &kernel.code()?));
            eprint!("gzero: timeout\n{}", cores.unwrap_or_else(|error| format!("{error}\n")));
            return Ok(Some(TIMED_OUT));
        }
    }
    let end = guest.end(false)?;
    if end.status.is_none() {
        eprint!("{}", no_status(&end, &kernel, &console.tail));
    }
    Ok(Some(end.status.unwrap_or(NO_STATUS)))
}

/// The report of a machine that ended without a status.
pub fn no_status(end: &End, kernel: &Kernel, tail: &Tail) -> String {
    let mut text = format!("gzero: the machine ended without an exit status\n{}", end.messages);
    if let Some(log) = &end.triple_fault {
        text += &report::triple_fault(log, &kernel.code().unwrap_or_default());
    }
    text + &tail.report()
}

fn wait_for_gdb(host: &Host, kernel: &Kernel) -> Result<u16> {
    let debugger = ensure(host, GDB, |host| host.program("gdb"))?;
    let port = gdb::free_port()?;
    let commands = gdb::write_commands(kernel, port)?;
    // An unpacked one is not in the user's PATH.
    let in_path = host.programs().any(|dir| debugger.starts_with(dir));
    let debugger = if in_path { "gdb".into() } else { debugger };
    eprintln!(
        "gzero: waiting at the first instruction; attach with: {} -x {}",
        debugger.display(),
        commands.display()
    );
    Ok(port)
}

/// The guest's console on stdout. With `-v` the line about the start follows the boot log.
struct Console {
    tail: Tail,
    /// Looks for the program's first output, until it is there.
    start: Option<FirstOutput>,
    machine: String,
    started: Instant,
}

impl Console {
    fn new(options: &Options, kvm: bool, started: Instant) -> Console {
        let accelerator = if kvm { "kvm" } else { "tcg" };
        let Options { door, smp, memory, .. } = options;
        let door = format!("{door:?}").to_lowercase();
        let cores = if *smp == 1 { "core" } else { "cores" };
        Console {
            tail: Tail::default(),
            start: options.verbose.then(FirstOutput::default),
            machine: format!("{door}, {smp} {cores}, {memory}, {accelerator}"),
            started,
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.tail.push(bytes);
        let mut out = stdout().lock();
        match self.start.as_mut().map(|start| start.push(bytes)) {
            None => out.write_all(bytes)?,
            Some((log, None)) => out.write_all(&log)?,
            Some((log, Some(first))) => {
                self.start = None;
                out.write_all(&log)?;
                let seconds = self.started.elapsed().as_secs_f64();
                writeln!(out, "gzero: {}; QEMU start to first program output {seconds:.2} s", self.machine)?;
                out.write_all(&first)?;
            }
        }
        out.flush()
    }
}

/// Finds where the boot log ends: at the first line that does not begin as the kernel's lines do.
#[derive(Debug, Default)]
struct FirstOutput {
    /// The beginning of a line that may become either.
    undecided: Vec<u8>,
    /// The rest of the current line belongs to the log.
    in_log_line: bool,
}

const LOG_LINE: &[u8] = b"gzero: ";

impl FirstOutput {
    /// What of `bytes` is boot log, and what is the program's if its output has begun.
    fn push(&mut self, bytes: &[u8]) -> (Vec<u8>, Option<Vec<u8>>) {
        let mut rest = std::mem::take(&mut self.undecided);
        rest.extend_from_slice(bytes);
        let mut log = Vec::new();
        while !rest.is_empty() {
            if self.in_log_line {
                let end = rest.iter().position(|&b| b == b'\n').map_or(rest.len(), |at| at + 1);
                self.in_log_line = rest[end - 1] != b'\n';
                log.extend(rest.drain(..end));
            } else if rest.starts_with(LOG_LINE) {
                self.in_log_line = true;
            } else if LOG_LINE.starts_with(&rest) {
                self.undecided = rest;
                break;
            } else {
                return (log, Some(rest));
            }
        }
        (log, None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_output_in_any_pieces() {
        let text = b"gzero: [0.1] a\ngzero: [0.2] b\ngzhello\ngzero: c\n";
        for size in 1..text.len() {
            let mut first = FirstOutput::default();
            let mut log = Vec::new();
            let mut chunks = text.chunks(size);
            let program = loop {
                let (part, program) = first.push(chunks.next().expect("the program's output is found"));
                log.extend(part);
                if let Some(program) = program {
                    break [program, chunks.flatten().copied().collect()].concat();
                }
            };
            assert_eq!(log, b"gzero: [0.1] a\ngzero: [0.2] b\n", "size {size}");
            assert_eq!(program, b"gzhello\ngzero: c\n", "size {size}");
        }
    }
}
