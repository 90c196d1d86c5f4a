//! The direct map: all memory at one offset, readable and writable, not executable.
//!
//! It begins where [`layout`](super::layout) has put it for this boot; before the kernel has page tables of its own, where the boot protocol has it.
//! It covers the memory that the loader's map names, rounded out to 2 MiB, and no device registers:
//! [`region::map_mmio`](super::region::map_mmio) is for those.

use crate::image::PHYSICAL_MEMORY_OFFSET;
use core::ops::Range;
use core::sync::atomic::{AtomicUsize, Ordering};
use x86_64::PhysAddr;

/// Virtual address of physical address 0.
static BASE: AtomicUsize = AtomicUsize::new(PHYSICAL_MEMORY_OFFSET as usize);

static END: AtomicUsize = AtomicUsize::new(PHYSICAL_MEMORY_OFFSET as usize);

/// Its first address. For code that looks at several places in it: the compiler loads this anew for each.
#[inline(always)]
pub(super) fn base() -> usize {
    BASE.load(Ordering::Relaxed)
}

/// From now on the map is at `base`; `size` is one past the highest physical address of memory. Called as the tables that say so are
/// loaded, when nobody holds an address of the map's.
pub(super) fn set_place(base: usize, size: u64) {
    BASE.store(base, Ordering::Relaxed);
    END.store(base + size as usize, Ordering::Relaxed);
}

/// The virtual addresses among which all of the direct map lies.
#[inline]
pub fn range() -> Range<usize> {
    base()..END.load(Ordering::Relaxed)
}

/// Where the direct map has the memory at `phys`.
#[inline(always)]
pub fn phys_to_virt(phys: PhysAddr) -> *mut u8 {
    base().wrapping_add(phys.as_u64() as usize) as *mut u8
}

/// What memory lies at `virt`, an address in the direct map.
///
/// # Panics
/// If `virt` lies below the direct map, in debug builds.
#[inline(always)]
pub fn virt_to_phys(virt: *const u8) -> PhysAddr {
    debug_assert!(virt as usize >= base(), "{virt:p} is not in the direct map");
    PhysAddr::new((virt as usize).wrapping_sub(base()) as u64 & 0x000f_ffff_ffff_ffff)
}
