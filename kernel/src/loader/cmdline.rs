//! The kernel command line and the program's words.
//!
//! `[-v] [-nokaslr] [console=ttyS0|ttyS1|ttyS2] [NAME=VALUE …] PROGRAM [ARGS…]`, in two parts, each of which may be empty:
//!
//! 1. The command line: PVH's, else QEMU's fw_cfg file [`LINE_FILE`]. It is read before there is a heap of any size and says where the console
//!    is. Blanks separate words. Inside double quotes blanks count as letters, and `\"` and `\\` stand for `"` and `\`. A quoted word is treated as
//!    if it were not quoted. A machine without fw_cfg (Firecracker, Cloud Hypervisor) has all of it here, [`MAX_CMDLINE`] bytes at most.
//! 2. QEMU's fw_cfg file [`WORDS_FILE`], up to [`MAX_WORDS`] bytes: words, each with a NUL at its end. They go on where the command line ends.
//!
//! An image with a program [behind it](super::payload) has words of its own that name the program.
//! Then 1 and 2 have settings, which count more than those, and further arguments.
//!
//! Up to the program's name, or to `--`, a word that starts with `-` is an option and one with a
//! `=` is a setting, of which the last of a name counts; after it words
//! are the program's own affair. Words are bytes, any but NUL: only a setting's name is text.

use super::{MAX_CMDLINE, kaslr, payload};
use crate::cpu::power;
use crate::device::{fw_cfg, uart};
use alloc::borrow::Cow;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::fmt;
use runtime::env::Escaped;
use runtime::machine::godebug::Words;
use spin::Once;

/// The fw_cfg file that carries the command line for boot protocols that have none.
pub(super) const LINE_FILE: &str = "opt/org.gzero/cmdline";

/// The fw_cfg file of the program's words.
pub(super) const WORDS_FILE: &str = "opt/org.gzero/args";

/// Bytes of words at most, as `boot/src/command_line.rs` promises.
const MAX_WORDS: usize = 1 << 20;

/// Exit status for a command line that cannot be understood: `EX_USAGE` of BSD's `sysexits.h`.
pub const EX_USAGE: i32 = 64;

/// A command line, understood. What it refers to is never freed.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct CommandLine {
    /// `-v`: the boot log is printed.
    pub verbose: bool,
    /// `console=`
    pub console: uart::Port,
    /// The `NAME=VALUE` words, each name once, in the order in which the names came first.
    pub environ: Vec<(&'static str, &'static [u8])>,
    /// The program's name and its arguments.
    pub args: Vec<&'static [u8]>,
    /// Where a name stands in `environ`.
    names: BTreeMap<&'static str, usize>,
    /// Options and settings are over, and no argument has come yet.
    ended: bool,
}

/// Why a command line was refused, naming the word.
#[derive(Debug, PartialEq, Eq)]
pub enum Error {
    /// There is none, or nothing but options and settings in it.
    NoProgram,
    /// Longer than what is kept: its length in bytes, and the most that is.
    TooLong(usize, usize),
    /// A `"` without its partner.
    UnterminatedQuote(Vec<u8>),
    /// A word before the program that starts with `-` and is not known.
    UnknownOption(&'static [u8]),
    /// A setting whose name is empty or has other characters than letters, digits and `_`.
    BadName(&'static [u8]),
    /// `console=` with another value than `ttyS0` to `ttyS2`.
    BadConsole(&'static [u8]),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::NoProgram => write!(f, "no program named"),
            Error::TooLong(n, most) => write!(f, "{n} bytes, of which {most} at most are read"),
            Error::UnterminatedQuote(w) => write!(f, "unterminated quote: {}", Escaped(w)),
            Error::UnknownOption(w) => write!(f, "unknown option: {}", Escaped(w)),
            Error::BadName(w) => write!(f, "bad name: {}", Escaped(w)),
            Error::BadConsole(w) => {
                write!(f, "bad console (expected ttyS0, ttyS1 or ttyS2): {}", Escaped(w))
            }
        }
    }
}

impl CommandLine {
    /// Adds what `line` says. Words before a refused one have taken effect, so that the message can go to the console
    /// that the line asked for.
    ///
    /// # Errors
    /// Of [`Error`] what a line can have wrong, but not [`Error::NoProgram`].
    fn line(&mut self, line: &[u8]) -> Result<(), Error> {
        let mut rest = line;
        while let Some((word, after)) = next_word(rest)? {
            rest = after;
            self.word(word.leak())?;
        }
        Ok(())
    }

    /// Adds words that each have a NUL behind them; the last may lack it.
    ///
    /// # Errors
    /// As [`CommandLine::line`].
    fn words(&mut self, words: &'static [u8]) -> Result<(), Error> {
        if words.is_empty() {
            return Ok(());
        }
        words.strip_suffix(&[0]).unwrap_or(words).split(|&b| b == 0).try_for_each(|word| self.word(word))
    }

    fn word(&mut self, word: &'static [u8]) -> Result<(), Error> {
        if self.ended || !self.args.is_empty() {
            self.args.push(word);
        } else if word == b"--" {
            self.ended = true;
        } else if !self.setting(word)? {
            self.args.push(word);
        }
        Ok(())
    }

    /// What the words in the image and these, of the machine, say together.
    ///
    /// # Errors
    /// As [`CommandLine::line`].
    fn over(self, image: &'static [u8]) -> Result<CommandLine, Error> {
        let mut both = CommandLine::default();
        both.words(image)?;
        self.environ.into_iter().for_each(|(name, value)| both.set(name, value));
        both.args.extend(self.args);
        Ok(CommandLine { verbose: self.verbose, console: self.console, ..both })
    }

    /// Takes `word` as an option or a setting; false if it is neither and so names the program.
    fn setting(&mut self, word: &'static [u8]) -> Result<bool, Error> {
        if word.starts_with(b"-") {
            match word {
                b"-v" => self.verbose = true,
                // Obeyed before this is read.
                kaslr::OFF => {}
                _ => return Err(Error::UnknownOption(word)),
            }
            return Ok(true);
        }
        let Some(at) = word.iter().position(|&b| b == b'=') else { return Ok(false) };
        let (name, value) = (name(&word[..at]).ok_or(Error::BadName(word))?, &word[at + 1..]);
        if name == "console" {
            self.console = match value {
                b"ttyS0" => uart::Port::Com1,
                b"ttyS1" => uart::Port::Com2,
                b"ttyS2" => uart::Port::Com3,
                _ => return Err(Error::BadConsole(word)),
            };
            return Ok(true);
        }
        self.set(name, value);
        Ok(true)
    }

    fn set(&mut self, name: &'static str, value: &'static [u8]) {
        match self.names.get(name) {
            Some(&i) => self.environ[i].1 = value,
            None => {
                self.names.insert(name, self.environ.len());
                self.environ.push((name, value));
            }
        }
    }
}

/// `bytes` as text if that is `[A-Za-z_][A-Za-z0-9_]*`.
fn name(bytes: &'static [u8]) -> Option<&'static str> {
    let letters = bytes.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'_');
    let first = bytes.first().is_some_and(|b| !b.is_ascii_digit());
    core::str::from_utf8(bytes).ok().filter(|_| letters && first)
}

/// A word, and what of the line follows it.
type Word<'a> = (Vec<u8>, &'a [u8]);

/// The first word of `line` with its quotes taken off, and what follows it; none if only blanks are left.
fn next_word(line: &[u8]) -> Result<Option<Word<'_>>, Error> {
    let mut word = Vec::new();
    let rest = read_word(line, |byte| word.push(byte));
    rest.map(|rest| Some((word, rest?))).map_err(|quote| Error::UnterminatedQuote(quote.into()))
}

/// Passes the letters of the first word of `line` to `letter`, and returns what follows the word; none if only blanks are left.
///
/// # Errors
/// The line from a word on that has a `"` without its partner.
pub(super) fn read_word(line: &[u8], mut letter: impl FnMut(u8)) -> Result<Option<&[u8]>, &[u8]> {
    let line = line.trim_ascii_start();
    if line.is_empty() {
        return Ok(None);
    }
    let mut quoted = false;
    let mut rest = line;
    while let [byte, after @ ..] = rest {
        match byte {
            b'"' => quoted = !quoted,
            b'\\' if quoted && matches!(after, [b'"' | b'\\', ..]) => {
                letter(after[0]);
                rest = &after[1..];
                continue;
            }
            byte if byte.is_ascii_whitespace() && !quoted => return Ok(Some(rest)),
            byte => letter(*byte),
        }
        rest = after;
    }
    if quoted { Err(line) } else { Ok(Some(rest)) }
}

static CMDLINE: Once<CommandLine> = Once::new();

/// The command line.
///
/// # Panics
/// Before [`complete`].
pub fn get() -> &'static CommandLine {
    CMDLINE.get().expect("the command line is read first")
}

/// Finds and reads the command line and turns the console to where it says. A line that cannot be understood ends the
/// machine with [`EX_USAGE`] and one line on the console.
pub fn begin() -> CommandLine {
    let mut parsed = CommandLine::default();
    // QEMU passes an empty line where it was given none.
    let own = super::own_cmdline().filter(|line| !line.is_ok_and(<[u8]>::is_empty));
    let line = match own {
        Some(line) => line.map(Cow::Borrowed),
        None => fw_cfg::read(LINE_FILE, MAX_CMDLINE).unwrap_or(Ok(Vec::new())).map(Cow::Owned),
    };
    let result =
        line.map_err(|length| Error::TooLong(length, MAX_CMDLINE)).and_then(|line| parsed.line(&line));
    if parsed.console != uart::Port::default() {
        uart::init(parsed.console);
    }
    if let Err(error) = result {
        refuse(format_args!("command line: {error}"));
    }
    parsed
}

/// Adds the program's words and the image's to what [`begin`] has read, and obeys `GODEBUG`. Words
/// that cannot be understood end the machine as there.
pub fn complete(mut parsed: CommandLine) -> &'static CommandLine {
    let result = match fw_cfg::read(WORDS_FILE, MAX_WORDS) {
        Some(Ok(words)) => parsed.words(words.leak()),
        Some(Err(size)) => Err(Error::TooLong(size, MAX_WORDS)),
        None => Ok(()),
    };
    let parsed = result.and_then(|()| parsed.over(payload::words())).and_then(|all| match all.args[..] {
        [] => Err(Error::NoProgram),
        _ => Ok(all),
    });
    let parsed = parsed.unwrap_or_else(|error| refuse(format_args!("command line: {error}")));
    let cmdline = CMDLINE.call_once(|| parsed);
    let words = if super::has_module() { Words::AlsoGos } else { Words::Own };
    if let Err(error) = runtime::machine::godebug::init(words) {
        refuse(format_args!("{error}"));
    }
    cmdline
}

fn refuse(why: fmt::Arguments<'_>) -> ! {
    uart::print(format_args!("gzero: {why}\n"));
    power::exit(EX_USAGE)
}

#[cfg(feature = "kernel-tests")]
mod tests;
