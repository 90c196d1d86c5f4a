//! The code in which a core starts: from real mode to 64-bit mode in one page below 1 MiB.
//!
//! A start-up interrupt makes a core execute real-mode code at the beginning of a page that the interrupt names. The code
//! is copied there ([`install`]) with the few values that it needs; it refers to itself by offsets from the page's start,
//! which is where CS points. It goes to 64-bit mode in one step: with EFER.LME and CR4.PAE set, CR0.PE and CR0.PG are set together.
//! The instruction after that is fetched through the page tables, so the page is mapped at its own address.
//! Then the code jumps to `ap_enter`, in the kernel proper.

use crate::memory::direct_map;
use crate::memory::paging::{self, Access, Error};
use core::arch::global_asm;
use core::mem::offset_of;
use x86_64::structures::paging::{Page, PhysFrame, Size4KiB};
use x86_64::{PhysAddr, VirtAddr};

/// What the code reads, at its end.
#[repr(C, packed)]
struct Values {
    /// CR3: in 16-bit code it has 32 bits.
    page_tables: u32,
    efer: u32,
    gdt_limit: u16,
    gdt_base: u32,
    /// Far pointer to the code's 64-bit part.
    long_offset: u32,
    long_selector: u16,
}

/// Null and a 64-bit code segment.
const GDT: [u64; 2] = [0, 0x00af_9b00_0000_ffff];

const EFER_LME: u32 = 1 << 8;
const EFER_NXE: u32 = 1 << 11;

unsafe extern "C" {
    safe static __ap_start: u8;
    safe static __ap_long: u8;
    safe static __ap_gdt: u8;
    safe static __ap_values: u8;
    safe static __ap_end: u8;
}

global_asm!(
    r#"
    .section .rodata.trampoline, "a"
    .balign 16
    .code16
__ap_start:
    cli
    cld
    movw %cs, %ax
    movw %ax, %ds
    movl $0x620, %eax               /* PAE, OSFXSR, OSXMMEXCPT */
    movl %eax, %cr4
    movl __ap_values - __ap_start + {page_tables}, %eax
    movl %eax, %cr3
    movl $0xc0000080, %ecx
    movl __ap_values - __ap_start + {efer}, %eax
    xorl %edx, %edx
    wrmsr
    lgdtl __ap_values - __ap_start + {gdt_limit}
    movl $0x80010033, %eax          /* PG, WP, NE, ET, MP, PE; caches on */
    movl %eax, %cr0
    ljmpl *(__ap_values - __ap_start + {long_offset})
    .code64
__ap_long:
    movabsq $ap_enter, %rax
    jmpq *%rax
    .balign 8
__ap_gdt:
    .skip 16
__ap_values:
    .skip {values}
__ap_end:
    .text
"#,
    page_tables = const offset_of!(Values, page_tables),
    efer = const offset_of!(Values, efer),
    gdt_limit = const offset_of!(Values, gdt_limit),
    long_offset = const offset_of!(Values, long_offset),
    values = const size_of::<Values>(),
    options(att_syntax)
);

/// Offset of a label from the code's start.
fn offset(label: &u8) -> usize {
    &raw const *label as usize - &raw const __ap_start as usize
}

/// Puts the code into `page` and maps the page at its own address. `no_execute` says whether page tables use that bit.
///
/// # Errors
/// [`Error::OutOfMemory`]
///
/// # Safety
/// The page is kept for this, and no core executes it.
pub unsafe fn install(page: PhysAddr, no_execute: bool) -> Result<(), Error> {
    let base = page.as_u64() as u32;
    let values = Values {
        page_tables: paging::root().as_u64().try_into().expect("the top page table is below 4 GiB"),
        efer: EFER_LME | if no_execute { EFER_NXE } else { 0 },
        gdt_limit: size_of_val(&GDT) as u16 - 1,
        gdt_base: base + offset(&__ap_gdt) as u32,
        long_offset: base + offset(&__ap_long) as u32,
        long_selector: 8,
    };
    let to = direct_map::phys_to_virt(page);
    // SAFETY: the page is the caller's, and code, table and values fit into it; the labels' order makes the offsets right.
    unsafe {
        to.copy_from_nonoverlapping(&raw const __ap_start, offset(&__ap_end));
        to.add(offset(&__ap_gdt)).cast::<[u64; 2]>().write_unaligned(GDT);
        to.add(offset(&__ap_values)).cast::<Values>().write_unaligned(values);
    }
    // SAFETY: the page is mapped for execution by cores that are started in it.
    unsafe { paging::map(identity(page), PhysFrame::containing_address(page), Access::ReadExecute) }
}

/// Takes the mapping away.
///
/// # Safety
/// All cores that were sent there have left.
pub unsafe fn remove(page: PhysAddr) {
    // SAFETY: the caller's promise.
    match unsafe { paging::unmap(identity(page)) } {
        Ok((_, flush)) => flush.everywhere(),
        Err(e) => unreachable!("`install` mapped the page: {e}"),
    }
}

fn identity(page: PhysAddr) -> Page<Size4KiB> {
    Page::containing_address(VirtAddr::new(page.as_u64()))
}
