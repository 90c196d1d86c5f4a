//! Extended registers: how large their save area is and what it holds.
//!
//! Two places save them: the trap stubs, on the trap stack, and the runtime's asynchronous preemption, on the
//! goroutine's own stack. Both are assembly and read the two symbols below. Plain `XSAVE` is used and none of its
//! variants: `XSAVEOPT` skips what it believes unchanged since the last `XRSTOR` *from the same address*, which is not
//! true of stack memory, and the compacted formats need `XSAVES`.

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

/// Bytes that saving the extended registers needs, alignment not counted.
pub fn xsave_size() -> usize {
    match __gzero_xsave_size.load(Ordering::Relaxed) {
        0 => FXSAVE_SIZE,
        n => n as usize,
    }
}

/// Sets both; to be called once, before traps are possible.
pub(super) fn set_xsave(size: u32, mask: u64) {
    __gzero_xsave_mask.store(mask, Ordering::Relaxed);
    __gzero_xsave_size.store(size.into(), Ordering::Relaxed);
}
