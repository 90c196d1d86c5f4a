//! Files as a linker makes them, and files that no linker makes: each is refused in its own words.

use super::*;
use ::alloc::string::ToString;
use ::alloc::vec;
use ::alloc::vec::Vec;

const CODE: u64 = 0x7000_0000;
const DATA: u64 = 0x7000_2000;

/// A program header: type, flags, offset and length in the file, address and length in memory.
#[derive(Clone, Copy)]
struct Segment(u32, u32, u64, u64, u64, u64);

const RX: u32 = 5;
const RW: u32 = 6;
const LOAD: u32 = 1;

/// An ELF of these segments, 0x3000 bytes whose every byte from 0x1000 on is its offset's second byte.
fn file(segments: &[Segment], entry: u64) -> Vec<u8> {
    let mut f: Vec<u8> = (0..0x3000_u32).map(|i| if i < 0x1000 { 0 } else { (i >> 8) as u8 }).collect();
    let mut put = |at: usize, bytes: &[u8]| f[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, b"\x7fELF\x02\x01\x01");
    put(16, &2_u16.to_le_bytes());
    put(18, &62_u16.to_le_bytes());
    put(20, &1_u32.to_le_bytes());
    put(24, &entry.to_le_bytes());
    put(32, &64_u64.to_le_bytes());
    put(52, &64_u16.to_le_bytes());
    put(54, &56_u16.to_le_bytes());
    put(56, &(segments.len() as u16).to_le_bytes());
    put(58, &64_u16.to_le_bytes());
    for (i, s) in segments.iter().enumerate() {
        let at = 64 + i * 56;
        put(at, &s.0.to_le_bytes());
        put(at + 4, &s.1.to_le_bytes());
        for (j, word) in [s.2, s.4, s.4, s.3, s.5, 4096].iter().enumerate() {
            put(at + 8 + j * 8, &word.to_le_bytes());
        }
    }
    f
}

fn refused(file: &[u8], why: &str) {
    let found = load_file(file).map_err(|e| e.to_string());
    assert!(found.as_ref().is_err_and(|e| e.contains(why)), "expected \"{why}\", found {found:x?}");
}

#[runtime::kernel_test]
fn a_sound_file_is_mapped_as_its_headers_say() {
    let code = Segment(LOAD, RX, 0x1000, 0x800, CODE, 0x800);
    // Begins and ends within pages, and goes on in memory.
    let data = Segment(LOAD, RW, 0x1880, 0x1000, DATA + 0x880, 0x2000);
    assert_eq!(load_file(&file(&[code, data], CODE + 4)).expect("a sound file"), CODE as usize + 4);
    let access = |addr: u64| paging::translate(addr as usize).map(|m| m.access);
    assert_eq!(access(CODE), Some(Access::ReadExecute));
    for page in 0..3 {
        assert_eq!(access(DATA + page * PAGE), Some(Access::ReadWrite));
    }
    assert_eq!((access(CODE + PAGE), access(DATA + 3 * PAGE)), (None, None), "more than it asked for");
    // SAFETY: mapped above, and nobody else's.
    let byte = |addr: u64| unsafe { (addr as *const u8).read_volatile() };
    assert_eq!((byte(CODE), byte(CODE + 0x7ff), byte(CODE + 0x800)), (0x10, 0x17, 0));
    assert_eq!((byte(DATA + 0x87f), byte(DATA + 0x880)), (0, 0x18));
    assert_eq!((byte(DATA + 0xfff), byte(DATA + 0x1000)), (0x1f, 0x20));
    assert_eq!((byte(DATA + 0x187f), byte(DATA + 0x1880), byte(DATA + 0x287f)), (0x28, 0, 0));
    refused(&file(&[code], CODE), "share the page at 0x70000000");
}

#[runtime::kernel_test]
fn a_malformed_file_is_refused_in_words() {
    let code = |offset, len, addr, memory| Segment(LOAD, RX, offset, len, addr, memory);
    let sound = code(0x1000, 0x800, 0x7100_0000, 0x800);
    let entry = 0x7100_0000;
    refused(b"", "not a sound ELF");
    refused(b"#!/bin/sh\n", "not a sound ELF");
    let mut arm = file(&[sound], entry);
    arm[18] = 183;
    refused(&arm, "for machine 183; expected kind 2");
    let mut pie = file(&[sound], entry);
    pie[16] = 3;
    refused(&pie, "of kind 3");
    let mut cut = file(&[sound], entry);
    cut.truncate(80);
    refused(&cut, "not a sound ELF");
    refused(&file(&[Segment(3, 4, 0x1000, 8, 0, 8), sound], entry), "dynamic loader");
    refused(&file(&[], entry), "not in any code");
    refused(&file(&[sound], entry + 0x800), "not in any code");
    refused(&file(&[Segment(LOAD, RW, 0x1000, 0x800, entry, 0x800)], entry), "not in any code");
    // Page 0, the stacks, the upper half, the end of all addresses.
    for addr in [0, 0x1000_0000_0000, 0xffff_8000_0000_0000, u64::MAX - 0x7ff] {
        let other = Segment(LOAD, RW, 0x1000, 0x800, addr, 0x800);
        refused(&file(&[other, sound], entry), "segments may be from 0x1000 to 0x100000000000");
    }
    refused(&file(&[code(0x1000, 0x800, entry, 0x400)], entry), "larger in the file than in memory");
    refused(&file(&[code(0x2800, 0x1000, entry, 0x1000)], entry), "beyond the end of the file");
    refused(&file(&[Segment(LOAD, 7, 0x1000, 0x800, entry, 0x800)], entry), "may be written and executed");
    let many = vec![sound; 40];
    assert!(load_file(&file(&many, entry)).is_err(), "each of them in the same page");
}
