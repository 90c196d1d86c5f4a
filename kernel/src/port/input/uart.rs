//! Input from the UART: from its interrupt to the thread that waits for bytes.
//!
//! # Protocol
//! 1. The interrupt moves what the UART has into a ring and posts the thread that waits. When the ring is full it turns itself off: the bytes wait in the
//!    UART's FIFO, behind it in the host, and none is lost.
//! 2. A reader, under the ring's lock, takes what the UART and the ring have and turns the interrupt on again. If there was nothing and it waits, it leaves
//!    its name in `waiter` under the same lock, and sleeps. A byte that comes after its look interrupts, and the handler, which waits for the lock,
//!    finds the name.
//!
//! The line is edge-triggered. It goes down when the handler has emptied the FIFO or turned the interrupt off, so the next byte makes a new edge.

use super::Decoder;
use crate::cpu::ioapic;
use crate::cpu::trap::vector;
use crate::device::debugcon;
use crate::device::uart::Receiver;
use crate::irq::IrqMutex;
use crate::thread::{self, Thread};
use runtime::machine::Input;

/// Bytes that are taken from the UART before a program wants them. The handler moves at most that many with interrupts off.
const RING: usize = 1024;

struct Uart {
    uart: Receiver,
    ring: [u8; RING],
    /// Bytes in the ring: from where, and how many.
    start: usize,
    len: usize,
    /// The UART's interrupt is on.
    listening: bool,
    decoder: Decoder,
    waiter: Option<&'static Thread>,
}

static UART: IrqMutex<Option<Uart>> = IrqMutex::new(None);

/// Routes the UART's interrupt and asks the host for input.
pub fn start() {
    let Some(uart) = Receiver::new() else { return };
    if !ioapic::route(uart.irq(), vector::UART) {
        return crate::log!("console: no I/O APIC has line {}, so there is no input", uart.irq());
    }
    *UART.lock() = Some(Uart {
        uart,
        ring: [0; RING],
        start: 0,
        len: 0,
        listening: false,
        decoder: Decoder::NEW,
        waiter: None,
    });
    debugcon::want_input(debugcon::Input::Uart);
}

/// Reads what has come, without waiting; a machine without a UART has no input.
pub fn read(buf: &mut [u8]) -> Input {
    let mut guard = UART.lock();
    let Some(uart) = guard.as_mut() else { return Input::End };
    let mut n = 0;
    while n < buf.len() && uart.has_some() {
        n += uart.take(&mut buf[n..]);
    }
    uart.listen(true);
    uart.decoder.result(n)
}

/// Waits until [`read`] has something, or the end of input.
pub fn wait() {
    loop {
        let mut guard = UART.lock();
        let Some(uart) = guard.as_mut() else { return };
        if uart.has_some() || uart.decoder.ended {
            return;
        }
        uart.listen(true);
        // SAFETY: the current thread; threads are never freed.
        uart.waiter = Some(unsafe { &*thread::current() });
        drop(guard);
        thread::sleep(None);
    }
}

/// The UART's interrupt.
pub fn on_interrupt() {
    let mut guard = UART.lock();
    let Some(uart) = guard.as_mut() else { return };
    uart.receive();
    let waiter = uart.waiter.take();
    drop(guard);
    if let Some(t) = waiter {
        thread::post(t);
    }
}

impl Uart {
    /// Moves what the UART has into the ring, as far as there is room.
    fn receive(&mut self) {
        while self.len < RING {
            let Some(byte) = self.uart.take() else { return };
            self.ring[(self.start + self.len) % RING] = byte;
            self.len += 1;
        }
        self.listen(false);
    }

    /// Whether there is something to be taken.
    fn has_some(&mut self) -> bool {
        self.receive();
        self.len != 0 && !self.decoder.ended
    }

    /// Takes from the ring what lies in a row there; returns how many bytes went to `buf`.
    fn take(&mut self, buf: &mut [u8]) -> usize {
        let end = (self.start + self.len).min(RING);
        let (consumed, produced) = self.decoder.decode(&self.ring[self.start..end], buf);
        self.start = (self.start + consumed) % RING;
        self.len -= consumed;
        produced
    }

    fn listen(&mut self, on: bool) {
        if self.listening != on {
            self.uart.set_interrupt(on);
            self.listening = on;
        }
    }
}
