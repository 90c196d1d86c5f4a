//! Turning the machine off: ACPI's soft-off state, S5 (ACPI 6.5, 4.8.3.2 and 7.4.2).
//!
//! To enter S5, a number is written to a register. The FADT names the register; the number is in the DSDT, which is a program: the object `\_S5_` is a package whose first
//! two elements are the numbers for the one or two registers. An interpreter for that program is in the `acpi` crate and is not used, because exit must work
//! when the heap's lock is held by code that will never run again, and the interpreter allocates. Instead the DSDT's bytes are searched at boot for the
//! object's definition, which every firmware known has as a constant (this is what the well-known short shutdown routines do).

use crate::cpu::irq::IrqOff;
use crate::memory::region;
use core::hint::spin_loop;
use spin::Once;
use x86_64::PhysAddr;
use x86_64::instructions::port::Port;

/// Where the numbers go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Registers {
    /// PM1a and, on some machines, PM1b control: 16-bit ports.
    Pm1 {
        /// The first, and the only one on most machines.
        a: u16,
        /// The second.
        b: Option<u16>,
        /// The port and the value that turn ACPI on, if firmware left it off.
        enable: Option<(u16, u8)>,
    },
    /// The sleep control register of machines with reduced hardware: one byte of memory or a port.
    SleepControl(SleepControl),
}

/// A register of one byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SleepControl {
    /// At a physical address.
    Memory(PhysAddr),
    /// At a port.
    Port(u16),
}

/// PM1 control: ACPI is on.
const SCI_EN: u16 = 1;
/// PM1 control: go. The number goes to bits 10 to 12.
const SLP_EN: u16 = 1 << 13;
/// Sleep control: go. The number goes to bits 2 to 4.
const SLEEP_ENABLE: u8 = 1 << 5;

/// How often PM1 control is read for ACPI to be on: some milliseconds.
const ENABLE_LOOKS: u32 = 10_000;

struct SoftOff {
    registers: Registers,
    /// The register's address, if it is in memory.
    mapped: usize,
    types: [u8; 2],
}

static SOFT_OFF: Once<SoftOff> = Once::new();

/// Gets ready: `dsdt` is the DSDT's content. Logs if there is no S5.
pub fn init(registers: Registers, dsdt: &[u8]) {
    let Some(types) = find_s5(dsdt) else {
        crate::log!("acpi: no constant \\_S5 in the DSDT, the machine cannot be turned off");
        return;
    };
    let mapped = match registers {
        Registers::SleepControl(SleepControl::Memory(at)) => region::map_mmio(at, 1) as usize,
        _ => 0,
    };
    SOFT_OFF.call_once(|| SoftOff { registers, mapped, types });
}

/// Turns the machine off, if it can be. Returns if not, or if that takes the machine a while.
pub fn enter() {
    let Some(off) = SOFT_OFF.get() else { return };
    let _here = IrqOff::new();
    let [type_a, type_b] = off.types;
    match off.registers {
        Registers::Pm1 { a, b, enable } => {
            let (mut a, b) = (Port::<u16>::new(a), b.map(Port::<u16>::new));
            // SAFETY: reading has no effect.
            let acpi_is_on = |a: &mut Port<u16>| unsafe { a.read() } & SCI_EN != 0;
            if let Some((port, value)) = enable.filter(|_| !acpi_is_on(&mut a)) {
                // SAFETY: this asks firmware to hand the registers over.
                unsafe { Port::new(port).write(value) };
                (0..ENABLE_LOOKS).take_while(|_| !acpi_is_on(&mut a)).for_each(|_| spin_loop());
            }
            // SAFETY: the FADT says what the registers are, and ending the machine is what is wanted.
            unsafe {
                a.write(u16::from(type_a) << 10 | SLP_EN);
                if let Some(mut b) = b {
                    b.write(u16::from(type_b) << 10 | SLP_EN);
                }
            }
        }
        Registers::SleepControl(register) => {
            let value = type_a << 2 | SLEEP_ENABLE;
            match register {
                // SAFETY: as above; `init` mapped the register.
                SleepControl::Memory(_) => unsafe { (off.mapped as *mut u8).write_volatile(value) },
                // SAFETY: as above.
                SleepControl::Port(port) => unsafe { Port::new(port).write(value) },
            }
        }
    }
}

/// AML's opcodes (ACPI 6.5, 20.3) that the definition is made of.
const NAME_OP: u8 = 0x08;
const PACKAGE_OP: u8 = 0x12;
const BYTE_PREFIX: u8 = 0x0a;
const ZERO_OP: u8 = 0x00;
const ONE_OP: u8 = 0x01;

/// The first two elements of `Name (\_S5_, Package {…})` in AML bytecode; the second is the first where there is one only.
fn find_s5(aml: &[u8]) -> Option<[u8; 2]> {
    let name = b"_S5_";
    let mut at = 0;
    while let Some(found) = aml[at..].windows(name.len()).position(|w| w == name) {
        at += found + name.len();
        let before = &aml[..at - name.len()];
        let named = before.ends_with(&[NAME_OP]) || before.ends_with(&[NAME_OP, b'\\']);
        if let Some(types) = named.then(|| package(&aml[at..])).flatten() {
            return Some(types);
        }
    }
    None
}

/// The elements of a package that starts `aml`.
fn package(aml: &[u8]) -> Option<[u8; 2]> {
    let body = aml.strip_prefix(&[PACKAGE_OP])?;
    // The package's length has as many bytes more as the two top bits of its first say; then comes the number of elements.
    let elements = body.get(1 + usize::from(body.first()? >> 6) + 1..)?;
    let (a, rest) = integer(elements)?;
    let b = integer(rest).map_or(a, |(b, _)| b);
    Some([a & 7, b & 7])
}

/// The small integer that starts `aml`, and what follows it.
fn integer(aml: &[u8]) -> Option<(u8, &[u8])> {
    match *aml {
        [op @ (ZERO_OP | ONE_OP), ref rest @ ..] => Some((op, rest)),
        [BYTE_PREFIX, value, ref rest @ ..] => Some((value, rest)),
        _ => None,
    }
}

#[cfg(feature = "kernel-tests")]
mod tests {
    use super::*;

    #[runtime::kernel_test]
    fn s5_is_found() {
        let qemu = b"junk_S5_\x08_S5_\x12\x06\x04\x00\x00\x00\x00rest";
        assert_eq!(find_s5(qemu), Some([0, 0]));
        let rooted = b"\x08\\_S5_\x12\x0a\x04\x0a\x05\x0a\x07\x00\x00";
        assert_eq!(find_s5(rooted), Some([5, 7]));
        let long = b"\x08_S5_\x12\x47\x00\x02\x0a\x05\x01";
        assert_eq!(find_s5(long), Some([5, 1]));
        assert_eq!(find_s5(b"\x08_S5_\x12"), None);
        assert_eq!(find_s5(b"\x14_S5_\x12\x06\x04\x00\x00"), None);
    }
}
