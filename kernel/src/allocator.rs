//! Rust's allocator: the runtime's heap, and before there are frames the boot heap.

use crate::memory::boot_heap;
use core::alloc::{GlobalAlloc, Layout};
use core::sync::atomic::{AtomicBool, Ordering};
use runtime::machine::Allocator;

struct KernelHeap;

#[global_allocator]
static HEAP: KernelHeap = KernelHeap;

static FRAMES_ARE_UP: AtomicBool = AtomicBool::new(false);

/// From now on memory comes from the runtime's heap. The frame allocator is up; called on the boot core, before there are others.
pub fn use_runtime_heap() {
    FRAMES_ARE_UP.store(true, Ordering::Relaxed);
}

/// An allocation without a G: before the runtime runs, or on a thread that is no M. With a G the frames are up.
#[cold]
#[inline(never)]
unsafe fn alloc_without_g(layout: Layout) -> *mut u8 {
    if FRAMES_ARE_UP.load(Ordering::Relaxed) {
        // SAFETY: as the caller promises.
        unsafe { Allocator.alloc(layout) }
    } else {
        boot_heap::alloc(layout)
    }
}

// SAFETY: both heaps are allocators, and what came from one goes back to it.
unsafe impl GlobalAlloc for KernelHeap {
    #[inline(always)]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promises.
        unsafe {
            if runtime::machine::getg().is_null() { alloc_without_g(layout) } else { Allocator.alloc(layout) }
        }
    }

    #[inline(always)]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promises; the object is new and has that many bytes.
        unsafe {
            let p = self.alloc(layout);
            if !p.is_null() {
                p.write_bytes(0, layout.size());
            }
            p
        }
    }

    #[inline(always)]
    unsafe fn dealloc(&self, p: *mut u8, layout: Layout) {
        // SAFETY: `p` came from the heap that it lies in.
        unsafe {
            if boot_heap::contains(p) {
                boot_heap::dealloc(p, layout);
            } else {
                Allocator.dealloc(p, layout);
            }
        }
    }

    #[inline]
    unsafe fn realloc(&self, p: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as the caller promises.
        unsafe {
            if !boot_heap::contains(p) {
                return Allocator.realloc(p, layout, size);
            }
            let new = self.alloc(Layout::from_size_align_unchecked(size, layout.align()));
            if !new.is_null() {
                new.copy_from_nonoverlapping(p, size.min(layout.size()));
                boot_heap::dealloc(p, layout);
            }
            new
        }
    }
}
