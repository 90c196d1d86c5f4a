//! The table of all absolute addresses in the kernel's image, with which the kernel moves itself (`kernel/src/entry/relocate.rs` reads it).
//!
//! The linker leaves the relocations that it has applied (`--emit-relocs`). Of those in what is loaded,
//!
//! - what is relative to the instruction stays right wherever the image lies;
//! - an absolute one counts if what it wrote is an address of the highest 2 GiB: the boot protocols' code also has physical addresses, which
//!   do not change;
//! - any other kind is an error.
//!
//! `.eh_frame` has absolute addresses for which the linker leaves no relocations; the kernel's unwinder knows.
//!
//! Little endian: magic (u64, the bytes `GZREL0` and two zeros), number of entries (u32); then for each, in order of address, its offset from
//! [`BASE`] (u32), the highest bit being set for an address of 64 bits.

use crate::elf::malformed;
use crate::symbols::BASE;
use crate::{Error, Result};
use object::LittleEndian as LE;
use object::elf::{
    FileHeader64, R_X86_64_32, R_X86_64_32S, R_X86_64_64, R_X86_64_PC32, R_X86_64_PLT32, SHF_ALLOC,
};
use object::read::elf::{FileHeader, Rela, SectionHeader};

const MAGIC: u64 = u64::from_le_bytes(*b"GZREL0\0\0");

/// Of an entry: the address has 64 bits.
const WIDE: u32 = 1 << 31;

/// The table of a linked image.
///
/// # Errors
/// If it is no ELF, or has a relocation that the kernel could not do again.
pub fn table(elf: &[u8]) -> Result<Vec<u8>> {
    let entries = entries(elf)?;
    let mut table = MAGIC.to_le_bytes().to_vec();
    table.extend((entries.len() as u32).to_le_bytes());
    table.extend(entries.iter().flat_map(|entry| entry.to_le_bytes()));
    Ok(table)
}

fn entries(elf: &[u8]) -> Result<Vec<u32>> {
    let header = FileHeader64::<LE>::parse(elf).map_err(malformed)?;
    let sections = header.sections(LE, elf).map_err(malformed)?;
    let mut entries = Vec::new();
    for section in sections.iter() {
        let Some((relocations, _)) = section.rela(LE, elf).map_err(malformed)? else { continue };
        let target = sections.section(section.info_link(LE)).map_err(malformed)?;
        if !target.sh_flags(LE).contains(SHF_ALLOC) {
            continue;
        }
        let contents = target.data(LE, elf).map_err(malformed)?;
        for relocation in relocations {
            let address = relocation.r_offset(LE);
            let read = |n: usize| {
                let at = address.checked_sub(target.sh_addr(LE))? as usize;
                Some(contents.get(at..at + n)?.iter().rev().fold(0, |n, &byte| n << 8 | u64::from(byte)))
            };
            let wrong = |what| Error::Failed(format!("the kernel's relocation at {address:#x}: {what}"));
            let outside = || wrong("outside of its section".to_owned());
            let (wide, moves) = match relocation.r_type(LE, false) {
                R_X86_64_PC32 | R_X86_64_PLT32 => continue,
                R_X86_64_64 => (WIDE, read(8).ok_or_else(outside)? >= BASE),
                R_X86_64_32S => (0, read(4).ok_or_else(outside)? >= BASE & u64::from(u32::MAX)),
                // Extended by zeros: a physical address.
                R_X86_64_32 => (0, false),
                other => return Err(wrong(format!("kind {} is not known", other.0))),
            };
            if moves {
                let offset = address.checked_sub(BASE).and_then(|offset| u32::try_from(offset).ok());
                let offset = offset.filter(|offset| offset & WIDE == 0).ok_or_else(outside)?;
                entries.push((offset, wide));
            }
        }
    }
    entries.sort_unstable();
    Ok(entries.into_iter().map(|(offset, wide)| offset | wide).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use object::elf::{
        R_X86_64_GOTPCREL, Rela64, RelocationType, SHT_PROGBITS, SHT_RELA, SHT_STRTAB, SectionHeader64,
    };
    use object::pod::{bytes_of_slice, from_bytes};
    use object::{I64, U32, U64};

    const TEXT: u64 = BASE + 0x20_0000;

    /// An ELF with one section that is loaded, of these words, and what the linker wrote into it.
    fn image(words: &[u64], relocations: &[(u64, RelocationType)]) -> Vec<u8> {
        let zeros = [0; 64];
        let (empty, _) = from_bytes::<SectionHeader64<LE>>(&zeros).unwrap();
        let relas: Vec<_> = relocations
            .iter()
            .map(|&(offset, kind)| Rela64 {
                r_offset: U64::new(LE, TEXT + offset),
                r_info: U64::new(LE, kind.0.into()),
                r_addend: I64::new(LE, 0),
            })
            .collect();
        let contents: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        let (text, rela) = (64, 64 + contents.len());
        let end = rela + 24 * relas.len();
        let mut sections = [*empty; 4];
        let section = |kind, offset: usize, size: usize| SectionHeader64 {
            sh_type: U32::new(LE, kind),
            sh_offset: U64::new(LE, offset as u64),
            sh_size: U64::new(LE, size as u64),
            ..*empty
        };
        sections[1] = section(SHT_PROGBITS, text, contents.len());
        sections[1].sh_flags = U64::new(LE, SHF_ALLOC);
        sections[1].sh_addr = U64::new(LE, TEXT);
        sections[2] = section(SHT_RELA, rela, end - rela);
        sections[3] = section(SHT_STRTAB, 0, 1);
        sections[2].sh_info = U32::new(LE, 1);
        sections[2].sh_entsize = U64::new(LE, 24);
        let mut header = vec![0; 64];
        header[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
        for (at, value) in [(16, 2), (18, 62), (52, 64), (58, 64), (60, 4), (62, 3)] {
            header[at..at + 2].copy_from_slice(&u16::to_le_bytes(value));
        }
        header[40..48].copy_from_slice(&(end as u64).to_le_bytes());
        [&header, &contents, bytes_of_slice(&relas), bytes_of_slice(&sections)].concat()
    }

    fn decoded(elf: &[u8]) -> Vec<(u32, bool)> {
        let table = table(elf).unwrap();
        assert_eq!(&table[..8], b"GZREL0\0\0");
        let words: Vec<u32> =
            table[8..].chunks(4).map(|word| u32::from_le_bytes(word.try_into().unwrap())).collect();
        assert_eq!(words[0] as usize, words.len() - 1);
        words[1..].iter().map(|word| (word & !WIDE, word & WIDE != 0)).collect()
    }

    #[test]
    fn absolute_addresses_of_the_image() {
        let physical = 0x20_0000;
        let words = [TEXT, physical, TEXT << 32, TEXT, TEXT, TEXT & 0xffff_ffff, physical << 32];
        let kinds = [
            (40, R_X86_64_32S),
            (0, R_X86_64_64),
            (8, R_X86_64_64),
            (20, R_X86_64_32S),
            (24, R_X86_64_PC32),
            (32, R_X86_64_PLT32),
            (52, R_X86_64_32),
        ];
        assert_eq!(
            decoded(&image(&words, &kinds)),
            [(0x20_0000, true), (0x20_0014, false), (0x20_0028, false)]
        );
        assert_eq!(decoded(&image(&[0], &[])), []);
    }

    #[test]
    fn what_could_not_be_done_again() {
        let error = table(&image(&[TEXT], &[(0, R_X86_64_GOTPCREL)])).unwrap_err().to_string();
        assert!(error.contains("0xffffffff80200000: kind 9 is not known"), "{error}");
        let error = table(&image(&[TEXT], &[(4, R_X86_64_64)])).unwrap_err().to_string();
        assert!(error.contains("outside of its section"), "{error}");
        assert!(table(b"").is_err());
    }
}
