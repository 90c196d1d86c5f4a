//! Names for addresses, from a table that `boot` writes into the linked kernel.
//!
//! The kernel cannot hold its own symbol table when it is linked, so it reserves room, and `boot` fills it in the ELF file
//! before the file is stripped. Little endian: a magic `u64`, `count: u32`, `strings_len: u32`, then `count` entries
//! `{ function: u32, name: u32 }` sorted by `function`, its offset from [`KERNEL_BASE`]; then the strings, in which
//! `name` is the offset of a `u16` length and that many bytes of UTF-8. All zero: there are no names.

use crate::image::{self, KERNEL_BASE};
use crate::reserved::reserve_section;

/// Bytes reserved for the table.
const SIZE: usize = 768 * 1024;

/// "GZSYM0", read as a number.
const MAGIC: u64 = 0x304d_5953_5a47;

const HEADER: usize = 16;
const ENTRY: usize = 8;

reserve_section!(".gzero.symbols", __gzero_symbols, SIZE);

unsafe extern "C" {
    safe static __text_start: u8;
    safe static __text_end: u8;
}

/// Name of the function that `addr` is in, and its distance from the function's start.
pub fn lookup(addr: usize) -> Option<(&'static str, usize)> {
    if !is_code(addr) {
        return None;
    }
    let offset = image::linked(addr) - KERNEL_BASE;
    let (entry, name) = find(&__gzero_symbols, offset as u32)?;
    Some((name, offset - entry as usize))
}

/// Whether `addr` lies in the kernel's code.
pub fn is_code(addr: usize) -> bool {
    (&raw const __text_start as usize..&raw const __text_end as usize).contains(&addr)
}

fn u32_at(table: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(table.get(at..at + 4)?.try_into().ok()?))
}

/// The last function of `table` at or below `offset`. None if there is none or the table is malformed.
pub(super) fn find(table: &[u8], offset: u32) -> Option<(u32, &str)> {
    if u64::from_le_bytes(table.get(..8)?.try_into().ok()?) != MAGIC {
        return None;
    }
    let count = u32_at(table, 8)? as usize;
    let strings_len = u32_at(table, 12)? as usize;
    let strings = table.get(HEADER + count * ENTRY..)?.get(..strings_len)?;
    let (mut low, mut high) = (0, count);
    while low < high {
        let middle = low + (high - low) / 2;
        if u32_at(table, HEADER + middle * ENTRY)? <= offset {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    let entry = HEADER + low.checked_sub(1)? * ENTRY;
    let name = u32_at(table, entry + 4)? as usize;
    let len = u16::from_le_bytes(strings.get(name..name + 2)?.try_into().ok()?).into();
    let name = core::str::from_utf8(strings.get(name + 2..)?.get(..len)?).ok()?;
    Some((u32_at(table, entry)?, name))
}
