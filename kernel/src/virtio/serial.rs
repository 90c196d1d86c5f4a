//! The driver of the serial device: one port, with buffers for each direction.
//!
//! # Ports
//! The device's port 0 is a console, to which QEMU writes what its host takes at once and drops the rest. Any other port holds the rest back. So the
//! driver wants the feature MULTIPORT and uses port 1. Control messages (virtio 1.2, 5.3.6.2) open it:
//! 1. the driver says that it is ready;
//! 2. the device adds its ports, by a message each;
//! 3. the driver says that port 1 is ready, and open.
//!
//! Later messages are not wanted, and the device drops them when their few buffers are full.
//!
//! # Buffers
//! A buffer is here, free; or lent to the device; or with the caller, who fills or empties it with interrupts on. Nothing is copied and nothing is waited for
//! under the lock that the caller holds round this: a call is some hundred instructions and a few accesses to the device, in the last of which QEMU writes to its
//! host, if the device has `ioeventfd=off`.
//!
//! # Interrupts
//! They are off but for those that somebody waits for. To ask for one and to look whether it is still to come are a store and a load that must not
//! change places, while the device does the two the other way round: each has a full barrier between.

use super::pci::Found;
use super::{Memory, zeroed};
use crate::cpu::clock;
use crate::memory::FRAME_SIZE;
use alloc::vec::Vec;
use bitflags::bitflags;
use core::hint::spin_loop;
use core::sync::atomic::{Ordering, fence};
use virtio_drivers::queue::VirtQueue;
use virtio_drivers::transport::pci::PciTransport;
use virtio_drivers::transport::{DeviceStatus, Transport};

bitflags! {
    /// What the driver wants (virtio 1.2, 5.3.3 and 6).
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    struct Features: u64 {
        const MULTIPORT = 1 << 1;
        const VERSION_1 = 1 << 32;
    }
}

/// Queues: the control messages', and those of port 1 (virtio 1.2, 5.3.2).
const CONTROL_IN: u16 = 2;
const CONTROL_OUT: u16 = 3;
const PORT_IN: u16 = 4;
const PORT_OUT: u16 = 5;

/// The port that is used.
const PORT: u32 = 1;

/// Control messages, and their length: the port, the event, a value.
const DEVICE_READY: u16 = 0;
const PORT_ADD: u16 = 1;
const PORT_READY: u16 = 3;
const PORT_OPEN: u16 = 6;
const MESSAGE: usize = 8;

/// How long the device may take to add its ports, nanoseconds.
const PATIENCE: u64 = 100_000_000;

/// Bytes and number of the buffers. The larger ones of output save accesses to the device; QEMU fills no more than a page at a time.
const OUT_BYTES: usize = 16 * 1024;
const OUT_BUFFERS: usize = 4;
const IN_BYTES: usize = 4096;
const IN_BUFFERS: usize = 16;
const CONTROL_BUFFERS: usize = 8;

/// Memory that is somebody's alone: this driver's, the device's or the caller's.
pub type Buffer = &'static mut [u8];

/// Which way a ring's bytes go.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Way {
    ToDevice,
    FromDevice,
}

/// A queue of `N` buffers at most.
struct Ring<const N: usize> {
    queue: VirtQueue<Memory, N>,
    number: u16,
    way: Way,
    /// Buffers that the device has, how many bytes of each, and the queue's token for it.
    lent: [Option<(Buffer, usize, u16)>; N],
    free: Vec<Buffer>,
}

impl<const N: usize> Ring<N> {
    /// Queue `number` with `N` free buffers of `bytes` each, a power of two below a page or a multiple of pages.
    fn new(
        transport: &mut PciTransport,
        number: u16,
        way: Way,
        bytes: usize,
    ) -> Result<Self, virtio_drivers::Error> {
        let queue = VirtQueue::new(transport, number, false, false)?;
        let memory = zeroed((N * bytes).div_ceil(FRAME_SIZE)).ok_or(virtio_drivers::Error::DmaError)?;
        // SAFETY: the frames are as large as that, zeroed, and given to nobody else.
        let memory: Buffer = unsafe { core::slice::from_raw_parts_mut(memory.as_ptr(), N * bytes) };
        let free = memory.chunks_exact_mut(bytes).collect();
        Ok(Ring { queue, number, way, lent: [const { None }; N], free })
    }

    /// Lends the first `len` bytes of a buffer to the device, which need not know before [`Ring::announce`].
    fn lend(&mut self, buffer: Buffer, len: usize) {
        // SAFETY: the buffer stays in `lent`, untouched, until `take_back` has popped its token.
        let token = unsafe {
            match self.way {
                Way::ToDevice => self.queue.add(&[&buffer[..len]], &mut []),
                Way::FromDevice => self.queue.add(&[], &mut [&mut buffer[..len]]),
            }
        };
        let token = token.expect("a queue is as long as it has buffers");
        let place = self.lent.iter_mut().find(|place| place.is_none());
        *place.expect("there are as many places as buffers") = Some((buffer, len, token));
    }

    /// Tells the device of the buffers that it was lent, if it wants to know.
    fn announce(&mut self, transport: &mut PciTransport) {
        if self.queue.should_notify() {
            transport.notify(self.number);
        }
    }

    /// A buffer that the device is done with, and how many bytes it wrote there.
    fn take_back(&mut self) -> Option<(Buffer, usize)> {
        let token = self.queue.peek_used()?;
        let place = self.lent.iter_mut().find(|p| p.as_ref().is_some_and(|(.., t)| *t == token));
        let (buffer, len, _) = place.and_then(Option::take).expect("the device uses what it was lent");
        // SAFETY: this is the buffer that was added under this token.
        let written = unsafe {
            match self.way {
                Way::ToDevice => self.queue.pop_used(token, &[&buffer[..len]], &mut []),
                Way::FromDevice => self.queue.pop_used(token, &[], &mut [&mut buffer[..len]]),
            }
        };
        let written = written.expect("the token is the next that was used") as usize;
        Some((buffer, written.min(len)))
    }

    /// Frees the buffers that the device is done with; returns whether it has others.
    fn collect(&mut self) -> bool {
        while let Some((buffer, _)) = self.take_back() {
            self.free.push(buffer);
        }
        self.lent.iter().any(Option::is_some)
    }

    /// Asks for an interrupt when the device is done with a buffer, or for none. What the device has done before may go without.
    fn interrupt(&mut self, wanted: bool) {
        self.queue.set_dev_notify(wanted);
        fence(Ordering::SeqCst);
    }
}

/// The device.
pub struct Serial {
    transport: PciTransport,
    input: Ring<IN_BUFFERS>,
    output: Ring<OUT_BUFFERS>,
    /// The device may still use them.
    _control: (Ring<CONTROL_BUFFERS>, Ring<CONTROL_BUFFERS>),
}

impl Serial {
    /// Takes over a device and opens its port 1.
    ///
    /// # Errors
    /// In words, if the device lacks something.
    pub fn new(mut found: Found) -> Result<Serial, &'static str> {
        let wanted = Features::MULTIPORT | Features::VERSION_1;
        if found.transport.begin_init(wanted) != wanted {
            return Err("it has no second port");
        }
        [PORT_IN, PORT_OUT].into_iter().for_each(|queue| found.interrupt_by(queue));
        let t = &mut found.transport;
        let rings = |t: &mut PciTransport| {
            Ok::<_, virtio_drivers::Error>((
                Ring::new(t, PORT_IN, Way::FromDevice, IN_BYTES)?,
                Ring::new(t, PORT_OUT, Way::ToDevice, OUT_BYTES)?,
                Ring::new(t, CONTROL_IN, Way::FromDevice, MESSAGE)?,
                Ring::new(t, CONTROL_OUT, Way::ToDevice, MESSAGE)?,
            ))
        };
        let (mut input, mut output, mut control_in, mut control_out) =
            rings(t).map_err(|_| "its queues cannot be set up")?;
        input.interrupt(false);
        output.interrupt(false);
        t.finish_init();
        open_port(t, &mut control_in, &mut control_out).inspect_err(|_| {
            // The device leaves the queues alone before their memory is freed.
            t.set_status(DeviceStatus::empty());
        })?;
        Ok(Serial { transport: found.transport, input, output, _control: (control_in, control_out) })
    }

    /// A buffer to be filled for [`Serial::send`]; none if the device has them all.
    pub fn output_buffer(&mut self) -> Option<Buffer> {
        self.output.collect();
        self.output.free.pop()
    }

    /// Sends the first `len` bytes of a buffer of [`Serial::output_buffer`].
    pub fn send(&mut self, buffer: Buffer, len: usize) {
        self.output.lend(buffer, len);
        self.output.announce(&mut self.transport);
    }

    /// Whether the device has still to take something of what was sent. If so and `interrupt` is set, an interrupt comes when it has taken a buffer.
    pub fn is_sending(&mut self, interrupt: bool) -> bool {
        let sending = self.output.collect();
        if !sending || !interrupt {
            return sending;
        }
        self.output.interrupt(true);
        let sending = self.output.collect();
        if !sending {
            self.output.interrupt(false);
        }
        sending
    }

    /// Has the device take input from its host into all buffers that were given back, or never taken.
    pub fn take_input(&mut self) {
        if self.input.free.is_empty() {
            return;
        }
        while let Some(buffer) = self.input.free.pop() {
            self.input.lend(buffer, IN_BYTES);
        }
        self.input.announce(&mut self.transport);
    }

    /// The next input that the device has delivered, and its length.
    pub fn received(&mut self) -> Option<(Buffer, usize)> {
        self.input.take_back()
    }

    /// Whether input waits. If not and `interrupt` is set, an interrupt comes with it.
    pub fn has_input(&mut self, interrupt: bool) -> bool {
        if !self.input.queue.can_pop() && interrupt {
            self.input.interrupt(true);
        }
        let waits = self.input.queue.can_pop();
        if waits {
            self.input.interrupt(false);
        }
        waits
    }

    /// Gives back an emptied buffer of [`Serial::received`].
    pub fn give_back(&mut self, buffer: Buffer) {
        self.input.free.push(buffer);
    }
}

/// Exchanges the messages after which the port is open.
fn open_port(
    t: &mut PciTransport,
    control_in: &mut Ring<CONTROL_BUFFERS>,
    control_out: &mut Ring<CONTROL_BUFFERS>,
) -> Result<(), &'static str> {
    while let Some(buffer) = control_in.free.pop() {
        control_in.lend(buffer, MESSAGE);
    }
    control_in.announce(t);
    let deadline = clock::nanotime() + PATIENCE;
    tell(t, control_out, u32::MAX, DEVICE_READY);
    loop {
        while let Some((buffer, _)) = control_in.take_back() {
            let added = buffer[..6] == message(PORT, PORT_ADD)[..6];
            control_in.lend(buffer, MESSAGE);
            control_in.announce(t);
            if added {
                tell(t, control_out, PORT, PORT_READY);
                tell(t, control_out, PORT, PORT_OPEN);
                return Ok(());
            }
        }
        if clock::nanotime() > deadline {
            return Err("its port 1 was not added in time");
        }
        spin_loop();
    }
}

/// Sends a control message with the value 1.
fn tell(t: &mut PciTransport, control_out: &mut Ring<CONTROL_BUFFERS>, port: u32, event: u16) {
    let buffer = control_out.free.pop().expect("fewer messages are sent than there are buffers");
    buffer.copy_from_slice(&message(port, event));
    control_out.lend(buffer, MESSAGE);
    control_out.announce(t);
}

fn message(port: u32, event: u16) -> [u8; MESSAGE] {
    let mut message = [0; MESSAGE];
    message[..4].copy_from_slice(&port.to_le_bytes());
    message[4..6].copy_from_slice(&event.to_le_bytes());
    message[6] = 1;
    message
}
