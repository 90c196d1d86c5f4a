//! The legacy interrupt controllers, turned off: the local APICs do their work.

use super::trap::vector;
use x86_64::instructions::port::Port;

/// Command ports of the two 8259As; the data port is the next one.
const PRIMARY: u16 = 0x20;
const SECONDARY: u16 = 0xa0;

/// Masks all lines of both controllers.
///
/// They are initialised first (8259A data sheet, ICW1 to ICW4): after reset their vectors are those of exceptions, and a spurious
/// interrupt comes in spite of the mask.
pub fn disable() {
    let write = |port: u16, value: u8| {
        // SAFETY: these are the controllers' ports, or nothing, on every PC; no interrupt of theirs is in use.
        unsafe { Port::new(port).write(value) };
    };
    for (command, first_vector, cascade) in
        [(PRIMARY, vector::LEGACY, 1 << 2), (SECONDARY, vector::LEGACY + 8, 2)]
    {
        write(command, 0x11);
        for word in [first_vector, cascade, 0x01, 0xff] {
            write(command + 1, word);
        }
    }
}
