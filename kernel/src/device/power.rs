//! Ending the machine with a status (B8).
//!
//! QEMU's `isa-debug-exit` alone cannot pass a status on: QEMU exits with `(value << 1) | 1`. So the status goes
//! first, in decimal, to the debug console (`isa-debugcon` at 0xe9), whose output the runner reads from a file.

use core::fmt::{self, Write};
use x86_64::instructions::port::{Port, PortReadOnly};
use x86_64::instructions::{hlt, interrupts};

/// Bochs' and QEMU's debug console. It reads as its own port number, which is how it is told from nothing.
const DEBUGCON: u16 = 0xe9;

/// QEMU's `isa-debug-exit` as the runner configures it.
const DEBUG_EXIT: u16 = 0xf4;

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

/// Ends the machine with `status`, 0 to 255, whose lowest byte reaches the host.
///
/// In order: status to the debug console, then to the debug-exit device, then every core halts for ever.
pub fn exit(status: i32) -> ! {
    interrupts::disable();
    let status = status as u8;
    // SAFETY: reading 0xe9 has no effect on a PC with or without the device.
    if unsafe { PortReadOnly::<u8>::new(DEBUGCON).read() } == DEBUGCON as u8 {
        // `Debugcon` does not fail.
        _ = writeln!(Debugcon, "{status}");
    }
    // SAFETY: 0xf4 is the debug-exit device or nothing: no PC has had anything else there since the 80287.
    unsafe { Port::new(DEBUG_EXIT).write(u32::from(status)) };
    loop {
        hlt();
    }
}
