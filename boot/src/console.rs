//! The guest's streams on this process's.

use crate::options::Options;
use crate::report::Tails;
use crate::run::GLANCE;
use crate::streams::Stream;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use std::io::{self, IsTerminal, stderr, stdout};
use std::os::fd::AsFd;
use std::time::Instant;

/// The most that may be written to a pipe that is ready without waiting (pipe(7): `PIPE_BUF`).
const PIECE: usize = 4096;

/// The guest's streams. With `-v` a line about the start goes to stderr before the program's first output, unless that has the
/// boot log's stream.
pub struct Console {
    /// The end of what was written.
    pub tails: Tails,
    /// What that line says of the machine, until it was written.
    start: Option<String>,
    started: Instant,
    /// Both streams are seen on a terminal, and a line of standard output's has not ended there. Standard error begins on the next.
    out_in_line: bool,
}

impl Console {
    /// The console of a machine that was started at `started`.
    pub fn new(options: &Options, kvm: bool, started: Instant) -> Console {
        let accelerator = if kvm { "kvm" } else { "tcg" };
        let Options { protocol, smp, memory, .. } = options;
        let protocol = format!("{protocol:?}").to_lowercase();
        let cores = if *smp == 1 { "core" } else { "cores" };
        let machine = format!("{protocol}, {smp} {cores}, {memory}, {accelerator}");
        Console {
            tails: Tails::default(),
            start: (options.verbose && options.has_pci()).then_some(machine),
            started,
            out_in_line: false,
        }
    }

    /// Writes what the guest wrote, unless `stop` says that the run is over while whoever reads it is not ready.
    ///
    /// # Errors
    /// If standard output cannot be written to. That of standard error is nobody's loss.
    pub fn write(&mut self, stream: Stream, bytes: &[u8], stop: &dyn Fn() -> bool) -> io::Result<()> {
        match stream {
            Stream::Out => {
                if let Some(machine) = self.start.take() {
                    let seconds = self.started.elapsed().as_secs_f64();
                    self.say(&format!(
                        "gzero: {machine}; QEMU start to first program output {seconds:.2} s\n"
                    ));
                }
                self.tails.push(stream, bytes);
                self.out_in_line =
                    self.tails.out.in_line() && stdout().is_terminal() && stderr().is_terminal();
                write(&stdout(), bytes, stop)
            }
            Stream::Err => {
                self.tails.push(stream, bytes);
                if std::mem::take(&mut self.out_in_line) {
                    _ = write(&stderr(), b"\n", stop);
                }
                _ = write(&stderr(), bytes, stop);
                Ok(())
            }
        }
    }

    /// Says something of this tool's own on stderr, on a line of its own.
    pub fn say(&self, text: &str) {
        let end_of_line = if self.tails.err.in_line() || self.out_in_line { "\n" } else { "" };
        eprint!("{end_of_line}{text}");
    }
}

/// Writes all of `bytes`, a piece whenever `to` is ready, until `stop`.
fn write(to: &impl AsFd, mut bytes: &[u8], stop: &dyn Fn() -> bool) -> io::Result<()> {
    let glance = Timespec { tv_sec: 0, tv_nsec: GLANCE.subsec_nanos().into() };
    while !bytes.is_empty() {
        let ready = match poll(&mut [PollFd::new(to, PollFlags::OUT)], Some(&glance)) {
            Err(Errno::INTR) => 0,
            ready => ready?,
        };
        if ready == 0 {
            if stop() {
                return Ok(());
            }
            continue;
        }
        match rustix::io::write(to, &bytes[..bytes.len().min(PIECE)]) {
            Err(Errno::INTR | Errno::AGAIN) => {}
            written => bytes = &bytes[written?..],
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::os::unix::net::UnixStream;
    use std::thread;
    use std::time::Duration;

    /// A reader that is slow gets everything; one that never comes does not keep the run from ending; one that has gone is an error.
    #[test]
    fn slow_readers() {
        let (to, mut from) = UnixStream::pair().unwrap();
        let bytes: Vec<u8> = (0..1 << 20).map(|i| (i % 251) as u8).collect();
        let reader = thread::spawn(move || {
            let mut got = Vec::new();
            while got.len() < 1 << 20 {
                let mut piece = vec![0; 100_000];
                let n = from.read(&mut piece).unwrap();
                got.extend_from_slice(&piece[..n]);
                thread::sleep(Duration::from_millis(1));
            }
            (got, from)
        });
        write(&to, &bytes, &|| false).unwrap();
        let (got, from) = reader.join().unwrap();
        assert!(got == bytes);
        let start = Instant::now();
        write(&to, &bytes, &|| start.elapsed() > Duration::from_millis(50)).unwrap();
        drop(from);
        assert!(write(&to, &bytes, &|| false).is_err());
    }
}
