//! What `boot` put behind the image: a program, and the words that it is given.
//!
//! A machine that starts one ELF or one disk brings no second file. So `boot`
//! (`boot/src/payload.rs`) adds a segment to the linked ELF, at the page where the image ends, and
//! says in the section `.gzero.payload` what is there. Little endian: a magic `u64`, the program's
//! bytes `u64`, and those of its words, which follow the program, `u64`. All zero: nothing was
//! added.
//!
//! PVH loads the segment where it is linked to, the `bootloader` crate maps it there out of the
//! kernel's file: in both cases it is one piece of physical memory, which no loader reports as
//! usable or which [`pvh`](crate::entry::pvh) leaves out. It is read through the direct map, so it need
//! not move with the image.
//!
//! Rejected: a module of PVH's and the ramdisk of `bootloader`, two ways for one thing, and no file
//! of its own that other machines start.

use super::keep_module;
use crate::memory::{direct_map, paging};
use crate::reserved::reserve_section;
use core::ops::Range;
use spin::Once;
use x86_64::PhysAddr;
use x86_64::registers::control::Cr3;

/// Bytes of the section.
const SIZE: usize = 24;

/// "GZPAY0", read as a number.
const MAGIC: u64 = 0x3059_4150_5a47;

reserve_section!(".gzero.payload", __gzero_payload, SIZE);

unsafe extern "C" {
    safe static __kernel_end: u8;
}

/// Where the words are in physical memory.
static WORDS: Once<Range<u64>> = Once::new();

/// The bytes of the program and of its words.
fn lengths() -> [u64; 2] {
    let word =
        |i: usize| u64::from_le_bytes(*__gzero_payload[8 * i..].first_chunk().expect("in the section"));
    if word(0) == MAGIC { [word(1), word(2)] } else { [0, 0] }
}

/// How many bytes there are behind the image.
pub fn len() -> u64 {
    lengths().iter().sum()
}

/// Notes where the payload is, before the image moves. A module that the loader brought counts
/// more.
pub fn keep() {
    let [program, words] = lengths();
    if program + words == 0 {
        return;
    }
    let tables = Cr3::read().0.start_address();
    let start =
        paging::translate_from(tables, &raw const __kernel_end as usize).expect("the segment is mapped");
    let start = start.phys.as_u64();
    if program != 0 {
        keep_module(start..start + program);
    }
    WORDS.call_once(|| start + program..start + program + words);
}

/// The words, each with a NUL behind it. They are where the direct map is now.
pub(super) fn words() -> &'static [u8] {
    let Some(words) = WORDS.get() else { return &[] };
    let start = direct_map::phys_to_virt(PhysAddr::new(words.start));
    // SAFETY: the loader put them there, the direct map has them, and nobody is given that memory.
    unsafe { core::slice::from_raw_parts(start, (words.end - words.start) as usize) }
}
