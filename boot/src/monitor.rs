//! A client of QEMU's monitor, which answers on a Unix socket as it does on a terminal: echo, answer, prompt.
//!
//! Rejected: QMP with the crate `qapi`. There the registers and the memory of a stopped core come as
//! the text of these same commands (`human-monitor-command`), so a JSON client would wrap what is
//! here and replace none of it.

use crate::{Error, Result};
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

const PROMPT: &str = "(qemu) ";

/// How long QEMU may take for an answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// A conversation with QEMU's monitor.
#[derive(Debug)]
pub struct Monitor(UnixStream);

impl Monitor {
    /// Connects to the monitor at `path` and waits for its prompt.
    ///
    /// # Errors
    /// If QEMU does not answer in time.
    pub fn connect(path: &Path) -> Result<Monitor> {
        let connect = || {
            let stream = UnixStream::connect(path)?;
            stream.set_read_timeout(Some(PATIENCE))?;
            let mut monitor = Monitor(stream);
            monitor.answer()?;
            Ok(monitor)
        };
        connect().map_err(Error::io("reach QEMU's monitor"))
    }

    /// Gives a command and returns its answer.
    ///
    /// # Errors
    /// If QEMU does not answer in time.
    pub fn command(&mut self, command: &str) -> Result<String> {
        let answer = writeln!(self.0, "{command}").and_then(|()| self.answer());
        let answer = answer.map_err(Error::io(format_args!("hear QEMU's answer to '{command}'")))?;
        // The first line is the echo, with the escape sequences of a line editor.
        let (_, text) = answer.split_once('\n').unwrap_or_default();
        Ok(text.replace('\r', ""))
    }

    fn answer(&mut self) -> io::Result<String> {
        let mut text = Vec::new();
        let mut buffer = [0; 4096];
        while !text.ends_with(PROMPT.as_bytes()) {
            match self.0.read(&mut buffer)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                n => text.extend(&buffer[..n]),
            }
        }
        text.truncate(text.len() - PROMPT.len());
        Ok(String::from_utf8_lossy(&text).into_owned())
    }
}
