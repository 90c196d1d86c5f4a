//! A P's part of the collected heap: for each span class a run of free slots, from which objects are
//! taken by adding (Go: `mcache`, with `nextFreeFast`).
//!
//! An allocation moves `next`, says what the object's pointers are, and clears the slot; it counts
//! nothing and sets no bit of a slot. How much was allocated follows from where the runs are
//! (`stats.rs`), and which slots are in use from the spans' `free_index`.
//!
//! Go code allocates in assembly of its own, which knows [`Run`] by the offsets in `layout.rs`. There
//! and here nobody is preempted between the load of `next` and the type's bits: two goroutines would get one slot,
//! or a collection would find an object without them.

use super::sample::Sampling;
use super::span::Span;
use super::types::TypeDesc;
use core::cell::Cell;
use core::ptr::null;

/// Span classes: 68 size classes, with pointers and without.
pub const NUM_SPAN_CLASSES: usize = 2 * crate::heap::NUM_SIZE_CLASSES;

/// Bytes of a block that several small objects without pointers share.
pub(super) const TINY_BLOCK: usize = 16;
/// Span class of such blocks: objects of 16 B without pointers.
pub(super) const TINY_CLASS: usize = 2 * 2 + 1;

/// Free slots in a row of one span.
#[repr(C)]
pub struct Run {
    /// The next slot to be allocated; `end` or more: there is none.
    pub(super) next: Cell<usize>,
    pub(super) end: Cell<usize>,
    /// The span's bitmap of pointers; for spans with type words the address of the next slot's.
    pub(super) bitmap: Cell<usize>,
    /// Bytes of a slot.
    pub(super) size: Cell<usize>,
    pub(super) span: Cell<*const Span>,
    /// The slot at `end`.
    pub(super) index: Cell<usize>,
}

/// All runs of a P. Touched by the M that holds the P, not preempted; by the collector while the world
/// stands.
#[repr(C)]
pub struct Runs {
    pub(super) run: [Run; NUM_SPAN_CLASSES],
    /// The block from which tiny objects are taken, and how much of it is; all of it if there is none.
    pub(super) tiny: Cell<usize>,
    pub(super) tiny_offset: Cell<usize>,
    /// Objects that found room in a block that was there.
    pub(super) tiny_allocs: Cell<u64>,
    pub(super) sampling: Sampling,
}

// SAFETY: nothing in it is a thread's own.
unsafe impl Send for Runs {}
// SAFETY: only its owner, or the collector in its stead, touches it.
unsafe impl Sync for Runs {}

impl Default for Runs {
    fn default() -> Self {
        Runs::new()
    }
}

impl Run {
    const fn new() -> Run {
        Run {
            next: Cell::new(0),
            end: Cell::new(0),
            bitmap: Cell::new(0),
            size: Cell::new(0),
            span: Cell::new(null()),
            index: Cell::new(0),
        }
    }

    pub(super) fn span(&self) -> Option<&'static Span> {
        // SAFETY: null or a type-stable record.
        unsafe { self.span.get().as_ref() }
    }

    /// Takes the next free slots of its own span. False if there are none.
    ///
    /// # Safety
    /// The run is the caller's.
    pub(super) unsafe fn advance(&self) -> bool {
        let Some(span) = self.span() else { return false };
        // SAFETY: the span belongs to the run.
        let Some((start, end)) = (unsafe { span.next_free(self.index.get()) }) else {
            self.index.set(usize::from(span.slots.get()));
            return false;
        };
        self.index.set(end);
        self.size.set(span.size.get());
        self.next.set(span.address(start));
        self.end.set(span.address(end));
        self.bitmap.set(span.bitmap.get());
        if !span.types.get().is_null() {
            // SAFETY: a type word for each slot.
            self.bitmap.set(unsafe { span.types.get().add(start) }.addr());
        } else if span.bitmap.get() != 0 && span.size.get() > 8 {
            // SAFETY: the slots are free.
            unsafe { span.clear_bits(start, end) };
        }
        true
    }

    /// Slots of its span that were not allocated.
    pub(super) fn unused(&self) -> usize {
        let Some(span) = self.span() else { return 0 };
        let mut n = match self.size.get() {
            0 => 0,
            size => (self.end.get() - self.next.get()) / size,
        };
        let mut from = self.index.get();
        // SAFETY: the caller owns the run, or reads it for a moment's figure: within the bitmap.
        while let Some((start, end)) = unsafe { span.next_free(from) } {
            n += end - start;
            from = end;
        }
        n
    }

    /// Gives the span up, which then knows how far allocation went. Returns it.
    pub(super) fn leave(&self) -> Option<&'static Span> {
        let span = self.span()?;
        let unused = self.unused();
        let next = self.next.get();
        let free = if next < self.end.get() { span.slot(next - span.base.get()) } else { self.index.get() };
        span.free_index.set(free as u16);
        span.in_use.set(span.in_use.get() - unused as u16);
        self.reset();
        Some(span)
    }

    /// Takes over a span of which `in_use` says that all of it is.
    pub(super) fn enter(&self, span: &'static Span) {
        self.reset();
        self.span.set(span);
    }

    fn reset(&self) {
        self.next.set(0);
        self.end.set(0);
        self.index.set(0);
        self.span.set(null());
    }
}

impl Runs {
    /// Runs without slots.
    pub const fn new() -> Runs {
        Runs {
            run: [const { Run::new() }; NUM_SPAN_CLASSES],
            tiny: Cell::new(0),
            tiny_offset: Cell::new(TINY_BLOCK),
            tiny_allocs: Cell::new(0),
            sampling: Sampling::new(),
        }
    }

    /// A slot of a span class, with any contents and without a type; 0 if the run is empty.
    #[inline(always)]
    pub(super) fn take(&self, class: usize) -> usize {
        let run = &self.run[class];
        let p = run.next.get();
        if p >= run.end.get() {
            return 0;
        }
        run.next.set(p + run.size.get());
        p
    }

    /// Says what the slot that was just taken holds.
    ///
    /// # Safety
    /// It was taken from a class with pointers for an object of `size` bytes of the type.
    #[inline(always)]
    pub(super) unsafe fn set_type(&self, class: usize, p: usize, size: usize, desc: &TypeDesc) {
        let run = &self.run[class];
        let slot = run.size.get();
        // SAFETY: the slot is ours, so are its bits or its type word.
        unsafe {
            if slot > super::span::MAX_BITMAP_OBJECT {
                let word = run.bitmap.get() as *mut usize;
                *word = core::ptr::from_ref(desc).addr();
                run.bitmap.set(word.add(1).addr());
            } else if slot > 8 {
                Span::write_bits(run.bitmap.get(), p, desc.object_bits(size));
            }
        }
    }

    /// Room for a tiny object in the block at hand; 0 if there is none (Go: `mallocgcTiny`).
    #[inline]
    pub(super) fn take_tiny(&self, size: usize) -> usize {
        // Go's alignment: what the size itself is a multiple of.
        let align = match size {
            _ if size.is_multiple_of(8) => 8,
            _ if size.is_multiple_of(4) => 4,
            _ if size.is_multiple_of(2) => 2,
            _ => 1,
        };
        let offset = self.tiny_offset.get().next_multiple_of(align);
        if offset + size > TINY_BLOCK {
            return 0;
        }
        self.tiny_offset.set(offset + size);
        self.tiny_allocs.set(self.tiny_allocs.get() + 1);
        self.tiny.get() + offset
    }

    /// Forgets the block at hand.
    pub(super) fn drop_tiny(&self) {
        self.tiny.set(0);
        self.tiny_offset.set(TINY_BLOCK);
    }

    /// A new block, of which `used` bytes are taken, unless the one at hand has more room.
    pub(super) fn tiny_block(&self, block: usize, used: usize) {
        if used < self.tiny_offset.get() {
            self.tiny.set(block);
            self.tiny_offset.set(used);
        }
    }
}
