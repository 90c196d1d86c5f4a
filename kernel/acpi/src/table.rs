//! From the root pointer to a table (ACPI 6.5, 5.2.5 to 5.2.8).

use crate::{Log, Memory, field};

/// Bytes of the header that every table begins with.
const HEADER: usize = 36;

/// No table is longer: the longest seen in the field, DSDTs of large servers, have a few hundred KiB.
const LONGEST: usize = 4 << 20;

/// Bytes of the root pointer as of ACPI 1.0, and as of 2.0.
const RSDP: usize = 20;
const RSDP_2: usize = 36;

/// The list of all tables, and how many bytes each address in it has.
pub struct Tables<'a> {
    memory: &'a dyn Memory,
    list: &'a [u8],
    width: usize,
}

impl<'a> Tables<'a> {
    /// Those of the root pointer at `rsdp`: by the list of 64-bit addresses, or by the other if that one is no good.
    pub fn find(memory: &'a dyn Memory, rsdp: u64, log: &mut Log<'_>) -> Option<Self> {
        let Some(pointer) = memory.bytes(rsdp, RSDP).filter(|p| p.starts_with(b"RSD PTR ") && sum(p) == 0)
        else {
            log(format_args!("no root pointer at {rsdp:#x}"));
            return None;
        };
        let wide = if pointer[15] >= 2 { Self::wide(memory, rsdp, log) } else { None };
        wide.or_else(|| {
            let at = field::u32(pointer, 16)?;
            let list = load(memory, at.into(), b"RSDT", log)?;
            Some(Tables { memory, list: &list[HEADER..], width: 4 })
        })
    }

    fn wide(memory: &'a dyn Memory, rsdp: u64, log: &mut Log<'_>) -> Option<Self> {
        let length = field::u32(memory.bytes(rsdp, RSDP_2)?, 20)? as usize;
        let pointer = Some(length).filter(|n| (RSDP_2..=4096).contains(n));
        let Some(pointer) = pointer.and_then(|n| memory.bytes(rsdp, n)).filter(|p| sum(p) == 0) else {
            log(format_args!("the root pointer's second part is damaged"));
            return None;
        };
        let list = load(memory, field::u64(pointer, 24)?, b"XSDT", log)?;
        Some(Tables { memory, list: &list[HEADER..], width: 8 })
    }

    /// The first table in the list that has this signature and is whole.
    pub fn get(&self, signature: &[u8; 4], log: &mut Log<'_>) -> Option<&'a [u8]> {
        let addresses = self.list.chunks_exact(self.width).filter_map(|entry| match self.width {
            4 => field::u32(entry, 0).map(u64::from),
            _ => field::u64(entry, 0),
        });
        let mut named =
            addresses.filter(|&at| self.memory.bytes(at, HEADER).is_some_and(|h| h.starts_with(signature)));
        named.find_map(|at| load(self.memory, at, signature, log))
    }
}

/// The table at `at`, if it is what it should be.
pub fn load<'a>(memory: &'a dyn Memory, at: u64, signature: &[u8; 4], log: &mut Log<'_>) -> Option<&'a [u8]> {
    let name = signature.escape_ascii();
    let Some(header) = memory.bytes(at, HEADER).filter(|header| header.starts_with(signature)) else {
        log(format_args!("no {name} at {at:#x}"));
        return None;
    };
    let length = field::u32(header, 4)? as usize;
    let table = Some(length).filter(|n| (HEADER..=LONGEST).contains(n)).and_then(|n| memory.bytes(at, n));
    let Some(table) = table else {
        log(format_args!("{name} at {at:#x}: impossible length {length}"));
        return None;
    };
    if sum(table) != 0 {
        log(format_args!("{name} at {at:#x}: wrong checksum"));
        return None;
    }
    Some(table)
}

/// All bytes added up, which makes 0 of anything whole.
fn sum(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |sum: u8, &byte| sum.wrapping_add(byte))
}
