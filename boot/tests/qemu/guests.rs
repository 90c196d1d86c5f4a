//! Guests for tests: kernels built once, machines that are ended by force when they take too long.

use boot::command_line::{kernel_options, program_words};
use boot::control::Input;
use boot::go;
use boot::guest::{Event, Guest, RunDir};
use boot::host::Host;
use boot::kernel::{Kernel, Variant};
use boot::machine::{self, Accelerator, Machine};
use boot::monitor::Monitor;
use boot::options::{BootProtocol, Options};
use boot::report::{self, Tails};
use boot::run;
use boot::streams::Stream;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// What was built, or why it was not.
type Built = OnceLock<Result<(Kernel, PathBuf), String>>;

/// Everything that guests are made from.
pub struct Guests {
    /// This machine.
    pub host: Host,
    programs: Built,
    tests: Built,
    go: Built,
    bios: Built,
    uefi: Built,
}

impl Guests {
    /// Nothing built yet.
    pub fn new() -> Guests {
        Guests {
            host: Host::current(),
            programs: Built::new(),
            tests: Built::new(),
            go: Built::new(),
            bios: Built::new(),
            uefi: Built::new(),
        }
    }

    /// The kernel and what it is booted from, built at the first call.
    pub fn built(&self, variant: Variant, protocol: BootProtocol) -> Result<&(Kernel, PathBuf), String> {
        let built = match (&variant, protocol) {
            (Variant::Tests, _) => &self.tests,
            (Variant::Go, _) => &self.go,
            (Variant::Programs, BootProtocol::Pvh) => &self.programs,
            (Variant::Programs, BootProtocol::Bios) => &self.bios,
            (Variant::Programs, BootProtocol::Uefi) => &self.uefi,
            (Variant::File(_) | Variant::Crate(_) | Variant::Kernel, _) => {
                unreachable!("tests of those run `qemu-run.sh`")
            }
        };
        let prepare = || run::prepare(&self.host, &variant, protocol).map_err(|error| error.to_string());
        built.get_or_init(prepare).as_ref().map_err(Clone::clone)
    }

    /// Starts a guest without input.
    pub fn start(
        &self,
        variant: Variant,
        options: &Options,
        gdb_port: Option<u16>,
    ) -> Result<Session<'_>, String> {
        self.start_any(variant, options, None, gdb_port, Box::new(io::empty()))
    }

    /// Starts a guest whose program reads `input`.
    pub fn start_reading(&self, options: &Options, input: Input) -> Result<Session<'_>, String> {
        self.start_any(Variant::Programs, options, None, None, input)
    }

    /// Starts a guest, always under QEMU's own emulation: tests mean the same everywhere.
    fn start_any(
        &self,
        variant: Variant,
        options: &Options,
        program: Option<&Path>,
        gdb_port: Option<u16>,
        input: Input,
    ) -> Result<Session<'_>, String> {
        let (kernel, medium) = self.built(variant, options.protocol)?;
        // Who stops a machine at an address has it from the ELF.
        let options = &Options { gdb: options.gdb || gdb_port.is_some(), ..options.clone() };
        let start = || {
            let machine = Machine {
                options,
                command_line: &kernel_options(options),
                words: &program_words(options),
                kernel: medium,
                program,
                accelerator: Accelerator::Tcg,
                gdb_port,
            };
            Guest::start(&self.host, &machine::qemu(&self.host)?, &machine, kernel, RunDir::new()?, input)
        };
        let guest = start().map_err(|error| error.to_string())?;
        Ok(Session { guest, kernel, tails: Tails::default() })
    }

    /// Runs a program to its end, or for `patience`.
    pub fn run(&self, options: &Options, patience: Duration) -> Result<Ran, String> {
        self.run_reading(options, patience, Box::new(io::empty()))
    }

    /// [`Guests::run`] of a program that reads `input`.
    pub fn run_reading(&self, options: &Options, patience: Duration, input: Input) -> Result<Ran, String> {
        Self::finish(self.start_reading(options, input)?, patience)
    }

    /// Starts a linked Go program that waits for gdb.
    pub fn start_go(&self, options: &Options, elf: &Path, gdb_port: u16) -> Result<Session<'_>, String> {
        let options = go::told(options).map_err(|error| error.to_string())?;
        self.start_any(Variant::Go, &options, Some(elf), Some(gdb_port), Box::new(io::empty()))
    }

    /// Runs a linked Go program, whose name and arguments `options` have, to its end.
    pub fn run_go(&self, options: &Options, elf: &Path, patience: Duration) -> Result<Ran, String> {
        let options = go::told(options).map_err(|error| error.to_string())?;
        let session = self.start_any(Variant::Go, &options, Some(elf), None, Box::new(io::empty()))?;
        Self::finish(session, patience)
    }

    fn finish(session: Session<'_>, patience: Duration) -> Result<Ran, String> {
        let (session, written) = session.read_to_end(patience)?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (output, errors) = (text(&written.out), text(&written.err));
        Ok(Ran { status: session.end()?, bytes: written.out, output, errors })
    }
}

/// A program that ended by itself.
#[derive(Debug)]
pub struct Ran {
    /// Its exit status.
    pub status: u8,
    /// What it wrote to standard output.
    pub bytes: Vec<u8>,
    /// The same as text.
    pub output: String,
    /// What was written to standard error: by the program, reports, the boot log.
    pub errors: String,
}

impl Ran {
    /// How it ended, in words.
    pub fn describe(&self) -> String {
        let Ran { status, output, errors, .. } = self;
        format!("exit status {status}, standard output:\n{output}\nstandard error:\n{errors}")
    }
}

/// What a guest wrote.
#[derive(Debug, Default)]
pub struct Written {
    /// To standard output.
    pub out: Vec<u8>,
    /// To standard error.
    pub err: Vec<u8>,
}

/// A running guest.
pub struct Session<'a> {
    guest: Guest,
    kernel: &'a Kernel,
    tails: Tails,
}

impl Session<'_> {
    /// What the guest does next; [`Event::Quiet`] means that it is late.
    pub fn next(&mut self, deadline: Instant) -> Event {
        let event = self.guest.next(deadline.saturating_duration_since(Instant::now()));
        if let Event::Output(stream, bytes) = &event {
            self.tails.push(*stream, bytes);
        }
        event
    }

    /// All that the guest writes until it ends; a report if that takes longer than `patience`.
    pub fn read_to_end(mut self, patience: Duration) -> Result<(Self, Written), String> {
        let deadline = Instant::now() + patience;
        let mut written = Written::default();
        loop {
            match self.next(deadline) {
                Event::Output(Stream::Out, bytes) => written.out.extend(bytes),
                Event::Output(Stream::Err, bytes) => written.err.extend(bytes),
                Event::Ended => return Ok((self, written)),
                Event::Quiet => return Err(self.late()),
            }
        }
    }

    /// Ends a guest that is late; the report has all its cores and the last lines it wrote.
    pub fn late(self) -> String {
        let cores =
            self.guest.monitor().and_then(|mut m| report::cores(&mut m, &self.guest.code(self.kernel)?));
        let cores = cores.unwrap_or_else(|error| format!("{error}\n"));
        format!("too late: ended by the harness\n{cores}{}", self.tails.report())
    }

    /// The exit status of a guest that has ended, or a report if it gave none.
    pub fn end(self) -> Result<u8, String> {
        let end = self.guest.end(false).map_err(|error| error.to_string())?;
        end.status.ok_or_else(|| run::no_status(&end, self.kernel, &self.tails))
    }

    /// QEMU's monitor.
    pub fn monitor(&self) -> Result<Monitor, String> {
        self.guest.monitor().map_err(|error| error.to_string())
    }

    /// The last lines that the guest wrote.
    pub fn tails(&self) -> String {
        self.tails.report()
    }
}
