//! Turning the machine off: ACPI's soft-off state, S5 (ACPI 6.5, 4.8.3.2 and 7.4.2).
//!
//! To enter S5, a number is written to a register; both come from firmware's tables ([`acpi_tables`]).

use crate::irq::IrqOff;
use crate::memory::region;
use acpi_tables::{Power, SleepControl};
use core::hint::spin_loop;
use spin::Once;
use x86_64::PhysAddr;
use x86_64::instructions::port::Port;

/// PM1 control: ACPI is on.
const SCI_EN: u16 = 1;
/// PM1 control: go. The number goes to bits 10 to 12.
const SLP_EN: u16 = 1 << 13;
/// Sleep control: go. The number goes to bits 2 to 4.
const SLEEP_ENABLE: u8 = 1 << 5;

/// How often PM1 control is read for ACPI to be on: some milliseconds.
const ENABLE_LOOKS: u32 = 10_000;

struct SoftOff {
    power: Power,
    /// The register's address, if it is in memory.
    mapped: usize,
}

static SOFT_OFF: Once<SoftOff> = Once::new();

/// Gets ready to write to `power`.
pub fn init(power: Power) {
    let mapped = match power {
        Power::SleepControl(SleepControl::Memory(at), _) => region::map_mmio(PhysAddr::new(at), 1) as usize,
        _ => 0,
    };
    SOFT_OFF.call_once(|| SoftOff { power, mapped });
}

/// Turns the machine off, if it can be. Returns if not, or if that takes the machine a while.
pub fn enter() {
    let Some(off) = SOFT_OFF.get() else { return };
    let _here = IrqOff::new();
    match off.power {
        Power::Pm1 { a, b, enable, types: [type_a, type_b] } => {
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
        Power::SleepControl(register, kind) => {
            let value = kind << 2 | SLEEP_ENABLE;
            match register {
                // SAFETY: as above; `init` mapped the register.
                SleepControl::Memory(_) => unsafe { (off.mapped as *mut u8).write_volatile(value) },
                // SAFETY: as above.
                SleepControl::Port(port) => unsafe { Port::new(port).write(value) },
            }
        }
    }
}
