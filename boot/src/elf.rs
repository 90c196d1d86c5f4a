//! What happens to the kernel's ELF after the link: names of functions in, debug information out.

use crate::symbols::{self, Symbol};
use crate::{Error, Result, relocations};
use object::elf::{FileHeader64, SHF_ALLOC, SHT_RELA, SectionHeader64};
use object::pod::{self, bytes_of_slice, from_bytes_mut};
use object::read::elf::{FileHeader, ProgramHeader, SectionHeader};
use object::{LittleEndian as LE, Object, ObjectSection, ObjectSymbol, SectionKind, SymbolKind, U64};
use std::fmt::Display;

/// The section that the kernel keeps free for [`symbols::encode`]'s table.
const SYMBOLS_SECTION: &str = ".gzero.symbols";

/// The section that the kernel keeps free for [`relocations::table`].
const RELOCATIONS_SECTION: &str = ".gzero.relocations";

pub(crate) fn malformed(error: impl Display) -> Error {
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

/// Writes the tables of all functions and of all absolute addresses into the sections that the kernel keeps free for them.
///
/// # Errors
/// If `elf` is no ELF, has a relocation of an unknown kind, or a table is larger than its section.
pub fn patch_tables(elf: &mut [u8]) -> Result<()> {
    let symbols = symbols::encode(&functions(elf)?)?;
    let relocations = relocations::table(elf)?;
    patch(elf, SYMBOLS_SECTION, &symbols, "kernel/src/cpu/symbols.rs")?;
    patch(elf, RELOCATIONS_SECTION, &relocations, "kernel/src/entry/relocate.rs")
}

/// Writes `table` into the section that the kernel's `source` keeps free for it. An ELF that keeps nothing free stays as it is.
pub(crate) fn patch(elf: &mut [u8], name: &str, table: &[u8], source: &str) -> Result<()> {
    let file = object::File::parse(&*elf).map_err(malformed)?;
    // The linker script makes the section even if nothing is in it.
    let Some(section) = file.section_by_name(name).filter(|s| s.size() != 0) else {
        return Ok(());
    };
    let (offset, size) =
        section.file_range().ok_or_else(|| malformed(format_args!("{name} has no place in the file")))?;
    if table.len() as u64 > size {
        return Err(malformed(format_args!(
            "the table for {name} needs {} bytes and {source} keeps {size} free",
            table.len()
        )));
    }
    let place = &mut elf[offset as usize..][..size as usize];
    place.fill(0);
    place[..table.len()].copy_from_slice(table);
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

/// A copy of an ELF without anything that is not loaded: no debug information and no symbol table. Section headers of what is loaded are kept:
/// `bootloader` looks for its configuration by section name.
///
/// # Errors
/// If `elf` is no ELF of 64 bits.
pub fn strip(elf: &[u8]) -> Result<Vec<u8>> {
    copy(elf, |_| false)
}

/// A copy of an ELF without the relocations that the linker left in it, which are half of it.
///
/// # Errors
/// If `elf` is no ELF of 64 bits.
pub fn without_relocations(elf: &[u8]) -> Result<Vec<u8>> {
    copy(elf, |section| section.sh_type(LE) != SHT_RELA)
}

/// A copy of what is loaded, of the sections' names, and of those other sections that are `wanted`. What is loaded stays where it is in the file.
/// Sections keep their numbers: where one is left out the header is empty.
fn copy(elf: &[u8], wanted: impl Fn(&SectionHeader64<LE>) -> bool) -> Result<Vec<u8>> {
    let header = FileHeader64::<LE>::parse(elf).map_err(malformed)?;
    let segments = header.program_headers(LE, elf).map_err(malformed)?;
    let sections = header.section_headers(LE, elf).map_err(malformed)?;
    let names = header.shstrndx(LE, elf).map_err(malformed)? as usize;

    let end_of = |(offset, size): (u64, u64)| (offset + size) as usize;
    let table = (header.e_phoff(LE), u64::from(header.e_phentsize(LE)) * segments.len() as u64);
    let end = segments.iter().map(|s| end_of(s.file_range(LE))).fold(end_of(table), usize::max);
    let mut out = elf.get(..end).ok_or_else(|| malformed("truncated"))?.to_vec();

    let mut headers: Vec<SectionHeader64<LE>> = Vec::new();
    for (index, section) in sections.iter().enumerate() {
        let mut section = *section;
        if !section.sh_flags(LE).contains(SHF_ALLOC) && index != names && !wanted(&section) {
            section =
                pod::from_bytes(&[0; size_of::<SectionHeader64<LE>>()]).map_or(section, |(empty, _)| *empty);
        } else if !section.sh_flags(LE).contains(SHF_ALLOC) && section.sh_size(LE) != 0 {
            let align = section.sh_addralign(LE).clamp(1, 4096) as usize;
            out.resize(out.len().next_multiple_of(align), 0);
            let contents = section.data(LE, elf).map_err(malformed)?;
            section.sh_offset = U64::new(LE, out.len() as u64);
            out.extend_from_slice(contents);
        }
        headers.push(section);
    }
    out.resize(out.len().next_multiple_of(8), 0);
    let mut header = *header;
    header.e_shoff = U64::new(LE, out.len() as u64);
    out.extend_from_slice(bytes_of_slice(&headers));
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
