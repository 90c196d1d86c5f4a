//! The page heap: spans from pages, pages from the machine and back (Go: `mheap.go`, `mgcscavenge.go`).
//!
//! Everything here is under one lock, taken once for tens of small objects or for one large object.

use super::arena::{ArenaMap, SpanTable};
use super::fixalloc::{FixAlloc, Persistent};
use super::page_alloc::PageAlloc;
use super::size_class::{CLASS_TO_NPAGES, PAGE_SIZE};
use super::span::{BITS_BYTES, Span, SpanClass, needs_bits};
use super::system::System;

/// Pages asked of the machine at once, if it has them.
const GROW_PAGES: usize = 32;
/// Free pages that the heap keeps however little of it is in use, and how many more it lets gather before it gives the excess back.
const KEEP_PAGES: usize = 256;
const SLACK_PAGES: usize = 256;
/// The part of the pages in use that is kept in free ones.
const KEEP_DIVISOR: usize = 8;

/// See the module's text.
pub(super) struct MHeap {
    /// First address of the arena, where page 0 is; 0 before the first growth.
    base: usize,
    pages: PageAlloc,
    records: Persistent,
    spans: FixAlloc,
    bits: FixAlloc,
    /// Bytes of all magazines.
    magazines: usize,
    /// Most bytes that the heap may have from the machine; `usize::MAX`: all there is.
    limit: usize,
    /// Free pages that are kept for the collector.
    reserve: usize,
    /// Counters of pages and large objects.
    pub(super) stats: PageStats,
}

/// Bytes of the heap's own records.
pub(super) struct RecordBytes {
    /// All, with what lies unused.
    pub(super) sys: usize,
    pub(super) magazines: usize,
    /// Records of spans, with their bits, in use.
    pub(super) spans_in_use: usize,
    /// In use and free.
    pub(super) spans: usize,
}

/// Counters of the page heap.
#[derive(Clone, Copy, Default, Debug)]
pub(super) struct PageStats {
    /// Pages in spans.
    pub(super) in_use: usize,
    /// Pages that went back to the machine, ever.
    pub(super) released: u64,
    pub(super) large_allocs: u64,
    pub(super) large_frees: u64,
    /// Bytes of all large objects allocated and freed, ever.
    pub(super) large_alloc_bytes: u64,
    pub(super) large_free_bytes: u64,
}

impl MHeap {
    pub(super) const fn new() -> MHeap {
        MHeap {
            base: 0,
            pages: PageAlloc::new(),
            records: Persistent::new(),
            spans: FixAlloc::new(size_of::<Span>()),
            bits: FixAlloc::new(BITS_BYTES),
            magazines: 0,
            limit: usize::MAX,
            reserve: 0,
            stats: PageStats {
                in_use: 0,
                released: 0,
                large_allocs: 0,
                large_frees: 0,
                large_alloc_bytes: 0,
                large_free_bytes: 0,
            },
        }
    }

    fn init<S: System>(&mut self, sys: &S, map: &ArenaMap) -> Option<()> {
        let (lo, hi) = sys.arena();
        let base = lo / super::arena::ARENA_BYTES * super::arena::ARENA_BYTES;
        let pages = (hi - base).div_ceil(PAGE_SIZE);
        let tree = PageAlloc::metadata_bytes(pages).next_multiple_of(16);
        let p = self.records.alloc(sys, tree + ArenaMap::metadata_bytes(hi - base));
        if p.is_null() {
            return None;
        }
        // SAFETY: the memory was asked for with these sizes and is never freed; this happens once, under the lock.
        unsafe {
            self.pages.init(p, pages);
            map.init(p.add(tree), base, hi - base);
        }
        self.base = base;
        Some(())
    }

    fn ptr(&self, page: usize) -> *mut u8 {
        core::ptr::with_exposed_provenance_mut(self.base + page * PAGE_SIZE)
    }

    fn page(&self, p: *mut u8) -> usize {
        (p.addr() - self.base) / PAGE_SIZE
    }

    /// Bytes that the heap may still get from the machine.
    fn room(&self) -> usize {
        self.limit
            .saturating_sub((self.stats.in_use + self.pages.free_pages()) * PAGE_SIZE + self.records.sys)
    }

    /// Sets the memory limit in bytes; returns the old one. Above it already, the heap gives back what it can.
    pub(super) fn set_limit<S: System>(&mut self, sys: &S, limit: usize) -> usize {
        let old = core::mem::replace(&mut self.limit, limit);
        if self.room() == 0 {
            self.release(sys, 0);
        }
        old
    }

    /// The memory limit in bytes.
    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    /// Gets at least `n` pages in a row from the machine, aligned to `align` pages; they are free pages of the heap then.
    /// Returns the first. At the memory limit, other free pages go back first.
    fn grow<S: System>(&mut self, sys: &S, map: &ArenaMap, n: usize, align: usize) -> Option<usize> {
        if self.base == 0 {
            self.init(sys, map)?;
        }
        let align = align * PAGE_SIZE;
        let mut bytes = n.max(GROW_PAGES) * PAGE_SIZE;
        if bytes > self.room() {
            self.release(sys, 0);
            bytes = n * PAGE_SIZE;
            if bytes > self.room() {
                return None;
            }
        }
        let mut p = sys.alloc(bytes, align);
        if p.is_null() && n * PAGE_SIZE < bytes {
            bytes = n * PAGE_SIZE;
            p = sys.alloc(bytes, align);
        }
        if p.is_null() {
            return None;
        }
        let covered = map
            .cover(p.expose_provenance(), bytes, || self.records.alloc(sys, size_of::<SpanTable>()).cast());
        if !covered {
            // SAFETY: just allocated, and nothing uses it.
            unsafe { sys.free(p, bytes) };
            return None;
        }
        let page = self.page(p);
        self.pages.free(page, bytes / PAGE_SIZE);
        Some(page)
    }

    /// Takes `n` pages in a row aligned to `align` pages.
    fn alloc_pages<S: System>(&mut self, sys: &S, map: &ArenaMap, n: usize, align: usize) -> Option<usize> {
        if align == 1 {
            return self.pages.alloc(n).or_else(|| {
                self.grow(sys, map, n, 1)?;
                self.pages.alloc(n)
            });
        }
        // A run so long that it contains an aligned one, whose ends are free again then.
        if let Some(run) = self.pages.alloc(n + align - 1) {
            // Alignment is that of the address, not of the page's number.
            let first = self.base / PAGE_SIZE;
            let page = (first + run).next_multiple_of(align) - first;
            let tail = run + align - 1 - page;
            if page > run {
                self.pages.free(run, page - run);
            }
            if tail > 0 {
                self.pages.free(page + n, tail);
            }
            return Some(page);
        }
        let page = self.grow(sys, map, n, align)?;
        self.pages.alloc_at(page, n).then_some(page)
    }

    /// A span of owned objects of a class; for class 0 of `npages` pages aligned to `align` pages, otherwise both follow from the class.
    pub(super) fn alloc_span<S: System>(
        &mut self,
        sys: &S,
        map: &ArenaMap,
        class: SpanClass,
        npages: usize,
        align: usize,
    ) -> Option<&'static Span> {
        let c = class.size_class();
        let npages = if c == 0 { npages } else { usize::from(CLASS_TO_NPAGES[c]) };
        let span = self.spans.alloc(sys, &mut self.records).cast::<Span>();
        let bits = match needs_bits(c) {
            true => self.bits.alloc(sys, &mut self.records).cast::<u64>(),
            false => core::ptr::NonNull::dangling().as_ptr(),
        };
        if !span.is_null()
            && !bits.is_null()
            && let Some(page) = self.alloc_pages(sys, map, npages, align)
        {
            // SAFETY: a record for a span, never used as anything else; all zeroes are a dead span, and the list's link that a freed record
            // has in its first word is a span or null.
            let span = unsafe { &*span };
            span.init(self.ptr(page), npages, class, bits);
            map.set(span, 0);
            self.stats.in_use += npages;
            return Some(span);
        }
        // SAFETY: the records are not used.
        unsafe {
            if needs_bits(c) && !bits.is_null() {
                self.bits.free(bits.cast());
            }
            if !span.is_null() {
                self.spans.free(span.cast());
            }
        }
        None
    }

    /// Frees a span and its pages, and gives pages back to the machine if many are free.
    ///
    /// # Safety
    /// The span is in use, on no list, and its objects are not used any more.
    pub(super) unsafe fn free_span<S: System>(&mut self, sys: &S, span: &'static Span) {
        let n = span.npages();
        self.stats.in_use -= n;
        self.pages.free(self.page(span.base()), n);
        let bits = span.kill();
        // SAFETY: the records were the span's, which is dead; a dead span's links are not used.
        unsafe {
            if !bits.is_null() {
                self.bits.free(bits.cast());
            }
            self.spans.free(core::ptr::from_ref(span).cast_mut().cast());
        }
        self.trim(sys);
    }

    /// Takes a run of pages that has no span; null if there is no memory.
    pub(super) fn alloc_run<S: System>(&mut self, sys: &S, map: &ArenaMap, npages: usize) -> *mut u8 {
        match self.alloc_pages(sys, map, npages, 1) {
            Some(page) => {
                self.stats.in_use += npages;
                self.ptr(page)
            }
            None => core::ptr::null_mut(),
        }
    }

    /// Frees runs of pages, keeps `reserve` free pages from now on, and gives back what is too much.
    ///
    /// # Safety
    /// Each came whole from [`MHeap::alloc_run`] and is not used any more.
    pub(super) unsafe fn free_runs<S: System>(
        &mut self,
        sys: &S,
        runs: impl Iterator<Item = (*mut u8, usize)>,
        reserve: usize,
    ) {
        for (p, npages) in runs {
            self.stats.in_use -= npages;
            self.pages.free(self.page(p), npages);
        }
        self.reserve = reserve;
        self.trim(sys);
    }

    /// Makes a large object's span `npages` long without moving it, if the pages behind it allow.
    pub(super) fn resize<S: System>(
        &mut self,
        sys: &S,
        map: &ArenaMap,
        span: &'static Span,
        npages: usize,
    ) -> bool {
        let old = span.npages();
        let page = self.page(span.base());
        if npages > old {
            if !self.pages.alloc_at(page + old, npages - old) {
                return false;
            }
            span.resize(npages);
            map.set(span, old);
        } else if npages < old {
            span.resize(npages);
            self.pages.free(page + npages, old - npages);
        }
        self.stats.in_use = self.stats.in_use + npages - old;
        self.trim(sys);
        true
    }

    fn trim<S: System>(&mut self, sys: &S) {
        let keep = KEEP_PAGES.max(self.stats.in_use / KEEP_DIVISOR).max(self.reserve);
        if self.pages.free_pages() > keep + SLACK_PAGES {
            self.release(sys, keep);
        }
    }

    /// Gives free pages back to the machine, highest first, until `keep` are left. Returns how many.
    pub(super) fn release<S: System>(&mut self, sys: &S, keep: usize) -> usize {
        let mut released = 0;
        while self.pages.free_pages() > keep
            && let Some(run) = self.pages.take_highest(self.pages.free_pages() - keep)
        {
            // SAFETY: the pages came from the machine, are free, and are now not the heap's any more.
            unsafe { sys.free(self.ptr(run.start), run.len() * PAGE_SIZE) };
            released += run.len();
        }
        self.stats.released += released as u64;
        released
    }

    /// Memory for a magazine, zeroed, for ever; null if there is none.
    pub(super) fn alloc_magazine<S: System>(&mut self, sys: &S, bytes: usize) -> *mut u8 {
        let p = self.records.alloc(sys, bytes);
        self.magazines += if p.is_null() { 0 } else { bytes };
        p
    }

    /// Free pages.
    pub(super) fn free_pages(&self) -> usize {
        self.pages.free_pages()
    }

    /// Bytes of the heap's own records.
    pub(super) fn record_bytes(&self) -> RecordBytes {
        let ((spans, spans_made), (bits, bits_made)) = (self.spans.bytes(), self.bits.bytes());
        RecordBytes {
            sys: self.records.sys,
            magazines: self.magazines,
            spans_in_use: spans + bits,
            spans: spans_made + bits_made,
        }
    }
}
