//! What the kernel says to this tool beside its console (`kernel/src/device/debugcon.rs`): where it lies, that it wants input, and the exit status.
//!
//! # Input
//! The program's input is this process's, by way of QEMU's stdin and the guest's virtio serial device, or of the UART where there is none; the kernel says
//! from which it reads. Not a byte is read here before the program reads: so a
//! run in the background is stopped by the terminal only if its program wants input, and a shell loop round programs that do not keeps its own.
//! From then on this reads ahead, as far as QEMU's pipe and the device take it; what the guest does not take waits in the pipe.
//!
//! Neither device has an end, so the end of input is a byte in the stream, the one that a terminal uses: Ctrl-D. Where the input itself has that byte,
//! or the one that quotes, Ctrl-V, it is quoted (`kernel/src/port/input.rs` undoes that). The user's terminal is left as it is: it edits lines
//! and turns Ctrl-C into a signal, as for any program.

use crate::{Error, Result};
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::ChildStdin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread::{self, JoinHandle};

/// What a program reads.
pub type Input = Box<dyn Read + Send>;

/// The kernel's words for "the program begins to read", from the serial device and from the UART.
const READS_SERIAL: u8 = b's';
const READS_UART: u8 = b'u';

/// The end of input, and what makes the byte after it an ordinary one.
const END: u8 = 0x04;
const QUOTE: u8 = 0x16;

/// A socket to which QEMU connects before the guest runs.
#[derive(Debug)]
pub struct Socket {
    listener: UnixListener,
    path: PathBuf,
}

impl Socket {
    /// Makes it at `path`.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn new(path: &Path) -> Result<Socket> {
        let listener =
            UnixListener::bind(path).map_err(Error::io(format_args!("listen at {}", path.display())))?;
        Ok(Socket { listener, path: path.to_owned() })
    }

    /// Listens to a QEMU that has been started, and passes `input` on once the kernel wants it.
    pub fn listen(self, input: Input, devices: Devices) -> Control {
        let Socket { listener, path } = self;
        let moved_by = Arc::new(AtomicU64::new(0));
        let moved = moved_by.clone();
        Control { path, moved_by, said: thread::spawn(move || hear(&listener, input, devices, &moved)) }
    }
}

/// The other ends of the guest's devices.
#[derive(Debug)]
pub struct Devices {
    /// The serial device's. It stays open while the guest runs: QEMU takes its end for that of the device's host, and drops output too.
    pub serial: Arc<ChildStdin>,
    /// The UART's, once QEMU has connected, which it does before the guest runs.
    pub uart: Arc<OnceLock<UnixStream>>,
}

/// A kernel that is listened to.
#[derive(Debug)]
pub struct Control {
    path: PathBuf,
    moved_by: Arc<AtomicU64>,
    said: JoinHandle<String>,
}

impl Control {
    /// By how many bytes the kernel has moved its image up from where it is linked.
    pub fn moved_by(&self) -> u64 {
        self.moved_by.load(Ordering::Relaxed)
    }

    /// By how much the image was moved, and the exit status that the kernel gave. QEMU has ended.
    pub fn end(self) -> (u64, Option<u8>) {
        // If QEMU ended before it connected, this is what the thread accepts; an error says that the thread is gone already.
        _ = UnixStream::connect(&self.path);
        let said = self.said.join().unwrap_or_default();
        (self.moved_by.load(Ordering::Relaxed), said.trim().parse().ok())
    }
}

/// Hears what the kernel says until QEMU ends; returns what was not about input, and notes on the way by how much the image was moved.
fn hear(listener: &UnixListener, input: Input, devices: Devices, moved_by: &AtomicU64) -> String {
    let mut said = String::new();
    let Ok((mut kernel, _)) = listener.accept() else { return said };
    let mut unwanted = Some(input);
    let mut buffer = [0; 64];
    while let Ok(n @ 1..) = kernel.read(&mut buffer) {
        for &byte in &buffer[..n] {
            if !matches!(byte, READS_SERIAL | READS_UART) {
                said.push(byte.into());
                let moved = said.strip_prefix('+').and_then(|line| line.strip_suffix('\n'));
                if let Some(by) = moved.and_then(|line| u64::from_str_radix(line, 16).ok()) {
                    moved_by.store(by, Ordering::Relaxed);
                    said.clear();
                }
                continue;
            }
            let Some(input) = unwanted.take() else { continue };
            if byte == READS_SERIAL {
                let serial = devices.serial.clone();
                thread::spawn(move || relay(input, &*serial));
            } else if let Some(Ok(uart)) = devices.uart.get().map(UnixStream::try_clone) {
                thread::spawn(move || relay(input, uart));
            }
        }
    }
    said
}

/// Passes `input` on, quoted, and its end, unless the guest ends before.
fn relay(mut input: impl Read, mut guest: impl Write) {
    let mut buffer = vec![0; 16 * 1024];
    let mut quoted = Vec::new();
    loop {
        let n = match input.read(&mut buffer) {
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            // What cannot be read has ended.
            read => read.unwrap_or(0),
        };
        quoted.clear();
        for &byte in &buffer[..n] {
            if matches!(byte, END | QUOTE) {
                quoted.push(QUOTE);
            }
            quoted.push(byte);
        }
        if n == 0 {
            quoted.push(END);
        }
        if guest.write_all(&quoted).is_err() || n == 0 {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The two bytes that mean something are quoted, in the input's middle and at its edges, and the end is not.
    #[test]
    fn input_is_quoted() {
        let mut guest = Vec::new();
        relay(&b"\x04a\x16b\n\x04"[..], &mut guest);
        assert_eq!(guest, b"\x16\x04a\x16\x16b\n\x16\x04\x04");
    }

    /// A QEMU that ends before it connects has no status, and is not waited for.
    #[test]
    fn nobody_connects() {
        let path = std::env::temp_dir().join(format!("gzero-{}-control", std::process::id()));
        let socket = Socket::new(&path).unwrap();
        let mut child =
            std::process::Command::new("true").stdin(std::process::Stdio::piped()).spawn().unwrap();
        let devices =
            Devices { serial: Arc::new(child.stdin.take().unwrap()), uart: Arc::new(OnceLock::new()) };
        let control = socket.listen(Box::new(std::io::empty()), devices);
        child.wait().unwrap();
        assert_eq!(control.end(), (0, None));
        std::fs::remove_file(path).unwrap();
    }
}
