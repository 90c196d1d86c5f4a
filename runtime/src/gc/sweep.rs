//! The sweep: marks become what is in use, and what is not marked is free (Go: `mgcsweep.go`).
//!
//! No object is touched. A span's marks are counted, its two bitmaps change places, and it goes to
//! the list of its class that fits; spans without a mark are freed in one batch, under one lock, and the
//! page heap gives back once what is too much. 100 instructions a span.
//!
//! The concurrent collector will sweep a span when a run wants it: [`GcHeap::sweep_span`] is all that is to be
//! done for one.

use super::GcHeap;
use super::span::{Extra, Span, SpanStack};
use crate::heap::{PAGE_SIZE, System};
use core::sync::atomic::Ordering::Relaxed;

/// What free memory holds under `GODEBUG=clobberfree=1` (Go's).
const CLOBBER: usize = 0xdead_beef_dead_beef;

/// What a sweep found.
#[derive(Default)]
pub(super) struct Swept {
    /// Bytes and number of objects that live.
    pub(super) live: usize,
    pub(super) objects: usize,
    /// Bytes of those with pointers.
    pub(super) scanned: usize,
}

impl<S: System + 'static> GcHeap<S> {
    /// Sweeps all spans, which belong to no run, and frees the pages of those without objects. `reserve`
    /// gets the live bytes and says how many free pages the heap is to keep.
    ///
    /// # Safety
    /// The world stands, and marking has ended.
    pub(super) unsafe fn sweep(&self, reserve: impl FnOnce(&Swept) -> usize) -> Swept {
        let mut swept = Swept::default();
        let mut dead = SpanStack::new();
        for (class, central) in self.central.iter().enumerate() {
            let mut central = central.lock();
            let mut lists = [central.full.take(), central.partial.take()];
            for list in &mut lists {
                while let Some(span) = list.pop() {
                    let before = span.in_use.get();
                    // SAFETY: as the caller promises.
                    let live = unsafe { self.sweep_span(span) };
                    central.frees += (usize::from(before) - live) as u64;
                    swept.live += live * span.size.get();
                    swept.objects += live;
                    swept.scanned += if class % 2 == 0 { live * span.size.get() } else { 0 };
                    if live == 0 {
                        central.large_freed += if class < 2 { span.size.get() as u64 } else { 0 };
                        dead.push(span);
                    } else if live < usize::from(span.slots.get()) {
                        central.partial.push(span);
                    } else {
                        central.full.push(span);
                    }
                }
            }
        }
        let reserve = reserve(&swept);
        // SAFETY: no object is left in them, and they are on no list.
        unsafe { self.free_spans(dead, reserve) };
        swept
    }

    /// Makes a span's marks its bits of slots in use; returns how many those are.
    ///
    /// # Safety
    /// The span is the caller's, and its specials were seen to.
    unsafe fn sweep_span(&self, span: &'static Span) -> usize {
        // SAFETY: as the caller promises.
        let live = unsafe { span.count_marks() };
        if self.clobber.load(Relaxed) {
            for slot in 0..usize::from(span.slots.get()) {
                // SAFETY: the slot is there.
                if unsafe { !span.is_marked(slot) } {
                    self.fill(span.address(slot), span.address(slot + 1));
                }
            }
        }
        let (alloc, marks) = (span.alloc.get(), span.marks.get());
        span.alloc.set(marks);
        span.marks.set(alloc);
        // SAFETY: as many words as the span's bitmap has.
        unsafe { alloc.write_bytes(0, span.bit_words()) };
        span.in_use.set(live as u16);
        span.free_index.set(0);
        live
    }

    /// # Safety
    /// The spans are on no other list, and hold no object.
    unsafe fn free_spans(&self, mut dead: SpanStack, reserve: usize) {
        let runs = dead
            .iter()
            .map(|s| (core::ptr::with_exposed_provenance_mut(s.base.get()), s.npages.get() as usize));
        // SAFETY: the pages are the spans', which are freed below.
        unsafe { self.pages.free_pages(runs, reserve) };
        let mut records = self.records.lock();
        while let Some(span) = dead.pop() {
            let extra: (Extra, *mut u8) = span.kill();
            // SAFETY: it is dead.
            unsafe { records.free_span(span, extra) };
        }
    }

    /// Fills memory that is free.
    pub(super) fn fill(&self, lo: usize, hi: usize) {
        for at in (lo..hi).step_by(8) {
            // SAFETY: free slots, which nobody uses.
            unsafe { *(at as *mut usize) = CLOBBER };
        }
    }

    /// Under `clobberfree` the slots that a run has just taken hold what they were filled with.
    pub(super) fn check_free(&self, run: &super::run::Run) {
        if !self.clobbered.load(Relaxed) {
            return;
        }
        for at in (run.next.get()..run.end.get()).step_by(8) {
            // SAFETY: the run's slots.
            if unsafe { *(at as *const usize) } != CLOBBER {
                self.pages.sys().misuse(
                    "a free slot of the collected heap was written to",
                    core::ptr::with_exposed_provenance_mut(at),
                );
            }
        }
    }
}

/// Pages for so many bytes.
pub(super) fn pages(bytes: usize) -> usize {
    bytes.div_ceil(PAGE_SIZE)
}
