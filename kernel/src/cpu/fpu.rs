//! Extended registers: how large their save area is and what it holds.
//!
//! Two places save them: the trap stubs, on the trap stack, and the runtime's asynchronous preemption, on the
//! goroutine's own stack. Both are assembly and read the two symbols below. Plain `XSAVE` is used and none of its
//! variants: `XSAVEOPT` skips what it believes unchanged since the last `XRSTOR` *from the same address*, which is not
//! true of stack memory, and the compacted formats need `XSAVES`.

use core::num::NonZero;
use core::sync::atomic::{AtomicU64, Ordering};

/// Bytes of the `XSAVE` area, which must be aligned to 64; 0 if the CPU has no `XSAVE` and `FXSAVE` (512 bytes, aligned to 16) is
/// to be used. The 64 bytes at offset 512 of a fresh area must be zeroed before `XSAVE`: it leaves some of them as they
/// are, and `XRSTOR` refuses what is set there (SDM vol. 1, 13.4.2 and 13.8).
#[unsafe(no_mangle)]
static __gzero_xsave_size: AtomicU64 = AtomicU64::new(0);

/// The components to save, for `edx:eax`: all that XCR0 enables.
#[unsafe(no_mangle)]
static __gzero_xsave_mask: AtomicU64 = AtomicU64::new(0);

/// Bytes of the area that `FXSAVE` writes.
const FXSAVE_SIZE: usize = 512;

/// Bytes of the `XSAVE` area; none if `FXSAVE` is to be used.
pub fn xsave_area() -> Option<NonZero<u64>> {
    NonZero::new(__gzero_xsave_size.load(Ordering::Relaxed))
}

/// Bytes that saving the extended registers needs by either instruction, alignment not counted.
pub fn save_size() -> usize {
    xsave_area().map_or(FXSAVE_SIZE, |size| size.get() as usize)
}

/// Has `XSAVE` used, with an area of `size` bytes for the components `mask`. To be called once; until then traps save by `FXSAVE`.
pub(super) fn set_xsave(size: NonZero<u32>, mask: u64) {
    // A trap between the two sees the size last, when all else is there.
    __gzero_xsave_mask.store(mask, Ordering::Relaxed);
    __gzero_xsave_size.store(size.get().into(), Ordering::Relaxed);
}
