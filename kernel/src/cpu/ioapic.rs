//! The I/O APIC: lines of the ISA bus as interrupts of the boot core.
//!
//! Source: Intel 82093AA data sheet, chapter 3. Registers are reached through two windows: the number of one goes to the first, its content is in the
//! second. After reset every input is masked; those that nobody routes stay so.

use super::acpi::platform;
use super::local;
use crate::irq::IrqMutex;
use crate::memory::region;
use acpi_tables::{IoApic, Override};
use core::ptr::NonNull;
use core::sync::atomic::Ordering;
use volatile::VolatilePtr;
use x86_64::PhysAddr;

/// Registers by number.
const VERSION: u32 = 1;
const REDIRECTION: u32 = 0x10;

/// Offset of the window for contents.
const DATA: usize = 0x10;

const ACTIVE_LOW: u32 = 1 << 13;
const LEVEL_TRIGGERED: u32 = 1 << 15;

/// The highest local APIC id that an input can be led to.
const MAX_DESTINATION: u32 = 254;

/// A register's number and its content must not be torn apart.
static LOCK: IrqMutex<()> = IrqMutex::new(());

/// Has line `irq` of the ISA bus interrupt the boot core with `vector`. False if no I/O APIC has the line.
pub fn route(irq: u8, vector: u8) -> bool {
    let platform = platform();
    let direct = Override { irq, global: irq.into(), flags: 0 };
    let line = platform.overrides.iter().find(|o| o.irq == irq).unwrap_or(&direct);
    let to = local::of(0).apic_id.load(Ordering::Relaxed);
    to <= MAX_DESTINATION && platform.io_apics.iter().any(|apic| lead(apic, line, vector, to))
}

/// Leads `line` to the core with APIC id `to`, if the line is one of this I/O APIC's. Firmware may have said that one is where none is: there the
/// window's number does not read back.
fn lead(apic: &IoApic, line: &Override, vector: u8, to: u32) -> bool {
    let base = region::map_mmio(PhysAddr::new(apic.registers), DATA + 4);
    let _one_access = LOCK.lock();
    let version = content(base, VERSION).read();
    if window(base, 0).read() != VERSION || version == u32::MAX {
        return false;
    }
    let last = apic.first.saturating_add(version >> 16 & 0xff);
    if !(apic.first..=last).contains(&line.global) {
        return false;
    }
    let entry = REDIRECTION + 2 * (line.global - apic.first);
    content(base, entry + 1).write(to << 24);
    content(base, entry).write(mode(line.flags) | u32::from(vector));
    true
}

/// Polarity and trigger mode from a line's flags; the ISA bus's own are active high and edge-triggered.
fn mode(flags: u16) -> u32 {
    let polarity = if flags & 3 == 3 { ACTIVE_LOW } else { 0 };
    let trigger = if flags >> 2 & 3 == 3 { LEVEL_TRIGGERED } else { 0 };
    polarity | trigger
}

/// The window on register `number`; good until the next call. The caller holds the lock.
fn content(base: *mut u8, number: u32) -> VolatilePtr<'static, u32> {
    window(base, 0).write(number);
    window(base, DATA)
}

/// The window at `offset`: 0 takes a number, [`DATA`] has the content.
fn window(base: *mut u8, offset: usize) -> VolatilePtr<'static, u32> {
    let p = NonNull::new(base.wrapping_add(offset).cast()).expect("the registers are mapped");
    // SAFETY: both windows lie in registers that are mapped for good.
    unsafe { VolatilePtr::new(p) }
}
