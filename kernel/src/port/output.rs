//! Console output: to the serial device in buffers, to the UART in short pieces.
//!
//! A write is over when the host has it. QEMU's device takes a buffer in the access that announces it, so there is usually nothing to wait for; while whoever
//! reads the host's end is slow the device keeps the buffer, and the writer waits for its interrupt. So a report on the UART comes after output that
//! was written before it, and the machine may end at any time.

use super::console::{self, CONSOLE, Event};
use crate::device::uart;
use runtime::machine::{Stream, Written};

/// Bytes that are written to the UART with interrupts off: some hundred microseconds.
const UART_PIECE: usize = 64;

/// Writes what can be written without waiting.
pub fn write(stream: Stream, bytes: &[u8]) -> Written {
    if stream == Stream::Out && !shared() {
        return send(bytes);
    }
    let taken = bytes.len().min(UART_PIECE);
    uart::write(&bytes[..taken]);
    Written { taken, pending: false }
}

/// Whether standard output and standard error are one.
pub fn shared() -> bool {
    CONSOLE.lock().is_none()
}

/// Copies to the device's free buffers. Interrupts are on while bytes are copied: the buffer is out of the device's hands and of the lock's.
fn send(bytes: &[u8]) -> Written {
    let mut taken = 0;
    while taken < bytes.len() {
        let buffer = CONSOLE.lock().as_mut().and_then(|c| c.serial.output_buffer());
        let Some(buffer) = buffer else { break };
        let n = buffer.len().min(bytes.len() - taken);
        buffer[..n].copy_from_slice(&bytes[taken..][..n]);
        if let Some(console) = CONSOLE.lock().as_mut() {
            console.serial.send(buffer, n);
        }
        taken += n;
    }
    let pending = CONSOLE.lock().as_mut().is_some_and(|c| c.serial.is_sending(false));
    Written { taken, pending }
}

/// Waits until the host has all that [`write`] took. Holds the thread.
pub fn flush() {
    console::wait(Event::Sent);
}
