//! The console: what a program reads and writes (Go: `os.Stdin` with a `bufio.Reader`, `os.Stdout`, `os.Stderr`; Rust: `std::io::stdin`).
//!
//! The console cannot fail: reading has an end and no errors, so these functions return no `Result`.
//!
//! A goroutine that waits for input holds its M and not its P: others run meanwhile at full speed. Only one waits so; more wait for that
//! one as for a mutex. To wait for input is not a deadlock, whatever the other goroutines do.

use crate::console;
use crate::port::{self, Input, Stream};
use crate::proc::syscall;
use crate::sync::{Mutex, MutexGuard};
use alloc::string::String;
use alloc::vec::Vec;

/// Bytes that are read ahead.
const BUFFER: usize = 64 * 1024;

/// What has been read and not yet been asked for.
struct Buffer {
    bytes: [u8; BUFFER],
    start: usize,
    end: usize,
}

static INPUT: Mutex<Buffer> = Mutex::new(Buffer { bytes: [0; BUFFER], start: 0, end: 0 });

impl Buffer {
    /// What is buffered; waits for more if that is nothing, and is empty at the end of input.
    fn fill(&mut self) -> &[u8] {
        if self.start == self.end {
            self.start = 0;
            self.end = loop {
                match port::read(&mut self.bytes) {
                    Input::Bytes(n) => break n,
                    Input::End => break 0,
                    Input::Later => syscall::block(port::await_input),
                }
            };
        }
        &self.bytes[self.start..self.end]
    }
}

/// The program's input. Handles share one buffer: what one has read, no other will.
#[derive(Clone, Copy, Debug)]
pub struct Stdin(());

/// The program's input.
pub fn stdin() -> Stdin {
    Stdin(())
}

impl Stdin {
    fn lock(&self) -> MutexGuard<'static, Buffer> {
        INPUT.lock()
    }

    /// Reads what has come, at most as much as `buf` holds, and waits until there is something. Returns how many bytes that was; 0 if `buf` is
    /// empty or the input has ended.
    pub fn read(&self, buf: &mut [u8]) -> usize {
        if buf.is_empty() {
            return 0;
        }
        let mut input = self.lock();
        let bytes = input.fill();
        let n = bytes.len().min(buf.len());
        buf[..n].copy_from_slice(&bytes[..n]);
        input.start += n;
        n
    }

    /// Appends to `to` all bytes up to the first `delimiter`, which is included, or to the end of input. Returns how many bytes that
    /// was; 0 at the end.
    pub fn read_until(&self, delimiter: u8, to: &mut Vec<u8>) -> usize {
        let mut input = self.lock();
        let before = to.len();
        loop {
            let bytes = input.fill();
            let found = bytes.iter().position(|&b| b == delimiter);
            let n = found.map_or(bytes.len(), |at| at + 1);
            to.extend_from_slice(&bytes[..n]);
            input.start += n;
            if found.is_some() || n == 0 {
                return to.len() - before;
            }
        }
    }

    /// Appends the next line to `to`, with its newline if it has one. Returns how many bytes were read; 0 at the end of input. What is not UTF-8
    /// becomes U+FFFD; who wants the bytes takes [`Stdin::read_until`].
    pub fn read_line(&self, to: &mut String) -> usize {
        let mut bytes = Vec::new();
        let n = self.read_until(b'\n', &mut bytes);
        to.push_str(&String::from_utf8_lossy(&bytes));
        n
    }

    /// The lines that are left, without their ends (`\n` or `\r\n`).
    pub fn lines(self) -> Lines {
        Lines(self)
    }
}

/// Iterator of [`Stdin::lines`].
#[derive(Debug)]
pub struct Lines(Stdin);

impl Iterator for Lines {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        let mut line = String::new();
        if self.0.read_line(&mut line) == 0 {
            return None;
        }
        if line.ends_with('\n') {
            line.pop();
            if line.ends_with('\r') {
                line.pop();
            }
        }
        Some(line)
    }
}

/// The program's output, for what is not text; text goes by [`print!`](crate::print!).
#[derive(Clone, Copy, Debug)]
pub struct Stdout(());

/// The program's output.
pub fn stdout() -> Stdout {
    Stdout(())
}

impl Stdout {
    /// Writes all of `bytes`, and waits until the host has them; they do not mix with what others write.
    pub fn write_all(&self, bytes: &[u8]) {
        console::write(Stream::Out, bytes);
    }
}

/// The program's standard error, for what is not text; text goes by [`eprint!`](crate::eprint!).
#[derive(Clone, Copy, Debug)]
pub struct Stderr(());

/// The program's standard error.
pub fn stderr() -> Stderr {
    Stderr(())
}

impl Stderr {
    /// Writes all of `bytes`; they do not mix with what others write.
    pub fn write_all(&self, bytes: &[u8]) {
        console::write(Stream::Err, bytes);
    }
}
