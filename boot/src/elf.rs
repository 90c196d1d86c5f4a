//! What happens to the kernel's ELF after the link: names of functions in, debug information out.

use crate::symbols::{self, Symbol};
use crate::{Error, Result};
use object::elf::{FileHeader64, SHF_ALLOC, SectionHeader64, SymbolSection};
use object::pod::{bytes_of_slice, from_bytes_mut};
use object::read::elf::{FileHeader, ProgramHeader, SectionHeader};
use object::{
    LittleEndian as LE, Object, ObjectSection, ObjectSymbol, SectionKind, SymbolKind, U16, U32, U64,
};
use std::fmt::Display;

/// The section that the kernel keeps free for [`symbols::encode`]'s table.
pub const SYMBOLS_SECTION: &str = ".gzero.symbols";

fn malformed(error: impl Display) -> Error {
    Error::Failed(format!("the kernel's ELF: {error}"))
}

/// All functions of an ELF by ascending address, demangled and without the compiler's hash, one for each address.
///
/// A label of assembler source counts as a function if the source does not say what it is; labels whose name starts with
/// two underscores do not: those are the linker script's.
///
/// # Errors
/// If `elf` is no ELF.
pub fn functions(elf: &[u8]) -> Result<Vec<Symbol>> {
    let file = object::File::parse(elf).map_err(malformed)?;
    let mut found = Vec::new();
    for symbol in file.symbols() {
        let section = symbol.section_index().and_then(|index| file.section_by_index(index).ok());
        let name = symbol.name().map_err(malformed)?;
        let known = symbol.kind() == SymbolKind::Text;
        let label = symbol.kind() == SymbolKind::Label && !name.is_empty() && !name.starts_with("__");
        if section.is_some_and(|s| s.kind() == SectionKind::Text) && (known || label) {
            let name = format!("{:#}", rustc_demangle::demangle(name));
            found.push((!known, Symbol { address: symbol.address(), name }));
        }
    }
    // A function before the labels at its address.
    found.sort_by_key(|(label, symbol)| (symbol.address, *label));
    found.dedup_by_key(|(_, symbol)| symbol.address);
    Ok(found.into_iter().map(|(_, symbol)| symbol).collect())
}

/// Writes the table of all functions into [`SYMBOLS_SECTION`]. An ELF that keeps nothing free stays as it is.
///
/// # Errors
/// If `elf` is no ELF or the table is larger than the section.
pub fn patch_symbols(elf: &mut [u8]) -> Result<()> {
    let table = symbols::encode(&functions(elf)?)?;
    let file = object::File::parse(&*elf).map_err(malformed)?;
    // The linker script makes the section even if nothing is in it.
    let Some(section) = file.section_by_name(SYMBOLS_SECTION).filter(|s| s.size() != 0) else {
        return Ok(());
    };
    let (offset, size) =
        section.file_range().ok_or_else(|| malformed("its symbol section has no place in the file"))?;
    if table.len() as u64 > size {
        return Err(malformed(format_args!(
            "the symbol table needs {} bytes and {SYMBOLS_SECTION} (kernel/src/cpu/symbols.rs) has {size}",
            table.len()
        )));
    }
    let place = &mut elf[offset as usize..][..size as usize];
    place.fill(0);
    place[..table.len()].copy_from_slice(&table);
    Ok(())
}

/// A program of an image, as `#[runtime::program]` registered it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name on the kernel's command line.
    pub name: String,
    /// The path of its module, `crate::module`.
    pub module: String,
    /// The file in which its `main` stands.
    pub file: String,
    /// The line of the attribute in that file.
    pub line: u32,
}

impl Display for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

/// `runtime::Program`: four words of strings' addresses and lengths, the line and the function.
const PROGRAM: usize = 64;

/// The programs of a linked image, from the list that `linkme` gathers.
///
/// # Errors
/// If `elf` is no ELF or the list is not made of `runtime::Program`s.
pub fn programs(elf: &[u8]) -> Result<Vec<Entry>> {
    let file = object::File::parse(elf).map_err(malformed)?;
    let Some(section) = file.section_by_name("linkme_PROGRAMS") else { return Ok(Vec::new()) };
    let list = section.data().map_err(malformed)?;
    if list.len() % PROGRAM != 0 {
        return Err(malformed(format_args!("its list of programs has {} bytes", list.len())));
    }
    let text = |address: u64, length: u64| {
        file.sections()
            .find_map(|section| section.data_range(address, length).ok().flatten())
            .and_then(|bytes| str::from_utf8(bytes).ok())
            .map(str::to_owned)
            .ok_or_else(|| malformed("its list of programs names no text"))
    };
    list.chunks_exact(PROGRAM)
        .map(|program| {
            let word = |i: usize| u64::from_le_bytes(program[8 * i..][..8].try_into().expect("eight bytes"));
            Ok(Entry {
                name: text(word(0), word(1))?,
                module: text(word(2), word(3))?,
                file: text(word(4), word(5))?,
                line: word(6) as u32,
            })
        })
        .collect()
}

/// A copy of an ELF without anything that is not loaded: no debug information and no symbol table. What is loaded stays
/// where it is in the file. Section headers of what is loaded are kept: `bootloader` looks for its configuration by
/// section name.
///
/// # Errors
/// If `elf` is no ELF of 64 bits.
pub fn strip(elf: &[u8]) -> Result<Vec<u8>> {
    let header = FileHeader64::<LE>::parse(elf).map_err(malformed)?;
    let segments = header.program_headers(LE, elf).map_err(malformed)?;
    let sections = header.section_headers(LE, elf).map_err(malformed)?;
    let names = header.shstrndx(LE, elf).map_err(malformed)? as usize;

    let end_of = |(offset, size): (u64, u64)| (offset + size) as usize;
    let table = (header.e_phoff(LE), u64::from(header.e_phentsize(LE)) * segments.len() as u64);
    let end = segments.iter().map(|s| end_of(s.file_range(LE))).fold(end_of(table), usize::max);
    let mut out = elf.get(..end).ok_or_else(|| malformed("truncated"))?.to_vec();

    let names_offset = out.len();
    let names_header = sections.get(names).ok_or_else(|| malformed("no section names"))?;
    out.extend_from_slice(names_header.data(LE, elf).map_err(malformed)?);
    out.resize(out.len().next_multiple_of(8), 0);

    let mut kept: Vec<SectionHeader64<LE>> = Vec::new();
    let mut header = *header;
    for (index, section) in sections.iter().enumerate() {
        let mut section = *section;
        if index == names {
            section.sh_offset = U64::new(LE, names_offset as u64);
            header.e_shstrndx = U16::new(LE, SymbolSection(kept.len() as u16));
        } else if index != 0 && !section.sh_flags(LE).contains(SHF_ALLOC) {
            continue;
        }
        // Indexes have changed; no section that is loaded says anything with its own.
        section.sh_link = U32::new(LE, 0);
        kept.push(section);
    }
    header.e_shoff = U64::new(LE, out.len() as u64);
    header.e_shnum = U16::new(LE, kept.len() as u16);
    out.extend_from_slice(bytes_of_slice(&kept));
    let (place, _) = from_bytes_mut::<FileHeader64<LE>>(&mut out).map_err(|()| malformed("no header"))?;
    *place = header;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use object::ObjectSegment;
    use std::{env, fs};

    /// An ELF of which something is known: this test's own program.
    fn own() -> Vec<u8> {
        fs::read(env::current_exe().unwrap()).unwrap()
    }

    #[test]
    fn functions_are_sorted_and_demangled() {
        let functions = functions(&own()).unwrap();
        assert!(functions.is_sorted_by_key(|f| f.address));
        assert!(functions.iter().any(|f| f.name == "boot::elf::functions"), "no hash, and all of the path");
    }

    #[test]
    fn stripped_keeps_what_is_loaded() {
        let whole = own();
        let stripped = strip(&whole).unwrap();
        assert!(stripped.len() < whole.len() / 2);
        let (whole, stripped) =
            (object::File::parse(&*whole).unwrap(), object::File::parse(&*stripped).unwrap());
        for (a, b) in whole.segments().zip(stripped.segments()) {
            assert_eq!((a.address(), a.file_range()), (b.address(), b.file_range()));
            // The first segment holds the file's header, which says where the section headers are.
            assert!(a.data().unwrap()[64..] == b.data().unwrap()[64..]);
        }
        assert_eq!(whole.entry(), stripped.entry());
        let text = |file: &object::File<'_>| file.section_by_name(".text").unwrap().address();
        assert_eq!(text(&whole), text(&stripped));
        assert!(stripped.section_by_name(".debug_info").is_none() && stripped.symbols().next().is_none());
    }

    #[test]
    fn not_an_elf() {
        assert!(functions(b"#!/bin/sh").is_err() && strip(b"").is_err());
    }
}
