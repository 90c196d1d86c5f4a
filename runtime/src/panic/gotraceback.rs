//! `GOTRACEBACK`: whose traces a fatal report shows, and how the program ends then (Go: `gotraceback`, `setTraceback` in `runtime1.go`).
//!
//! | value | traces | exit status |
//! |---|---|---|
//! | `none`, `0` | none | 2 |
//! | `single`, nothing | the goroutine that failed; of all if the failure is the runtime's own or no goroutine's | 2 |
//! | `all`, `1`; `system`, `2` | of all goroutines | 2 |
//! | `crash` | of all goroutines | 134, what a shell reports of a process that Go ends by SIGABRT |
//!
//! Go hides the runtime's own frames and goroutines below `system`. Here frames are never hidden, and the runtime has no goroutines of its own.

use super::EXIT_FATAL;
use crate::env::{self, Escaped};
use core::fmt;
use core::sync::atomic::{AtomicU32, Ordering};

/// 128 and the number of SIGABRT.
const EXIT_CRASH: i32 = 134;

const NONE: u32 = 0;
const SINGLE: u32 = 1;
const ALL: u32 = 2;
const CRASH: u32 = 3;

static LEVEL: AtomicU32 = AtomicU32::new(SINGLE);

/// A `GOTRACEBACK` that cannot be obeyed.
#[derive(Debug, PartialEq, Eq)]
pub struct Error(&'static [u8]);

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GOTRACEBACK={}: expected none, single, all, system or crash", Escaped(self.0))
    }
}

/// Reads the environment.
///
/// # Errors
/// If the value is none of those above.
pub(crate) fn init() -> Result<(), Error> {
    let value = env::var_bytes("GOTRACEBACK").unwrap_or_default();
    LEVEL.store(level(value).ok_or(Error(value))?, Ordering::Relaxed);
    Ok(())
}

fn level(value: &[u8]) -> Option<u32> {
    Some(match value {
        b"none" | b"0" => NONE,
        b"single" | b"" => SINGLE,
        b"all" | b"1" | b"system" | b"2" => ALL,
        b"crash" => CRASH,
        _ => return None,
    })
}

/// Whether the goroutine that failed is shown.
pub(super) fn shows_failed() -> bool {
    LEVEL.load(Ordering::Relaxed) != NONE
}

/// Whether the others are, too; `internal`: the failure is the runtime's own.
pub(super) fn shows_others(internal: bool) -> bool {
    match LEVEL.load(Ordering::Relaxed) {
        NONE => false,
        SINGLE => internal,
        _ => true,
    }
}

/// The exit status of a program that died.
pub fn exit_status() -> i32 {
    if LEVEL.load(Ordering::Relaxed) == CRASH { EXIT_CRASH } else { EXIT_FATAL }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values() {
        let all: [&[u8]; 10] =
            [b"none", b"0", b"single", b"", b"all", b"1", b"system", b"2", b"crash", b"banana"];
        let want = [NONE, NONE, SINGLE, SINGLE, ALL, ALL, ALL, ALL, CRASH];
        assert_eq!(all.map(level)[..9], want.map(Some));
        assert_eq!(level(b"banana"), None);
        let text = std::string::ToString::to_string(&Error(b"ban\xff"));
        assert_eq!(text, r"GOTRACEBACK=ban\xff: expected none, single, all, system or crash");
    }
}
