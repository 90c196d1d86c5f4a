//! Memory of Go code (Go: `malloc.go`).

use core::alloc::{GlobalAlloc, Layout};

/// `size` bytes, which is not 0; all zeros if `zero` is not.
pub(super) unsafe extern "C" fn alloc(size: usize, zero: usize) -> *mut u8 {
    // Multiples of 16 are aligned so, as Go's size classes are.
    let align = if size.is_multiple_of(16) { 16 } else { 8 };
    // SAFETY: a power of two, and Go asks for less than 2^48 bytes.
    unsafe {
        let p = crate::heap::Allocator.alloc(Layout::from_size_align_unchecked(size, align));
        if p.is_null() {
            crate::panic::throw("out of memory");
        }
        if zero != 0 {
            match size {
                1..=8 => p.cast::<u64>().write(0),
                9..=16 => p.cast::<[u64; 2]>().write([0; 2]),
                _ => p.write_bytes(0, size),
            }
        }
        p
    }
}
