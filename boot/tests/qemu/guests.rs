//! Guests for tests: kernels built once, machines that are ended by force when they take too long.

use boot::command_line::kernel_command_line;
use boot::guest::{Event, Guest, RunDir};
use boot::host::Host;
use boot::kernel::{Kernel, Variant};
use boot::machine::{self, Accelerator, Machine};
use boot::options::{Door, Options};
use boot::report::{self, Tail};
use boot::run;
use std::path::PathBuf;
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
            bios: Built::new(),
            uefi: Built::new(),
        }
    }

    /// The kernel and what it is booted from, built at the first call.
    pub fn built(&self, variant: Variant, door: Door) -> Result<&(Kernel, PathBuf), String> {
        let built = match (variant, door) {
            (Variant::Tests, _) => &self.tests,
            (Variant::Programs, Door::Pvh) => &self.programs,
            (Variant::Programs, Door::Bios) => &self.bios,
            (Variant::Programs, Door::Uefi) => &self.uefi,
        };
        let prepare = || run::prepare(&self.host, variant, door).map_err(|error| error.to_string());
        built.get_or_init(prepare).as_ref().map_err(Clone::clone)
    }

    /// Starts a guest, always under QEMU's own emulation: tests mean the same everywhere.
    pub fn start(
        &self,
        variant: Variant,
        options: &Options,
        gdb_port: Option<u16>,
    ) -> Result<Session<'_>, String> {
        let (kernel, medium) = self.built(variant, options.door)?;
        let start = || {
            let machine = Machine {
                options,
                command_line: &kernel_command_line(options),
                kernel: medium,
                accelerator: Accelerator::Tcg,
                gdb_port,
            };
            Guest::start(&self.host, &machine::qemu(&self.host)?, &machine, RunDir::new()?)
        };
        let guest = start().map_err(|error| error.to_string())?;
        Ok(Session { guest, kernel, tail: Tail::default() })
    }

    /// Runs a program to its end, or for `patience`.
    pub fn run(&self, options: &Options, patience: Duration) -> Result<Ran, String> {
        let (session, output) = self.start(Variant::Programs, options, None)?.read_to_end(patience)?;
        Ok(Ran { status: session.end()?, output })
    }
}

/// A program that ended by itself.
#[derive(Debug)]
pub struct Ran {
    /// Its exit status.
    pub status: u8,
    /// Its console.
    pub output: String,
}

/// A running guest.
pub struct Session<'a> {
    guest: Guest,
    kernel: &'a Kernel,
    tail: Tail,
}

impl Session<'_> {
    /// What the guest does next; [`Event::Quiet`] means that it is late.
    pub fn next(&mut self, deadline: Instant) -> Event {
        let event = self.guest.next(deadline.saturating_duration_since(Instant::now()));
        if let Event::Output(bytes) = &event {
            self.tail.push(bytes);
        }
        event
    }

    /// All that the guest prints until it closes its console; a report if that takes longer than `patience`.
    pub fn read_to_end(mut self, patience: Duration) -> Result<(Self, String), String> {
        let deadline = Instant::now() + patience;
        let mut output = Vec::new();
        loop {
            match self.next(deadline) {
                Event::Output(bytes) => output.extend(bytes),
                Event::Ended => return Ok((self, String::from_utf8_lossy(&output).into_owned())),
                Event::Quiet => return Err(self.late()),
            }
        }
    }

    /// Ends a guest that is late; the report has all its cores and the end of its console.
    pub fn late(self) -> String {
        let cores = self.guest.monitor().and_then(|mut m| report::cores(&mut m, &self.kernel.functions()?));
        let cores = cores.unwrap_or_else(|error| format!("{error}\n"));
        format!("too late: ended by the harness\n{cores}{}", self.tail.report())
    }

    /// The exit status of a guest that has closed its console, or a report if it gave none.
    pub fn end(self) -> Result<u8, String> {
        let end = self.guest.end(false).map_err(|error| error.to_string())?;
        end.status.ok_or_else(|| run::no_status(&end, self.kernel, &self.tail))
    }

    /// The end of the guest's console.
    pub fn tail(&self) -> String {
        self.tail.report()
    }
}
