//! The debug console of Bochs and QEMU (`isa-debugcon` at 0xe9), on which the kernel speaks to the runner on the host (`boot/src/control.rs`).
//!
//! Two things are said: the program begins to read its input, one byte, so that it may come in the middle of the other; and the exit status, in decimal
//! on a line.

use core::fmt::{self, Write};
use x86_64::instructions::port::{Port, PortReadOnly};

/// The device's port. It reads as its own number, which is how it is told from nothing.
const DEBUGCON: u16 = 0xe9;

/// Asks for input.
const WANTS_INPUT: &str = "<";

struct Debugcon;

impl Write for Debugcon {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        for b in s.bytes() {
            // SAFETY: the port was found to be the debug console, which has no effect on the machine.
            unsafe { Port::new(DEBUGCON).write(b) };
        }
        Ok(())
    }
}

fn tell(what: fmt::Arguments<'_>) {
    // SAFETY: reading 0xe9 has no effect on a PC with or without the device.
    if unsafe { PortReadOnly::<u8>::new(DEBUGCON).read() } == DEBUGCON as u8 {
        // `Debugcon` does not fail.
        _ = Debugcon.write_fmt(what);
    }
}

/// Tells the runner, if there is one, that from now on the program reads its input.
pub fn want_input() {
    tell(format_args!("{WANTS_INPUT}"));
}

/// Tells the runner, if there is one, how the program ends.
pub fn end(status: u8) {
    tell(format_args!("{status}\n"));
}
