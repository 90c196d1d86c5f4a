//! Console input: from the UART's interrupt to the thread that waits for bytes (I2).
//!
//! # Protocol
//! 1. The first read routes the UART's interrupt and asks the host for input: until then nothing is taken from whoever feeds the machine.
//! 2. The interrupt moves what the UART has into a ring and posts the thread that waits. When the ring is full it turns itself off: the bytes wait in the
//!    UART's FIFO, behind it in the host, and none is lost.
//! 3. A reader, under the ring's lock, takes what the UART and the ring have and turns the interrupt on again. If there was nothing, it leaves its name in
//!    `waiter` under the same lock, and sleeps. A byte that comes after its look interrupts, and the handler, which waits for the lock, finds the name.
//!
//! The line is edge-triggered. It goes down when the handler has emptied the FIFO or turned the interrupt off, so the next byte makes a new edge.
//!
//! # The end of input
//! A line without modem signals has no end, so it is said in the stream, as to a terminal: Ctrl-D is the end, and Ctrl-V makes the next byte an
//! ordinary one. The runner on the host quotes so what its input has of the two.

use crate::cpu::ioapic;
use crate::cpu::irq::IrqMutex;
use crate::cpu::trap::vector;
use crate::device::debugcon;
use crate::device::uart::Receiver;
use crate::thread::{self, Thread};
use spin::Once;

/// The end of input, and what takes that meaning from the byte after it: a terminal's `VEOF` and `VLNEXT`.
const END: u8 = 0x04;
const QUOTE: u8 = 0x16;

/// Bytes that are taken from the UART before a program wants them. The handler moves at most that many with interrupts off.
const RING: usize = 1024;

struct Input {
    uart: Receiver,
    ring: [u8; RING],
    /// Bytes ever put into the ring and taken out of it.
    put: usize,
    taken: usize,
    /// The UART's interrupt is on.
    listening: bool,
    /// The last byte taken was a [`QUOTE`].
    quoted: bool,
    ended: bool,
    waiter: Option<&'static Thread>,
}

static INPUT: IrqMutex<Option<Input>> = IrqMutex::new(None);

/// Reads what has come, at most as much as `buf` holds; waits until there is something. 0 if `buf` is empty, the input has
/// ended or the machine has none. One thread at a time.
pub fn read(buf: &mut [u8]) -> usize {
    static START: Once<()> = Once::new();
    START.call_once(start);
    loop {
        let mut guard = INPUT.lock();
        let Some(input) = guard.as_mut().filter(|_| !buf.is_empty()) else { return 0 };
        input.receive();
        let n = input.take(buf);
        input.listen(true);
        if n != 0 || input.ended {
            return n;
        }
        // SAFETY: the current thread; threads are never freed.
        input.waiter = Some(unsafe { &*thread::current() });
        drop(guard);
        thread::sleep(None);
    }
}

fn start() {
    let Some(uart) = Receiver::new() else { return };
    if !ioapic::route(uart.irq(), vector::CONSOLE) {
        return crate::log!("console: no I/O APIC has line {}, so there is no input", uart.irq());
    }
    *INPUT.lock() = Some(Input {
        uart,
        ring: [0; RING],
        put: 0,
        taken: 0,
        listening: false,
        quoted: false,
        ended: false,
        waiter: None,
    });
    debugcon::want_input();
}

/// The UART's interrupt.
pub fn on_interrupt() {
    let mut guard = INPUT.lock();
    let Some(input) = guard.as_mut() else { return };
    input.receive();
    let waiter = input.waiter.take();
    drop(guard);
    if let Some(t) = waiter {
        thread::post(t);
    }
}

impl Input {
    /// Moves what the UART has into the ring, as far as there is room.
    fn receive(&mut self) {
        while self.put - self.taken < RING {
            let Some(byte) = self.uart.take() else { return };
            self.ring[self.put % RING] = byte;
            self.put += 1;
        }
        self.listen(false);
    }

    /// Takes what has been received up to the end of input; returns how much that was.
    fn take(&mut self, buf: &mut [u8]) -> usize {
        let mut n = 0;
        while n < buf.len() && self.taken != self.put && !self.ended {
            let byte = self.ring[self.taken % RING];
            self.taken += 1;
            match byte {
                END if !self.quoted => self.ended = true,
                QUOTE if !self.quoted => self.quoted = true,
                _ => {
                    buf[n] = byte;
                    n += 1;
                    self.quoted = false;
                }
            }
        }
        n
    }

    fn listen(&mut self, on: bool) {
        if self.listening != on {
            self.uart.set_interrupt(on);
            self.listening = on;
        }
    }
}
