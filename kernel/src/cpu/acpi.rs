//! What the ACPI tables say about cores, interrupt controllers and clocks (B3, B6).
//!
//! Only the static tables are read (MADT, HPET, FADT; ACPI 6.5 chapter 5), never AML. A machine without tables, or with broken
//! ones, is taken for a PC with one core.

use super::clock;
use crate::device::soft_off::{self, Registers, SleepControl};
use crate::memory::region;
use acpi::address::{AddressSpace, GenericAddress};
use acpi::sdt::fadt::Fadt;
use acpi::sdt::madt::{Madt, MadtEntry};
use acpi::{AcpiTables, Handler, HpetInfo, PciAddress, PhysicalMapping};
use alloc::vec::Vec;
use core::ptr::NonNull;
use spin::Once;
use x86_64::PhysAddr;
use x86_64::instructions::port::Port;

/// What the tables say.
pub struct Platform {
    /// APIC ids of the cores that are enabled, the boot core's among them, in the MADT's order, each once.
    pub cores: Vec<u32>,
    /// Registers of the local APICs.
    pub local_apic: PhysAddr,
    /// The I/O APICs.
    pub io_apics: Vec<IoApic>,
    /// Where lines of the ISA bus do not lead to the global interrupt of their own number.
    pub overrides: Vec<Override>,
    /// Registers of the HPET.
    pub hpet: Option<PhysAddr>,
    /// Port of the power management timer.
    pub pm_timer: Option<u16>,
}

/// An I/O APIC.
pub struct IoApic {
    /// Its registers.
    pub registers: PhysAddr,
    /// The global number of its first input.
    pub first: u32,
}

/// The interrupt that a line of the ISA bus leads to.
pub struct Override {
    /// The line.
    pub irq: u8,
    /// The global interrupt.
    pub global: u32,
    /// Polarity and trigger mode (ACPI 6.5, table 5.26).
    pub flags: u16,
}

/// Where local APICs are unless a table or the firmware moved them.
const DEFAULT_LOCAL_APIC: u64 = 0xfee0_0000;

/// MADT: the core may be used now. The other flag, "online capable", is for cores plugged in later.
const ENABLED: u32 = 1;

static PLATFORM: Once<Platform> = Once::new();

/// What [`init`] found.
///
/// # Panics
/// Before `init`.
pub fn platform() -> &'static Platform {
    PLATFORM.get().expect("acpi::init has run")
}

/// Reads the tables that the root pointer at `rsdp` leads to, and logs what is missing.
pub fn init(rsdp: Option<u64>) {
    PLATFORM.call_once(|| {
        let none = Platform {
            cores: Vec::new(),
            local_apic: PhysAddr::new(DEFAULT_LOCAL_APIC),
            io_apics: Vec::new(),
            overrides: Vec::new(),
            hpet: None,
            pm_timer: None,
        };
        let Some(rsdp) = rsdp else {
            crate::log!("acpi: the loader passed no root pointer");
            return none;
        };
        // SAFETY: the loader found the root pointer, or the firmware named it.
        match unsafe { AcpiTables::from_rsdp(Physical, rsdp as usize) } {
            Ok(tables) => read(&tables, none),
            Err(e) => {
                crate::log!("acpi: no tables at {rsdp:#x}: {e:?}");
                none
            }
        }
    });
}

fn read(tables: &AcpiTables<Physical>, mut p: Platform) -> Platform {
    match tables.find_table::<Madt>() {
        Some(madt) => read_madt(&madt, &mut p),
        None => crate::log!("acpi: no MADT, one core"),
    }
    p.hpet = HpetInfo::new(tables).ok().map(|h| PhysAddr::new(h.base_address as u64));
    let Some(fadt) = tables.find_table::<Fadt>() else { return p };
    if let (Some(registers), Ok(dsdt)) = (power_registers(&fadt), tables.dsdt()) {
        let content = region::map_firmware(PhysAddr::new(dsdt.phys_address as u64), dsdt.length as usize);
        // SAFETY: the table's header says that it is that long, and nobody writes to tables.
        soft_off::init(registers, unsafe { core::slice::from_raw_parts(content, dsdt.length as usize) });
    }
    p.pm_timer = fadt
        .pm_timer_block()
        .ok()
        .flatten()
        .filter(|block| block.address_space == AddressSpace::SystemIo)
        .map(|block| block.address as u16);
    p
}

/// Where the machine is turned off.
fn power_registers(fadt: &PhysicalMapping<Physical, Fadt>) -> Option<Registers> {
    let fadt = fadt.get();
    let port = |a: GenericAddress| (a.address_space == AddressSpace::SystemIo).then_some(a.address as u16);
    let flags = fadt.flags;
    if flags.system_is_hw_reduced_acpi() {
        let register = fadt.sleep_control_register().ok().flatten()?;
        return Some(Registers::SleepControl(match register.address_space {
            AddressSpace::SystemMemory => SleepControl::Memory(PhysAddr::new(register.address)),
            _ => SleepControl::Port(port(register)?),
        }));
    }
    let (command, value) = (fadt.smi_cmd_port as u16, fadt.acpi_enable);
    Some(Registers::Pm1 {
        a: fadt.pm1a_control_block().ok().and_then(port)?,
        b: fadt.pm1b_control_block().ok().flatten().and_then(port),
        enable: (command != 0 && value != 0).then_some((command, value)),
    })
}

fn read_madt(madt: &PhysicalMapping<Physical, Madt>, p: &mut Platform) {
    let madt = madt.get();
    p.local_apic = PhysAddr::new(madt.local_apic_address.into());
    for entry in madt.entries() {
        let (id, flags) = match entry {
            MadtEntry::LocalApic(e) => (e.apic_id.into(), e.flags),
            MadtEntry::LocalX2Apic(e) => (e.x2apic_id, e.flags),
            MadtEntry::LocalApicAddressOverride(e) => {
                p.local_apic = PhysAddr::new(e.local_apic_address);
                continue;
            }
            MadtEntry::IoApic(e) => {
                let registers = PhysAddr::new(e.io_apic_address.into());
                p.io_apics.push(IoApic { registers, first: e.global_system_interrupt_base });
                continue;
            }
            MadtEntry::InterruptSourceOverride(e) => {
                p.overrides.push(Override { irq: e.irq, global: e.global_system_interrupt, flags: e.flags });
                continue;
            }
            _ => continue,
        };
        if flags & ENABLED != 0 && !p.cores.contains(&id) {
            p.cores.push(id);
        }
    }
}

/// Physical memory, ports and configuration space, as the `acpi` crate wants them.
#[derive(Clone)]
struct Physical;

macro_rules! memory {
    ($($read:ident, $write:ident: $t:ty;)*) => {$(
        fn $read(&self, address: usize) -> $t {
            // SAFETY: the crate passes an address that a table gave for reading.
            unsafe { at::<$t>(address).read_volatile() }
        }
        fn $write(&self, address: usize, value: $t) {
            // SAFETY: the crate passes an address that a table gave for writing.
            unsafe { at::<$t>(address).write_volatile(value) }
        }
    )*};
}

macro_rules! ports {
    ($($read:ident, $write:ident: $t:ty;)*) => {$(
        fn $read(&self, port: u16) -> $t {
            // SAFETY: the crate passes a port that a table gave for reading.
            unsafe { Port::new(port).read() }
        }
        fn $write(&self, port: u16, value: $t) {
            // SAFETY: the crate passes a port that a table gave for writing.
            unsafe { Port::new(port).write(value) }
        }
    )*};
}

macro_rules! pci {
    ($($read:ident, $write:ident: $t:ty;)*) => {$(
        fn $read(&self, address: PciAddress, offset: u16) -> $t {
            // SAFETY: the crate passes a register that a table gave for reading.
            unsafe { pci_data(address, offset).read() }
        }
        fn $write(&self, address: PciAddress, offset: u16, value: $t) {
            // SAFETY: the crate passes a register that a table gave for writing.
            unsafe { pci_data(address, offset).write(value) }
        }
    )*};
}

/// Physical `address`, which holds a `T`, where it is mapped.
fn at<T>(address: usize) -> *mut T {
    region::map_firmware(PhysAddr::new(address as u64), size_of::<T>()).cast()
}

/// Selects a configuration register by PCI mechanism 1 (PCI 3.0, 3.2.2.3.2) and returns its data port.
fn pci_data<T>(a: PciAddress, offset: u16) -> Port<T> {
    let register = u32::from(a.bus()) << 16 | u32::from(a.device()) << 11 | u32::from(a.function()) << 8;
    // SAFETY: choosing a register has no other effect.
    unsafe { Port::new(0xcf8).write(1 << 31 | register | u32::from(offset & 0xfc)) };
    Port::new(0xcfc + (offset & 3))
}

impl Handler for Physical {
    unsafe fn map_physical_region<T>(
        &self,
        physical_address: usize,
        size: usize,
    ) -> PhysicalMapping<Self, T> {
        let virt = region::map_firmware(PhysAddr::new(physical_address as u64), size);
        PhysicalMapping {
            physical_start: physical_address,
            virtual_start: NonNull::new(virt.cast()).expect("nothing is mapped at 0"),
            region_length: size,
            mapped_length: size,
            handler: self.clone(),
        }
    }

    /// Nothing to do: the direct map stays, and so do the mappings beside it.
    fn unmap_physical_region<T>(_region: &PhysicalMapping<Self, T>) {}

    memory! { read_u8, write_u8: u8; read_u16, write_u16: u16; read_u32, write_u32: u32; read_u64, write_u64: u64; }
    ports! { read_io_u8, write_io_u8: u8; read_io_u16, write_io_u16: u16; read_io_u32, write_io_u32: u32; }
    pci! { read_pci_u8, write_pci_u8: u8; read_pci_u16, write_pci_u16: u16; read_pci_u32, write_pci_u32: u32; }

    fn nanos_since_boot(&self) -> u64 {
        clock::nanotime()
    }

    fn stall(&self, microseconds: u64) {
        clock::delay(microseconds * 1000);
    }

    fn sleep(&self, milliseconds: u64) {
        clock::delay(milliseconds * 1_000_000);
    }
}
