//! A running QEMU.

use crate::code::Code;
use crate::control::{Control, Devices, Input, Socket};
use crate::host::Host;
use crate::kernel::Kernel;
use crate::lifetime::mortal;
use crate::machine::{Machine, RunFiles};
use crate::monitor::Monitor;
use crate::streams::{self, Stream};
use crate::traceback::Filter;
use crate::{Error, Result};
use rustix::pipe::fcntl_setpipe_size;
use std::env;
use std::fs::{self, File};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio, id};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

/// Bytes that the pipe of the guest's standard output holds: what Linux allows everybody (pipe(7): `pipe-max-size`).
const PIPE: usize = 1 << 20;

/// How many pieces of output may wait here for whoever takes them.
const PIECES: usize = 4;

/// The directory of one run, gone when the run is.
#[derive(Debug)]
pub struct RunDir(RunFiles);

impl RunDir {
    /// Makes one below the system's directory for such: a Unix socket's address has only 107 bytes.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn new() -> Result<RunDir> {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        // Those of runs that were killed.
        remove_run_dirs(|pid| !Path::new("/proc").join(pid).exists());
        let name = format!("gzero-{}-{}", id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let dir = env::temp_dir().join(name);
        fs::create_dir(&dir).map_err(Error::io(format_args!("create {}", dir.display())))?;
        Ok(RunDir(RunFiles { dir }))
    }

    /// The files in it.
    pub fn files(&self) -> &RunFiles {
        &self.0
    }
}

impl Drop for RunDir {
    fn drop(&mut self) {
        // What stays in /tmp does no harm.
        _ = fs::remove_dir_all(&self.0.dir);
    }
}

/// Removes the directories of this process, which is about to end without its destructors.
pub fn remove_own_run_dirs() {
    remove_run_dirs(|pid| pid == id().to_string());
}

fn remove_run_dirs(of: impl Fn(&str) -> bool) {
    for entry in fs::read_dir(env::temp_dir()).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let run = name.to_str().and_then(|name| name.strip_prefix("gzero-")?.split_once('-'));
        let Some((pid, _)) = run.filter(|(pid, _)| pid.parse::<u32>().is_ok()) else { continue };
        if of(pid) {
            // Another run may be sweeping too, and another user's are not ours to remove.
            _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// What a guest does next.
#[derive(Debug)]
pub enum Event {
    /// It wrote.
    Output(Stream, Vec<u8>),
    /// QEMU has closed its ends of both streams.
    Ended,
    /// Nothing within the time given.
    Quiet,
}

/// How a guest ended.
#[derive(Debug)]
pub struct End {
    /// By how many bytes the kernel moved its image up.
    pub moved_by: u64,
    /// The Go program's file, while the run's directory is there.
    pub program: Option<PathBuf>,
    /// The exit status that the guest gave.
    pub status: Option<u8>,
    /// What QEMU said on stderr, and the UEFI firmware on its console.
    pub messages: String,
    /// The processor's state if a triple fault ended the machine.
    pub triple_fault: Option<String>,
}

/// A running QEMU; killed when dropped.
#[derive(Debug)]
pub struct Guest {
    child: Child,
    output: Receiver<(Stream, Vec<u8>)>,
    /// There until `end` takes it.
    control: Option<Control>,
    /// The Go program's file.
    program: Option<PathBuf>,
    dir: RunDir,
    stderr: PathBuf,
    /// When QEMU was started.
    pub started: Instant,
}

impl Guest {
    /// Starts `machine`, which boots `kernel`; its program reads `input`. QEMU is killed when the thread that called this ends, however it ends.
    ///
    /// # Errors
    /// If QEMU or the UEFI firmware is not there.
    pub fn start(
        host: &Host,
        qemu: &Path,
        machine: &Machine<'_>,
        kernel: &Kernel,
        dir: RunDir,
        input: Input,
    ) -> Result<Guest> {
        let stderr = dir.files().dir.join("stderr");
        let log = File::create(&stderr).map_err(Error::io("create QEMU's log"))?;
        let args = machine.arguments(host, dir.files())?;
        fs::write(dir.files().words(), machine.words).map_err(Error::io("write the program's words"))?;
        let socket = Socket::new(&dir.files().control())?;
        let uart = UnixListener::bind(dir.files().uart()).map_err(Error::io("listen to the UART"))?;
        let mut command = mortal(qemu);
        command.args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(log);
        let started = Instant::now();
        let mut child = command.spawn().map_err(Error::io(format_args!("start {}", qemu.display())))?;
        let stdout = child.stdout.take().expect("stdout is piped");
        let stdin = child.stdin.take().expect("stdin is piped");
        // A guest waits less often for a pipe that holds more; where that is not allowed it is as large as any.
        _ = fcntl_setpipe_size(&stdout, PIPE);
        let devices = Devices { serial: Arc::new(stdin), uart: Arc::new(OnceLock::new()) };
        let connected = devices.uart.clone();
        let control = Some(socket.listen(input, devices));
        let elf = kernel.elf.clone();
        let program = machine.program.map(Path::to_owned);
        let of_tracebacks = program.clone();
        let (sender, output) = sync_channel(PIECES);
        let uart_is = if machine.options.has_pci() { Stream::Err } else { Stream::Out };
        thread::spawn(move || {
            // A UART that cannot be written to has no input, which a program that reads will wait for in vain.
            let keep = |uart: &UnixStream| _ = uart.try_clone().map(|uart| connected.set(uart));
            streams::relay(stdout, &uart, keep, Filter::new(elf, of_tracebacks), uart_is, &sender);
        });
        Ok(Guest { child, output, control, program, dir, stderr, started })
    }

    /// Waits at most `timeout` for something to happen.
    pub fn next(&mut self, timeout: Duration) -> Event {
        match self.output.recv_timeout(timeout) {
            Ok((stream, bytes)) => Event::Output(stream, bytes),
            Err(RecvTimeoutError::Timeout) => Event::Quiet,
            Err(RecvTimeoutError::Disconnected) => Event::Ended,
        }
    }

    /// QEMU's monitor.
    ///
    /// # Errors
    /// If QEMU does not answer.
    pub fn monitor(&self) -> Result<Monitor> {
        Monitor::connect(&self.dir.files().monitor())
    }

    /// The code of the guest's kernel, where it lies, and of its Go program.
    ///
    /// # Errors
    /// If the kernel's file cannot be read.
    pub fn code(&self, kernel: &Kernel) -> Result<Code> {
        let code = kernel.code()?.with_program(self.program.as_deref());
        Ok(code.moved_by(self.control.as_ref().map_or(0, Control::moved_by)))
    }

    /// Ends QEMU if it still runs, and collects what is left of it.
    ///
    /// # Errors
    /// If QEMU cannot be waited for.
    pub fn end(mut self, kill: bool) -> Result<End> {
        if kill {
            // An error says that it has ended by itself.
            _ = self.child.kill();
        }
        self.child.wait().map_err(Error::io("wait for QEMU"))?;
        let read =
            |path: &Path| fs::read(path).map_or(String::new(), |b| String::from_utf8_lossy(&b).into_owned());
        let resets = read(&self.dir.files().resets());
        let mut messages = read(&self.stderr) + &read(&self.dir.files().firmware_log());
        // The firmware clears its terminal, which must not happen to ours.
        messages.retain(|c| c == '\n' || !c.is_control());
        let (moved_by, status) = self.control.take().map_or((0, None), Control::end);
        Ok(End {
            moved_by,
            program: self.program.take(),
            status,
            messages,
            triple_fault: resets.find("Triple fault").map(|at| resets[at..].to_owned()),
        })
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        // After `end` there is nothing left to kill or to wait for, which is what the errors would say.
        _ = self.child.kill();
        _ = self.child.wait();
    }
}
