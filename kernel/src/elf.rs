//! Loads the program that came beside the kernel: a static ELF, such as Go's linker makes.
//!
//! Each segment goes to the addresses it was linked for, in the lower half below the goroutines' stacks, with the access that its header asks for. Page 0
//! stays absent, so that a nil pointer faults, and nothing is both writable and executable. The
//! file's own memory is given to the frame allocator then.
//!
//! Nothing of the file is believed: what does not fit ends the start with a line that says what was found and what was expected.

use crate::loader;
use crate::memory::direct_map;
use crate::memory::frames::{self, Owner};
use crate::memory::paging::{self, Access};
use core::fmt;
use core::ops::Range;
use object::LittleEndian as LE;
use object::elf::{EM_X86_64, ET_EXEC, FileHeader64, PF_W, PF_X, PT_INTERP, PT_LOAD, ProgramHeader64};
use object::read::elf::{FileHeader, ProgramHeader};
use x86_64::structures::paging::{Page, PhysFrame, Size4KiB};
use x86_64::{PhysAddr, VirtAddr};

const PAGE: u64 = 4096;

/// Where segments may be: above page 0, below the stacks.
const ROOM: Range<u64> = PAGE..0x1000_0000_0000;

/// Why a program cannot be loaded.
#[derive(Debug)]
pub enum Error {
    /// The loader brought no file.
    NoFile,
    /// The file is not an ELF, or one that contradicts itself.
    Malformed(object::Error),
    /// An ELF for another machine, or of another kind.
    WrongKind {
        machine: u16,
        kind: u16,
    },
    /// It wants a dynamic loader.
    Dynamic,
    /// It has nothing to load, or its entry is in none of its segments.
    NoEntry(u64),
    /// A segment outside of [`ROOM`].
    OutOfRoom {
        start: u64,
        bytes: u64,
    },
    /// A segment with more bytes in the file than in memory.
    LongerThanMemory {
        start: u64,
    },
    /// A segment of which the file has not all bytes.
    Cut {
        start: u64,
    },
    /// A segment that could be both written and executed.
    WritableCode {
        start: u64,
    },
    /// Two segments in one page.
    SharedPage(u64),
    OutOfMemory,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::NoFile => {
                f.write_str("there is none: a machine gets it beside the kernel (QEMU: -initrd FILE)")
            }
            Error::Malformed(e) => write!(f, "it is not a sound ELF file: {e}"),
            Error::WrongKind { machine, kind } => write!(
                f,
                "it is an ELF of kind {kind} for machine {machine}; expected kind {}, an executable at fixed \
                 addresses, for machine {}, x86-64",
                ET_EXEC.0, EM_X86_64.0
            ),
            Error::Dynamic => f.write_str("it wants a dynamic loader; expected a static executable"),
            Error::NoEntry(entry) => write!(f, "its entry {entry:#x} is not in any code that it has"),
            Error::OutOfRoom { start, bytes } => write!(
                f,
                "it has a segment of {bytes:#x} bytes at {start:#x}; segments may be from {:#x} to {:#x}",
                ROOM.start, ROOM.end
            ),
            Error::LongerThanMemory { start } => {
                write!(f, "its segment at {start:#x} is larger in the file than in memory")
            }
            Error::Cut { start } => {
                write!(f, "its segment at {start:#x} reaches beyond the end of the file")
            }
            Error::WritableCode { start } => {
                write!(f, "its segment at {start:#x} may be written and executed; expected one or the other")
            }
            Error::SharedPage(page) => write!(f, "two of its segments share the page at {page:#x}"),
            Error::OutOfMemory => f.write_str("there is not enough memory for it"),
        }
    }
}

impl From<object::Error> for Error {
    fn from(e: object::Error) -> Error {
        Error::Malformed(e)
    }
}

/// Loads the program and returns its entry. Once: the file is gone then.
///
/// # Errors
/// [`Error`]; what was mapped before stays.
pub fn load() -> Result<usize, Error> {
    let module = loader::take_module().ok_or(Error::NoFile)?;
    let start = direct_map::phys_to_virt(PhysAddr::new(module.start));
    // SAFETY: the loader's file, which is in the direct map and which nobody else has been given.
    let file = unsafe { core::slice::from_raw_parts(start, (module.end - module.start) as usize) };
    let entry = load_file(file)?;
    // SAFETY: `file` is used no more, and there is no second one to take the module.
    let frames = unsafe { frames::take_over(module) };
    crate::log!("program: {} KiB of its file are free", frames * PAGE as usize / 1024);
    Ok(entry)
}

fn load_file(file: &[u8]) -> Result<usize, Error> {
    let header = FileHeader64::<LE>::parse(file)?;
    let (machine, kind) = (header.e_machine.get(LE), header.e_type.get(LE));
    if (machine, kind) != (EM_X86_64, ET_EXEC) {
        return Err(Error::WrongKind { machine: machine.0, kind: kind.0 });
    }
    let segments = header.program_headers(LE, file)?;
    if segments.iter().any(|segment| segment.p_type(LE) == PT_INTERP) {
        return Err(Error::Dynamic);
    }
    let loaded = || segments.iter().filter(|segment| segment.p_type(LE) == PT_LOAD);
    let entry = header.e_entry.get(LE);
    let has_entry = |segment: &ProgramHeader64<LE>| {
        segment.p_flags(LE).0 & PF_X.0 != 0
            && segment.p_vaddr(LE) <= entry
            && entry - segment.p_vaddr(LE) < segment.p_filesz(LE)
    };
    if !loaded().any(has_entry) {
        return Err(Error::NoEntry(entry));
    }
    for segment in loaded() {
        map_segment(file, segment)?;
    }
    Ok(entry as usize)
}

fn map_segment(file: &[u8], segment: &ProgramHeader64<LE>) -> Result<(), Error> {
    let (start, bytes) = (segment.p_vaddr(LE), segment.p_memsz(LE));
    let end = start.checked_add(bytes).filter(|&end| start >= ROOM.start && end <= ROOM.end);
    let end = end.ok_or(Error::OutOfRoom { start, bytes })?;
    let contents = segment.data(LE, file).map_err(|()| Error::Cut { start })?;
    if contents.len() as u64 > bytes {
        return Err(Error::LongerThanMemory { start });
    }
    let access = match (segment.p_flags(LE).0 & PF_W.0 != 0, segment.p_flags(LE).0 & PF_X.0 != 0) {
        (true, true) => return Err(Error::WritableCode { start }),
        (true, false) => Access::ReadWrite,
        (false, true) => Access::ReadExecute,
        (false, false) => Access::Read,
    };
    crate::log!("program: {start:#x}..{end:#x} {access:?}, {} bytes in the file", contents.len());
    let first = start & !(PAGE - 1);
    for page in (first..end).step_by(PAGE as usize) {
        // What of the segment's file lies in this page: from where in the file, to where in the page.
        let skipped = page.saturating_sub(start).min(contents.len() as u64) as usize;
        let at = start.saturating_sub(page) as usize;
        let len = (contents.len() - skipped).min(PAGE as usize - at);
        map_page(page, access, &contents[skipped..skipped + len], at)?;
    }
    Ok(())
}

/// Maps `page` to a new frame that holds `bytes` from offset `at` on, and zeros around them.
fn map_page(page: u64, access: Access, bytes: &[u8], at: usize) -> Result<(), Error> {
    let frame = frames::alloc(0, Owner::Kernel).ok_or(Error::OutOfMemory)?;
    let to = direct_map::phys_to_virt(frame);
    // SAFETY: the frame is new and ours, and has a page's size.
    let to = unsafe { core::slice::from_raw_parts_mut(to, PAGE as usize) };
    to.fill(0);
    to[at..at + bytes.len()].copy_from_slice(bytes);
    let page = Page::<Size4KiB>::containing_address(VirtAddr::new(page));
    // SAFETY: the addresses are the program's, which does not run yet.
    let mapped = unsafe { paging::map(page, PhysFrame::containing_address(frame), access) };
    mapped.map_err(|e| {
        // SAFETY: the frame was not mapped.
        unsafe { frames::free(frame, 0, Owner::Kernel) };
        match e {
            paging::Error::OutOfMemory => Error::OutOfMemory,
            _ => Error::SharedPage(page.start_address().as_u64()),
        }
    })
}

#[cfg(feature = "kernel-tests")]
mod tests;
