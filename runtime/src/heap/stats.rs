//! Statistics of the heap, under Go's names (Go: `MemStats` in `mstats.go`).
//!
//! Go stops the world to read them. Here nothing stops: each P counts for itself, and who reads adds up what the Ps have counted so far.
//! The figures are a moment's: with other Ps at work two of them may not fit together (an object seen as allocated may be
//! counted as live and cached at once), by as much as was done while they were read. They are exact when the other Ps rest.

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

/// Go's `MemStats`, as far as there is what they count; all sizes in bytes. See the module's text for how exact they are.
#[derive(Clone, Debug)]
pub struct MemStats {
    /// The same as `heap_alloc`.
    pub alloc: u64,
    /// Bytes of all objects allocated, ever.
    pub total_alloc: u64,
    /// Memory from the machine: the sum of all the `_sys` below.
    pub sys: u64,
    /// Objects allocated, ever.
    pub mallocs: u64,
    /// Objects freed, ever.
    pub frees: u64,
    /// Bytes of live objects, rounded up to their size classes.
    pub heap_alloc: u64,
    /// Pages from the machine.
    pub heap_sys: u64,
    /// Those of them that are free.
    pub heap_idle: u64,
    /// Those of them in spans.
    pub heap_inuse: u64,
    /// Bytes given back to the machine, ever (unlike Go's, not a part of `heap_idle`: the heap has these pages no more).
    pub heap_released: u64,
    /// Live objects.
    pub heap_objects: u64,
    /// Memory of goroutines' stacks.
    pub stack_inuse: u64,
    /// That, and what is kept for new stacks.
    pub stack_sys: u64,
    /// Records of spans in use.
    pub mspan_inuse: u64,
    /// Records of spans, in use and free.
    pub mspan_sys: u64,
    /// The Ps' magazines.
    pub mcache_inuse: u64,
    /// The same: magazines are kept.
    pub mcache_sys: u64,
    /// The tree of free pages, the tables of spans, and what lies between records.
    pub other_sys: u64,
    /// By size class; class 0 is large objects, whose size is given as 0.
    pub by_size: [BySize; NUM_SIZE_CLASSES],
}

impl<S: System> Heap<S> {
    /// Sums the statistics up, those of stacks left out; `caches` are those of all Ps.
    ///
    /// Counting costs an allocation one instruction; frees follow from what is live.
    pub fn mem_stats<'a>(&self, caches: impl Iterator<Item = &'a MCache>) -> MemStats {
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
            let live = (central.out as u64).saturating_sub(cached[class]).min(b.mallocs);
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
        let records = heap.record_bytes();
        MemStats {
            alloc: heap_alloc,
            total_alloc,
            sys: heap_inuse + heap_idle + records.sys as u64,
            mallocs,
            frees,
            heap_alloc,
            heap_sys: heap_inuse + heap_idle,
            heap_idle,
            heap_inuse,
            heap_released: pages.released * PAGE_SIZE as u64,
            heap_objects: mallocs - frees,
            stack_inuse: 0,
            stack_sys: 0,
            mspan_inuse: records.spans_in_use as u64,
            mspan_sys: records.spans as u64,
            mcache_inuse: records.magazines as u64,
            mcache_sys: records.magazines as u64,
            other_sys: (records.sys - records.spans - records.magazines) as u64,
            by_size,
        }
    }
}

fn bytes(pages: usize) -> u64 {
    (pages * PAGE_SIZE) as u64
}
