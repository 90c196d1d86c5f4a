//! What the boot loader handed over: the memory map, the command line, the program's file.
//!
//! [`entry`](crate::entry) copies it into statics of the kernel; after that nothing depends on memory
//! that the loader owns.

pub mod cmdline;
pub mod kaslr;
pub mod payload;

use bootloader_api::info::{MemoryRegion, MemoryRegions};
use core::ops::Range;
use core::sync::atomic::{AtomicUsize, Ordering};
use spin::{Mutex, Once};

/// How many regions of the loader's memory map are kept. UEFI maps seen in the field have up to about 200.
const MAX_REGIONS: usize = 512;

/// How many bytes of a PVH command line are kept: Linux's limit on x86.
const MAX_CMDLINE: usize = 2048;

static mut REGIONS: [MemoryRegion; MAX_REGIONS] = [MemoryRegion::empty(); MAX_REGIONS];
static REGIONS_DROPPED: AtomicUsize = AtomicUsize::new(0);

static mut CMDLINE: [u8; MAX_CMDLINE] = [0; MAX_CMDLINE];
static CMDLINE_LEN: Once<usize> = Once::new();

/// How many regions of the loader's map had no place and whose memory is therefore unused.
pub fn regions_dropped() -> usize {
    REGIONS_DROPPED.load(Ordering::Relaxed)
}

/// The boot protocol's own command line, if the protocol has one: PVH has.
///
/// # Errors
/// The line's length, if it is longer than what is kept.
pub fn own_cmdline() -> Option<Result<&'static [u8], usize>> {
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
pub unsafe fn keep_cmdline(line: *const u8) {
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
pub fn keep_module(module: Range<u64>) {
    MODULE.lock().get_or_insert(module);
}

/// Copies a memory map into the kernel's own memory, leaving empty regions out and joining those that go on with one of the same kind:
/// UEFI's maps have many.
///
/// # Safety
/// Called at most once, by the only core that runs.
pub unsafe fn keep_regions(regions: impl Iterator<Item = MemoryRegion>) -> MemoryRegions {
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

/// The map of `count` regions that [`keep_regions`] has kept, at the image's present address.
///
/// # Safety
/// What `keep_regions` returned is not used any longer.
pub unsafe fn kept_regions(count: usize) -> MemoryRegions {
    // SAFETY: the caller promises that there is no other reference.
    let table: &'static mut [MemoryRegion] = unsafe { &mut *core::ptr::addr_of_mut!(REGIONS) };
    (&mut table[..count]).into()
}
