//! Console input: from the serial device, or from the UART where there is none.
//!
//! The first read has the device take input and asks the host for it: until then nothing is taken from whoever feeds the machine.
//!
//! # The end of input
//! Neither device has an end, so it is said in the stream, as to a terminal: Ctrl-D is the end, and Ctrl-V makes the next byte an
//! ordinary one. The runner on the host quotes so what its input has of the two.

mod uart;

use super::console::{self, CONSOLE, Event};
use crate::device::debugcon;
use crate::irq::IrqMutex;
use crate::virtio::serial::Buffer;
use runtime::machine::Input;
use spin::Once;
pub use uart::on_interrupt;

/// The end of input, and what takes that meaning from the byte after it: a terminal's `VEOF` and `VLNEXT`.
const END: u8 = 0x04;
const QUOTE: u8 = 0x16;

/// What has been received and not yet been read.
struct Unread {
    decoder: Decoder,
    /// The device's buffer that is being read, with where the rest begins and ends.
    current: Option<(Buffer, usize, usize)>,
}

/// The reader's. Order: before [`CONSOLE`].
static UNREAD: IrqMutex<Unread> = IrqMutex::new(Unread { decoder: Decoder::NEW, current: None });

/// Reads what has come, without waiting. One thread at a time.
pub fn read(buf: &mut [u8]) -> Input {
    static START: Once<bool> = Once::new();
    if *START.call_once(start) { read_serial(buf) } else { uart::read(buf) }
}

/// Waits until [`read`] has something. Holds the thread.
pub fn wait() {
    if CONSOLE.lock().is_some() {
        console::wait(Event::Received);
    } else {
        uart::wait();
    }
}

/// Begins to take input; whether from the serial device.
fn start() -> bool {
    let serial = CONSOLE.lock().as_mut().map(|console| console.serial.take_input()).is_some();
    if serial {
        debugcon::want_input(debugcon::Input::Serial);
    } else {
        uart::start();
    }
    serial
}

/// Empties buffers of the device, each with interrupts off for as long as that takes.
fn read_serial(buf: &mut [u8]) -> Input {
    let mut n = 0;
    while n < buf.len() {
        let mut unread = UNREAD.lock();
        let unread = &mut *unread;
        if unread.decoder.ended {
            break;
        }
        let next = || CONSOLE.lock().as_mut()?.serial.received().map(|(buffer, len)| (buffer, 0, len));
        let Some((buffer, at, len)) = unread.current.take().or_else(next) else { break };
        let (consumed, produced) = unread.decoder.decode(&buffer[at..len], &mut buf[n..]);
        n += produced;
        if at + consumed < len {
            unread.current = Some((buffer, at + consumed, len));
        } else if let Some(console) = CONSOLE.lock().as_mut() {
            console.serial.give_back(buffer);
        }
    }
    if let Some(console) = CONSOLE.lock().as_mut() {
        console.serial.take_input();
    }
    UNREAD.lock().decoder.result(n)
}

/// Undoes the quoting.
struct Decoder {
    /// The last byte was a [`QUOTE`].
    quoted: bool,
    ended: bool,
}

impl Decoder {
    const NEW: Decoder = Decoder { quoted: false, ended: false };

    /// Decodes as much of `from` as there is room for in `to`, up to the end of input. Returns how many bytes that was of each.
    fn decode(&mut self, from: &[u8], to: &mut [u8]) -> (usize, usize) {
        let (mut consumed, mut produced) = (0, 0);
        while consumed < from.len() && produced < to.len() && !self.ended {
            let rest = &from[consumed..];
            if self.quoted {
                to[produced] = rest[0];
                (consumed, produced, self.quoted) = (consumed + 1, produced + 1, false);
                continue;
            }
            let room = to.len() - produced;
            let plain = rest.iter().take(room).take_while(|b| !matches!(**b, END | QUOTE)).count();
            to[produced..][..plain].copy_from_slice(&rest[..plain]);
            (consumed, produced) = (consumed + plain, produced + plain);
            match from.get(consumed) {
                Some(&END) if plain < room => (consumed, self.ended) = (consumed + 1, true),
                Some(&QUOTE) => (consumed, self.quoted) = (consumed + 1, true),
                _ => {}
            }
        }
        (consumed, produced)
    }

    /// What a read that got `n` bytes returns.
    fn result(&self, n: usize) -> Input {
        match n {
            0 if self.ended => Input::End,
            0 => Input::Later,
            n => Input::Bytes(n),
        }
    }
}

#[cfg(feature = "kernel-tests")]
mod tests {
    use super::*;
    use ::alloc::vec::Vec;

    /// Whatever the sizes of the pieces that come and of the buffers that are read into.
    #[runtime::kernel_test]
    fn quoted_input_in_any_pieces() {
        let line = b"\x16\x04a\x16\x16bcd\n\x16\x04\x04never read";
        for piece in 1..line.len() {
            for room in 1..line.len() {
                let (mut decoder, mut got) = (Decoder::NEW, Vec::new());
                for mut from in line.chunks(piece) {
                    let mut to = [0; 32];
                    loop {
                        let (consumed, produced) = decoder.decode(from, &mut to[..room]);
                        got.extend_from_slice(&to[..produced]);
                        from = &from[consumed..];
                        if decoder.ended || from.is_empty() {
                            break;
                        }
                    }
                }
                assert!(decoder.ended);
                assert_eq!(got, b"\x04a\x16bcd\n\x04", "pieces of {piece} into {room}");
            }
        }
    }
}
