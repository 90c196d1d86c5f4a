//! Cores and I/O APICs: the MADT (ACPI 6.5, 5.2.12).

use crate::{Log, Memory, Platform, field};
use alloc::collections::BTreeSet;

/// An I/O APIC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IoApic {
    /// Physical address of its registers.
    pub registers: u64,
    /// The global number of its first input.
    pub first: u32,
}

/// The interrupt that a line of the ISA bus leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Override {
    /// The line, 0 to 15.
    pub irq: u8,
    /// The global interrupt.
    pub global: u32,
    /// Polarity and trigger mode (ACPI 6.5, table 5.26).
    pub flags: u16,
}

/// Where the entries begin.
const ENTRIES: usize = 44;

/// A core may be used now. The other flag, "online capable", is for cores plugged in later.
const ENABLED: u32 = 1;

/// The ids that mean all cores, in 8 and in 32 bits.
const ALL_8: u8 = u8::MAX;
const ALL_32: u32 = u32::MAX;

/// Bytes of an I/O APIC's registers.
const IO_APIC_LEN: u64 = 0x14;

/// More than any machine has.
const MAX_IO_APICS: usize = 64;

/// Lines of the ISA bus.
const ISA_LINES: u8 = 16;

pub fn read(madt: &[u8], memory: &dyn Memory, p: &mut Platform, log: &mut Log<'_>) {
    let mut seen = BTreeSet::new();
    let mut rest = madt.get(ENTRIES..).unwrap_or_default();
    while let [kind, length, ..] = *rest {
        let length = usize::from(length);
        if length < 2 || length > rest.len() {
            log(format_args!("MADT: an entry of kind {kind} has length {length}: the rest is not read"));
            return;
        }
        let (entry, next) = rest.split_at(length);
        rest = next;
        let known = match kind {
            0 => core_8(entry).map(|core| add(core, &mut seen, p)),
            9 => core_32(entry).map(|core| add(core, &mut seen, p)),
            1 => io_apic(entry).map(|apic| add_io_apic(apic, memory, p, log)),
            2 => isa_override(entry).map(|line| add_override(line, p)),
            _ => Some(()),
        };
        if known.is_none() {
            log(format_args!("MADT: an entry of kind {kind} is too short, {length} bytes"));
        }
    }
}

/// A core's id, if it may be used.
type Core = Option<u32>;

fn core_8(entry: &[u8]) -> Option<Core> {
    let (id, flags) = (field::u8(entry, 3)?, field::u32(entry, 4)?);
    Some((flags & ENABLED != 0 && id != ALL_8).then_some(id.into()))
}

fn core_32(entry: &[u8]) -> Option<Core> {
    let (id, flags) = (field::u32(entry, 4)?, field::u32(entry, 8)?);
    Some((flags & ENABLED != 0 && id != ALL_32).then_some(id))
}

fn add(core: Core, seen: &mut BTreeSet<u32>, p: &mut Platform) {
    p.cores.extend(core.filter(|&id| seen.insert(id)));
}

fn io_apic(entry: &[u8]) -> Option<IoApic> {
    Some(IoApic { registers: field::u32(entry, 4)?.into(), first: field::u32(entry, 8)? })
}

fn add_io_apic(apic: IoApic, memory: &dyn Memory, p: &mut Platform, log: &mut Log<'_>) {
    let at = apic.registers;
    if !at.is_multiple_of(16) || !memory.may_be_registers(at, IO_APIC_LEN) || p.io_apics.len() == MAX_IO_APICS
    {
        log(format_args!("MADT: no I/O APIC can be at {at:#x}"));
    } else if !p.io_apics.contains(&apic) {
        p.io_apics.push(apic);
    }
}

fn isa_override(entry: &[u8]) -> Option<Override> {
    Some(Override { irq: field::u8(entry, 3)?, global: field::u32(entry, 4)?, flags: field::u16(entry, 8)? })
}

/// The first entry for a line counts.
fn add_override(line: Override, p: &mut Platform) {
    if line.irq < ISA_LINES && p.overrides.iter().all(|o| o.irq != line.irq) {
        p.overrides.push(line);
    }
}
