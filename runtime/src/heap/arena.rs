//! From any address to the span that covers it, in two loads (Go: `heapArena.spans`, `spanOf`).
//!
//! The arena is cut into pieces of 64 MiB (Go's `heapArena`); a piece has a table of its pages' spans once the heap owns a page of
//! it. Entries are not cleared when a span dies: spans are type-stable and know whether they cover an address.

use super::size_class::{PAGE_SHIFT, PAGE_SIZE};
use super::span::Span;
use core::ptr::null_mut;
use core::sync::atomic::{AtomicPtr, AtomicUsize, Ordering};

/// Bytes of a piece of the arena (Go: `heapArenaBytes`).
pub(super) const ARENA_BYTES: usize = 64 << 20;
const ARENA_PAGES: usize = ARENA_BYTES / PAGE_SIZE;

/// The spans of the pages of one piece.
pub(super) type SpanTable = [AtomicPtr<Span>; ARENA_PAGES];

/// See the module's text. Readers need no lock; writers hold the page heap's.
pub(super) struct ArenaMap {
    base: AtomicUsize,
    pieces: AtomicUsize,
    tables: AtomicPtr<AtomicPtr<SpanTable>>,
}

impl ArenaMap {
    pub(super) const fn new() -> ArenaMap {
        ArenaMap {
            base: AtomicUsize::new(0),
            pieces: AtomicUsize::new(0),
            tables: AtomicPtr::new(null_mut()),
        }
    }

    /// Bytes that [`ArenaMap::init`] needs for an arena of `bytes` bytes.
    pub(super) fn metadata_bytes(bytes: usize) -> usize {
        bytes.div_ceil(ARENA_BYTES) * size_of::<AtomicPtr<SpanTable>>()
    }

    /// Sets up for the arena of `bytes` bytes from `base` on.
    ///
    /// # Safety
    /// Called once; `memory` is [`ArenaMap::metadata_bytes`] of zeroed memory aligned to 8 that is the map's for ever.
    pub(super) unsafe fn init(&self, memory: *mut u8, base: usize, bytes: usize) {
        self.tables.store(memory.cast(), Ordering::Relaxed);
        self.base.store(base, Ordering::Relaxed);
        // A reader that sees the number of pieces sees the rest.
        self.pieces.store(bytes.div_ceil(ARENA_BYTES), Ordering::Release);
    }

    fn slot(&self, addr: usize) -> Option<&AtomicPtr<SpanTable>> {
        let pieces = self.pieces.load(Ordering::Acquire);
        let i = addr.wrapping_sub(self.base.load(Ordering::Relaxed)) / ARENA_BYTES;
        // SAFETY: `init` provided a slot for each piece.
        (i < pieces).then(|| unsafe { &*self.tables.load(Ordering::Relaxed).add(i) })
    }

    /// Makes sure that the pages of a range have entries; `table` makes a table of zeroes, or null if there is no memory. False in that case.
    pub(super) fn cover(&self, base: usize, bytes: usize, mut table: impl FnMut() -> *mut SpanTable) -> bool {
        let mut addr = base / ARENA_BYTES * ARENA_BYTES;
        while addr < base + bytes {
            let Some(slot) = self.slot(addr.max(base)) else { return false };
            if slot.load(Ordering::Relaxed).is_null() {
                let t = table();
                if t.is_null() {
                    return false;
                }
                // Release: readers find the table's zeroes.
                slot.store(t, Ordering::Release);
            }
            addr += ARENA_BYTES;
        }
        true
    }

    fn entry(&self, addr: usize) -> Option<&AtomicPtr<Span>> {
        let table = self.slot(addr)?.load(Ordering::Acquire);
        // SAFETY: a table, once there, stays; all zeroes are valid entries.
        let table = unsafe { table.as_ref() }?;
        let page = addr.wrapping_sub(self.base.load(Ordering::Relaxed)) >> PAGE_SHIFT;
        Some(&table[page % ARENA_PAGES])
    }

    /// Enters `span` for its pages from the `from`th on.
    pub(super) fn set(&self, span: &'static Span, from: usize) {
        let mut addr = span.base().addr() + from * PAGE_SIZE;
        let end = span.base().addr() + span.npages() * PAGE_SIZE;
        let value = core::ptr::from_ref(span).cast_mut();
        while addr < end {
            let Some(slot) = self.slot(addr) else { return };
            // SAFETY: as in `entry`; `cover` made the table when the heap got the pages.
            let table = unsafe { &*slot.load(Ordering::Relaxed) };
            let first = (addr - self.base.load(Ordering::Relaxed)) / PAGE_SIZE % ARENA_PAGES;
            let n = ((end - addr) / PAGE_SIZE).min(ARENA_PAGES - first);
            for entry in &table[first..first + n] {
                // Release: who finds the span finds its fields.
                entry.store(value, Ordering::Release);
            }
            addr += n * PAGE_SIZE;
        }
    }

    /// The span whose pages `addr` was in last, dead or alive.
    #[inline]
    pub(super) fn span_of(&self, addr: usize) -> Option<&'static Span> {
        let span = self.entry(addr)?.load(Ordering::Acquire);
        // SAFETY: entries are null or point to spans, which are type-stable.
        unsafe { span.as_ref() }
    }
}
