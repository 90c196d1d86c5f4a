//! Tables as the linker writes them, for code that is not there.

use super::maps::Stands;
use super::shapes::Shapes;
use super::*;
use core::mem::zeroed;
use std::vec::Vec;

const TEXT: usize = 0x40_1000;

/// A function: its length, its name, its flags, whether it has maps, and its table 0, which is that
/// of its frame's size, too, as (change of value, length) pairs.
struct Code(usize, &'static str, u8, bool, &'static [(i32, usize)]);

/// The program's tables.
struct Program {
    layout: Layout,
    _tables: [Vec<u8>; 5],
}

fn put(to: &mut Vec<u8>, word: u32) {
    to.extend(word.to_le_bytes());
}

fn put_varint(to: &mut Vec<u8>, mut value: u32) {
    while value >= 0x80 {
        to.push(value as u8 | 0x80);
        value >>= 7;
    }
    to.push(value as u8);
}

fn program(functions: &[Code]) -> Program {
    let (mut names, mut pctab, mut records, mut ftab) = (Vec::new(), Vec::from([0]), Vec::new(), Vec::new());
    let mut entries = Vec::new();
    let mut entry = 0;
    for &Code(len, name, flag, maps, pairs) in functions {
        entries.push(entry);
        put(&mut ftab, entry as u32);
        put(&mut ftab, records.len() as u32);
        let table = pctab.len() as u32;
        for &(change, len) in pairs {
            put_varint(&mut pctab, ((change << 1) ^ (change >> 31)) as u32);
            put_varint(&mut pctab, len as u32);
        }
        pctab.push(0);
        put(&mut records, entry as u32);
        put(&mut records, names.len() as u32);
        let table = if pairs.is_empty() { 0 } else { table };
        [0, 0, table, 0, 0, 1].iter().for_each(|&word| put(&mut records, word));
        (0..2).for_each(|_| put(&mut records, 0));
        records.extend([0, flag, 0, 2]);
        put(&mut records, table);
        put(&mut records, u32::MAX);
        put(&mut records, if maps { 8 } else { u32::MAX });
        names.extend(name.bytes());
        names.push(0);
        entry += len;
    }
    put(&mut ftab, entry as u32);
    // What holds the first byte of a part: of a bucket by number, of the others by how many further.
    let holder = |offset: usize| entries.iter().rposition(|&e| e <= offset).unwrap_or(0);
    let mut buckets = Vec::new();
    for bucket in (0..entry).step_by(BUCKET) {
        put(&mut buckets, holder(bucket) as u32);
        buckets.extend((0..16).map(|part| (holder(bucket + part * PART) - holder(bucket)) as u8));
    }
    // SAFETY: words of any value.
    let mut layout: Layout = unsafe { zeroed() };
    layout.text = TEXT;
    layout.etext = TEXT + entry;
    layout.pclntab = records.as_ptr() as usize;
    layout.ftab = ftab.as_ptr() as usize;
    layout.nftab = entries.len() + 1;
    layout.findfunctab = buckets.as_ptr() as usize;
    layout.pctab = pctab.as_ptr() as usize;
    layout.funcnametab = names.as_ptr() as usize;
    Program { layout, _tables: [records, ftab, buckets, pctab, names] }
}

fn at(program: &Program, offset: usize) -> SafePoint {
    // SAFETY: the tables live with the program, and the offset is in its code.
    unsafe { safe_point(&program.layout, TEXT + offset) }
}

#[test]
fn values_hold_to_the_end_of_their_stretch() {
    // Safe, unsafe, safe, a sequence to be begun again, from the entry again; a stretch and a change of more than one byte.
    let pairs = &[(0, 16), (-1, 200), (1, 8), (-2, 12), (-2, 4), (4, 16)];
    let p = program(&[Code(256, "main.f", 0, true, pairs)]);
    assert_eq!([at(&p, 0), at(&p, 15)], [SafePoint::Here, SafePoint::Here]);
    assert_eq!([at(&p, 16), at(&p, 215)], [SafePoint::No, SafePoint::No]);
    assert_eq!([at(&p, 216), at(&p, 223)], [SafePoint::Here, SafePoint::Here]);
    assert_eq!(at(&p, 224), SafePoint::At(TEXT + 224));
    assert_eq!(at(&p, 235), SafePoint::At(TEXT + 224));
    assert_eq!([at(&p, 236), at(&p, 239)], [SafePoint::At(TEXT), SafePoint::At(TEXT)]);
    assert_eq!([at(&p, 240), at(&p, 255)], [SafePoint::Here, SafePoint::Here]);
}

#[test]
fn a_sequence_that_is_too_long_is_not_begun_again() {
    let p = program(&[Code(64, "main.f", 0, true, &[(0, 8), (-2, 40), (2, 16)])]);
    assert_eq!(at(&p, 8 + RESTART_BYTES), SafePoint::At(TEXT + 8));
    assert_eq!(at(&p, 9 + RESTART_BYTES), SafePoint::No);
}

#[test]
fn functions_are_found_over_parts_and_buckets() {
    const NONE: &[(i32, usize)] = &[];
    const UNSAFE_ALL: &[(i32, usize)] = &[(-1, 5000)];
    // Several in a part, one over many parts, one over a bucket's end.
    let lens = [16, 32, 16, 700, 16, 4000, 16, 16, 5000, 48];
    let functions: Vec<Code> = lens
        .iter()
        .enumerate()
        .map(|(i, &len)| Code(len, "main.f", 0, true, if i % 2 == 0 { NONE } else { UNSAFE_ALL }))
        .collect();
    let p = program(&functions);
    let mut offset = 0;
    for (i, len) in lens.into_iter().enumerate() {
        for at_byte in [offset, offset + len / 2, offset + len - 1] {
            let want = if i % 2 == 0 { SafePoint::Here } else { SafePoint::No };
            assert_eq!(at(&p, at_byte), want, "function {i}, byte {at_byte}");
        }
        offset += len;
    }
}

#[test]
fn the_runtime_and_assembly_are_left_alone() {
    let refused = [
        Code(16, "runtime.main", 0, true, &[]),
        Code(16, "internal/runtime/maps.(*Map).Get", 0, true, &[]),
        Code(16, "reflect.Value.Call", 0, true, &[]),
        Code(16, "main.add", FLAG_ASM, true, &[]),
        Code(16, "main.leaf", 0, false, &[]),
    ];
    let p = program(&refused);
    (0..refused.len()).for_each(|i| assert_eq!(at(&p, i * 16 + 3), SafePoint::No, "{}", refused[i].1));
    let p = program(&[
        Code(16, "runtime/debug.Stack", 0, true, &[]),
        Code(16, "reflectlite.f", 0, true, &[]),
        Code(16, "main.runtime.f", 0, true, &[]),
    ]);
    (0..3).for_each(|i| assert_eq!(at(&p, i * 16 + 3), SafePoint::Here));
}

/// More places than are kept, each with a frame of another size; asked for again and again, with
/// others between.
#[test]
fn shapes_are_those_of_their_places() {
    const PLACES: usize = 1000;
    let program = program(&[Code(PLACES, "main.f", 0, true, &[(1, 1); PLACES])]);
    let mut shapes = Shapes::new();
    for i in 0..20 * PLACES {
        // Steps of a number prime to theirs, and every third place twice.
        let place = (i - i % 3 / 2) * 7 % PLACES;
        for (stands, at) in [(Stands::Interrupted, place), (Stands::BehindCall, place + 1)] {
            // SAFETY: the tables live with the program, and the place is in its code.
            let frame = unsafe { shapes.frame(&program.layout, TEXT + at, 0x10_0000, stands) };
            assert_eq!(frame.map(|f| f.end), Some(0x10_0000 + place + 8), "{place} {stands:?}");
        }
    }
}
