//! What the kernel's ELF says of an address: the function by its symbols, file and line by its debug information.
//!
//! The reading of DWARF is [`addr2line`]'s. Its `Loader` would open the file too, but brings
//! decompressors for sections that no linker of ours makes: Go's compresses with zlib, the kernel's
//! not at all.

use crate::symbols::Symbol;
use crate::{Error, Result, elf, source_root};
use flate2::read::ZlibDecoder;
use gimli::{EndianRcSlice, LittleEndian, SectionId};
use object::{CompressionFormat, Object, ObjectSection};
use std::borrow::Cow;
use std::fmt::Debug;
use std::fs;
use std::io::Read;
use std::path::Path;
use std::rc::Rc;

type Lines = addr2line::Context<EndianRcSlice<LittleEndian>>;

/// The kernel's code, as reports look it up, and that of the Go program that it runs. By default
/// nothing is known of either.
#[derive(Default)]
pub struct Code {
    moved_by: u64,
    program: Option<Box<Code>>,
    functions: Vec<Symbol>,
    lines: Option<Lines>,
}

/// One of the calls that an address stands for: several, if the compiler inlined all but the last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Demangled; empty if the debug information has no name.
    pub function: String,
    /// `file:line`. Files of this source tree are relative to its top.
    pub place: String,
}

impl Code {
    /// Reads an ELF. One without debug information has names of functions only.
    ///
    /// # Errors
    /// If the file cannot be read or is no ELF.
    pub fn read(path: &Path) -> Result<Code> {
        let bytes = fs::read(path).map_err(Error::io(format_args!("read {}", path.display())))?;
        Ok(Code { moved_by: 0, program: None, functions: elf::functions(&bytes)?, lines: lines(&bytes) })
    }

    /// With the code of the linked Go program `elf`, if the machine has one. One that cannot be
    /// read has none.
    pub fn with_program(self, elf: Option<&Path>) -> Code {
        Code { program: elf.and_then(|elf| Code::read(elf).ok()).map(Box::new), ..self }
    }

    /// The code of the Go program, if that is where `address` lies: in the lower half, where the
    /// kernel has none.
    pub fn program(&self, address: u64) -> Option<&Code> {
        self.program.as_deref().filter(|_| address < 1 << 63)
    }

    /// The code of a kernel that has moved its image up by so many bytes.
    pub fn moved_by(self, moved_by: u64) -> Code {
        Code { moved_by, ..self }
    }

    /// The function that `address` is in, and the distance from its start.
    pub fn function(&self, address: u64) -> Option<(&str, u64)> {
        if let Some(program) = self.program(address) {
            return program.function(address);
        }
        let address = address.checked_sub(self.moved_by)?;
        let after = self.functions.partition_point(|symbol| symbol.address <= address);
        let symbol = self.functions[..after].last()?;
        Some((&symbol.name, address - symbol.address))
    }

    /// Where the function `name` begins.
    #[cfg(test)]
    pub(crate) fn symbol(&self, name: &str) -> Option<u64> {
        self.functions.iter().find(|symbol| symbol.name == name).map(|symbol| symbol.address)
    }

    /// The calls at `address`, innermost first; the last is that of the function which has the code. None without debug information.
    pub fn calls(&self, address: u64) -> Vec<Call> {
        if let Some(program) = self.program(address) {
            return program.calls(address);
        }
        address.checked_sub(self.moved_by).and_then(|address| self.try_calls(address)).unwrap_or_default()
    }

    fn try_calls(&self, address: u64) -> Option<Vec<Call>> {
        // `addr2line` adds 1, which overflows where it is built with checks.
        address.checked_add(1)?;
        let mut frames = self.lines.as_ref()?.find_frames(address).skip_all_loads().ok()?;
        let mut calls = Vec::new();
        while let Some(frame) = frames.next().ok()? {
            let name = frame.function.and_then(|name| Some(name.raw_name().ok()?.into_owned()));
            let function =
                name.map_or(String::new(), |name| format!("{:#}", rustc_demangle::demangle(&name)));
            let location = frame.location?;
            let place = match location.line {
                Some(line) => format!("{}:{line}", relative(location.file?)),
                None => relative(location.file?).into(),
            };
            calls.push(Call { function, place });
        }
        Some(calls)
    }
}

impl From<Vec<Symbol>> for Code {
    /// Code of which only the functions are known.
    fn from(functions: Vec<Symbol>) -> Code {
        Code { functions, ..Code::default() }
    }
}

/// The debug information, if there is any. Its units are parsed when an address of theirs is looked up.
fn lines(elf: &[u8]) -> Option<Lines> {
    let file = object::File::parse(elf).ok()?;
    file.section_by_name(SectionId::DebugInfo.name())?;
    let section = |id: SectionId| {
        let section = file.section_by_name(id.name());
        let data = section.and_then(|section| contents(&section)).unwrap_or_default();
        Ok::<_, gimli::Error>(EndianRcSlice::new(Rc::from(data), LittleEndian))
    };
    addr2line::Context::from_dwarf(gimli::Dwarf::load(section).ok()?).ok()
}

/// The bytes of a section, which Go's linker compresses.
fn contents<'a>(section: &impl ObjectSection<'a>) -> Option<Cow<'a, [u8]>> {
    let data = section.compressed_data().ok()?;
    match data.format {
        CompressionFormat::None => Some(data.data.into()),
        CompressionFormat::Zlib => {
            let mut bytes = Vec::new();
            ZlibDecoder::new(data.data).read_to_end(&mut bytes).ok()?;
            Some(bytes.into())
        }
        _ => None,
    }
}

/// A file by its path below the top of the source tree, as in the messages of panics.
fn relative(file: &str) -> &str {
    let below = source_root().to_str().and_then(|root| file.strip_prefix(root)?.strip_prefix('/'));
    below.unwrap_or(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::env;
    use std::hint::black_box;

    const KNOWN: &str = "boot::code::tests::known";

    #[inline(never)]
    fn known() -> u32 {
        black_box(line!())
    }

    #[test]
    fn own_code() {
        let code = Code::read(&env::current_exe().unwrap()).unwrap();
        let start = code.symbol(KNOWN).unwrap();
        let line = black_box(known as fn() -> u32)();
        let known = Call { function: KNOWN.into(), place: format!("boot/src/code.rs:{line}") };
        assert!((start..start + 32).any(|at| code.calls(at).last() == Some(&known)));
        assert_eq!(code.function(start), Some((KNOWN, 0)));
        assert_eq!(code.calls(u64::MAX), []);
    }

    #[test]
    fn names_only() {
        let symbol = |address, name: &str| Symbol { address, name: name.into() };
        let code = Code::from(vec![symbol(0x10, "a"), symbol(0x20, "b")]);
        assert_eq!(code.function(0xf), None);
        assert_eq!(code.function(0x1f), Some(("a", 0xf)));
        assert_eq!(code.function(0x2000), Some(("b", 0x1fe0)));
        assert_eq!(code.calls(0x1f), []);
        let code = code.moved_by(0x1000);
        assert_eq!((code.function(0x1010), code.function(0x1f)), (Some(("a", 0)), None));
    }
}
