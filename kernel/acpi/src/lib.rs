//! What the ACPI tables say about cores, interrupt controllers, clocks and the power switch (ACPI 6.5, chapter 5).
//!
//! # Problem
//! The tables are firmware's: lengths, addresses and counts in them may be wrong by a bug, by a version that this code does not
//! know, or because the memory was damaged. A kernel that follows them blindly loops, faults or writes to a stranger's device
//! before it has a console that anybody reads. Most machines work all the same with what is left.
//!
//! # Protocol
//! 1. Every table is a slice of bytes that [`Memory`] hands out: its header first, then as many bytes as the header says. A
//!    table whose memory the loader's map does not name, whose length is impossible or whose bytes do not add up to 0 is no table.
//! 2. A field is read by its offset and is absent where the table ends before it (`field`): the revision is not believed.
//! 3. An address of registers is taken only where [`Memory::may_be_registers`], a port only if it is one.
//! 4. An entry that is too short for its kind is left out; one that cannot be stepped over ends its list.
//! 5. What is left out is said to the caller's log, and [`Platform`] has what is left: at worst one core and the clock of the PC.
//!
//! So reading ends after at most as many steps as there are bytes, and does not panic, whatever the bytes are. `tests/mutants.rs` tries that
//! with tables of real firmware and some ten thousand seeds.
//!
//! # Rejected
//! The crate `acpi` (6.1.1, maintained), which was used before: its table types are laid over memory by their revision and not by
//! their length, `find_table` checks no sum, an entry of length 0 in a MADT repeats for ever and a MADT shorter than its header
//! underflows, and the header of a table is read through a reference to more bytes than it may have. Checking all that before it is
//! asked would be this crate again. Its AML interpreter is what would be worth having, and is not needed here (see [`aml`]).
//!
//! # Example
//! ```
//! struct Nothing;
//! impl acpi_tables::Memory for Nothing {
//!     fn bytes(&self, _: u64, _: usize) -> Option<&[u8]> {
//!         None
//!     }
//!     fn may_be_registers(&self, _: u64, _: u64) -> bool {
//!         false
//!     }
//! }
//! let mut lines = 0;
//! let platform = acpi_tables::read(&Nothing, 0xf5a0, &mut |_| lines += 1);
//! assert!(platform.cores.is_empty() && lines == 1);
//! ```
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

pub mod aml;
mod fadt;
mod field;
mod hpet;
mod madt;
mod table;

pub use fadt::{Power, SleepControl};
pub use madt::{IoApic, Override};

use alloc::vec::Vec;
use core::fmt;

/// The machine's memory as the loader's map describes it.
pub trait Memory {
    /// `len` bytes at physical address `at`, if firmware may keep tables there.
    fn bytes(&self, at: u64, len: usize) -> Option<&[u8]>;

    /// Whether `len` bytes at physical address `at` can be reached and are no memory, so that they may be a device's registers.
    fn may_be_registers(&self, at: u64, len: u64) -> bool;
}

/// Takes lines for the boot log.
pub type Log<'a> = dyn FnMut(fmt::Arguments<'_>) + 'a;

/// What the tables say.
#[derive(Debug, Default, PartialEq)]
pub struct Platform {
    /// APIC ids of the cores that are enabled, the boot core's among them, in the MADT's order, each once.
    pub cores: Vec<u32>,
    /// The I/O APICs.
    pub io_apics: Vec<IoApic>,
    /// Where lines of the ISA bus do not lead to the global interrupt of their own number.
    pub overrides: Vec<Override>,
    /// Physical address of the HPET's registers.
    pub hpet: Option<u64>,
    /// Port of the power management timer.
    pub pm_timer: Option<u16>,
    /// Where the machine is turned off.
    pub power: Option<Power>,
}

/// Reads the tables that the root pointer at physical address `rsdp` leads to.
pub fn read(memory: &dyn Memory, rsdp: u64, log: &mut Log<'_>) -> Platform {
    let mut platform = Platform::default();
    let Some(tables) = table::Tables::find(memory, rsdp, log) else { return platform };
    match tables.get(b"APIC", log) {
        Some(madt) => madt::read(madt, memory, &mut platform, log),
        None => log(format_args!("no MADT: one core")),
    }
    platform.hpet = tables.get(b"HPET", log).and_then(|table| hpet::registers(table, memory, log));
    if let Some(fadt) = tables.get(b"FACP", log) {
        platform.pm_timer = fadt::pm_timer(fadt);
        platform.power = fadt::power(fadt, memory, log);
    }
    platform
}
