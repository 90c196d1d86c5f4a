//! One run of one program, from its options to its exit status.

use crate::command_line::{kernel_options, program_words};
use crate::console::Console;
use crate::guest::{End, Event, Guest, RunDir};
use crate::host::Host;
use crate::kernel::{self, Kernel};
use crate::machine::{self, Accelerator, Machine};
use crate::options::{BootProtocol, Options};
use crate::packages::{GDB, ensure};
use crate::program::Variant;
use crate::report::{self, Tails};
use crate::toolchain::Toolchain;
use crate::{Result, gdb, go, image, output, trial};
use std::io::stdin;
use std::path::{Path, PathBuf};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// The exit status of a machine that ended without one: `EX_SOFTWARE` of BSD's `sysexits.h`.
pub const NO_STATUS: u8 = 70;

/// The exit status of a machine ended by its timeout, as of coreutils' `timeout`.
pub const TIMED_OUT: u8 = 124;

/// How often the timeout is looked at while the guest is silent.
pub(crate) const GLANCE: Duration = Duration::from_millis(20);

/// Builds what is to be booted: the kernel with `variant`, and its disk image for boot protocols that want one.
///
/// # Errors
/// What [`kernel::build`] and [`image::build`] return.
pub fn prepare(host: &Host, variant: &Variant, protocol: BootProtocol) -> Result<(Kernel, PathBuf)> {
    let toolchain = Toolchain::get(host)?;
    let kernel = kernel::build(&toolchain, variant)?;
    let medium = match protocol {
        BootProtocol::Pvh => kernel.stripped.clone(),
        BootProtocol::Bios | BootProtocol::Uefi => image::build(host, &toolchain, &kernel, protocol)?,
    };
    Ok((kernel, medium))
}

/// Runs what the options name, with its standard streams on this process's; the boot log and reports go to stderr.
///
/// Returns the program's exit status, [`NO_STATUS`] or [`TIMED_OUT`] after a report on stderr, or nothing if nobody reads the
/// program's output any more.
///
/// # Errors
/// Whatever keeps the machine from starting.
pub fn run(host: &Host, options: &Options) -> Result<Option<u8>> {
    if let Some(path) = &options.output {
        return output::write(host, options, path).map(Some);
    }
    if let Some(source) = go::words::source(options)? {
        return go::run(host, options, source);
    }
    let prelude = Prelude::new(host, options)?;
    let variant = options.variant()?;
    let (kernel, medium) = prepare(host, &variant, options.protocol)?;
    let program = variant.choose(&kernel.programs, &options.program)?;
    prelude.boot(host, &Options { program, ..options.clone() }, &kernel, &medium, None)
}

/// What is found out before anything is built, and while it is: whether there is such a machine, and whether KVM works.
pub struct Prelude {
    dir: RunDir,
    qemu: PathBuf,
    kvm: JoinHandle<bool>,
}

impl Prelude {
    /// Finds QEMU and has it make the machine of `options`.
    ///
    /// # Errors
    /// [`Error::Missing`](crate::Error::Missing) without QEMU, [`Error::Usage`](crate::Error::Usage) if it has no such machine.
    pub fn new(host: &Host, options: &Options) -> Result<Prelude> {
        let dir = RunDir::new()?;
        let qemu = machine::qemu(host)?;
        trial::check(&qemu, options)?;
        let files = dir.files().clone();
        let kvm = thread::spawn({
            let (qemu, wanted) = (qemu.clone(), !options.icount);
            move || wanted && machine::kvm_works(&qemu, &files)
        });
        Ok(Prelude { dir, qemu, kvm })
    }

    /// The run's directory.
    pub fn dir(&self) -> &RunDir {
        &self.dir
    }

    /// Boots `kernel` from `medium` and lets it run the program of `options`, to its exit status as
    /// [`run`] returns it. `program` is the file of a Go program, which is on the medium if that is
    /// a disk.
    ///
    /// # Errors
    /// If the machine does not start.
    pub fn boot(
        self,
        host: &Host,
        options: &Options,
        kernel: &Kernel,
        medium: &Path,
        program: Option<&Path>,
    ) -> Result<Option<u8>> {
        let kvm = self.kvm.join().unwrap_or(false);
        let gdb_port = if options.gdb { Some(wait_for_gdb(host, kernel, program)?) } else { None };
        let machine = Machine {
            options,
            command_line: &kernel_options(options),
            words: &program_words(options),
            kernel: medium,
            program,
            accelerator: if kvm { Accelerator::Kvm } else { Accelerator::Tcg },
            gdb_port,
        };
        let mut guest = Guest::start(host, &self.qemu, &machine, kernel, self.dir, Box::new(stdin()))?;
        let mut console = Console::new(options, kvm, guest.started);
        let deadline = options.timeout.map(|timeout| guest.started + timeout);
        let late = || deadline.is_some_and(|deadline| Instant::now() >= deadline);
        loop {
            match guest.next(GLANCE) {
                Event::Output(stream, bytes) => {
                    if console.write(stream, &bytes, &late).is_err() {
                        // Whoever read our output has gone, and what the program does now nobody will see.
                        return Ok(None);
                    }
                }
                Event::Ended => break,
                Event::Quiet => {}
            }
            if late() {
                let cores = guest.monitor().and_then(|mut m| report::cores(&mut m, &guest.code(kernel)?));
                let cores = cores.unwrap_or_else(|error| format!("{error}\n"));
                console.say(&format!("gzero: timeout\n{cores}"));
                return Ok(Some(TIMED_OUT));
            }
        }
        let end = guest.end(false)?;
        if end.status.is_none() {
            console.say(&no_status(&end, kernel, &console.tails));
        }
        Ok(Some(end.status.unwrap_or(NO_STATUS)))
    }
}

/// The report of a machine that ended without a status.
pub fn no_status(end: &End, kernel: &Kernel, tails: &Tails) -> String {
    let mut text = format!("gzero: the machine ended without an exit status\n{}", end.messages);
    if let Some(log) = &end.triple_fault {
        let code = kernel.code().unwrap_or_default().moved_by(end.moved_by);
        text += &report::triple_fault(log, &code.with_program(end.program.as_deref()));
    }
    text + &tails.report()
}

fn wait_for_gdb(host: &Host, kernel: &Kernel, program: Option<&Path>) -> Result<u16> {
    let debugger = ensure(host, GDB, |host| host.program("gdb"))?;
    let port = gdb::free_port()?;
    let commands = gdb::write_commands(kernel, program, port)?;
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
