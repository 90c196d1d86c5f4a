//! A span of collected objects: a run of pages cut into slots of one size (Go: `mspan`).
//!
//! # What it holds
//! | objects | slots | which words are pointers |
//! |---|---|---|
//! | without pointers | the whole span | |
//! | up to 512 B | less a bitmap at the span's end | a bit for each word, written at allocation |
//! | up to 32 KiB | the whole span | a type word for each slot in a record |
//! | larger | one | a type word in the span |
//!
//! # Bits
//! A pair of bitmaps with a bit for each slot. `alloc` says which slots were in use after the last
//! cycle, `marks` which ones this cycle has reached. The sweep swaps them: what is marked is in use,
//! everything else is free, and no object was touched. A slot is in use if its bit in `alloc` is set or
//! it lies below `free_index`, which says how far allocation has gone through the zeroes of `alloc`.
//!
//! # Ownership
//! Records are type-stable, as the heap's are. A span belongs to a run of a P, to a list of its class
//! (under the class's lock), or, while the world stands, to the collector. The first line of a record is
//! all that marking a pointer reads; it changes only when a span is made and when it dies, and the sweep
//! swaps the marks.

use crate::heap::PAGE_SIZE;
use crate::heap::SpanClass;
use core::cell::Cell;
use core::ptr::{NonNull, null_mut};

/// Largest object with a bitmap: one of 64 words, whose bits one load gets.
pub(super) const MAX_BITMAP_OBJECT: usize = 512;
/// Most slots of a span whose pair of bitmaps lies in its record.
pub(super) const INLINE_SLOTS: usize = 64;
/// Most slots of any span, and bytes of a bitmap for them.
pub(super) const MAX_SLOTS: usize = PAGE_SIZE / 8;
/// Bytes of the record that a span needs beside its own for longer bitmaps.
pub(super) const BITS_BYTES: usize = 2 * MAX_SLOTS / 8;
/// Most slots of a span with type words, and bytes of the record of them.
pub(super) const MAX_TYPED_SLOTS: usize = 16;
pub(super) const TYPES_BYTES: usize = MAX_TYPED_SLOTS * 8;

/// See the module's text.
#[repr(C, align(64))]
pub(super) struct Span {
    /// Address of the first slot.
    pub(super) base: Cell<usize>,
    /// Bytes of all slots; 0: the span is dead. An address is in a slot if its distance from `base` is
    /// less, so that one comparison checks state, range and the waste at the end.
    pub(super) bytes: Cell<usize>,
    /// `offset * magic >> 32` is the slot of an offset.
    magic: Cell<u32>,
    pub(super) slots: Cell<u16>,
    class: Cell<u8>,
    /// Which pages it has are also in a list of all runs that hold specials.
    pub(super) has_specials: Cell<bool>,
    pub(super) marks: Cell<*mut u64>,
    /// Address of the bitmap of pointers; 0: there is none.
    pub(super) bitmap: Cell<usize>,
    /// As many low bits as an object has words, for spans with a bitmap.
    pub(super) words: Cell<u64>,
    /// Bytes of a slot.
    pub(super) size: Cell<usize>,
    /// The slots' type words; null: there are none.
    pub(super) types: Cell<*mut usize>,
    pub(super) alloc: Cell<*mut u64>,
    inline_bits: [Cell<u64>; 2],
    /// The type word of a large object.
    inline_type: Cell<usize>,
    pub(super) next: Cell<Option<&'static Span>>,
    /// Next of the spans that have specials.
    pub(super) next_special: Cell<Option<&'static Span>>,
    pub(super) specials: Cell<*mut super::special::Special>,
    pub(super) npages: Cell<u32>,
    /// No slot below it is free.
    pub(super) free_index: Cell<u16>,
    /// Slots in use; while the span belongs to a run all of them count.
    pub(super) in_use: Cell<u16>,
}

// SAFETY: see "Ownership" in the module's text.
unsafe impl Sync for Span {}

/// Records come one after the other from whole pages, so each begins a line.
const _: () = assert!(size_of::<Span>() == 128);

/// What a span needs besides its pages.
pub(super) enum Extra {
    Nothing,
    Bits,
    Types,
}

/// How a class of spans is laid out.
#[derive(Clone, Copy)]
pub(super) struct Layout {
    pub(super) size: usize,
    pub(super) npages: usize,
    pub(super) slots: usize,
    /// Where the bitmap of pointers begins, counted from the span's first byte; 0: there is none.
    pub(super) bitmap: usize,
}

impl Layout {
    /// Of a class that is not 0.
    pub(super) const fn of(size: usize, npages: usize, noscan: bool) -> Layout {
        let bytes = npages * PAGE_SIZE;
        if noscan || size > MAX_BITMAP_OBJECT {
            return Layout { size, npages, slots: bytes / size, bitmap: 0 };
        }
        // Bits are read and written eight bytes at a time from the byte where an object's begin.
        let slots = (bytes - 8) * 64 / (size * 64 + size);
        let bitmap = (bytes - (slots * size).div_ceil(64) - 8) & !7;
        assert!(slots * size <= bitmap && npages == 1);
        Layout { size, npages, slots, bitmap }
    }

    /// What a span of a class has beside its record; a large object's type word is in that.
    pub(super) fn extra(&self, class: SpanClass) -> Extra {
        if self.slots > INLINE_SLOTS {
            return Extra::Bits;
        }
        if class.noscan() || class.size_class() == 0 || self.size <= MAX_BITMAP_OBJECT {
            return Extra::Nothing;
        }
        debug_assert!(self.slots <= MAX_TYPED_SLOTS);
        Extra::Types
    }
}

impl Span {
    /// Makes a dead span one without objects.
    ///
    /// # Safety
    /// The pages are `layout.npages` from `base` on and nobody else's; `extra` is a record as
    /// [`Layout::extra`] says.
    pub(super) unsafe fn init(
        &'static self,
        base: usize,
        layout: &Layout,
        class: SpanClass,
        magic: u32,
        extra: *mut u8,
    ) {
        let noscan = class.noscan();
        self.base.set(base);
        self.magic.set(magic);
        self.slots.set(layout.slots as u16);
        self.class.set((class.size_class() as u8) << 1 | u8::from(noscan));
        self.size.set(layout.size);
        self.npages.set(layout.npages as u32);
        self.free_index.set(0);
        self.in_use.set(0);
        let (mut bits, mut types) = (self.inline_bits.as_ptr().cast_mut().cast::<u64>(), null_mut());
        let mut words = 1;
        match layout.extra(class) {
            Extra::Nothing if class.size_class() == 0 && !noscan => types = self.inline_type.as_ptr(),
            Extra::Nothing => {}
            Extra::Bits => (bits, words) = (extra.cast(), MAX_SLOTS / 64),
            Extra::Types => types = extra.cast(),
        }
        // SAFETY: either two words, or the record's two halves.
        unsafe {
            bits.write_bytes(0, 2 * words);
            self.alloc.set(bits);
            self.marks.set(bits.add(words));
        }
        self.types.set(types);
        if !types.is_null() {
            // SAFETY: a word for each slot. A word of 0: nothing is known of the object.
            unsafe { types.write_bytes(0, layout.slots) };
        }
        self.bitmap.set(0);
        if layout.bitmap != 0 {
            self.bitmap.set(base + layout.bitmap);
            self.words.set(super::types::low(layout.size / 8));
            // An object of one word that is scanned is a pointer: its bit is never written again.
            let fill = if layout.size == 8 { 0xff } else { 0 };
            // SAFETY: the bitmap lies behind the slots, in the span.
            unsafe {
                (self.bitmap.get() as *mut u8).write_bytes(fill, layout.npages * PAGE_SIZE - layout.bitmap);
            }
        }
        self.bytes.set(layout.slots * layout.size);
    }

    /// Makes it dead; returns its record beside its own.
    pub(super) fn kill(&self) -> (Extra, *mut u8) {
        self.bytes.set(0);
        let inline = self.inline_bits.as_ptr().cast_mut().cast::<u64>();
        let bits = self.alloc.get().min(self.marks.get());
        if bits != inline {
            return (Extra::Bits, bits.cast());
        }
        let types = self.types.get();
        if types.is_null() || types == self.inline_type.as_ptr() {
            return (Extra::Nothing, null_mut());
        }
        (Extra::Types, types.cast())
    }

    /// Its span class.
    #[inline(always)]
    pub(super) fn class(&self) -> SpanClass {
        SpanClass::new(usize::from(self.class.get() >> 1), self.class.get() & 1 != 0)
    }

    /// The slot of an offset below `bytes`.
    #[inline(always)]
    pub(super) fn slot(&self, offset: usize) -> usize {
        ((offset as u64 * u64::from(self.magic.get())) >> 32) as usize
    }

    /// Address of a slot.
    #[inline(always)]
    pub(super) fn address(&self, slot: usize) -> usize {
        self.base.get() + slot * self.size.get()
    }

    /// Marks a slot; whether it was not marked before.
    ///
    /// # Safety
    /// The world stands, one thread marks, and the slot is there.
    #[inline(always)]
    pub(super) unsafe fn mark(&self, slot: usize) -> bool {
        // SAFETY: as the caller promises, the word is there and ours.
        unsafe {
            let word = self.marks.get().add(slot / 64);
            let old = *word;
            // In this form the compiler tests and sets the bit with an instruction each.
            if old >> (slot % 64) & 1 != 0 {
                return false;
            }
            *word = old | 1 << (slot % 64);
            true
        }
    }

    /// # Safety
    /// The slot is there.
    #[inline(always)]
    pub(super) unsafe fn is_marked(&self, slot: usize) -> bool {
        // SAFETY: as the caller promises.
        unsafe { *self.marks.get().add(slot / 64) & 1 << (slot % 64) != 0 }
    }

    /// Whether a slot is in use, while the span belongs to no run.
    ///
    /// # Safety
    /// The slot is there.
    pub(super) unsafe fn is_in_use(&self, slot: usize) -> bool {
        // SAFETY: as the caller promises.
        let survived = unsafe { *self.alloc.get().add(slot / 64) & 1 << (slot % 64) != 0 };
        survived || slot < usize::from(self.free_index.get())
    }

    /// Words of its bitmaps that have slots.
    pub(super) fn bit_words(&self) -> usize {
        usize::from(self.slots.get()).div_ceil(64)
    }

    /// Slots that are marked.
    ///
    /// # Safety
    /// As [`Span::mark`].
    pub(super) unsafe fn count_marks(&self) -> usize {
        // SAFETY: within the bitmap.
        (0..self.bit_words()).map(|w| unsafe { (*self.marks.get().add(w)).count_ones() as usize }).sum()
    }

    /// The first slots from `from` on that are not in use, as a range; none if there are none.
    ///
    /// # Safety
    /// The span is the caller's.
    pub(super) unsafe fn next_free(&self, from: usize) -> Option<(usize, usize)> {
        let n = usize::from(self.slots.get());
        let start = self.find(from, n, true)?;
        Some((start, self.find(start, n, false).unwrap_or(n)))
    }

    /// The first slot in `from..n` whose bit in `alloc` is `0` (`free`) or `1`.
    fn find(&self, from: usize, n: usize, free: bool) -> Option<usize> {
        if from >= n {
            return None;
        }
        let flip = if free { u64::MAX } else { 0 };
        let mut w = from / 64;
        let mut below = u64::MAX << (from % 64);
        loop {
            // SAFETY: `w` is a word of a slot below `n`.
            let word = unsafe { *self.alloc.get().add(w) } ^ flip;
            let found = word & below;
            if found != 0 {
                let slot = w * 64 + found.trailing_zeros() as usize;
                return (slot < n).then_some(slot);
            }
            below = u64::MAX;
            w += 1;
            if w * 64 >= n {
                return None;
            }
        }
    }

    /// Writes which words of a new object are pointers.
    ///
    /// # Safety
    /// The slot at `p` is the caller's, its bits are clear, and the span has a bitmap.
    #[inline(always)]
    pub(super) unsafe fn write_bits(bitmap: usize, p: usize, bits: u64) {
        let offset = p & (PAGE_SIZE - 1);
        let at = (bitmap + offset / 64) as *mut u64;
        // SAFETY: eight bytes from there on lie in the bitmap, which nobody else writes.
        unsafe { at.write_unaligned(at.read_unaligned() | bits << (offset / 8 % 8)) };
    }

    /// Which words of an object are pointers, by the object's offset.
    ///
    /// # Safety
    /// The span has a bitmap, and an object begins at the offset.
    #[inline(always)]
    pub(super) unsafe fn read_bits(&self, offset: usize) -> u64 {
        // SAFETY: as in `write_bits`.
        let word = unsafe { ((self.bitmap.get() + offset / 64) as *const u64).read_unaligned() };
        word >> (offset / 8 % 8) & self.words.get()
    }

    /// Clears the bits of a range of slots.
    ///
    /// # Safety
    /// The span is the caller's and has a bitmap, and nobody needs the slots' bits.
    pub(super) unsafe fn clear_bits(&self, start: usize, end: usize) {
        let words = self.size.get() / 8;
        let (mut from, to) = (start * words, end * words);
        while from < to {
            let (byte, shift) = (from / 8, from % 8);
            let n = (8 - shift).min(to - from);
            // SAFETY: within the bitmap.
            unsafe {
                let at = (self.bitmap.get() as *mut u8).add(byte);
                if n == 8 {
                    at.write_bytes(0, (to - from) / 8);
                    from += (to - from) / 8 * 8;
                } else {
                    *at &= !(((1u16 << n) - 1) << shift) as u8;
                    from += n;
                }
            }
        }
    }
}

/// Spans on one another, each on one stack at most.
pub(super) struct SpanStack {
    first: Option<&'static Span>,
}

impl SpanStack {
    pub(super) const fn new() -> SpanStack {
        SpanStack { first: None }
    }

    pub(super) fn push(&mut self, span: &'static Span) {
        span.next.set(self.first);
        self.first = Some(span);
    }

    pub(super) fn pop(&mut self) -> Option<&'static Span> {
        let span = self.first?;
        self.first = span.next.get();
        Some(span)
    }

    /// Takes all.
    pub(super) fn take(&mut self) -> SpanStack {
        SpanStack { first: self.first.take() }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &'static Span> {
        core::iter::successors(self.first, |s| s.next.get())
    }
}

// SAFETY: the spans on it are its owner's.
unsafe impl Send for SpanStack {}

/// A span's record, of memory that was one before or is all zeroes.
///
/// # Safety
/// As said, and nobody else's.
pub(super) unsafe fn from_record(p: *mut u8) -> Option<&'static Span> {
    // SAFETY: all zeroes are a dead span; so is a freed record, whose first word is the base.
    NonNull::new(p.cast::<Span>()).map(|p| unsafe { p.as_ref() })
}
