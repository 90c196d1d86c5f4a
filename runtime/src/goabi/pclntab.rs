//! What Go's tables say of an address of code (Go: `symtab.go`): whether the code may be preempted there; in `maps.rs`, what a frame
//! there holds.
//!
//! Read in an interrupt: nothing is locked or allocated, and the tables are in memory that is always there. Their form is the linker's
//! (`cmd/link/internal/ld/pcln.go`): `findfunctab` leads from an address to an entry of `ftab`, that to a function's record in `pclntab`, and that to tables of
//! (change of value, length of code) pairs in `pctab`.

pub(super) mod maps;
pub(super) mod shapes;

use super::layout::Layout;

/// Of a function's record: where its parts are.
const NAME: usize = 4;
const NPCDATA: usize = 28;
const FLAG: usize = 41;
const NFUNCDATA: usize = 43;
const PCDATA: usize = 44;
/// Entries of `ftab` have two words of 32 bits.
const FTAB_ENTRY: usize = 8;
/// A bucket of `findfunctab` stands for 4096 bytes of code and has 16 parts.
const BUCKET: usize = 4096;
const BUCKET_BYTES: usize = 20;
const PART: usize = BUCKET / 16;
/// `abi.PCDATA_UnsafePoint` is table 0; `abi.FUNCDATA_LocalsPointerMaps` is record 1.
const LOCALS_POINTER_MAPS: usize = 1;
/// `abi.FuncFlagAsm`.
const FLAG_ASM: u8 = 1 << 2;
/// `abi.UnsafePointUnsafe`, `…Restart1`, `…Restart2`, `…RestartAtEntry`.
const UNSAFE: i32 = -2;
const RESTART_1: i32 = -3;
const RESTART_2: i32 = -4;
const RESTART_AT_ENTRY: i32 = -5;
/// No sequence that is begun again is longer.
const RESTART_BYTES: usize = 20;

/// Whether code may be preempted at an address.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum SafePoint {
    /// It may.
    Here,
    /// It may, if it goes on at this address before.
    At(usize),
    /// It may not.
    No,
}

/// Words of the tables.
///
/// # Safety
/// There is one at `at`.
unsafe fn u32_at(at: usize) -> u32 {
    // SAFETY: as the caller promises.
    unsafe { (at as *const u32).read_unaligned() }
}

/// # Safety
/// As [`u32_at`].
unsafe fn u8_at(at: usize) -> u8 {
    // SAFETY: as the caller promises.
    unsafe { (at as *const u8).read() }
}

/// A function: its first address and its record.
struct Func {
    entry: usize,
    record: usize,
}

/// The function that holds `pc`.
///
/// # Safety
/// `l` has the program's tables, and `pc` is in its code.
unsafe fn find(l: &Layout, pc: usize) -> Func {
    let offset = pc - l.text;
    let bucket = l.findfunctab + offset / BUCKET * BUCKET_BYTES;
    // SAFETY: as the caller promises; the last entry of `ftab` is the end of the code.
    unsafe {
        let part = bucket + 4 + offset % BUCKET / PART;
        let mut i = u32_at(bucket) as usize + usize::from(u8_at(part));
        while u32_at(l.ftab + (i + 1) * FTAB_ENTRY) as usize <= offset {
            i += 1;
        }
        let entry = l.ftab + i * FTAB_ENTRY;
        Func { entry: l.text + u32_at(entry) as usize, record: l.pclntab + u32_at(entry + 4) as usize }
    }
}

/// A number of the tables: seven bits a byte, least first.
///
/// # Safety
/// `at` points to one; it is moved behind it.
unsafe fn varint(at: &mut usize) -> u32 {
    let (mut value, mut shift) = (0, 0);
    loop {
        // SAFETY: as the caller promises.
        let byte = unsafe { u8_at(*at) };
        *at += 1;
        value |= u32::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return value;
        }
        shift += 7;
    }
}

/// The offset in `pctab` of a function's table `table`; none if there is no such table.
///
/// # Safety
/// `f` is a function.
unsafe fn pcdata(f: &Func, table: usize) -> Option<usize> {
    // SAFETY: as the caller promises; the record says how many there are.
    unsafe {
        (table < u32_at(f.record + NPCDATA) as usize)
            .then(|| u32_at(f.record + PCDATA + table * 4) as usize)
            .filter(|&offset| offset != 0)
    }
}

/// The value at `pc` of the table at `offset` in `pctab`, and where the stretch of code begins that has it.
///
/// # Safety
/// `f` is the function that holds `pc`, and the table is one of its.
unsafe fn pcvalue(l: &Layout, f: &Func, offset: usize, pc: usize) -> (i32, usize) {
    // SAFETY: as the caller promises.
    unsafe {
        let mut at = l.pctab + offset;
        let (mut value, mut start) = (-1_i32, f.entry);
        let mut first = true;
        loop {
            let change = varint(&mut at);
            if change == 0 && !first {
                return (-1, start);
            }
            first = false;
            let change = if change & 1 != 0 { !(change >> 1) } else { change >> 1 };
            value = value.wrapping_add(change as i32);
            let end = start + varint(&mut at) as usize;
            if pc < end {
                return (value, start);
            }
            start = end;
        }
    }
}

/// Whether the function's name begins with that of a package in which nothing is preempted.
///
/// # Safety
/// `f` is a function.
unsafe fn is_runtime(l: &Layout, f: &Func) -> bool {
    let starts = |prefix: &[u8]| {
        // SAFETY: names end with a zero, at which the comparison stops.
        unsafe {
            let name = l.funcnametab + u32_at(f.record + NAME) as usize;
            prefix.iter().enumerate().all(|(i, &byte)| u8_at(name + i) == byte)
        }
    };
    starts(b"runtime.") || starts(b"internal/runtime/") || starts(b"reflect.")
}

/// See [`SafePoint`].
///
/// # Safety
/// `l` has the program's tables, and `pc` is in its code.
pub(super) unsafe fn safe_point(l: &Layout, pc: usize) -> SafePoint {
    // SAFETY: as the caller promises.
    unsafe {
        let f = find(l, pc);
        if u8_at(f.record + FLAG) & FLAG_ASM != 0 || is_runtime(l, &f) {
            return SafePoint::No;
        }
        let funcdata = f.record + PCDATA + u32_at(f.record + NPCDATA) as usize * 4;
        let maps = usize::from(u8_at(f.record + NFUNCDATA)) > LOCALS_POINTER_MAPS
            && u32_at(funcdata + LOCALS_POINTER_MAPS * 4) != u32::MAX;
        if !maps {
            return SafePoint::No;
        }
        let point = pcdata(&f, 0).map_or((-1, f.entry), |table| pcvalue(l, &f, table, pc));
        match point {
            (UNSAFE, _) => SafePoint::No,
            (RESTART_1 | RESTART_2, start) if pc - start <= RESTART_BYTES => SafePoint::At(start),
            (RESTART_1 | RESTART_2, _) => SafePoint::No,
            (RESTART_AT_ENTRY, _) => SafePoint::At(f.entry),
            _ => SafePoint::Here,
        }
    }
}

#[cfg(test)]
mod tests;
