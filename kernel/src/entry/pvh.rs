//! PVH: QEMU's `-kernel`, Firecracker and Cloud Hypervisor start an ELF that carries a Xen note.
//!
//! Source: Xen's `docs/misc/pvh.pandoc` and `public/arch-x86/hvm/start_info.h`. The loader enters [`pvh_start`] with
//! paging off in 32-bit protected mode, flat segments, interrupts off, and the physical address of an
//! `hvm_start_info` in `ebx`. Everything else is ours to make:
//!
//! 1. A look whether the processor has a 64-bit mode; if not, [`long_mode`](super::long_mode) says so and ends the machine.
//! 2. SSE on (CR0.MP, CR4.OSFXSR, CR4.OSXMMEXCPT), because Rust code here is compiled for hard float.
//! 3. Page tables that live in the image: the low 4 GiB as 2 MiB pages, seen at 0, at [`PHYSICAL_MEMORY_OFFSET`], and (the
//!    first GiB) at `KERNEL_BASE`. The first is for the instructions that turn paging on, the second is what
//!    `BootInfo` promises, the third is where the kernel is linked.
//! 4. CR4.PAE, EFER.LME, CR0.PG, a far jump to a 64-bit code segment, and a jump to the high address.
//! 5. The boot stack, and [`pvh_main`].
//!
//! The tables are data and not built by code because the less there is of 32-bit assembler the better.

use super::enter;
use crate::image::{KERNEL_BASE, PHYSICAL_MEMORY_OFFSET};
use crate::loader::{keep_cmdline, keep_module, keep_regions, payload};
use bootloader_api::BootInfo;
use bootloader_api::info::{MemoryRegion, MemoryRegionKind, Optional};
use core::arch::global_asm;
use core::ops::Range;

global_asm!(
    r#"
    .section .note.pvh, "a", @note
    .balign 4
    .long 4                         /* size of the name */
    .long 8                         /* size of the descriptor */
    .long 18                        /* XEN_ELFNOTE_PHYS32_ENTRY */
    .asciz "Xen"
    .quad pvh_start - {base}

    .section .data.pvh, "aw"
    .balign 4096
pvh_pml4:
    .quad pvh_pdpt_low - {base} + 3 /* present, writable */
    .fill 255, 8, 0
    .quad pvh_pdpt_low - {base} + 3 /* entry 256: PHYSICAL_MEMORY_OFFSET */
    .fill 254, 8, 0
    .quad pvh_pdpt_high - {base} + 3
pvh_pdpt_low:
    .quad pvh_pd - {base} + 0x0003
    .quad pvh_pd - {base} + 0x1003
    .quad pvh_pd - {base} + 0x2003
    .quad pvh_pd - {base} + 0x3003
    .fill 508, 8, 0
pvh_pdpt_high:
    .fill 510, 8, 0
    .quad pvh_pd - {base} + 3       /* KERNEL_BASE: the last but one GiB */
    .quad 0
pvh_pd:
    .set page, 0
    .rept 2048
    .quad page + 0x83               /* present, writable, 2 MiB */
    .set page, page + 0x200000
    .endr

    .balign 8
pvh_gdt:
    .quad 0
    .quad 0x00af9b000000ffff        /* 64-bit code, ring 0 */
    .quad 0x00cf93000000ffff        /* data, ring 0 */
pvh_gdtr:
    .word . - pvh_gdt - 1
    .long pvh_gdt - {base}

    .section .text.boot, "ax"
    .code32
    .globl pvh_start
    .type pvh_start, @function
pvh_start:
    cld
    movl $(__boot_stack_top - {base}), %esp
    movl %ebx, %edi
    call require_long_mode
    movl %edi, %ebx
    movl %cr4, %eax
    orl $0x620, %eax                /* PAE, OSFXSR, OSXMMEXCPT */
    movl %eax, %cr4
    movl $(pvh_pml4 - {base}), %eax
    movl %eax, %cr3
    movl $0xc0000080, %ecx          /* EFER */
    rdmsr
    orl $0x100, %eax                /* LME */
    wrmsr
    movl %cr0, %eax
    andl $~0x4, %eax                /* EM off */
    orl $0x80000003, %eax           /* PG, MP, PE */
    movl %eax, %cr0
    lgdtl pvh_gdtr - {base}
    ljmpl $8, $(pvh_long - {base})

    .code64
pvh_long:
    movabsq $pvh_high, %rax
    jmpq *%rax
pvh_high:
    movl $16, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    xorl %eax, %eax
    movl %eax, %fs
    movl %eax, %gs
    leaq __boot_stack_top(%rip), %rsp
    xorl %ebp, %ebp
    movl %ebx, %edi
    callq {main}
    ud2
    .text
"#,
    base = const KERNEL_BASE,
    main = sym pvh_main,
    options(att_syntax)
);

/// `struct hvm_start_info`, version 1.
#[repr(C)]
struct StartInfo {
    magic: u32,
    version: u32,
    flags: u32,
    nr_modules: u32,
    modlist_paddr: u64,
    cmdline_paddr: u64,
    rsdp_paddr: u64,
    memmap_paddr: u64,
    memmap_entries: u32,
    reserved: u32,
}

/// "xEn3" with the high bit of the E set.
const START_INFO_MAGIC: u32 = 0x336e_c578;

/// `struct hvm_modlist_entry`: a file that the loader put into memory beside the kernel (QEMU: `-initrd`).
#[repr(C)]
struct Module {
    addr: u64,
    size: u64,
    cmdline_addr: u64,
    reserved: u64,
}

/// `struct hvm_memmap_table_entry`: an E820 entry.
#[repr(C)]
struct MemmapEntry {
    addr: u64,
    size: u64,
    kind: u32,
    reserved: u32,
}

/// E820's type of ordinary memory.
const E820_RAM: u32 = 1;

unsafe extern "C" {
    safe static __kernel_start: u8;
    safe static __kernel_end: u8;
}

/// First Rust code of a PVH start: turns the start info at physical address `start_info` into a `BootInfo`.
///
/// # Panics
/// If the loader is not a PVH loader that passes a memory map (version 1; all since 2018 do).
extern "C" fn pvh_main(start_info: u32) -> ! {
    let virt = |phys: u64| (PHYSICAL_MEMORY_OFFSET + phys) as usize;
    // SAFETY: by PVH's contract `ebx` holds the address of a start info; the tables above map all of the low 4 GiB.
    let info = unsafe { &*(virt(start_info.into()) as *const StartInfo) };
    assert!(info.magic == START_INFO_MAGIC, "PVH start info has magic {:#x}", info.magic);
    assert!(info.version >= 1 && info.memmap_entries > 0, "PVH loader passed no memory map");
    if info.cmdline_paddr != 0 {
        // SAFETY: the start info names a NUL-terminated string below 4 GiB, and this code runs once on the only core.
        unsafe { keep_cmdline(virt(info.cmdline_paddr) as *const u8) };
    }
    // SAFETY: the start info names a table of that many entries below 4 GiB.
    let memmap = unsafe {
        core::slice::from_raw_parts(
            virt(info.memmap_paddr) as *const MemmapEntry,
            info.memmap_entries as usize,
        )
    };
    let module = if info.nr_modules == 0 {
        0..0
    } else {
        // SAFETY: the start info names a table of that many entries below 4 GiB.
        let module = unsafe { &*(virt(info.modlist_paddr) as *const Module) };
        module.addr..module.addr.saturating_add(module.size)
    };
    let end = (&raw const __kernel_end as usize - KERNEL_BASE) as u64;
    let payload = end..end + payload::len();
    let regions = memmap
        .iter()
        .flat_map(split_at_kernel)
        .flat_map(|region| split_at_file(&region, &payload))
        .flat_map(|region| split_at_file(&region, &module));
    // SAFETY: this code runs once on the only core.
    let regions = unsafe { keep_regions(regions) };
    if !module.is_empty() {
        keep_module(module);
    }

    let mut boot_info = BootInfo::new(regions);
    boot_info.physical_memory_offset = Optional::Some(PHYSICAL_MEMORY_OFFSET);
    boot_info.rsdp_addr = Some(info.rsdp_paddr).filter(|&a| a != 0).into();
    boot_info.kernel_addr = (&raw const __kernel_start as usize - KERNEL_BASE) as u64;
    boot_info.kernel_len = (&raw const __kernel_end as usize - &raw const __kernel_start as usize) as u64;
    boot_info.kernel_image_offset = &raw const __kernel_start as u64;
    enter(boot_info)
}

/// A region as what lies below, in and above the pages of `file`; absent ones are empty.
fn split_at_file(region: &MemoryRegion, file: &Range<u64>) -> [MemoryRegion; 3] {
    let &MemoryRegion { start, end, kind } = region;
    if kind != MemoryRegionKind::Usable || file.is_empty() {
        return [*region, MemoryRegion::empty(), MemoryRegion::empty()];
    }
    let (first, last) = (file.start & !0xfff, file.end.next_multiple_of(4096));
    [
        MemoryRegion { start, end: end.min(first), kind },
        MemoryRegion { start: start.max(first), end: end.min(last), kind: MemoryRegionKind::Bootloader },
        MemoryRegion { start: start.max(last), end, kind },
    ]
}

/// A map entry as the regions below, of and above the kernel image; absent ones are empty.
fn split_at_kernel(e: &MemmapEntry) -> [MemoryRegion; 3] {
    let (start, end) = (e.addr, e.addr.saturating_add(e.size));
    if e.kind != E820_RAM {
        let kind = MemoryRegionKind::UnknownBios(e.kind);
        return [MemoryRegion { start, end, kind }, MemoryRegion::empty(), MemoryRegion::empty()];
    }
    let image = (&raw const __kernel_start as usize - KERNEL_BASE) as u64;
    let image_end = (&raw const __kernel_end as usize - KERNEL_BASE) as u64;
    let usable = MemoryRegionKind::Usable;
    [
        MemoryRegion { start, end: end.min(image), kind: usable },
        MemoryRegion { start: start.max(image), end: end.min(image_end), kind: MemoryRegionKind::Bootloader },
        MemoryRegion { start: start.max(image_end), end, kind: usable },
    ]
}
