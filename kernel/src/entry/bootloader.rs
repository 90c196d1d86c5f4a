//! Disk images: the `bootloader` crate's BIOS and UEFI stages enter [`_start`](self) in long mode with a
//! `BootInfo` in `rdi`.
//!
//! `bootloader_api::entry_point!` cannot be used: it makes `_start` a Rust function, and the BIOS stage arrives with SSE
//! off, so the first spilled XMM register would be an invalid opcode. The UEFI stage arrives with interrupts in
//! whatever state the firmware left them, hence the `cli`.

use super::enter;
use crate::image::PHYSICAL_MEMORY_OFFSET;
use crate::loader::keep_regions;
use bootloader_api::config::Mapping;
use bootloader_api::{BootInfo, BootloaderConfig};
use core::arch::global_asm;

/// What the loader reads from the ELF before it starts the kernel.
#[used]
#[unsafe(link_section = ".bootloader-config")]
static CONFIG: [u8; BootloaderConfig::SERIALIZED_LEN] = {
    let mut config = BootloaderConfig::new_default();
    config.mappings.physical_memory = Some(Mapping::FixedAddress(PHYSICAL_MEMORY_OFFSET));
    config.serialize()
};

global_asm!(
    ".section .text.boot, \"ax\"",
    ".globl _start",
    "_start:",
    "cli",
    "cld",
    "mov rax, cr0",
    "and rax, ~0x4", // EM off
    "or rax, 0x2",   // MP
    "mov cr0, rax",
    "mov rax, cr4",
    "or rax, 0x600", // OSFXSR, OSXMMEXCPT
    "mov cr4, rax",
    "lea rsp, [rip + __boot_stack_top]",
    "xor ebp, ebp",
    "call {main}",
    "ud2",
    ".text",
    main = sym bootloader_main,
);

/// First Rust code of a disk image.
extern "C" fn bootloader_main(info: *mut BootInfo) -> ! {
    // SAFETY: the loader passes a valid `BootInfo` that nobody else uses, so that it may be moved out.
    let mut info = unsafe { info.read() };
    // SAFETY: this code runs once on the only core.
    info.memory_regions = unsafe { keep_regions(info.memory_regions.iter().copied()) };
    enter(info)
}
