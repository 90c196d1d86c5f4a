//! The heap: Go's allocator as Rust's (Go: `malloc.go`).
//!
//! # Problem
//! Rust frees what it allocates, at once and on any core, with the size in hand; Go's allocator expects a collector to free
//! whole spans at a time. An allocation and its free are to cost less than 45 instructions together, nothing may be shared between Ps on that
//! path, memory must flow back from the P that frees to the P that allocates, and from the heap to the frames that everything else needs. And
//! a collector will come, which has to find the object behind any pointer.
//!
//! # Layers
//! | layer | holds | guarded by | file |
//! |---|---|---|---|
//! | [`MCache`], one a P | a magazine of free objects for each size class | preemption off | `mcache.rs` |
//! | `Central`, one a span class | spans that have objects in them | its lock | `mcentral.rs` |
//! | `MHeap` | free pages; the machine's memory comes and goes here | its lock | `mheap.rs`, `page_alloc.rs` |
//!
//! 1. `alloc` takes the last object of the P's magazine of the class (67 classes up to 32 KiB, `size_class.rs`).
//! 2. The magazine is empty: half of it is filled from spans of the central list, under its lock. The spans are out of objects: a new
//!    one is made of pages. There are no pages: the machine is asked for more.
//! 3. `dealloc` puts the object into the magazine of its own P, whoever allocated it. The class follows from the layout; the span is not looked up.
//! 4. The magazine is full: the older half goes back into the spans they came from, found by address (`arena.rs`). An empty span's
//!    pages go back to the page heap, which keeps an eighth of what is in use and gives the rest to the machine.
//! 5. Larger objects are spans of their own, under the page heap's lock.
//!
//! # Rejected
//! - *Spans owned by a P* (Go, mimalloc): a free on another P must then send the object home by an atomic list in the span, and every free must
//!   look its span up to learn whose it is. With the layout at hand a free needs neither.
//! - *A tiny allocator* (Go: several objects of less than 16 B without pointers share one block). The block is free when all are, which Go's collector sees
//!   and an owner's free does not, unless each block had a count and each free a lookup. Owned objects have a class of 8 B instead. It is for
//!   collected memory, to come with the collector.
//! - *Zeroing in advance.* The machine's memory may hold anything; only `alloc_zeroed` clears, just the bytes asked for.
//!
//! # Out of memory
//! Before an allocation fails, spans that central lists keep in reserve are freed and all free pages go to the machine, which may join them to its own.
//! Then null is returned; the caller's `handle_alloc_error` reports.

mod arena;
mod checks;
mod debug;
mod env;
pub(crate) mod fixalloc;
#[cfg(all(feature = "kernel-tests", not(test)))]
mod machine_tests;
mod mcache;
mod mcentral;
mod mheap;
mod oom;
mod page_alloc;
mod page_bits;
pub(crate) mod port;
pub(crate) mod size_class;
mod span;
mod stats;
pub(crate) mod system;
#[cfg(test)]
pub(crate) mod tests;

pub(crate) use checks::{main_begins, on_goroutine, program_ends};
pub use env::EnvError;
pub(crate) use env::init;
pub use mcache::MCache;
pub(crate) use oom::check as check_out_of_memory;
pub use port::{Allocator, flush, free_os_memory, mem_stats, memory_limit, set_memory_limit};
pub use size_class::{NUM_SIZE_CLASSES, PAGE_SIZE};
pub use span::{Object, Span, SpanClass, SpanState};
pub use stats::{BySize, MemStats};
pub use system::{RawLock, System};

use arena::ArenaMap;
use core::alloc::Layout;
use core::ptr::null_mut;
use mcentral::Central;
use mheap::MHeap;
use system::Locked;

/// The heap, without the Ps' caches; see the module's text.
pub struct Heap<S: System> {
    sys: S,
    map: ArenaMap,
    central: [Locked<S::Lock, Central>; NUM_SIZE_CLASSES],
    mheap: Locked<S::Lock, MHeap>,
}

/// Pages of an object that has no class.
fn large_pages(size: usize) -> usize {
    size.max(1).div_ceil(PAGE_SIZE)
}

impl<S: System> Heap<S> {
    /// A heap without memory over free locks.
    const fn new(
        sys: S,
        central: [Locked<S::Lock, Central>; NUM_SIZE_CLASSES],
        mheap: Locked<S::Lock, MHeap>,
    ) -> Heap<S> {
        Heap { sys, map: ArenaMap::new(), central, mheap }
    }

    /// An object of a layout, with any contents; null if there is no memory.
    ///
    /// # Safety
    /// `cache` is this M's, which is not preempted, or [`MCache::none`].
    #[inline(always)]
    pub unsafe fn alloc(&self, cache: *mut MCache, layout: Layout) -> *mut u8 {
        let class = size_class::class_of(layout.size(), layout.align());
        // SAFETY: as the caller promises.
        unsafe {
            let p = MCache::pop(cache, class);
            if p.is_null() { self.alloc_slow(cache, class, layout) } else { p }
        }
    }

    /// Frees an object.
    ///
    /// # Safety
    /// `cache` as in [`Heap::alloc`]; `p` is an object allocated with this layout that is not used any more.
    #[inline(always)]
    pub unsafe fn dealloc(&self, cache: *mut MCache, p: *mut u8, layout: Layout) {
        let class = size_class::class_of(layout.size(), layout.align());
        // SAFETY: as the caller promises.
        unsafe {
            if !MCache::push(cache, class, p) {
                self.dealloc_slow(cache, class, p);
            }
        }
    }

    /// Whether an object allocated with `old` holds `size` bytes where it is, if need be after pages were added to or taken from it.
    #[inline]
    pub fn realloc_in_place(&self, p: *mut u8, old: Layout, size: usize) -> bool {
        let class = size_class::class_of(old.size(), old.align());
        if size_class::class_of(size, old.align()) != class {
            return false;
        }
        class != 0 || large_pages(size) == large_pages(old.size()) || self.resize_large(p, size)
    }

    /// The magazine of `class` is empty, or there is none, or (`class` 0) the object is large.
    ///
    /// # Safety
    /// As [`Heap::alloc`].
    #[cold]
    #[inline(never)]
    unsafe fn alloc_slow(&self, cache: *mut MCache, class: usize, layout: Layout) -> *mut u8 {
        let attempt = || match class {
            0 => self.alloc_large(layout),
            _ if MCache::is_none(cache) => self.alloc_central(class),
            // SAFETY: as the caller promises.
            _ => unsafe { (*cache).refill(self, class) },
        };
        self.sys.systemstack(|| {
            let p = attempt();
            if !p.is_null() {
                return p;
            }
            self.release_all();
            attempt()
        })
    }

    /// The magazine of `class` is full, or there is none, or (`class` 0) the object is large.
    ///
    /// # Safety
    /// As [`Heap::dealloc`].
    #[cold]
    #[inline(never)]
    unsafe fn dealloc_slow(&self, cache: *mut MCache, class: usize, p: *mut u8) {
        // SAFETY: as the caller promises.
        self.sys.systemstack(|| unsafe {
            match class {
                0 => self.dealloc_large(p),
                _ if MCache::is_none(cache) => self.dealloc_central(class, p),
                _ => (*cache).flush(self, class, p),
            }
        });
    }

    fn alloc_span(&self, class: SpanClass) -> Option<&'static Span> {
        self.mheap.lock().alloc_span(&self.sys, &self.map, class, 0, 1)
    }

    /// # Safety
    /// The span is in use, on no list, and its objects are not used any more.
    unsafe fn free_span(&self, span: &'static Span) {
        // SAFETY: as the caller promises.
        unsafe { self.mheap.lock().free_span(&self.sys, span) };
    }

    /// Free pages.
    pub(crate) fn idle_pages(&self) -> usize {
        self.mheap.lock().free_pages()
    }

    /// The machine under the heap.
    pub(crate) fn sys(&self) -> &S {
        &self.sys
    }

    /// `npages` pages in a row with any contents, for objects that this heap does not know: the
    /// collector's. Null if there is no memory. On a stack that is fully backed, with no lock held.
    pub(crate) fn alloc_pages(&self, npages: usize) -> *mut u8 {
        let attempt = || self.mheap.lock().alloc_run(&self.sys, &self.map, npages);
        let p = attempt();
        if !p.is_null() {
            return p;
        }
        self.release_all();
        attempt()
    }

    /// Frees runs of pages under one lock. Of free pages at least `reserve` stay with the heap from
    /// now on: the collector will want them before its next cycle.
    ///
    /// # Safety
    /// Each run came whole from [`Heap::alloc_pages`] and is not used any more.
    pub(crate) unsafe fn free_pages(&self, runs: impl Iterator<Item = (*mut u8, usize)>, reserve: usize) {
        // SAFETY: as the caller promises.
        unsafe { self.mheap.lock().free_runs(&self.sys, runs, reserve) };
    }

    fn alloc_magazine(&self, bytes: usize) -> *mut u8 {
        self.mheap.lock().alloc_magazine(&self.sys, bytes)
    }

    /// Sets how many bytes the heap may have from the machine; returns what it was.
    pub fn set_memory_limit(&self, limit: usize) -> usize {
        self.mheap.lock().set_limit(&self.sys, limit)
    }

    /// How many bytes the heap may have from the machine.
    pub fn memory_limit(&self) -> usize {
        self.mheap.lock().limit()
    }

    /// An object of a class without a magazine.
    fn alloc_central(&self, class: usize) -> *mut u8 {
        let mut one = [null_mut()];
        let mut central = self.central[class].lock();
        central.allocs += central.take(self, class, &mut one) as u64;
        one[0]
    }

    /// # Safety
    /// `p` is an object of the class that is not used any more.
    unsafe fn dealloc_central(&self, class: usize, p: *mut u8) {
        // SAFETY: as the caller promises.
        unsafe { self.central[class].lock().put(self, class, &[p]) };
    }

    fn alloc_large(&self, layout: Layout) -> *mut u8 {
        let npages = large_pages(layout.size());
        let align = layout.align().div_ceil(PAGE_SIZE);
        let mut heap = self.mheap.lock();
        match heap.alloc_span(&self.sys, &self.map, SpanClass::new(0, true), npages, align) {
            Some(span) => {
                heap.stats.large_allocs += 1;
                heap.stats.large_alloc_bytes += span.elem_size() as u64;
                span.base()
            }
            None => null_mut(),
        }
    }

    /// The span of a large object.
    fn large_span(&self, p: *mut u8) -> &'static Span {
        match self.map.span_of(p.addr()) {
            Some(span)
                if span.state() == SpanState::Manual
                    && span.class().size_class() == 0
                    && span.base() == p =>
            {
                span
            }
            _ => self.sys.misuse("free of a pointer that is no large object", p),
        }
    }

    /// # Safety
    /// `p` is a large object that is not used any more.
    unsafe fn dealloc_large(&self, p: *mut u8) {
        let mut heap = self.mheap.lock();
        let span = self.large_span(p);
        heap.stats.large_frees += 1;
        heap.stats.large_free_bytes += span.elem_size() as u64;
        // SAFETY: a large object's span is on no list.
        unsafe { heap.free_span(&self.sys, span) };
    }

    /// Makes a large object hold `size` bytes where it is. False if it cannot.
    #[cold]
    #[inline(never)]
    fn resize_large(&self, p: *mut u8, size: usize) -> bool {
        self.sys.systemstack(|| {
            let mut heap = self.mheap.lock();
            let span = self.large_span(p);
            let old = span.elem_size() as u64;
            let resized = heap.resize(&self.sys, &self.map, span, large_pages(size));
            if resized {
                heap.stats.large_free_bytes += old;
                heap.stats.large_alloc_bytes += span.elem_size() as u64;
            }
            resized
        })
    }

    /// The object that contains `addr`, whether it is live or not.
    pub fn find_object(&self, addr: usize) -> Option<Object> {
        self.map.span_of(addr)?.object_of(addr)
    }

    /// Gives all pages that no object (live, or free in a magazine) lies in back to the machine; returns how many bytes.
    pub fn release_all(&self) -> usize {
        for central in &self.central[1..] {
            central.lock().reclaim(self);
        }
        self.mheap.lock().release(&self.sys, 0) * PAGE_SIZE
    }
}
