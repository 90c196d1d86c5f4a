//! What reports say.

use crate::cpu::exception::Cause;
use crate::cpu::{backtrace, symbols};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::arch::asm;

#[runtime::kernel_test]
fn error_codes_in_words() {
    let words = |vector, error_code, address| format!("{}", Cause { vector, error_code, address });
    assert_eq!(words(0, 0, 0), "divide error");
    assert_eq!(words(14, 0, 0), "page fault: read of 0x0, page not present");
    assert_eq!(words(14, 2, 0x1000), "page fault: write to 0x1000, page not present");
    assert_eq!(words(14, 3, 0x1000), "page fault: write to 0x1000, page protected");
    assert_eq!(words(14, 0x11, 0x1000), "page fault: instruction fetch from 0x1000, page protected");
    assert_eq!(words(14, 9, 0x1000), "page fault: read of 0x1000, reserved bit set in a page table");
    assert_eq!(words(13, 0x28, 0), "general protection fault: GDT entry 5");
    assert_eq!(words(13, 0x103, 0), "general protection fault: IDT entry 32, external event");
    assert_eq!(words(11, 0x0c, 0), "segment not present: LDT entry 1");
}

/// A symbol table as `boot` makes it.
fn table(functions: &[(u32, &str)]) -> Vec<u8> {
    let mut strings = Vec::new();
    let mut entries = Vec::new();
    for (offset, name) in functions {
        entries.extend(offset.to_le_bytes());
        entries.extend((strings.len() as u32).to_le_bytes());
        strings.extend((name.len() as u16).to_le_bytes());
        strings.extend(name.as_bytes());
    }
    let mut table = Vec::from(0x304d_5953_5a47_u64.to_le_bytes());
    table.extend((functions.len() as u32).to_le_bytes());
    table.extend((strings.len() as u32).to_le_bytes());
    table.extend(entries);
    table.extend(strings);
    table
}

#[runtime::kernel_test]
fn symbols_are_found_by_address() {
    let t = table(&[(0x100, "first"), (0x180, "second"), (0x200, "third")]);
    assert_eq!(symbols::find(&t, 0xff), None);
    assert_eq!(symbols::find(&t, 0x100), Some((0x100, "first")));
    assert_eq!(symbols::find(&t, 0x17f), Some((0x100, "first")));
    assert_eq!(symbols::find(&t, 0x180), Some((0x180, "second")));
    assert_eq!(symbols::find(&t, u32::MAX), Some((0x200, "third")));
    assert_eq!(symbols::find(&t[..t.len() - 1], 0x200), None, "a table that was cut off");
    assert_eq!(symbols::find(&[0; 64], 0x200), None, "a table that nobody filled");
}

#[inline(never)]
fn walk_from_here() -> String {
    let (pc, fp): (usize, usize);
    // SAFETY: reads two registers.
    unsafe {
        asm!("lea {}, [rip]", "mov {}, rbp", out(reg) pc, out(reg) fp, options(nomem, nostack, preserves_flags));
    }
    let mut text = String::new();
    backtrace::print(&mut text, pc, fp, true).expect("a string takes everything");
    text
}

#[runtime::kernel_test]
fn backtraces_name_the_callers() {
    let text = walk_from_here();
    let names: Vec<&str> = text.lines().step_by(2).collect();
    let places: Vec<&str> = text.lines().skip(1).step_by(2).collect();
    assert!(places[0].starts_with("\t0xffffffff") && places[0].ends_with(" (interrupted)"), "{text}");
    assert!(places[1].starts_with("\t0xffffffff") && !places[1].contains('('), "{text}");
    assert!(names[0].ends_with("walk_from_here"), "{text}");
    assert!(names[1].ends_with("backtraces_name_the_callers"), "{text}");
    assert!(names.len() > 2, "{text}");
}

#[runtime::kernel_test]
fn backtraces_stop_at_what_is_no_frame() {
    for fp in [0, 1, 8, 0x8000_0000_0000_0000, usize::MAX & !7] {
        let mut text = String::new();
        backtrace::print(&mut text, 0x1234, fp, false).expect("a string takes everything");
        assert_eq!(text, "\t0x1234\n");
    }
}
