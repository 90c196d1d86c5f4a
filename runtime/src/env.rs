//! The program's arguments and environment (Go: `os.Args`, `os.Environ`; Rust: `std::env`).
//!
//! Both are bytes, any but NUL, as on Unix; the names of variables are text. Most programs want text and say so by the function that they call: what
//! is not UTF-8 is then a panic that names the word.

use crate::port;
use core::fmt::{self, Write};
use core::sync::atomic::{AtomicBool, Ordering};

/// The program's name and arguments as text.
///
/// ```no_run
/// let n = runtime::env::args().get(1).map_or(Ok(10), |n| n.parse::<u32>());
/// ```
///
/// # Panics
/// If one of them is not UTF-8, naming the first: [`args_bytes`] takes them as they are.
pub fn args() -> &'static [&'static str] {
    static TEXT: AtomicBool = AtomicBool::new(false);
    let args = args_bytes();
    if !TEXT.load(Ordering::Relaxed) {
        if let Some(i) = args.iter().position(|arg| core::str::from_utf8(arg).is_err()) {
            panic!("argument {i} is not UTF-8: \"{}\"", Escaped(args[i]));
        }
        TEXT.store(true, Ordering::Relaxed);
    }
    // SAFETY: all are UTF-8, and `str` is laid out as `[u8]`.
    unsafe { &*(core::ptr::from_ref(args) as *const [&'static str]) }
}

/// The program's name and arguments as bytes.
pub fn args_bytes() -> &'static [&'static [u8]] {
    port::args()
}

/// The environment as pairs of name and value, each name once.
///
/// # Panics
/// The iterator, at a value that is not UTF-8: [`vars_bytes`] takes them as they are.
pub fn vars() -> impl Iterator<Item = (&'static str, &'static str)> {
    vars_bytes().iter().map(|&(name, value)| match core::str::from_utf8(value) {
        Ok(text) => (name, text),
        Err(_) => panic!("the variable {name} is not UTF-8: \"{}\"", Escaped(value)),
    })
}

/// The environment as pairs of name and value, each name once, the value as bytes.
pub fn vars_bytes() -> &'static [(&'static str, &'static [u8])] {
    port::environ()
}

/// Why [`var`] has no text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VarError<'a> {
    /// The environment has no variable of this name.
    NotPresent(&'a str),
    /// The value of the variable is not UTF-8.
    NotUnicode(&'a str, &'static [u8]),
}

impl fmt::Display for VarError<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            VarError::NotPresent(name) => write!(f, "the environment has no variable {name}"),
            VarError::NotUnicode(name, value) => {
                write!(f, "the variable {name} is not UTF-8: \"{}\"", Escaped(value))
            }
        }
    }
}

impl core::error::Error for VarError<'_> {}

/// The value of the variable `name` as text (Go: `os.LookupEnv`).
///
/// ```no_run
/// let workers = runtime::env::var("WORKERS").unwrap_or("4");
/// ```
///
/// # Errors
/// If there is no such variable, or its value is not UTF-8: [`var_bytes`] takes it as it is.
pub fn var(name: &str) -> Result<&'static str, VarError<'_>> {
    let value = var_bytes(name).ok_or(VarError::NotPresent(name))?;
    core::str::from_utf8(value).map_err(|_| VarError::NotUnicode(name, value))
}

/// The value of the variable `name`.
pub fn var_bytes(name: &str) -> Option<&'static [u8]> {
    vars_bytes().iter().find(|(n, _)| *n == name).map(|&(_, value)| value)
}

/// Bytes shown as text: control characters and quotes as in a string literal, what is not UTF-8 as `\xNN`.
#[derive(Clone, Copy, Debug)]
pub struct Escaped<'a>(pub &'a [u8]);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            chunk.valid().chars().flat_map(char::escape_debug).try_for_each(|c| f.write_char(c))?;
            chunk.invalid().iter().try_for_each(|b| write!(f, "\\x{b:02x}"))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Escaped, VarError};
    use std::string::ToString;

    #[test]
    fn what_is_no_text_is_named() {
        let error = VarError::NotUnicode("LANG", b"de\xff").to_string();
        assert_eq!(error, r#"the variable LANG is not UTF-8: "de\xff""#);
    }

    #[test]
    fn bytes_are_shown_without_loss() {
        assert_eq!(Escaped(b"a b\xc3\xbc").to_string(), "a bü");
        assert_eq!(Escaped(b"\xff\"\n\\\0x\xc3").to_string(), r#"\xff\"\n\\\0x\xc3"#);
    }
}
