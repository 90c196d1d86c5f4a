//! Memory of Go code (Go: `malloc.go`): what the assembly in `go/runtime/malloc_amd64.s` leaves to be done.

use crate::gc::{self, Allocated, TypeDesc};
use core::alloc::{GlobalAlloc, Layout};

/// Go's `mallocgc` of a size that is not 0, when the P's run is at its end, or the object is not
/// small. May collect. What is to be in the heap profile the assembly has put there.
pub(super) unsafe extern "C" fn mallocgc(size: usize, typ: *const TypeDesc, zero: usize) -> Allocated {
    // SAFETY: a type's descriptor begins as `TypeDesc` does (`layout.rs` compares), and stays; the caller
    // runs Go code and so holds a P.
    let p = unsafe { gc::alloc(size, typ.as_ref(), zero != 0) };
    if p.object.is_null() {
        crate::panic::throw("out of memory");
    }
    p
}

/// `size` bytes for ever, all zeros, that hold no pointers to what Go allocates.
pub(super) unsafe extern "C" fn persistent(size: usize) -> *mut u8 {
    // SAFETY: a power of two, and Go asks for less than 2^48 bytes, not 0.
    let p =
        unsafe { crate::heap::Allocator.alloc_zeroed(Layout::from_size_align_unchecked(size.max(1), 16)) };
    if p.is_null() {
        crate::panic::throw("out of memory");
    }
    p
}
