//! The event timer's table (IA-PC HPET specification 1.0a, 3.2.4).

use crate::field::{self, Address};
use crate::{Log, Memory};

/// Offset of the registers' address in the table.
const ADDRESS: usize = 40;

/// Bytes of the registers.
const LEN: u64 = 0x400;

/// Where the registers are.
pub fn registers(table: &[u8], memory: &dyn Memory, log: &mut Log<'_>) -> Option<u64> {
    match field::address(table, ADDRESS, LEN, memory) {
        Some(Address::Memory(at)) if at.is_multiple_of(LEN) => Some(at),
        _ => {
            log(format_args!("HPET: no timer can be where the table says"));
            None
        }
    }
}
