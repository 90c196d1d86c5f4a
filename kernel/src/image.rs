//! Where the kernel's image lies: as linked, and at this boot.
//!
//! [`relocate`](crate::entry::relocate) moves it before anything here is asked.

use core::arch::global_asm;
use core::ops::Range;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Where the low half of the link address space starts: the kernel's code is linked at this address plus 2 MiB.
pub const KERNEL_BASE: usize = 0xffff_ffff_8000_0000;

/// Where all boot protocols map physical memory. The kernel's own page tables map it there too, unless
/// addresses are drawn.
pub const PHYSICAL_MEMORY_OFFSET: u64 = 0xffff_8000_0000_0000;

/// Bytes of the boot core's stack, on which `kernel_main` runs.
const BOOT_STACK_SIZE: usize = 64 * 1024;

global_asm!(
    ".section .bss.boot_stack, \"aw\", @nobits",
    ".balign 4096",
    "__boot_stack_guard:",
    ".skip 4096",
    "__boot_stack_bottom:",
    ".skip {size}",
    ".globl __boot_stack_top",
    "__boot_stack_top:",
    ".previous",
    size = const BOOT_STACK_SIZE,
);

unsafe extern "C" {
    safe static __boot_stack_top: u8;
    safe static __kernel_start: u8;
    safe static __kernel_end: u8;
}

static MOVED_BY: AtomicUsize = AtomicUsize::new(0);
static DRAWN: AtomicBool = AtomicBool::new(false);

/// The boot core's stack as virtual addresses. The page below it belongs to it too and is left out of the kernel's
/// page tables.
pub fn boot_stack() -> Range<usize> {
    let top = &raw const __boot_stack_top as usize;
    top - BOOT_STACK_SIZE..top
}

/// The image's addresses.
pub fn addresses() -> Range<usize> {
    &raw const __kernel_start as usize..&raw const __kernel_end as usize
}

/// By how much the image was moved.
#[inline]
pub fn moved_by() -> usize {
    MOVED_BY.load(Ordering::Relaxed)
}

/// Notes by how much it was moved. Called once, by the only core that runs.
pub fn set_moved_by(by: usize) {
    MOVED_BY.store(by, Ordering::Relaxed);
}

/// Whether addresses are drawn anew at each boot: the image's, and those of memory's ranges.
pub fn is_drawn() -> bool {
    DRAWN.load(Ordering::Relaxed)
}

/// Decides that. Called once, by the only core that runs.
pub fn set_drawn(drawn: bool) {
    DRAWN.store(drawn, Ordering::Relaxed);
}

/// The address that `addr` has in the ELF, if it lies in the image.
pub fn linked(addr: usize) -> usize {
    if addresses().contains(&addr) { addr - moved_by() } else { addr }
}

/// Where `addr` of the image is, whether as linked or as it is.
pub fn actual(addr: usize) -> usize {
    if addresses().contains(&addr) { addr } else { addr + moved_by() }
}
