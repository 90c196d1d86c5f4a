//! The doors through which a machine enters the kernel: [`pvh`] and [`bootloader`].
//!
//! A door turns SSE on before any Rust code runs, moves to [`BOOT_STACK`](boot_stack), and copies what its loader left in
//! memory (the map, the command line) into statics of the kernel. After that nothing depends on memory that the loader
//! owns, and both doors end in the same [`kernel_main`](crate::kernel_main).

pub mod bootloader;
pub mod cmdline;
pub mod kaslr;
mod long_mode;
mod payload;
pub mod pvh;
pub mod relocate;

use bootloader_api::BootInfo;
use bootloader_api::info::{MemoryRegion, MemoryRegions};
use core::arch::global_asm;
use core::ops::Range;
use core::sync::atomic::{AtomicUsize, Ordering};
use spin::{Mutex, Once};

/// Where the low half of the link address space starts: the kernel's code is linked at this address plus 2 MiB.
pub const KERNEL_BASE: usize = 0xffff_ffff_8000_0000;

/// Where both doors map all physical memory, which is where the kernel's own page tables will have it too.
pub const PHYSICAL_MEMORY_OFFSET: u64 = 0xffff_8000_0000_0000;

/// Bytes of the boot core's stack, on which `kernel_main` runs.
const BOOT_STACK_SIZE: usize = 64 * 1024;

/// How many regions of the loader's memory map are kept. UEFI maps seen in the field have up to about 200.
const MAX_REGIONS: usize = 512;

/// How many bytes of a PVH command line are kept: Linux's limit on x86.
const MAX_CMDLINE: usize = 2048;

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
}

/// The boot core's stack as virtual addresses. The page below it belongs to it too and is left out of the kernel's
/// page tables.
pub fn boot_stack() -> Range<usize> {
    let top = &raw const __boot_stack_top as usize;
    top - BOOT_STACK_SIZE..top
}

static mut REGIONS: [MemoryRegion; MAX_REGIONS] = [MemoryRegion::empty(); MAX_REGIONS];
static REGIONS_DROPPED: AtomicUsize = AtomicUsize::new(0);
static BOOT_INFO: Once<BootInfo> = Once::new();

static mut CMDLINE: [u8; MAX_CMDLINE] = [0; MAX_CMDLINE];
static CMDLINE_LEN: Once<usize> = Once::new();

/// How many regions of the loader's map had no place and whose memory is therefore unused.
pub fn regions_dropped() -> usize {
    REGIONS_DROPPED.load(Ordering::Relaxed)
}

/// The command line that came with the door, if the door has one: PVH's does.
///
/// # Errors
/// The line's length, if it is longer than what is kept.
pub fn door_cmdline() -> Option<Result<&'static [u8], usize>> {
    let len = *CMDLINE_LEN.get()?;
    if len > MAX_CMDLINE {
        return Some(Err(len));
    }
    // SAFETY: `CMDLINE` is written only before `CMDLINE_LEN` is set, by `keep_cmdline`, and never after.
    Some(Ok(unsafe { core::slice::from_raw_parts((&raw const CMDLINE).cast(), len) }))
}

/// Copies a command line out of the loader's memory.
///
/// # Safety
/// `line` is a readable, NUL-terminated string; called at most once, by the only core that runs.
unsafe fn keep_cmdline(line: *const u8) {
    // SAFETY: the caller promises a NUL-terminated string.
    let bytes = unsafe { core::ffi::CStr::from_ptr(line.cast()) }.to_bytes();
    let n = bytes.len().min(MAX_CMDLINE);
    // SAFETY: no other core runs, and readers wait for `CMDLINE_LEN`.
    unsafe { core::ptr::copy_nonoverlapping(bytes.as_ptr(), (&raw mut CMDLINE).cast(), n) };
    CMDLINE_LEN.call_once(|| bytes.len());
}

static MODULE: Mutex<Option<Range<u64>>> = Mutex::new(None);

/// Whether a file came with the kernel, beside it or [behind it](payload), that nobody has taken
/// yet.
pub fn has_module() -> bool {
    MODULE.lock().is_some()
}

/// Where the file lies in physical memory that came with the kernel, if one did. That memory is the
/// caller's: it is said once.
pub fn take_module() -> Option<Range<u64>> {
    MODULE.lock().take()
}

/// Notes where a file is. Of two the first counts.
fn keep_module(module: Range<u64>) {
    MODULE.lock().get_or_insert(module);
}

/// Copies a memory map into the kernel's own memory, leaving empty regions out and joining those that go on with one of the same kind:
/// UEFI's maps have many.
///
/// # Safety
/// Called at most once, by the only core that runs.
unsafe fn keep_regions(regions: impl Iterator<Item = MemoryRegion>) -> MemoryRegions {
    // SAFETY: the only reference to `REGIONS` there is, because this function runs once.
    let table: &'static mut [MemoryRegion] = unsafe { &mut *core::ptr::addr_of_mut!(REGIONS) };
    let mut n = 0;
    for region in regions.filter(|r| r.start < r.end) {
        if let Some(last) = table[..n].last_mut().filter(|l| l.end == region.start && l.kind == region.kind) {
            last.end = region.end;
            continue;
        }
        match table.get_mut(n) {
            Some(slot) => {
                *slot = region;
                n += 1;
            }
            None => _ = REGIONS_DROPPED.fetch_add(1, Ordering::Relaxed),
        }
    }
    (&mut table[..n]).into()
}

/// Enters the kernel proper, at an address drawn at boot. The caller's frame and statics hold no address that is used later, but for `info`'s.
fn enter(info: BootInfo) -> ! {
    payload::keep();
    // QEMU passes an empty line where it was given none; one that is too long is refused later.
    kaslr::init(door_cmdline().and_then(Result::ok).filter(|line| !line.is_empty()));
    relocate::enter(info)
}

/// Where [`enter`] ends, in the image at its place.
fn arrive(mut info: BootInfo) -> ! {
    let regions = info.memory_regions.len();
    // SAFETY: `keep_regions` filled so many; what it returned is replaced here.
    let table: &'static mut [MemoryRegion] = unsafe { &mut *core::ptr::addr_of_mut!(REGIONS) };
    info.memory_regions = (&mut table[..regions]).into();
    crate::kernel_main(BOOT_INFO.call_once(|| info))
}
