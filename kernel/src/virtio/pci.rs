//! A virtio device on the PCI bus: where it is, and its interrupt.
//!
//! The interrupt is MSI-X (PCI 3.0, 6.8.2): one message, sent by all queues, to the boot core. The legacy pins would need the routing of the board, which
//! AML describes, and an access to the device to acknowledge each interrupt; a message needs neither. `virtio-drivers` leaves interrupts to its
//! user, so the table's entry and the queues' vectors are written here.
//!
//! Only bus 0 is searched, which is where QEMU's boards have what is not put behind a bridge. Addresses in the base registers are firmware's.

use super::Memory;
use crate::cpu::local;
use crate::memory::region;
use core::ptr::NonNull;
use core::sync::atomic::Ordering;
use virtio_drivers::transport::DeviceType;
use virtio_drivers::transport::pci::bus::{Command, ConfigurationAccess, DeviceFunction, PciRoot};
use virtio_drivers::transport::pci::{PciTransport, VIRTIO_PCI_CAP_COMMON_CFG, virtio_device_type};
use volatile::VolatilePtr;
use x86_64::PhysAddr;
use x86_64::instructions::port::Port;

/// Capabilities by their identifiers.
const VENDOR: u8 = 0x09;
const MSIX: u8 = 0x11;

/// In the word that begins the MSI-X capability: messages are sent, and none is held back.
const MSIX_ENABLE: u32 = 1 << 31;
const MSIX_MASK_ALL: u32 = 1 << 30;

/// Where a message goes that is to interrupt the core whose APIC id is in bits 12 to 19 (SDM vol. 3, 11.11.1).
const MESSAGE_ADDRESS: u32 = 0xfee0_0000;
const MAX_DESTINATION: u32 = 254;

/// Offsets in the common configuration (virtio 1.2, 4.1.4.3).
const QUEUE_SELECT: usize = 0x16;
const QUEUE_MSIX_VECTOR: usize = 0x1a;

/// Configuration space by mechanism 1 (PCI 3.0, 3.2.2.3.2). Used on the boot core while it starts, by one caller.
struct Mechanism1;

impl Mechanism1 {
    const ADDRESS: u16 = 0xcf8;
    const ENABLE: u32 = 1 << 31;

    /// Whether the machine has it: the address register keeps what is written to it.
    fn is_there() -> bool {
        let mut address = Port::<u32>::new(Self::ADDRESS);
        // SAFETY: writing the whole register chooses what the data port means, and has no other effect.
        unsafe {
            address.write(Self::ENABLE);
            address.read() == Self::ENABLE
        }
    }

    /// The data port, on the word at `offset`.
    fn data(device: DeviceFunction, offset: u8) -> Port<u32> {
        let DeviceFunction { bus, device, function } = device;
        let register = u32::from(bus) << 16 | u32::from(device) << 11 | u32::from(function) << 8;
        // SAFETY: as above.
        unsafe { Port::new(Self::ADDRESS).write(Self::ENABLE | register | u32::from(offset & 0xfc)) };
        Port::new(Self::ADDRESS + 4)
    }
}

impl ConfigurationAccess for Mechanism1 {
    fn read_word(&self, device: DeviceFunction, offset: u8) -> u32 {
        // SAFETY: reading configuration space has no effect on a device.
        unsafe { Self::data(device, offset).read() }
    }

    fn write_word(&mut self, device: DeviceFunction, offset: u8, data: u32) {
        // SAFETY: the drivers of the device decide what is written.
        unsafe { Self::data(device, offset).write(data) };
    }

    unsafe fn unsafe_clone(&self) -> Self {
        Mechanism1
    }
}

/// A device that interrupts the boot core.
pub struct Found {
    /// The device, as a driver wants it.
    pub transport: PciTransport,
    common: NonNull<u8>,
}

impl Found {
    /// Has `queue` send the interrupt. The driver has reset the device and not yet set the queue up.
    pub fn interrupt_by(&self, queue: u16) {
        let register = |offset| {
            // SAFETY: the common configuration is mapped for good, and is longer than that.
            unsafe { VolatilePtr::<u16>::new(self.common.byte_add(offset).cast()) }
        };
        register(QUEUE_SELECT).write(queue);
        // The table's first entry.
        register(QUEUE_MSIX_VECTOR).write(0);
    }
}

/// Finds the first device of `kind`, whose interrupt is to be `vector`. None if there is none; a message if there is one and it cannot be used.
pub fn find(kind: DeviceType, vector: u8) -> Option<Result<Found, &'static str>> {
    if !Mechanism1::is_there() {
        return None;
    }
    let root = PciRoot::new(Mechanism1);
    let (device, _) = root.enumerate_bus(0).find(|(_, info)| virtio_device_type(info) == Some(kind))?;
    Some(set_up(root, device, vector))
}

fn set_up(mut root: PciRoot<Mechanism1>, device: DeviceFunction, vector: u8) -> Result<Found, &'static str> {
    let (_, command) = root.get_status_command(device);
    root.set_command(device, command | Command::MEMORY_SPACE | Command::BUS_MASTER);
    let transport = PciTransport::new::<Memory, _>(&mut root, device)
        .map_err(|_| "its capabilities or addresses make no sense")?;
    let is_common = |header: u16| header >> 8 == u16::from(VIRTIO_PCI_CAP_COMMON_CFG);
    let common = root.capabilities(device).find(|c| c.id == VENDOR && is_common(c.private_header));
    let common = common.ok_or("it has no common configuration")?.offset;
    let word = |offset| Mechanism1.read_word(device, offset);
    let common = window(&mut root, device, word(common + 4) as u8, word(common + 8))?;
    let msix = root.capabilities(device).find(|c| c.id == MSIX).ok_or("it has no MSI-X")?.offset;
    let table = word(msix + 4);
    let entry = window(&mut root, device, (table & 7) as u8, table & !7)?;
    let to = local::of(0).apic_id.load(Ordering::Relaxed);
    if to > MAX_DESTINATION {
        return Err("the boot core's APIC id is too large for a message");
    }
    for (i, value) in [MESSAGE_ADDRESS | to << 12, 0, vector.into(), 0].into_iter().enumerate() {
        // SAFETY: the table is mapped for good, and an entry has four words.
        unsafe { VolatilePtr::<u32>::new(entry.cast().add(i)) }.write(value);
    }
    Mechanism1.write_word(device, msix, word(msix) & !MSIX_MASK_ALL | MSIX_ENABLE);
    Ok(Found { transport, common })
}

/// Maps the page at `offset` of a base register's memory.
fn window(
    root: &mut PciRoot<Mechanism1>,
    device: DeviceFunction,
    bar: u8,
    offset: u32,
) -> Result<NonNull<u8>, &'static str> {
    let info = root.bar_info(device, bar).ok().flatten();
    let (address, size) =
        info.and_then(|info| info.memory_address_size()).ok_or("registers not in memory")?;
    if address == 0 || u64::from(offset) + 64 > size {
        return Err("registers without an address");
    }
    let mapped = region::map_mmio(PhysAddr::new(address + u64::from(offset)), 64);
    NonNull::new(mapped).ok_or("nothing is mapped at 0")
}
