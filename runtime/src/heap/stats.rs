//! Statistics of the heap, under Go's names (Go: `MemStats` in `mstats.go`).

use super::Heap;
use super::mcache::MCache;
use super::size_class::{CLASS_TO_SIZE, NUM_SIZE_CLASSES, PAGE_SIZE};
use super::system::System;

/// Counts of a size class.
#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub struct BySize {
    /// Bytes of an object.
    pub size: u32,
    /// Objects allocated, ever.
    pub mallocs: u64,
    /// Objects freed, ever.
    pub frees: u64,
}

/// Statistics of the heap; all sizes in bytes.
#[derive(Clone, Debug)]
pub struct MemStats {
    /// Bytes of live objects, rounded up to their size classes.
    pub heap_alloc: u64,
    /// Bytes of all objects allocated, ever.
    pub total_alloc: u64,
    /// Objects allocated and freed, ever, and live.
    pub mallocs: u64,
    /// See `mallocs`.
    pub frees: u64,
    /// See `mallocs`.
    pub heap_objects: u64,
    /// Memory from the machine that objects use or can use.
    pub heap_sys: u64,
    /// The part of it in spans.
    pub heap_inuse: u64,
    /// The part of it in free pages.
    pub heap_idle: u64,
    /// Bytes given back to the machine, ever (unlike Go's, not a part of `heap_idle`: the heap has these pages no more).
    pub heap_released: u64,
    /// The heap's own records: spans, bitmaps, magazines.
    pub mspan_sys: u64,
    /// By size class; class 0 is large objects, whose size is given as 0.
    pub by_size: [BySize; NUM_SIZE_CLASSES],
}

impl<S: System> Heap<S> {
    /// Sums the statistics up. `caches` are those of all Ps.
    ///
    /// Counting costs an allocation one instruction; frees follow from what is live. Exact if the Ps stand still.
    ///
    /// # Safety
    /// The caches are not used meanwhile: the world is stopped, or there is only the caller's own.
    pub unsafe fn mem_stats<'a>(&self, caches: impl Iterator<Item = &'a MCache>) -> MemStats {
        let mut cached = [0; NUM_SIZE_CLASSES];
        let mut by_size = [BySize::default(); NUM_SIZE_CLASSES];
        for cache in caches {
            for class in 1..NUM_SIZE_CLASSES {
                let (len, allocs) = cache.counts(class);
                cached[class] += len as u64;
                by_size[class].mallocs += allocs;
            }
        }
        let (mut heap_alloc, mut total_alloc) = (0, 0);
        for class in 1..NUM_SIZE_CLASSES {
            let b = &mut by_size[class];
            let central = self.central[class].lock();
            b.size = u32::from(CLASS_TO_SIZE[class]);
            b.mallocs += central.allocs;
            let live = central.out as u64 - cached[class];
            b.frees = b.mallocs - live;
            heap_alloc += live * u64::from(b.size);
            total_alloc += b.mallocs * u64::from(b.size);
        }
        let heap = self.mheap.lock();
        let pages = heap.stats;
        by_size[0] = BySize { size: 0, mallocs: pages.large_allocs, frees: pages.large_frees };
        heap_alloc += pages.large_alloc_bytes - pages.large_free_bytes;
        total_alloc += pages.large_alloc_bytes;
        let (mallocs, frees) = by_size.iter().fold((0, 0), |(m, f), b| (m + b.mallocs, f + b.frees));
        let (heap_inuse, heap_idle) = (bytes(pages.in_use), bytes(heap.free_pages()));
        MemStats {
            heap_alloc,
            total_alloc,
            mallocs,
            frees,
            heap_objects: mallocs - frees,
            heap_sys: heap_inuse + heap_idle,
            heap_inuse,
            heap_idle,
            heap_released: pages.released * PAGE_SIZE as u64,
            mspan_sys: heap.record_bytes() as u64,
            by_size,
        }
    }
}

fn bytes(pages: usize) -> u64 {
    (pages * PAGE_SIZE) as u64
}
