//! Numbers in a table, by their offset; absent where the table ends before them.

use crate::Memory;

pub fn u8(table: &[u8], at: usize) -> Option<u8> {
    table.get(at).copied()
}

pub fn u16(table: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(*table.get(at..)?.first_chunk()?))
}

pub fn u32(table: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*table.get(at..)?.first_chunk()?))
}

pub fn u64(table: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*table.get(at..)?.first_chunk()?))
}

/// Where a register is (ACPI 6.5, 5.2.3.2), if it is in one of the two spaces that are used here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Address {
    /// In memory, at a physical address that may have registers.
    Memory(u64),
    /// At a port.
    Port(u16),
}

/// The generic address at `at`, of a register of `len` bytes; none if it is zero or cannot be one.
pub fn address(table: &[u8], at: usize, len: u64, memory: &dyn Memory) -> Option<Address> {
    let place = u64(table, at + 4)?;
    match u8(table, at)? {
        0 => memory.may_be_registers(place, len).then_some(Address::Memory(place)),
        1 => port(place, len).map(Address::Port),
        _ => None,
    }
}

/// `number` as a port with `len` bytes; 0 means that there is none.
pub fn port(number: u64, len: u64) -> Option<u16> {
    let last = number.checked_add(len - 1)?;
    (number != 0 && last <= u16::MAX.into()).then_some(number as u16)
}
