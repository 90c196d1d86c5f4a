//! The boot log: `log!` lines appear on the console with `-v`.
//!
//! Lines written before the command line is known are kept, as many as fit, and printed or dropped then.

use crate::device::uart;
use crate::irq::IrqMutex;
use core::fmt::{self, Write};
use core::sync::atomic::{AtomicU8, Ordering};
use spin::Once;

/// Writes one line to the boot log, with the time since boot in front; arguments as `format!`'s.
#[macro_export]
macro_rules! log {
    ($($arg:tt)*) => { $crate::log::line(format_args!($($arg)*)) };
}

/// Bytes kept from before the command line is known.
const EARLY: usize = 2048;

struct Early {
    bytes: [u8; EARLY],
    len: usize,
}

impl Write for Early {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        let n = s.len().min(EARLY - self.len);
        self.bytes[self.len..][..n].copy_from_slice(&s.as_bytes()[..n]);
        self.len += n;
        if n == s.len() { Ok(()) } else { Err(fmt::Error) }
    }
}

const KEEP: u8 = 0;
const PRINT: u8 = 1;
const DROP: u8 = 2;

static STATE: AtomicU8 = AtomicU8::new(KEEP);
static KEPT: IrqMutex<Early> = IrqMutex::new(Early { bytes: [0; EARLY], len: 0 });
static CLOCK: Once<fn() -> u64> = Once::new();

/// Names the clock (nanoseconds since boot) whose time lines carry from now on; before, it is 0.
pub fn set_clock(nanotime: fn() -> u64) {
    CLOCK.call_once(|| nanotime);
}

/// Decides about all lines, those kept and those to come.
pub fn set_verbose(verbose: bool) {
    STATE.store(if verbose { PRINT } else { DROP }, Ordering::Relaxed);
    let mut kept = KEPT.lock();
    if verbose {
        uart::write(&kept.bytes[..kept.len]);
    }
    kept.len = 0;
}

fn now() -> (u64, u64) {
    let us = CLOCK.get().map_or(0, |nanotime| nanotime()) / 1000;
    (us / 1_000_000, us % 1_000_000)
}

/// Writes a line; [`log!`](crate::log!) is the way to call it.
pub fn line(args: fmt::Arguments<'_>) {
    let (s, us) = now();
    match STATE.load(Ordering::Relaxed) {
        // A line that does not fit is cut.
        KEEP => _ = writeln!(KEPT.lock(), "gzero: [{s}.{us:06}] {args}"),
        PRINT => uart::print(format_args!("gzero: [{s}.{us:06}] {args}\n")),
        _ => {}
    }
}

/// Writes one of the machine's last lines: without the console's lock, which a stopped core may hold.
pub fn last_line(args: fmt::Arguments<'_>) {
    let (s, us) = now();
    if STATE.load(Ordering::Relaxed) == PRINT {
        // The console does not fail.
        _ = writeln!(uart::Emergency, "gzero: [{s}.{us:06}] {args}");
    }
}
