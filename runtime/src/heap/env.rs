//! What the environment says to the heap: `GOMEMLIMIT` and `GOGC` (Go's syntax) and `GZERO_FAILALLOC`. `GODEBUG=mallocdebug=1` is read in `godebug.rs`.

use super::checks;
use super::port::set_memory_limit;
use crate::env::{Escaped, var_bytes};
use core::fmt;

/// A variable that cannot be obeyed.
#[derive(Debug, PartialEq, Eq)]
pub enum EnvError {
    /// The value of `GOMEMLIMIT`.
    MemLimit(&'static [u8]),
    /// The value of `GOGC`.
    Gogc(&'static [u8]),
    /// The value of `GZERO_FAILALLOC`.
    FailAlloc(&'static [u8]),
}

impl fmt::Display for EnvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            EnvError::MemLimit(v) => write!(
                f,
                "GOMEMLIMIT={}: expected a number of bytes, with B, KiB, MiB, GiB or TiB behind it if you like, or \"off\"",
                Escaped(v)
            ),
            EnvError::Gogc(v) => write!(f, "GOGC={}: expected a percentage or \"off\"", Escaped(v)),
            EnvError::FailAlloc(v) => {
                write!(f, "GZERO_FAILALLOC={}: expected a number from 1", Escaped(v))
            }
        }
    }
}

/// Obeys the environment. Called once, before the first P exists: what is checked from now on must not lie in a magazine.
///
/// # Errors
/// The first variable that cannot be obeyed.
pub(crate) fn init() -> Result<(), EnvError> {
    let text = |v| core::str::from_utf8(v).ok();
    if let Some(v) = var_bytes("GOMEMLIMIT") {
        set_memory_limit(text(v).and_then(parse_limit).ok_or(EnvError::MemLimit(v))?);
    }
    // Rust programs without collected objects never meet the collector, but a mistake in its pace is one all the same.
    let percent = match var_bytes("GOGC") {
        Some(v) => Some(text(v).and_then(parse_percentage).ok_or(EnvError::Gogc(v))?),
        None => None,
    };
    crate::gc::init(percent);
    if let Some(v) = var_bytes("GZERO_FAILALLOC") {
        let n = text(v).and_then(|v| v.parse().ok()).filter(|&n| n > 0);
        checks::fail_at(n.ok_or(EnvError::FailAlloc(v))?);
    }
    if crate::godebug::MALLOCDEBUG.is_on() {
        checks::debug();
    }
    Ok(())
}

/// A `GOGC` (Go: `readGOGC`): a number, less than 0 for no collection at all, `off` or nothing.
fn parse_percentage(text: &str) -> Option<i32> {
    match text {
        "" => Some(100),
        "off" => Some(-1),
        number => number.parse().ok(),
    }
}

/// A number of bytes as Go writes it in `GOMEMLIMIT` (Go: `readGOMEMLIMIT`, `parseByteCount`); `off` and nothing: no limit.
fn parse_limit(text: &str) -> Option<usize> {
    if text.is_empty() || text == "off" {
        return Some(usize::MAX);
    }
    const UNITS: [(&str, u32); 5] = [("KiB", 10), ("MiB", 20), ("GiB", 30), ("TiB", 40), ("B", 0)];
    let unit = UNITS.iter().find_map(|(unit, shift)| Some((text.strip_suffix(unit)?, *shift)));
    let (digits, shift) = unit.unwrap_or((text, 0));
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    digits.parse::<usize>().ok()?.checked_mul(1 << shift)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages_are_written_as_in_go() {
        for (text, percent) in [
            ("", Some(100)),
            ("off", Some(-1)),
            ("100", Some(100)),
            ("-1", Some(-1)),
            ("banana", None),
            ("5%", None),
        ] {
            assert_eq!(parse_percentage(text), percent, "{text:?}");
        }
    }

    #[test]
    fn limits_are_written_as_in_go() {
        for (text, bytes) in [
            ("10MiB", Some(10 << 20)),
            ("off", Some(usize::MAX)),
            ("", Some(usize::MAX)),
            ("4096", Some(4096)),
            ("7B", Some(7)),
            ("3KiB", Some(3 << 10)),
            ("2TiB", Some(2 << 40)),
            ("1GiB", Some(1 << 30)),
            ("10MB", None),
            ("MiB", None),
            ("-1", None),
            ("+1", None),
            ("99999999TiB", None),
        ] {
            assert_eq!(parse_limit(text), bytes, "{text:?}");
        }
    }
}
