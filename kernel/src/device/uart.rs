//! The UART, a 16550 at one of the PC's standard ports: standard error, the boot log and fatal reports; all of the console where there is no
//! [virtio serial device](super::virtio).
//!
//! Bytes go out as they are; a terminal that wants carriage returns is set so by its user. Output waits for the
//! device's FIFO, under a lock that makes each call's bytes contiguous. The receiving half ([`Receiver`]) has registers of its own and needs
//! no part in that lock.

use crate::irq::IrqMutex;
use core::fmt::{self, Write};
use core::hint::spin_loop;
use core::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use uart_16550::backend::PioBackend;
use uart_16550::spec::registers::{IER, LSR};
use uart_16550::{BaudRate, Config, Uart16550};

/// A standard port of the PC, by its Linux name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Port {
    /// `ttyS0`
    #[default]
    Com1 = 0x3f8,
    /// `ttyS1`
    Com2 = 0x2f8,
    /// `ttyS2`: the first one that UEFI firmware leaves alone.
    Com3 = 0x3e8,
}

type Uart = Uart16550<PioBackend>;

static CONSOLE: IrqMutex<Option<Uart>> = IrqMutex::new(None);

/// Base port of the console, 0 if there is none: for [`write_emergency`].
static BASE: AtomicU16 = AtomicU16::new(0);

/// The last byte written was not a newline.
static IN_LINE: AtomicBool = AtomicBool::new(false);

/// How often [`drain`] looks: several seconds.
const DRAIN_LOOKS: u32 = 10_000_000;

fn uart(base: u16) -> Uart {
    // SAFETY: the bases of `Port` are UARTs or nothing on every PC; who writes at once is the callers' affair
    // and garbles output at worst.
    unsafe { Uart16550::new_port(base) }.expect("the standard bases are valid port ranges")
}

/// Makes `port` the console, at 115200 baud, 8N1. If no UART answers there, output is dropped from now on.
pub fn init(port: Port) {
    let mut uart = uart(port as u16);
    let config = Config { baud_rate: BaudRate::Baud115200, ..Config::DEFAULT };
    let present = uart.init(config).is_ok();
    BASE.store(if present { port as u16 } else { 0 }, Ordering::Relaxed);
    *CONSOLE.lock() = present.then_some(uart);
}

/// Sends `bytes`, and remembers whether a line has begun.
fn send(uart: &mut Uart, bytes: &[u8]) {
    uart.send_bytes_exact(bytes);
    if let Some(last) = bytes.last() {
        IN_LINE.store(*last != b'\n', Ordering::Relaxed);
    }
}

/// Writes `bytes` to the console; they do not mix with those of other calls.
pub fn write(bytes: &[u8]) {
    if let Some(uart) = CONSOLE.lock().as_mut() {
        send(uart, bytes);
    }
}

/// Writes formatted text to the console; it does not mix with that of other calls.
pub fn print(args: fmt::Arguments<'_>) {
    if let Some(uart) = CONSOLE.lock().as_mut() {
        // `Locked` does not fail, and a `Display` that does has nowhere to say so.
        _ = Locked(uart).write_fmt(args);
    }
}

struct Locked<'a>(&'a mut Uart);

impl Write for Locked<'_> {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        send(self.0, s.as_bytes());
        Ok(())
    }
}

/// Writes `bytes` to the console without taking its lock, for fatal reports: the code that was interrupted may hold it.
pub fn write_emergency(bytes: &[u8]) {
    match BASE.load(Ordering::Relaxed) {
        0 => {}
        base => send(&mut uart(base), bytes),
    }
}

/// Ends the line that has been begun, if one has, without taking the lock: a report begins at a line's beginning.
pub fn end_line_emergency() {
    if IN_LINE.load(Ordering::Relaxed) {
        write_emergency(b"\n");
    }
}

/// Waits until the device has passed on all that was written, but for a few seconds only: whoever reads the other end may have stopped.
pub fn drain() {
    let base = BASE.load(Ordering::Relaxed);
    if base != 0 {
        let mut uart = uart(base);
        let busy = |_: &u32| !uart.lsr().contains(LSR::TRANSMITTER_EMPTY);
        (0..DRAIN_LOOKS).take_while(busy).for_each(|_| spin_loop());
    }
}

/// `Write` over [`write_emergency`].
pub struct Emergency;

impl Write for Emergency {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        write_emergency(s.as_bytes());
        Ok(())
    }
}

/// The receiving half of the console. At most one is in use.
pub struct Receiver(Uart);

impl Receiver {
    /// The console's, with its interrupt off; none if there is no console.
    pub fn new() -> Option<Receiver> {
        match BASE.load(Ordering::Relaxed) {
            0 => None,
            base => Some(Receiver(uart(base))),
        }
    }

    /// The line of the ISA bus that it interrupts by.
    pub fn irq(&self) -> u8 {
        const COM2: u16 = Port::Com2 as u16;
        match BASE.load(Ordering::Relaxed) {
            COM2 => 3,
            _ => 4,
        }
    }

    /// Turns the interrupt on or off that says that something has been received. Bytes that wait while it is turned on raise it, too.
    pub fn set_interrupt(&mut self, on: bool) {
        if on {
            self.0.enable_interrupts(IER::DATA_READY);
        } else {
            self.0.disable_interrupts(IER::DATA_READY);
        }
    }

    /// Takes the next byte out of the device's FIFO.
    pub fn take(&mut self) -> Option<u8> {
        self.0.try_receive_byte().ok()
    }
}
