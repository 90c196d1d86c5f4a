//! The debug console of Bochs and QEMU (`isa-debugcon` at 0xe9), on which the kernel speaks to the runner on the host (`boot/src/control.rs`).
//!
//! Three things are said: by how much the image was moved, if it was, in hexadecimal behind a plus sign on a line; that the program begins to read its input, and from
//! which device, in one byte, so that it may come in the middle of another; and the exit status, in decimal on a line.

use core::fmt::{self, Write};
use x86_64::instructions::port::{Port, PortReadOnly};

/// The device's port. It reads as its own number, which is how it is told from nothing.
const DEBUGCON: u16 = 0xe9;

/// The device from which the program reads, and the byte that says so.
#[derive(Clone, Copy, Debug)]
pub enum Input {
    /// The virtio serial device.
    Serial = b's' as isize,
    /// The UART.
    Uart = b'u' as isize,
}

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

/// Tells the runner, if there is one, that the image lies `by` bytes above where it is linked.
pub fn tell_moved(by: usize) {
    tell(format_args!("+{by:x}\n"));
}

/// Tells the runner, if there is one, that from now on the program reads its input, and where.
pub fn want_input(from: Input) {
    tell(format_args!("{}", from as u8 as char));
}

/// Tells the runner, if there is one, how the program ends.
pub fn end(status: u8) {
    tell(format_args!("{status}\n"));
}
