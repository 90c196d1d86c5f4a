//! The program's console: the virtio serial device, and the threads that wait for it.
//!
//! | | with the device | without |
//! |---|---|---|
//! | standard input | serial | UART |
//! | standard output | serial | UART |
//! | standard error, boot log, fatal reports | UART | UART |
//!
//! Fatal reports need no lock and no memory on the UART; and there QEMU has passed on each byte when the next is written.
//!
//! # Protocol
//! 1. Input and output have one user each at a time (the runtime's locks see to it). It looks without waiting; if there is nothing for it, it
//!    waits on its thread, with [`wait`]: it looks again under the lock, and if there is still nothing, has asked for an interrupt and left its
//!    name under the same lock.
//! 2. The interrupt takes the names of those for whom there is something now, and posts them after it has given up the lock.

use crate::cpu::trap::vector;
use crate::irq::IrqMutex;
use crate::thread::{self, Thread};
use crate::virtio::pci;
use crate::virtio::serial::Serial;
use virtio_drivers::transport::DeviceType;

/// The serial device and who waits for it.
pub struct Console {
    /// The device.
    pub serial: Serial,
    writer: Option<&'static Thread>,
    reader: Option<&'static Thread>,
}

/// The console; none on a machine without the device.
pub static CONSOLE: IrqMutex<Option<Console>> = IrqMutex::new(None);

/// For what a thread waits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// The host has all that was sent.
    Sent,
    /// There is input.
    Received,
}

/// Takes over the serial device. Runs on the boot core before there are threads; logs why there is none.
pub fn init() {
    let console = match pci::find(DeviceType::Console, vector::SERIAL) {
        None => Err("there is none"),
        Some(found) => found.and_then(Serial::new),
    };
    match console {
        Ok(serial) => {
            crate::log!("console: virtio serial device");
            *CONSOLE.lock() = Some(Console { serial, writer: None, reader: None });
        }
        Err(why) => crate::log!("console: no virtio serial device: {why}; all goes by the UART"),
    }
}

/// The device's interrupt.
pub fn on_interrupt() {
    let (mut writer, mut reader) = (None, None);
    if let Some(console) = CONSOLE.lock().as_mut() {
        if !console.serial.is_sending(false) {
            writer = console.writer.take();
        }
        if console.serial.has_input(false) {
            reader = console.reader.take();
        }
    }
    [writer, reader].into_iter().flatten().for_each(thread::post);
}

impl Console {
    /// Whether `event` is there; if not, an interrupt comes with it.
    fn look(&mut self, event: Event) -> bool {
        match event {
            Event::Sent => !self.serial.is_sending(true),
            Event::Received => self.serial.has_input(true),
        }
    }
}

/// Waits until `event` is there, which may have come before. Holds the thread.
pub fn wait(event: Event) {
    loop {
        let mut guard = CONSOLE.lock();
        let Some(console) = guard.as_mut() else { return };
        if console.look(event) {
            return;
        }
        let waiter = match event {
            Event::Sent => &mut console.writer,
            Event::Received => &mut console.reader,
        };
        // SAFETY: the current thread; threads are never freed.
        *waiter = Some(unsafe { &*thread::current() });
        drop(guard);
        thread::sleep(None);
    }
}
