//! The kernel command line (B7).
//!
//! `[-v] [console=ttyS0|ttyS1|ttyS2] [NAME=VALUE …] PROGRAM [ARGS…]`, from PVH's start info, else from QEMU's fw_cfg file
//! [`FW_CFG_FILE`]. Blanks separate words. Inside double quotes blanks count as letters, and `\"` and `\\` stand for `"` and
//! `\`. Up to the program's name a word that starts with `-` is an option and one with a `=` is a setting; after it words
//! are the program's own affair. A quoted word is treated as if it were not quoted.

use crate::device::{fw_cfg, power, uart};
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use spin::Once;

/// The fw_cfg file that carries the command line for doors that have none.
pub const FW_CFG_FILE: &str = "opt/org.gzero/cmdline";

/// Exit status for a command line that cannot be understood: `EX_USAGE` of BSD's `sysexits.h`.
pub const EX_USAGE: i32 = 64;

/// A command line, understood.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct CommandLine {
    /// `-v`: the boot log is printed.
    pub verbose: bool,
    /// `console=`
    pub console: uart::Port,
    /// The `NAME=VALUE` words in order.
    pub environ: Vec<(String, String)>,
    /// The program's name and its arguments.
    pub args: Vec<String>,
}

/// Why a command line was refused, naming the word.
#[derive(Debug, PartialEq, Eq)]
pub enum Error {
    /// There is none, or nothing but options and settings in it.
    NoProgram,
    /// Longer than what a door keeps; with its length in bytes.
    TooLong(usize),
    /// Not UTF-8.
    NotText,
    /// A `"` without its partner.
    UnterminatedQuote(String),
    /// A word before the program that starts with `-` and is not known.
    UnknownOption(String),
    /// A setting whose name is empty or has other characters than letters, digits and `_`.
    BadName(String),
    /// `console=` with another value than `ttyS0` to `ttyS2`.
    BadConsole(String),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::NoProgram => write!(f, "no program named"),
            Error::TooLong(n) => write!(f, "{n} bytes are too many"),
            Error::NotText => write!(f, "not UTF-8"),
            Error::UnterminatedQuote(w) => write!(f, "unterminated quote: {w}"),
            Error::UnknownOption(w) => write!(f, "unknown option: {w}"),
            Error::BadName(w) => write!(f, "bad name: {w}"),
            Error::BadConsole(w) => write!(f, "bad console (want ttyS0, ttyS1 or ttyS2): {w}"),
        }
    }
}

impl CommandLine {
    /// Adds what `line` says. Words before a refused one have taken effect, so that the message can go to the console
    /// that the line asked for.
    ///
    /// # Errors
    /// Any [`Error`] but [`Error::TooLong`].
    pub fn parse(&mut self, line: &[u8]) -> Result<(), Error> {
        let mut rest = core::str::from_utf8(line).map_err(|_| Error::NotText)?;
        while let Some((word, after)) = next_word(rest)? {
            rest = after;
            if self.args.is_empty() && self.setting(&word)? {
                continue;
            }
            self.args.push(word);
        }
        if self.args.is_empty() { Err(Error::NoProgram) } else { Ok(()) }
    }

    /// Takes `word` as an option or a setting; false if it is neither and so names the program.
    fn setting(&mut self, word: &str) -> Result<bool, Error> {
        if word.starts_with('-') {
            if word != "-v" {
                return Err(Error::UnknownOption(word.into()));
            }
            self.verbose = true;
            return Ok(true);
        }
        let Some((name, value)) = word.split_once('=') else { return Ok(false) };
        if name == "console" {
            self.console = match value {
                "ttyS0" => uart::Port::Com1,
                "ttyS1" => uart::Port::Com2,
                "ttyS2" => uart::Port::Com3,
                _ => return Err(Error::BadConsole(word.into())),
            };
        } else if is_name(name) {
            self.environ.push((name.into(), value.into()));
        } else {
            return Err(Error::BadName(word.into()));
        }
        Ok(true)
    }
}

/// Whether `s` is `[A-Za-z_][A-Za-z0-9_]*`.
fn is_name(s: &str) -> bool {
    s.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        && s.bytes().next().is_some_and(|b| !b.is_ascii_digit())
}

/// The first word of `line` with its quotes taken off, and what follows it; none if only blanks are left.
fn next_word(line: &str) -> Result<Option<(String, &str)>, Error> {
    let line = line.trim_ascii_start();
    if line.is_empty() {
        return Ok(None);
    }
    let (mut word, mut quoted) = (String::new(), false);
    let mut chars = line.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => quoted = !quoted,
            '\\' if quoted && line[at + 1..].starts_with(['"', '\\']) => {
                word.extend(chars.next().map(|(_, c)| c))
            }
            c if c.is_ascii_whitespace() && !quoted => return Ok(Some((word, &line[at..]))),
            c => word.push(c),
        }
    }
    if quoted { Err(Error::UnterminatedQuote(line.into())) } else { Ok(Some((word, ""))) }
}

static CMDLINE: Once<CommandLine> = Once::new();

/// The command line.
///
/// # Panics
/// Before [`init`].
pub fn get() -> &'static CommandLine {
    CMDLINE.get().expect("the command line is read first")
}

/// Finds and reads the command line and turns the console to where it says. A line that cannot be understood ends the
/// machine with [`EX_USAGE`] and one line on the console.
pub fn init() -> &'static CommandLine {
    let mut parsed = CommandLine::default();
    // QEMU passes an empty line where it was given none.
    let result = match super::door_cmdline().filter(|line| !line.is_ok_and(<[u8]>::is_empty)) {
        Some(Ok(line)) => parsed.parse(line),
        Some(Err(length)) => Err(Error::TooLong(length)),
        None => parsed.parse(&fw_cfg::read(FW_CFG_FILE).unwrap_or_default()),
    };
    if parsed.console != uart::Port::default() {
        uart::init(parsed.console);
    }
    if let Err(error) = result {
        uart::print(format_args!("gzero: command line: {error}\n"));
        power::exit(EX_USAGE);
    }
    CMDLINE.call_once(|| parsed)
}

#[cfg(feature = "kernel-tests")]
mod tests;
