//! What the guest writes: standard output by the virtio serial device, which is QEMU's stdout; standard error, the boot log and reports by the UART, which
//! is a socket. A machine without the device writes all to the UART, which is its standard output then: who wants the program's output finds it there.
//!
//! # Order
//! The guest goes on after a write only when QEMU has passed it on, so what is on one stream was written before what appears later on the other. That
//! order is kept where it matters, before what is written to standard error: of the socket are read only bytes that were there before standard
//! output was found to be empty. The other way round it is as with any program whose two streams are pipes.
//!
//! Nobody is waited for but by the guest: what is not taken from the channel fills the pipe, and the guest's device then holds its output back.

use crate::traceback::Filter;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::ioctl_fionread;
use std::io::{self, ErrorKind, Read};
use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::process::ChildStdout;
use std::sync::mpsc::SyncSender;

/// A stream of the guest's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// The program's standard output.
    Out,
    /// Everything else.
    Err,
}

/// Bytes that are read at once.
const PIECE: usize = 64 * 1024;

/// Passes on what is written, the UART's as `uart_is` and with `tracebacks` rewritten, until QEMU has closed both streams or nobody listens. `connected` gets the UART's socket.
pub fn relay(
    out: ChildStdout,
    uart: &UnixListener,
    connected: impl FnOnce(&UnixStream),
    tracebacks: Filter,
    uart_is: Stream,
    to: &SyncSender<(Stream, Vec<u8>)>,
) {
    // QEMU connects before it runs the guest. An error, or the end before, is the end of what there is to be passed on.
    _ = wait(&[&out, uart]).and_then(|ready| match ready[1] {
        true => {
            let uart = uart.accept()?.0;
            connected(&uart);
            Relay { out: Some(out), uart: Some(uart), uart_is, tracebacks, to, buffer: vec![0; PIECE] }.run()
        }
        false => Ok(()),
    });
}

struct Relay<'a> {
    /// None at their ends.
    out: Option<ChildStdout>,
    uart: Option<UnixStream>,
    uart_is: Stream,
    tracebacks: Filter,
    to: &'a SyncSender<(Stream, Vec<u8>)>,
    buffer: Vec<u8>,
}

impl Relay<'_> {
    fn run(mut self) -> io::Result<()> {
        loop {
            match (&self.out, &self.uart) {
                (None, None) => return Ok(()),
                (Some(out), Some(uart)) => _ = wait(&[out, uart])?,
                // One alone may block.
                (Some(_), None) => self.read_out()?,
                (None, Some(_)) => self.read_uart(PIECE)?,
            }
            let Some(uart) = &self.uart else { continue };
            // At its end the UART is ready with 0 bytes, of which one is read.
            let there = if is_ready(uart)? { ioctl_fionread(uart)?.max(1) } else { 0 };
            while self.out.as_ref().map_or(Ok(false), is_ready)? {
                self.read_out()?;
            }
            if there != 0 {
                self.read_uart(usize::try_from(there).unwrap_or(PIECE))?;
            }
        }
    }

    fn read_out(&mut self) -> io::Result<()> {
        let n = self.out.as_mut().map_or(Ok(0), |out| again(|| out.read(&mut self.buffer)))?;
        if n == 0 {
            self.out = None;
        }
        self.pass_on(Stream::Out, self.buffer[..n].to_vec())
    }

    fn read_uart(&mut self, most: usize) -> io::Result<()> {
        let buffer = &mut self.buffer[..most.min(PIECE)];
        let n = self.uart.as_mut().map_or(Ok(0), |uart| again(|| uart.read(buffer)))?;
        let text = self.tracebacks.push(&self.buffer[..n]);
        self.pass_on(self.uart_is, text)?;
        if n == 0 {
            self.uart = None;
            let rest = self.tracebacks.finish();
            return self.pass_on(self.uart_is, rest);
        }
        Ok(())
    }

    fn pass_on(&self, stream: Stream, bytes: Vec<u8>) -> io::Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.to.send((stream, bytes)).map_err(|_| ErrorKind::BrokenPipe.into())
    }
}

fn again(mut read: impl FnMut() -> io::Result<usize>) -> io::Result<usize> {
    loop {
        match read() {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            read => return read,
        }
    }
}

/// Waits until one of `files` can be read without waiting, or has ended; returns which can.
fn wait(files: &[&dyn AsFd]) -> io::Result<Vec<bool>> {
    ready(files, None)
}

fn is_ready(file: &impl AsFd) -> io::Result<bool> {
    Ok(ready(&[file], Some(&Timespec { tv_sec: 0, tv_nsec: 0 }))?[0])
}

fn ready(files: &[&dyn AsFd], timeout: Option<&Timespec>) -> io::Result<Vec<bool>> {
    let mut fds: Vec<_> =
        files.iter().map(|file| PollFd::from_borrowed_fd(file.as_fd(), PollFlags::IN)).collect();
    loop {
        match poll(&mut fds, timeout) {
            Err(rustix::io::Errno::INTR) => {}
            polled => {
                polled?;
                return Ok(fds.iter().map(|fd| !fd.revents().is_empty()).collect());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::fd::OwnedFd;
    use std::path::PathBuf;
    use std::process::{Command, Stdio};
    use std::sync::mpsc::sync_channel;

    /// What was written to the socket comes after what was written to the pipe before, however much that was and however the two are read.
    #[test]
    fn output_comes_before_a_later_report() {
        let path = std::env::temp_dir().join(format!("gzero-{}-uart", std::process::id()));
        let listener = UnixListener::bind(&path).unwrap();
        let uart = UnixStream::connect(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        // Writes a kilobyte to one stream and then a byte to the other, again and again.
        let mut child = Command::new("sh")
            .arg("-c")
            .arg("i=0; while [ $i -lt 200 ]; do printf %01000d 0; printf e >&2; i=$((i+1)); done")
            .stdout(Stdio::piped())
            .stderr(Stdio::from(OwnedFd::from(uart)))
            .spawn()
            .unwrap();
        let (to, events) = sync_channel(4);
        let out = child.stdout.take().unwrap();
        let relay = std::thread::spawn(move || {
            relay(out, &listener, |_| (), Filter::new(PathBuf::new(), None), Stream::Err, &to)
        });
        let (mut written, mut said) = (0, 0);
        for (stream, bytes) in events {
            match stream {
                Stream::Out => written += bytes.len(),
                Stream::Err => said += bytes.len(),
            }
            assert!(said * 1000 <= written, "{said} words on one stream, {written} bytes on the other");
        }
        relay.join().unwrap();
        child.wait().unwrap();
        assert_eq!((written, said), (200_000, 200));
    }
}
