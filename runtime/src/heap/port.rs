//! The heap over the port, as Rust's allocator.
//!
//! What is inlined is the way through the P's magazine; everything else is one call away and runs on the M's own stack.

use super::mcache::MCache;
use super::mcentral::Central;
use super::mheap::MHeap;
use super::size_class::{NUM_SIZE_CLASSES, class_of};
use super::system::{Locked, RawLock, System};
use super::{Heap, MemStats, Object};
use crate::lock::{Lock, Rank};
use crate::proc::{acquirem, releasem, systemstack};
use crate::{panic, port};
use core::alloc::{GlobalAlloc, Layout};
use core::ptr::copy_nonoverlapping;

// SAFETY: it is the runtime's mutex.
unsafe impl RawLock for Lock {
    #[inline]
    fn lock(&self) {
        Lock::lock(self);
    }
    #[inline]
    fn unlock(&self) {
        Lock::unlock(self);
    }
}

/// The port's memory.
struct PortSystem;

// SAFETY: the port's contract.
unsafe impl System for PortSystem {
    type Lock = Lock;

    fn arena(&self) -> (usize, usize) {
        port::sys_arena()
    }

    fn alloc(&self, bytes: usize, align: usize) -> *mut u8 {
        port::sys_alloc(bytes, align)
    }

    unsafe fn free(&self, p: *mut u8, bytes: usize) {
        // SAFETY: as the caller promises.
        unsafe { port::sys_free(p, bytes) }
    }

    fn systemstack<R>(&self, f: impl FnOnce() -> R) -> R {
        systemstack(f)
    }

    fn misuse(&self, what: &str, ptr: *mut u8) -> ! {
        panic::throw_with(format_args!("heap: {what}: {ptr:p}"))
    }
}

static HEAP: Heap<PortSystem> = Heap::new(
    PortSystem,
    [const { Locked::new(Lock::new(Rank::Mcentral), Central::new()) }; NUM_SIZE_CLASSES],
    Locked::new(Lock::new(Rank::Mheap), MHeap::new()),
);

/// The runtime's heap as Rust's allocator: a program names one as its `#[global_allocator]`.
///
/// Null from `alloc` means that there is no memory. Any thread that has a G, or no G at all, may use it; interrupt handlers may not.
pub struct Allocator;

/// An allocation by a thread without a G: before the first M, or on a thread of the machine's own.
#[cold]
#[inline(never)]
unsafe fn alloc_without_g(layout: Layout) -> *mut u8 {
    // SAFETY: there is no cache to share.
    unsafe { HEAP.alloc(MCache::none(), layout) }
}

/// A free by a thread without a G.
#[cold]
#[inline(never)]
unsafe fn dealloc_without_g(p: *mut u8, layout: Layout) {
    // SAFETY: there is no cache to share; the object is as the caller promises.
    unsafe { HEAP.dealloc(MCache::none(), p, layout) }
}

// SAFETY: objects are disjoint, as large and as aligned as asked for, and stay so until freed (the heap's layers see to it).
unsafe impl GlobalAlloc for Allocator {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: a G that runs has an M, and with the count raised it stays on it, so the M's cache is ours.
        unsafe {
            if port::getg().is_null() {
                return alloc_without_g(layout);
            }
            let gp = acquirem();
            let cache = (*(*gp).m).mcache;
            let class = class_of(layout.size(), layout.align());
            let p = MCache::pop(cache, class);
            // Two ends, so that the compiler knows of this one that the result is not null.
            if !p.is_null() {
                releasem(gp);
                return p;
            }
            let p = HEAP.alloc_slow(cache, class, layout);
            releasem(gp);
            p
        }
    }

    #[inline]
    unsafe fn dealloc(&self, p: *mut u8, layout: Layout) {
        // SAFETY: as in `alloc`; the object is as the caller promises.
        unsafe {
            if port::getg().is_null() {
                return dealloc_without_g(p, layout);
            }
            let gp = acquirem();
            HEAP.dealloc((*(*gp).m).mcache, p, layout);
            releasem(gp);
        }
    }

    #[inline]
    unsafe fn realloc(&self, p: *mut u8, old: Layout, size: usize) -> *mut u8 {
        if HEAP.realloc_in_place(p, old, size) {
            return p;
        }
        // SAFETY: the caller promises that the new layout is valid; the old object is its until it is freed here.
        unsafe {
            let new = self.alloc(Layout::from_size_align_unchecked(size, old.align()));
            if !new.is_null() {
                copy_nonoverlapping(p, new, size.min(old.size()));
                self.dealloc(p, old);
            }
            new
        }
    }
}

/// The heap object that contains `addr`, whether it is live or not.
pub fn find_object(addr: usize) -> Option<Object> {
    HEAP.find_object(addr)
}

/// Puts a cache's objects back into the heap: for a P that is destroyed. Called on g0.
pub fn flush(cache: &mut MCache) {
    cache.flush_all(&HEAP);
}

/// Gives the memory that no object lies in back to the machine; returns how many bytes (Go: `debug.FreeOSMemory`).
pub fn free_os_memory() -> usize {
    systemstack(|| HEAP.release_all())
}

/// Sums the heap's statistics up over the caches of all Ps (Go: `runtime.ReadMemStats`).
///
/// # Safety
/// The caches are not used meanwhile: the world is stopped, or there is only the caller's own.
pub unsafe fn mem_stats<'a>(caches: impl Iterator<Item = &'a MCache>) -> MemStats {
    // SAFETY: as the caller promises.
    systemstack(|| unsafe { HEAP.mem_stats(caches) })
}
