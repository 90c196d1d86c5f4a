//! From any address to the span of its page, in one load.
//!
//! A flat table with a word for each page of the machine's arena: a thousandth of it, reserved when the
//! first span is made. The owned heap's map by pieces costs a load more for each pointer, and what it
//! knows of owned memory the collector would have to filter.
//!
//! Entries are not cleared when a span dies: records are type-stable, and a span knows whether an
//! address is in it. A page of owned memory has no entry, or the one of a span that was there.

use super::span::Span;
use crate::heap::PAGE_SIZE;
use core::ptr::null_mut;
use core::sync::atomic::{AtomicPtr, AtomicUsize, Ordering::Relaxed};

/// Pages as a power of two bytes.
const PAGE_SHIFT: u32 = PAGE_SIZE.trailing_zeros();

/// See the module's text.
pub(super) struct Table {
    entries: AtomicPtr<*const Span>,
    /// First address of the arena.
    base: AtomicUsize,
    /// All spans there ever were lie in `lo..hi`.
    lo: AtomicUsize,
    hi: AtomicUsize,
}

/// A copy of what a marker looks at for each pointer.
#[derive(Clone, Copy)]
pub(super) struct View {
    entries: *const *const Span,
    base: usize,
    lo: usize,
    len: usize,
}

impl Table {
    pub(super) const fn new() -> Table {
        Table {
            entries: AtomicPtr::new(null_mut()),
            base: AtomicUsize::new(0),
            lo: AtomicUsize::new(usize::MAX),
            hi: AtomicUsize::new(0),
        }
    }

    pub(super) fn is_made(&self) -> bool {
        !self.entries.load(Relaxed).is_null()
    }

    /// Bytes for an arena.
    pub(super) fn bytes((lo, hi): (usize, usize)) -> usize {
        (hi - lo / PAGE_SIZE * PAGE_SIZE).div_ceil(PAGE_SIZE) * size_of::<*const Span>()
    }

    /// Gives it its memory.
    ///
    /// # Safety
    /// Once, under a lock; `memory` is as many zeroes as [`Table::bytes`] says, for ever.
    pub(super) unsafe fn init(&self, memory: *mut u8, (lo, _): (usize, usize)) {
        self.base.store(lo / PAGE_SIZE * PAGE_SIZE, Relaxed);
        self.entries.store(memory.cast(), Relaxed);
    }

    /// Enters a span for its pages.
    pub(super) fn set(&self, span: &'static Span) {
        let (base, n) = (span.base.get(), span.npages.get() as usize);
        let first = (base - self.base.load(Relaxed)) >> PAGE_SHIFT;
        for page in first..first + n {
            // SAFETY: the span's pages lie in the arena.
            unsafe { self.entries.load(Relaxed).add(page).write_volatile(span) };
        }
        self.lo.fetch_min(base, Relaxed);
        self.hi.fetch_max(base + n * PAGE_SIZE, Relaxed);
    }

    pub(super) fn view(&self) -> View {
        let (lo, hi) = (self.lo.load(Relaxed), self.hi.load(Relaxed));
        View {
            entries: self.entries.load(Relaxed),
            base: self.base.load(Relaxed),
            lo,
            len: hi.saturating_sub(lo),
        }
    }
}

impl View {
    /// Whether `addr` may be in a span at all: nearly all that is not a pointer is not.
    #[inline(always)]
    pub(super) fn in_range(&self, addr: usize) -> bool {
        addr.wrapping_sub(self.lo) < self.len
    }

    /// The span of the page of an address in range; null if there never was one.
    #[inline(always)]
    pub(super) fn entry(&self, addr: usize) -> *const Span {
        debug_assert!(self.in_range(addr));
        // SAFETY: the range lies in the arena.
        unsafe { *self.entries.add((addr - self.base) >> PAGE_SHIFT) }
    }

    /// The span and the slot of any address.
    #[inline]
    pub(super) fn find(&self, addr: usize) -> Option<(&'static Span, usize)> {
        if !self.in_range(addr) {
            return None;
        }
        // SAFETY: entries are null or type-stable records.
        let span = unsafe { self.entry(addr).as_ref() }?;
        let offset = addr.wrapping_sub(span.base.get());
        (offset < span.bytes.get()).then(|| (span, span.slot(offset)))
    }
}
