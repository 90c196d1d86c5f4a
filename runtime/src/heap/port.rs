//! The heap over the port, as Rust's allocator.
//!
//! What is inlined is the way through the P's magazine; everything else is one call away and runs on the M's own stack.

use super::mcache::MCache;
use super::mcentral::Central;
use super::mheap::MHeap;
use super::size_class::{NUM_SIZE_CLASSES, class_of};
use super::system::{Locked, RawLock, System};
use super::{Heap, MemStats, Object, checks};
use crate::lock::{Lock, Rank};
use crate::proc::{acquirem, caches, releasem, shrink_stacks, systemstack};
use crate::{panic, port};
use core::alloc::{GlobalAlloc, Layout};
use core::fmt;
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
pub(crate) struct PortSystem;

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

pub(crate) static HEAP: Heap<PortSystem> = Heap::new(
    PortSystem,
    [const { Locked::new(Lock::new(Rank::Mcentral), Central::new()) }; NUM_SIZE_CLASSES],
    Locked::new(Lock::new(Rank::Mheap), MHeap::new()),
);

/// The runtime's heap as Rust's allocator: a program names one as its `#[global_allocator]`.
///
/// Null from `alloc` means that there is no memory. Any thread that has a G, or no G at all, may use it; interrupt handlers may not.
pub struct Allocator;

/// The cache of the current M, which is not preempted while `f` has it; [`MCache::none`] for a thread without a G.
fn with_cache<R>(f: impl FnOnce(*mut MCache) -> R) -> R {
    if port::getg().is_null() {
        return f(MCache::none());
    }
    let gp = acquirem();
    // SAFETY: a G that runs has an M.
    let r = f(unsafe { (*(*gp).m).mcache });
    releasem(gp);
    r
}

/// An allocation when the magazine is empty, or there is none (a thread without a G: before the first M, or of the machine's own), or
/// everything is checked. With few arguments and alone on its path: it is inlined everywhere.
#[cold]
#[inline(never)]
fn alloc_slow(layout: Layout) -> *mut u8 {
    if checks::on() {
        return checks::alloc(layout);
    }
    // SAFETY: `with_cache` gives the cache that is ours.
    with_cache(|cache| unsafe { HEAP.alloc(cache, layout) })
}

/// A free when the magazine is full, and otherwise as [`alloc_slow`].
///
/// # Safety
/// As `GlobalAlloc::dealloc`.
#[cold]
#[inline(never)]
unsafe fn dealloc_slow(p: *mut u8, layout: Layout) {
    // SAFETY: as the caller promises; `with_cache` gives the cache that is ours.
    unsafe {
        if checks::on() {
            return checks::dealloc(p, layout);
        }
        with_cache(|cache| HEAP.dealloc(cache, p, layout));
    }
}

/// An object that does not go through a magazine, for [`checks`].
pub(super) fn alloc_unchecked(layout: Layout) -> *mut u8 {
    // SAFETY: there is no cache to share.
    unsafe { HEAP.alloc(MCache::none(), layout) }
}

/// Frees what [`alloc_unchecked`] returned.
///
/// # Safety
/// As `GlobalAlloc::dealloc`.
pub(super) unsafe fn dealloc_unchecked(p: *mut u8, layout: Layout) {
    // SAFETY: there is no cache to share; the object is as the caller promises.
    unsafe { HEAP.dealloc(MCache::none(), p, layout) }
}

// SAFETY: objects are disjoint, as large and as aligned as asked for, and stay so until freed (the heap's layers see to it).
unsafe impl GlobalAlloc for Allocator {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if !port::getg().is_null() {
            let gp = acquirem();
            // SAFETY: a G that runs has an M, and with the count raised it stays on it, so the M's cache is ours.
            let p = unsafe { MCache::pop((*(*gp).m).mcache, class_of(layout.size(), layout.align())) };
            releasem(gp);
            if !p.is_null() {
                return p;
            }
        }
        alloc_slow(layout)
    }

    #[inline]
    unsafe fn dealloc(&self, p: *mut u8, layout: Layout) {
        if !port::getg().is_null() {
            let gp = acquirem();
            // SAFETY: as in `alloc`; the object is as the caller promises.
            let kept = unsafe { MCache::push((*(*gp).m).mcache, class_of(layout.size(), layout.align()), p) };
            releasem(gp);
            if kept {
                return;
            }
        }
        // SAFETY: as the caller promises.
        unsafe { dealloc_slow(p, layout) }
    }

    #[inline]
    unsafe fn realloc(&self, p: *mut u8, old: Layout, size: usize) -> *mut u8 {
        // A checked object's zones follow its size.
        if !checks::on() && HEAP.realloc_in_place(p, old, size) {
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
pub(super) fn find_object(addr: usize) -> Option<Object> {
    HEAP.find_object(addr)
}

/// Puts a cache's objects back into the heap: for a P that is destroyed. Called on g0.
pub fn flush(cache: &mut MCache) {
    cache.flush_all(&HEAP);
}

/// Gives the memory that no object lies in, and what parked goroutines no longer use of their stacks, back to the machine; returns how many
/// bytes (Go: `debug.FreeOSMemory`).
pub fn free_os_memory() -> usize {
    systemstack(|| HEAP.release_all()) + shrink_stacks()
}

/// Go's `runtime.ReadMemStats`, without stopping anything: a moment's figures, see [`MemStats`].
pub fn mem_stats() -> MemStats {
    systemstack(|| {
        let mut stats = HEAP.mem_stats(caches());
        let (in_use, kept) = port::stack_usage();
        stats.stack_inuse = in_use as u64;
        stats.stack_sys = (in_use + kept) as u64;
        stats.sys += stats.stack_sys;
        stats
    })
}

/// Sets how many bytes of memory the heap may have, its records included; returns what it was (Go: `debug.SetMemoryLimit`).
///
/// Unlike Go's it is hard: the heap gives free pages back rather than exceed it, and allocations beyond it fail. `usize::MAX`: no limit.
pub fn set_memory_limit(bytes: usize) -> usize {
    systemstack(|| HEAP.set_memory_limit(bytes))
}

/// How many bytes of memory the heap may have.
pub fn memory_limit() -> usize {
    systemstack(|| HEAP.memory_limit())
}

/// What the heap holds, for a report that ends the program: to be printed when it has begun.
pub(super) struct Usage;

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // SAFETY: the report has begun, so no other core runs.
        unsafe { HEAP.print_usage(f, caches()) }
    }
}
