//! The fixed hardware's registers: the FADT (ACPI 6.5, 5.2.9).
//!
//! Its second half, with addresses of 64 bits, is missing before ACPI 2.0. Where an address there is missing, zero or impossible, the one of
//! 32 bits in the first half is taken.

use crate::field::{self, Address};
use crate::{Log, Memory, aml, table};

/// Where the machine is turned off, and how.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Power {
    /// PM1a and, on some machines, PM1b control: 16-bit ports.
    Pm1 {
        /// The first, and the only one on most machines.
        a: u16,
        /// The second.
        b: Option<u16>,
        /// The port and the value that turn ACPI on, if firmware left it off.
        enable: Option<(u16, u8)>,
        /// What is to be written to each for soft-off.
        types: [u8; 2],
    },
    /// The sleep control register of machines with reduced hardware.
    SleepControl(SleepControl, u8),
}

/// A register of one byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SleepControl {
    /// At a physical address.
    Memory(u64),
    /// At a port.
    Port(u16),
}

// Offsets.
const DSDT: usize = 40;
const SMI_COMMAND: usize = 48;
const ACPI_ENABLE: usize = 52;
const PM1A_CONTROL: usize = 64;
const PM1B_CONTROL: usize = 68;
const PM_TIMER: usize = 76;
const PM_TIMER_LEN: usize = 91;
const FLAGS: usize = 112;
const X_DSDT: usize = 140;
const X_PM1A_CONTROL: usize = 172;
const X_PM1B_CONTROL: usize = 184;
const X_PM_TIMER: usize = 208;
const X_SLEEP_CONTROL: usize = 244;

/// There is no fixed hardware but the sleep registers.
const HARDWARE_REDUCED: u32 = 1 << 20;

/// A register of `len` bytes whose address is at `wide`, or else the port at `narrow`.
fn port(fadt: &[u8], wide: usize, narrow: usize, len: u64) -> Option<u16> {
    let place = field::u64(fadt, wide + 4).filter(|_| field::u8(fadt, wide) == Some(1));
    let wide = place.and_then(|number| field::port(number, len));
    wide.or_else(|| field::port(field::u32(fadt, narrow)?.into(), len))
}

/// The timer's port: 4 bytes, or it does not exist.
pub fn pm_timer(fadt: &[u8]) -> Option<u16> {
    let exists = field::u8(fadt, PM_TIMER_LEN)? == 4;
    if exists { port(fadt, X_PM_TIMER, PM_TIMER, 4) } else { None }
}

/// Registers from this table and numbers from the DSDT.
pub fn power(fadt: &[u8], memory: &dyn Memory, log: &mut Log<'_>) -> Option<Power> {
    let wide =
        field::u64(fadt, X_DSDT).filter(|&at| at != 0).and_then(|at| table::load(memory, at, b"DSDT", log));
    let dsdt = wide.or_else(|| table::load(memory, field::u32(fadt, DSDT)?.into(), b"DSDT", log));
    let types = dsdt.and_then(aml::find_s5);
    let power = types.and_then(|types| registers(fadt, types, memory));
    if power.is_none() {
        log(format_args!(
            "no constant \\_S5 in the DSDT, or no register for it: the machine cannot be turned off"
        ));
    }
    power
}

fn registers(fadt: &[u8], types: [u8; 2], memory: &dyn Memory) -> Option<Power> {
    if field::u32(fadt, FLAGS)? & HARDWARE_REDUCED != 0 {
        let register = match field::address(fadt, X_SLEEP_CONTROL, 1, memory)? {
            Address::Memory(at) => SleepControl::Memory(at),
            Address::Port(port) => SleepControl::Port(port),
        };
        return Some(Power::SleepControl(register, types[0]));
    }
    let command = field::port(field::u32(fadt, SMI_COMMAND)?.into(), 1);
    let value = field::u8(fadt, ACPI_ENABLE).filter(|&value| value != 0);
    Some(Power::Pm1 {
        a: port(fadt, X_PM1A_CONTROL, PM1A_CONTROL, 2)?,
        b: port(fadt, X_PM1B_CONTROL, PM1B_CONTROL, 2),
        enable: command.zip(value),
        types,
    })
}
