//! A span: a run of pages that holds objects of one size (Go: `mspan`).
//!
//! Spans are type-stable: the memory of one is a span for ever, so a stale pointer to one is harmless and [`Span::object_of`] answers it with
//! none. Who may touch what:
//! - `base`, `npages`, `elem_size`, `class` are written under the page heap's lock before the span becomes in use (`state`, *release*), and stay
//!   so until it is dead: whoever holds an object of the span, or found the state in use (*acquire*) while spans cannot be freed, reads them.
//! - The list links, the bits and the counts belong to the central list's lock.
//!
//! # Bits
//! `alloc_bits` has a bit for each object: set while the object is out of the span, in a program's hands or in a magazine. For spans of
//! at most 64 objects (from 128 B on) it is a word in the span itself, otherwise a record of 128 bytes. `mark_bits` is its twin for the
//! collector, which swaps the two in a sweep; owned spans are not swept and have none.

use super::size_class::{CLASS_TO_DIVMAGIC, CLASS_TO_NPAGES, CLASS_TO_SIZE, MAX_OBJS_PER_SPAN, PAGE_SIZE};
use core::cell::Cell;
use core::ptr::null_mut;
use core::sync::atomic::{AtomicPtr, AtomicU8, AtomicU32, AtomicUsize, Ordering};

/// Size class and whether the objects hold no pointers, packed as Go packs them: `class << 1 | noscan`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SpanClass(u8);

impl SpanClass {
    /// Class 0 is a large object.
    pub const fn new(class: usize, noscan: bool) -> SpanClass {
        SpanClass((class as u8) << 1 | noscan as u8)
    }

    /// The size class, 0 for a large object.
    pub const fn size_class(self) -> usize {
        (self.0 >> 1) as usize
    }

    /// Whether the collector need not look into the objects.
    pub const fn noscan(self) -> bool {
        self.0 & 1 != 0
    }
}

/// What a span is used for (Go: `mSpanState`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum SpanState {
    /// For nothing.
    Dead = 0,
    /// Collected objects.
    InUse = 1,
    /// Owned objects: freed by their owner, never swept.
    Manual = 2,
}

/// An object that [`Span::object_of`] found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Object {
    /// Its first byte.
    pub base: usize,
    /// Its size in bytes, that of its class.
    pub size: usize,
    /// Its place in the span.
    pub index: usize,
}

/// See the module's text.
#[repr(C)]
pub struct Span {
    next: Cell<Option<&'static Span>>,
    prev: Cell<Option<&'static Span>>,
    base: AtomicPtr<u8>,
    npages: AtomicUsize,
    elem_size: AtomicUsize,
    alloc_bits: AtomicPtr<u64>,
    mark_bits: AtomicPtr<u64>,
    inline_bits: Cell<u64>,
    div_magic: AtomicU32,
    nelems: Cell<u16>,
    /// Objects out of the span.
    alloc_count: Cell<u16>,
    /// No object below this one is in the span.
    free_index: Cell<u16>,
    class: AtomicU8,
    state: AtomicU8,
}

// SAFETY: the `Cell`s are touched only under the lock of the central list (or page heap) that owns the span, see the module's text;
// everything else is atomic.
unsafe impl Sync for Span {}

/// Objects that a word of bits covers, and bytes of the bits of a span with more objects than that.
const WORD: usize = u64::BITS as usize;
pub(super) const BITS_BYTES: usize = MAX_OBJS_PER_SPAN / 8;

/// Whether a span of a class needs a record of [`BITS_BYTES`] for its bits.
pub(super) fn needs_bits(class: usize) -> bool {
    class != 0 && super::size_class::objects_per_span(class) > WORD
}

impl Span {
    /// Makes a dead span one of owned objects, all of them in the span; of a large object: it is out.
    ///
    /// `base` is the first of `npages` pages; `bits` is a record of [`BITS_BYTES`] if [`needs_bits`], else unused.
    pub(super) fn init(&'static self, base: *mut u8, npages: usize, class: SpanClass, bits: *mut u64) {
        let c = class.size_class();
        let (elem_size, nelems) = match c {
            0 => (npages * PAGE_SIZE, 1),
            _ => (usize::from(CLASS_TO_SIZE[c]), npages * PAGE_SIZE / usize::from(CLASS_TO_SIZE[c])),
        };
        debug_assert!(c == 0 || npages == usize::from(CLASS_TO_NPAGES[c]));
        self.base.store(base, Ordering::Relaxed);
        self.npages.store(npages, Ordering::Relaxed);
        self.elem_size.store(elem_size, Ordering::Relaxed);
        self.div_magic.store(CLASS_TO_DIVMAGIC[c], Ordering::Relaxed);
        self.class.store(class.0, Ordering::Relaxed);
        self.nelems.set(nelems as u16);
        self.alloc_bits
            .store(if needs_bits(c) { bits } else { self.inline_bits.as_ptr() }, Ordering::Relaxed);
        self.mark_bits.store(null_mut(), Ordering::Relaxed);
        for (i, word) in self.bits().iter().enumerate() {
            // Bits of objects that are not there are set: they are never found free.
            let there = nelems - i * WORD;
            word.set(if there >= WORD { 0 } else { u64::MAX << there });
        }
        self.free_index.set(0);
        self.alloc_count.set(0);
        if c == 0 {
            self.bits()[0].set(u64::MAX);
            self.alloc_count.set(1);
        }
        self.state.store(SpanState::Manual as u8, Ordering::Release);
    }

    /// Makes it dead; returns its record of bits, or null if it had none.
    pub(super) fn kill(&self) -> *mut u64 {
        self.state.store(SpanState::Dead as u8, Ordering::Release);
        let bits = self.alloc_bits.load(Ordering::Relaxed);
        if bits == self.inline_bits.as_ptr() { null_mut() } else { bits }
    }

    /// A large object's span becomes longer or shorter at its end.
    pub(super) fn resize(&self, npages: usize) {
        self.npages.store(npages, Ordering::Relaxed);
        self.elem_size.store(npages * PAGE_SIZE, Ordering::Relaxed);
    }

    fn bits(&self) -> &[Cell<u64>] {
        let words = usize::from(self.nelems.get()).div_ceil(WORD);
        // SAFETY: `alloc_bits` points to as many words as `nelems` needs, in the span or in a record that is the span's while it is in use;
        // whoever calls holds the lock that guards them.
        unsafe { core::slice::from_raw_parts(self.alloc_bits.load(Ordering::Relaxed).cast(), words) }
    }

    /// First byte.
    #[inline]
    pub fn base(&self) -> *mut u8 {
        self.base.load(Ordering::Relaxed)
    }

    /// Length in pages.
    #[inline]
    pub fn npages(&self) -> usize {
        self.npages.load(Ordering::Relaxed)
    }

    /// Size of its objects in bytes.
    #[inline]
    pub fn elem_size(&self) -> usize {
        self.elem_size.load(Ordering::Relaxed)
    }

    /// Its span class.
    #[inline]
    pub fn class(&self) -> SpanClass {
        SpanClass(self.class.load(Ordering::Relaxed))
    }

    /// What it is used for.
    #[inline]
    pub fn state(&self) -> SpanState {
        match self.state.load(Ordering::Acquire) {
            1 => SpanState::InUse,
            2 => SpanState::Manual,
            _ => SpanState::Dead,
        }
    }

    /// Whether its pages contain the byte at `p`, while it is in use.
    #[inline]
    pub(super) fn covers(&self, p: *mut u8) -> bool {
        p.addr().wrapping_sub(self.base().addr()) < self.npages() * PAGE_SIZE
    }

    /// The place of the object that contains the byte at `offset` (Go: `objIndex`).
    #[inline]
    fn index(&self, offset: usize) -> usize {
        ((offset as u64 * u64::from(self.div_magic.load(Ordering::Relaxed))) >> 32) as usize
    }

    /// The object that contains `addr`; none if the span is dead or `addr` is outside or in the waste at its end.
    #[inline]
    pub fn object_of(&self, addr: usize) -> Option<Object> {
        if self.state() == SpanState::Dead {
            return None;
        }
        let offset = addr.wrapping_sub(self.base().addr());
        let (size, bytes) = (self.elem_size(), self.npages() * PAGE_SIZE);
        if offset >= bytes {
            return None;
        }
        let index = self.index(offset);
        let first = index * size;
        (first + size <= bytes).then(|| Object { base: self.base().addr() + first, size, index })
    }

    /// No object is out.
    pub(super) fn is_empty(&self) -> bool {
        self.alloc_count.get() == 0
    }

    /// All objects are out.
    pub(super) fn is_full(&self) -> bool {
        self.alloc_count.get() == self.nelems.get()
    }

    /// Takes objects out of the span into `out`, lowest first; returns how many.
    pub(super) fn take(&self, out: &mut [*mut u8]) -> usize {
        let (base, size) = (self.base(), self.elem_size());
        let mut n = 0;
        let mut w = usize::from(self.free_index.get()) / WORD;
        for word in &self.bits()[w..] {
            // Go's allocCache: the free objects of this word.
            let mut cache = !word.get();
            while cache != 0 && n < out.len() {
                let index = w * WORD + cache.trailing_zeros() as usize;
                cache &= cache - 1;
                // SAFETY: the index is below `nelems`, so the object lies in the span.
                out[n] = unsafe { base.add(index * size) };
                n += 1;
            }
            word.set(!cache);
            if cache != 0 {
                break;
            }
            w += 1;
        }
        self.free_index.set((w * WORD) as u16);
        self.alloc_count.set(self.alloc_count.get() + n as u16);
        n
    }

    /// Puts an object back.
    ///
    /// # Errors
    /// `p` is not the first byte of an object of this span, or the object is in the span already; says which.
    #[inline]
    pub(super) fn put(&self, p: *mut u8) -> Result<(), &'static str> {
        let offset = p.addr().wrapping_sub(self.base().addr());
        let index = self.index(offset);
        if index >= usize::from(self.nelems.get()) || index * self.elem_size() != offset {
            return Err("free of a pointer into the middle of an object");
        }
        // SAFETY: the bits cover `nelems` objects, see `bits`.
        let word = unsafe { &*self.alloc_bits.load(Ordering::Relaxed).cast::<Cell<u64>>().add(index / WORD) };
        let bit = 1 << (index % WORD);
        if word.get() & bit == 0 {
            return Err("double free");
        }
        word.set(word.get() & !bit);
        self.alloc_count.set(self.alloc_count.get() - 1);
        self.free_index.set(self.free_index.get().min(index as u16));
        Ok(())
    }
}

/// A list of spans that are on no other (Go: `mSpanList`).
pub(super) struct SpanList {
    first: Option<&'static Span>,
}

impl SpanList {
    pub(super) const fn new() -> SpanList {
        SpanList { first: None }
    }

    pub(super) fn first(&self) -> Option<&'static Span> {
        self.first
    }

    /// The first span of the list that fulfils a condition.
    pub(super) fn first_that(&self, condition: impl Fn(&Span) -> bool) -> Option<&'static Span> {
        let mut next = self.first;
        while let Some(s) = next
            && !condition(s)
        {
            next = s.next.get();
        }
        next
    }

    /// Whether `s`, which is on this list, is alone there.
    pub(super) fn is_only(&self, s: &Span) -> bool {
        s.next.get().is_none() && s.prev.get().is_none()
    }

    pub(super) fn push(&mut self, s: &'static Span) {
        s.next.set(self.first);
        s.prev.set(None);
        if let Some(old) = self.first {
            old.prev.set(Some(s));
        }
        self.first = Some(s);
    }

    /// Takes `s` off; it is on this list.
    pub(super) fn remove(&mut self, s: &Span) {
        match s.prev.get() {
            Some(prev) => prev.next.set(s.next.get()),
            None => self.first = s.next.get(),
        }
        if let Some(next) = s.next.get() {
            next.prev.set(s.prev.get());
        }
    }
}
