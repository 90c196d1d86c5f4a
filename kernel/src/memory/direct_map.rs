//! The direct map: all memory at one offset, readable and writable, not executable.
//!
//! It covers the memory that the loader's map names, rounded out to 2 MiB, and no device registers:
//! [`region::map_mmio`](super::region::map_mmio) is for those.

use crate::entry::PHYSICAL_MEMORY_OFFSET;
use core::ops::Range;
use core::sync::atomic::{AtomicUsize, Ordering};
use x86_64::PhysAddr;

/// Virtual address of physical address 0.
pub const BASE: usize = PHYSICAL_MEMORY_OFFSET as usize;

static END: AtomicUsize = AtomicUsize::new(BASE);

/// Sets the end of [`range`]: `size` is one past the highest physical address of memory.
pub(super) fn set_size(size: u64) {
    END.store(BASE + size as usize, Ordering::Relaxed);
}

/// The virtual addresses among which all of the direct map lies.
#[inline]
pub fn range() -> Range<usize> {
    BASE..END.load(Ordering::Relaxed)
}

/// Where the direct map has the memory at `phys`.
#[inline(always)]
pub fn phys_to_virt(phys: PhysAddr) -> *mut u8 {
    (BASE + phys.as_u64() as usize) as *mut u8
}

/// What memory lies at `virt`, an address in the direct map.
///
/// # Panics
/// If `virt` lies below the direct map, in debug builds.
#[inline(always)]
pub fn virt_to_phys(virt: *const u8) -> PhysAddr {
    debug_assert!(virt as usize >= BASE, "{virt:p} is not in the direct map");
    PhysAddr::new((virt as usize).wrapping_sub(BASE) as u64 & 0x000f_ffff_ffff_ffff)
}
