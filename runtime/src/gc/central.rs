//! Spans of a class that belong to no P, and how runs come by them (Go: `mcentral`).

use super::GcHeap;
use super::run::Run;
use super::span::{self, Extra, Layout, Span, SpanStack};
use crate::heap::size_class::{CLASS_TO_DIVMAGIC, CLASS_TO_NPAGES, CLASS_TO_SIZE};
use crate::heap::{NUM_SIZE_CLASSES, PAGE_SIZE, SpanClass, System};
use core::ptr::null_mut;
use core::sync::atomic::Ordering::Relaxed;

/// Under the class's lock. Class 0 is large objects.
pub(super) struct Class {
    /// Spans that have free slots.
    pub(super) partial: SpanStack,
    /// Spans that have none, or were left by a run in this cycle.
    pub(super) full: SpanStack,
    /// Slots that runs were given less those that they gave back, and slots that sweeps found free.
    pub(super) mallocs: u64,
    pub(super) frees: u64,
    /// Bytes of all large objects, and of those that were freed.
    pub(super) large_bytes: u64,
    pub(super) large_freed: u64,
}

impl Class {
    pub(super) const fn new() -> Class {
        Class {
            partial: SpanStack::new(),
            full: SpanStack::new(),
            mallocs: 0,
            frees: 0,
            large_bytes: 0,
            large_freed: 0,
        }
    }
}

/// How spans of each class with and without pointers are laid out, by `class * 2 + noscan`.
pub(super) static LAYOUTS: [Layout; 2 * NUM_SIZE_CLASSES] = {
    let none = Layout { size: 0, npages: 0, slots: 0, bitmap: 0 };
    let mut t = [none; 2 * NUM_SIZE_CLASSES];
    let mut i = 2;
    while i < t.len() {
        let (size, npages) = (CLASS_TO_SIZE[i / 2] as usize, CLASS_TO_NPAGES[i / 2] as usize);
        t[i] = Layout::of(size, npages, i % 2 == 1);
        i += 1;
    }
    t
};

impl<S: System + 'static> GcHeap<S> {
    /// Gets a run free slots, of its own span or of another; false if there is no memory.
    ///
    /// # Safety
    /// The run is the caller's, of that class; on a stack that is fully backed, with no lock held.
    pub(super) unsafe fn refill(&self, run: &Run, class: usize) -> bool {
        loop {
            // SAFETY: the run is the caller's.
            if unsafe { run.advance() } {
                self.check_free(run);
                return true;
            }
            let full = run.leave();
            let mut central = self.central[class].lock();
            if let Some(span) = full {
                central.full.push(span);
            }
            let partial = central.partial.pop();
            drop(central);
            let Some(span) = partial.or_else(|| self.new_span(SpanClass::new(class / 2, class & 1 != 0), 0))
            else {
                return false;
            };
            let slots = span.slots.get();
            let free = usize::from(slots - span.in_use.replace(slots));
            self.central[class].lock().mallocs += free as u64;
            self.pacer.allocated(free * span.size.get());
            run.enter(span);
        }
    }

    /// A large object of `size` bytes, with any contents; 0 if there is no memory.
    ///
    /// # Safety
    /// On a stack that is fully backed, with no lock held.
    pub(super) unsafe fn alloc_large(
        &self,
        size: usize,
        type_word: usize,
        noscan: bool,
        zero: bool,
    ) -> usize {
        let Some(span) = self.new_span(SpanClass::new(0, noscan), size.div_ceil(PAGE_SIZE)) else {
            return 0;
        };
        let base = span.base.get();
        if zero || !noscan {
            // SAFETY: the object is ours, and as long.
            unsafe { (base as *mut u8).write_bytes(0, span.size.get()) };
        }
        if !noscan {
            // SAFETY: a span with pointers has a type word.
            unsafe { *span.types.get() = type_word };
        }
        span.in_use.set(1);
        span.free_index.set(1);
        let mut central = self.central[usize::from(noscan)].lock();
        central.mallocs += 1;
        central.large_bytes += span.size.get() as u64;
        central.full.push(span);
        drop(central);
        self.pacer.allocated(span.size.get());
        base
    }

    /// A span of a class without objects, for class 0 of `npages` pages; none if there is no memory.
    fn new_span(&self, class: SpanClass, npages: usize) -> Option<&'static Span> {
        let c = class.size_class();
        let noscan = class.noscan();
        let layout = match c {
            0 => Layout { size: npages * PAGE_SIZE, npages, slots: 1, bitmap: 0 },
            _ => LAYOUTS[2 * c + usize::from(noscan)],
        };
        let extra = layout.extra(class);
        let base = self.pages.alloc_pages(layout.npages);
        if base.is_null() {
            return None;
        }
        let record = {
            let mut records = self.records.lock();
            match records.span(self.pages.sys(), &self.table, &extra) {
                Some(found) => {
                    records.pages += layout.npages;
                    Some(found)
                }
                None => None,
            }
        };
        let Some((span, extra)) = record else {
            // SAFETY: just allocated, and nothing uses them.
            unsafe { self.pages.free_pages(core::iter::once((base, layout.npages)), 0) };
            return None;
        };
        // SAFETY: the pages and the records are ours.
        unsafe { span.init(base.expose_provenance(), &layout, class, CLASS_TO_DIVMAGIC[c], extra) };
        if self.clobber.load(Relaxed) {
            self.fill(span.base.get(), span.base.get() + span.bytes.get());
        }
        self.table.set(span);
        Some(span)
    }
}

/// Work buffers that are there from the beginning.
const RESERVED_BUFS: usize = 16;

/// Memory of the collector's own records, under their lock.
pub(super) struct Records {
    persistent: crate::heap::fixalloc::Persistent,
    /// For the records of spans alone, which so lie at multiples of their size.
    for_spans: crate::heap::fixalloc::Persistent,
    spans: crate::heap::fixalloc::FixAlloc,
    bits: crate::heap::fixalloc::FixAlloc,
    types: crate::heap::fixalloc::FixAlloc,
    pub(super) specials: crate::heap::fixalloc::FixAlloc,
    bufs: crate::heap::fixalloc::FixAlloc,
    /// Pages in spans.
    pub(super) pages: usize,
}

impl Records {
    pub(super) const fn new() -> Records {
        use crate::heap::fixalloc::{FixAlloc, Persistent};
        Records {
            persistent: Persistent::new(),
            for_spans: Persistent::new(),
            spans: FixAlloc::new(size_of::<Span>()),
            bits: FixAlloc::new(span::BITS_BYTES),
            types: FixAlloc::new(span::TYPES_BYTES),
            specials: FixAlloc::new(size_of::<super::special::Special>()),
            bufs: FixAlloc::new(size_of::<super::workbuf::WorkBuf>()),
            pages: 0,
        }
    }

    /// A dead span's record and what belongs to it.
    fn span<S: System>(
        &mut self,
        sys: &S,
        table: &super::table::Table,
        extra: &Extra,
    ) -> Option<(&'static Span, *mut u8)> {
        if !table.is_made() {
            let arena = sys.arena();
            let memory = self.persistent.alloc(sys, super::table::Table::bytes(arena));
            if memory.is_null() {
                return None;
            }
            // A collection begins with these in hand, however little memory is left then.
            let reserve = [(); RESERVED_BUFS].map(|()| self.buf(sys));
            if reserve.contains(&null_mut()) {
                return None;
            }
            for buf in reserve {
                // SAFETY: just allocated.
                unsafe { self.free_buf(buf) };
            }
            // SAFETY: once, under the lock; the memory is new.
            unsafe { table.init(memory, arena) };
        }
        let beside = match extra {
            Extra::Nothing => null_mut(),
            Extra::Bits => self.bits.alloc(sys, &mut self.persistent),
            Extra::Types => self.types.alloc(sys, &mut self.persistent),
        };
        if beside.is_null() && !matches!(extra, Extra::Nothing) {
            return None;
        }
        let record = self.spans.alloc(sys, &mut self.for_spans);
        // SAFETY: records of spans are never anything else; a free one's first word is its `base`.
        match unsafe { span::from_record(record) } {
            Some(span) => Some((span, beside)),
            None => {
                // SAFETY: nothing uses it.
                unsafe { self.free_extra(extra, beside) };
                None
            }
        }
    }

    /// # Safety
    /// The record was of that kind and is not used any more.
    unsafe fn free_extra(&mut self, extra: &Extra, record: *mut u8) {
        // SAFETY: as the caller promises.
        unsafe {
            match extra {
                Extra::Nothing => {}
                Extra::Bits => self.bits.free(record),
                Extra::Types => self.types.free(record),
            }
        }
    }

    /// Frees the records of a dead span.
    ///
    /// # Safety
    /// Nothing but the table knows it.
    pub(super) unsafe fn free_span(&mut self, span: &'static Span, extra: (Extra, *mut u8)) {
        self.pages -= span.npages.get() as usize;
        // SAFETY: as the caller promises.
        unsafe {
            self.free_extra(&extra.0, extra.1);
            self.spans.free(core::ptr::from_ref(span).cast_mut().cast());
        }
    }

    /// A record for a special; null if there is no memory.
    pub(super) fn special<S: System>(&mut self, sys: &S) -> *mut super::special::Special {
        self.specials.alloc(sys, &mut self.persistent).cast()
    }

    /// A work buffer; null if there is no memory.
    pub(super) fn buf<S: System>(&mut self, sys: &S) -> *mut super::workbuf::WorkBuf {
        self.bufs.alloc(sys, &mut self.persistent).cast()
    }

    /// # Safety
    /// It came from [`Records::buf`] and is not used any more.
    pub(super) unsafe fn free_buf(&mut self, buf: *mut super::workbuf::WorkBuf) {
        // SAFETY: as the caller promises.
        unsafe { self.bufs.free(buf.cast()) }
    }

    /// Bytes of span records in use, of all span records, and of everything.
    pub(super) fn bytes(&self) -> (usize, usize, usize) {
        let (spans, bits, types) = (self.spans.bytes(), self.bits.bytes(), self.types.bytes());
        (spans.0 + bits.0 + types.0, spans.1 + bits.1 + types.1, self.persistent.sys + self.for_spans.sys)
    }
}
