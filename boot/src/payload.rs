//! An image with a program and its words behind it: all that a machine starts, in one file
//! (`kernel/src/loader/payload.rs` reads it).
//!
//! The linker script leaves an empty program header. It becomes a segment at the page where the
//! image ends: to there PVH loads it, and there the `bootloader` crate maps it. A header added
//! behind the others was rejected: nothing says that there is room before the first segment.

use crate::elf::{malformed, patch};
use crate::{Error, Result};
use object::elf::{FileHeader64, PF_R, PT_LOAD, PT_NULL, ProgramHeader64};
use object::pod::bytes_of;
use object::read::elf::{FileHeader, ProgramHeader};
use object::{LittleEndian as LE, U32, U64};

/// The section in which the kernel finds the lengths.
const SECTION: &str = ".gzero.payload";

/// "GZPAY0", read as a number.
const MAGIC: u64 = 0x3059_4150_5a47;

const PAGE: u64 = 4096;

/// Where PVH's page tables end, above the address that the image is linked to.
const ROOM: u64 = 1 << 30;

/// What is put behind an image.
#[derive(Clone, Copy, Debug, Default)]
pub struct Payload<'a> {
    /// A Go program's ELF, or nothing.
    pub program: &'a [u8],
    /// The program's words, as [`program_words`](crate::command_line::program_words) makes them, or
    /// nothing.
    pub words: &'a [u8],
}

impl Payload<'_> {
    /// A copy of the image `elf` with this behind it.
    ///
    /// # Errors
    /// If `elf` is no image, or the program is too large for one.
    pub fn behind(&self, elf: &[u8]) -> Result<Vec<u8>> {
        let header = FileHeader64::<LE>::parse(elf).map_err(malformed)?;
        let segments = header.program_headers(LE, elf).map_err(malformed)?;
        let loaded = segments.iter().filter(|segment| segment.p_type(LE) == PT_LOAD);
        let last = loaded.max_by_key(|segment| segment.p_vaddr(LE)).ok_or_else(|| malformed("no segment"))?;
        let empty = segments.iter().position(|segment| segment.p_type(LE) == PT_NULL);
        let empty = empty.ok_or_else(|| malformed("no header is kept for what is put behind the image"))?;
        let behind = |start: u64| (start + last.p_memsz(LE)).next_multiple_of(PAGE);

        let bytes = (self.program.len() + self.words.len()) as u64;
        if bytes >= ROOM - behind(last.p_paddr(LE)) {
            return Err(Error::Failed(format!("the program has {bytes} bytes, too many for an image")));
        }
        let mut out = elf.to_vec();
        let table = [MAGIC, self.program.len() as u64, self.words.len() as u64].map(u64::to_le_bytes);
        patch(&mut out, SECTION, table.as_flattened(), "kernel/src/loader/payload.rs")?;
        out.resize(out.len().next_multiple_of(PAGE as usize), 0);
        let segment = ProgramHeader64::<LE> {
            p_type: U32::new(LE, PT_LOAD),
            p_flags: U32::new(LE, PF_R),
            p_offset: U64::new(LE, out.len() as u64),
            p_vaddr: U64::new(LE, behind(last.p_vaddr(LE))),
            p_paddr: U64::new(LE, behind(last.p_paddr(LE))),
            p_filesz: U64::new(LE, bytes),
            p_memsz: U64::new(LE, bytes),
            p_align: U64::new(LE, PAGE),
        };
        let size = size_of::<ProgramHeader64<LE>>();
        let at = header.e_phoff(LE) as usize + empty * size;
        out[at..][..size].copy_from_slice(bytes_of(&segment));
        out.extend_from_slice(self.program);
        out.extend_from_slice(self.words);
        // `bootloader` takes no segment that ends where the file ends.
        out.push(0);
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{env, fs};

    /// This test's own program keeps no header free, and what is no ELF has none.
    #[test]
    fn only_images_are_taken() {
        let own = fs::read(env::current_exe().unwrap()).unwrap();
        let error = Payload::default().behind(&own).unwrap_err();
        assert!(error.to_string().contains("no header is kept"), "{error}");
        assert!(Payload::default().behind(b"#!/bin/sh").is_err());
    }
}
