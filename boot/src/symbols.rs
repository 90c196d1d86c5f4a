//! The kernel's symbol table: names for addresses in its own reports (`kernel/src/cpu/symbols.rs` reads it) and in this
//! tool's.
//!
//! Little endian: magic (u64, the bytes `GZSYM0` and two zeros), number of entries (u32), length of the strings (u32);
//! then for each function, by ascending address, its offset from [`BASE`] (u32) and that of its name in the strings
//! (u32); then the strings, each a length (u16) and UTF-8.

use crate::{Error, Result};
use std::collections::HashMap;

/// What offsets in the table count from: the bottom of the highest 2 GiB, where the kernel is linked.
pub const BASE: u64 = 0xffff_ffff_8000_0000;

const MAGIC: u64 = u64::from_le_bytes(*b"GZSYM0\0\0");

/// A function's name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Symbol {
    /// Its first instruction.
    pub address: u64,
    /// Demangled.
    pub name: String,
}

/// The table of `functions`, which are in order of address. Equal names are stored once; none is longer than a `u16` says.
///
/// # Errors
/// If a function does not lie in the 2 GiB from [`BASE`].
pub fn encode(functions: &[Symbol]) -> Result<Vec<u8>> {
    let mut strings = Vec::new();
    let mut offsets = HashMap::new();
    let mut entries = Vec::new();
    for Symbol { address, name } in functions {
        let offset =
            address.checked_sub(BASE).and_then(|offset| u32::try_from(offset).ok()).ok_or_else(|| {
                Error::Failed(format!(
                    "the kernel's function {name} lies at {address:#x}, not in the highest 2 GiB"
                ))
            })?;
        let name = &name[..name.floor_char_boundary(u16::MAX.into())];
        let string = *offsets.entry(name).or_insert_with(|| {
            let at = strings.len() as u32;
            strings.extend((name.len() as u16).to_le_bytes());
            strings.extend(name.as_bytes());
            at
        });
        entries.extend(offset.to_le_bytes());
        entries.extend(string.to_le_bytes());
    }
    let mut table = MAGIC.to_le_bytes().to_vec();
    table.extend((functions.len() as u32).to_le_bytes());
    table.extend((strings.len() as u32).to_le_bytes());
    table.extend(entries);
    table.extend(strings);
    Ok(table)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn symbol(offset: u64, name: &str) -> Symbol {
        Symbol { address: BASE + offset, name: name.into() }
    }

    #[test]
    fn bytes() {
        let table = encode(&[symbol(0x200000, "a"), symbol(0x200010, "bc"), symbol(0x200020, "a")]).unwrap();
        let mut want = b"GZSYM0\0\0".to_vec();
        want.extend([3, 0, 0, 0, 7, 0, 0, 0]);
        want.extend([0, 0, 0x20, 0, 0, 0, 0, 0]);
        want.extend([0x10, 0, 0x20, 0, 3, 0, 0, 0]);
        want.extend([0x20, 0, 0x20, 0, 0, 0, 0, 0]);
        want.extend(b"\x01\0a\x02\0bc");
        assert_eq!(table, want);
    }

    #[test]
    fn long_names_are_cut_between_characters() {
        let table = encode(&[symbol(0, &"ä".repeat(40000))]).unwrap();
        assert_eq!(table.len(), 16 + 8 + 2 + 65534);
        assert!(std::str::from_utf8(&table[26..]).is_ok());
    }

    #[test]
    fn too_low() {
        let error = encode(&[Symbol { address: 0x1000, name: "low".into() }]).unwrap_err();
        assert!(error.to_string().contains("low lies at 0x1000"), "{error}");
    }
}
