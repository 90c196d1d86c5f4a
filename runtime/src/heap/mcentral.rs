//! The central list of a span class: where magazines are filled from and emptied to (Go: `mcentral.go`).
//!
//! Go hands whole spans to a P, since the sweeper is who frees. Here the owner frees, on any P: objects travel in batches, under the
//! list's lock, and a span belongs to no P.

use super::Heap;
use super::span::{Span, SpanClass, SpanList, SpanState};
use super::system::System;

/// See the module's text.
pub(super) struct Central {
    /// Spans with objects in them. Spans whose objects are all out are on no list.
    partial: SpanList,
    /// Objects out of the spans: in magazines or in use.
    pub(super) out: usize,
    /// Objects allocated without a magazine, ever.
    pub(super) allocs: u64,
}

// SAFETY: the list holds references to spans, whose links are touched only under this list's lock.
unsafe impl Send for Central {}

impl Central {
    pub(super) const fn new() -> Central {
        Central { partial: SpanList::new(), out: 0, allocs: 0 }
    }

    /// Takes objects of a class into `out`, from a new span only if there is none otherwise; returns how many, 0 if there is no memory.
    pub(super) fn take<S: System>(&mut self, heap: &Heap<S>, class: usize, out: &mut [*mut u8]) -> usize {
        let mut n = 0;
        while n < out.len() {
            let span = match self.partial.first() {
                Some(span) => span,
                None if n > 0 => break,
                None => match heap.alloc_span(SpanClass::new(class, true)) {
                    Some(span) => {
                        self.partial.push(span);
                        span
                    }
                    None => break,
                },
            };
            n += span.take(&mut out[n..]);
            if span.is_full() {
                self.partial.remove(span);
            }
        }
        self.out += n;
        n
    }

    /// Puts objects of a class back into their spans. A span that becomes empty is freed unless it is the list's only one.
    ///
    /// # Safety
    /// The objects are not used any more. A pointer that is no object of the class, or one that is in its span already, ends the program.
    pub(super) unsafe fn put<S: System>(&mut self, heap: &Heap<S>, class: usize, objects: &[*mut u8]) {
        let mut last = None;
        for &p in objects {
            // Objects that were allocated together are freed together, mostly: often the span is the last one's.
            let span = match last {
                Some(span) if Span::covers(span, p) => span,
                _ => self.span_of(heap, class, p),
            };
            last = Some(span);
            let was_full = span.is_full();
            if let Err(what) = span.put(p) {
                heap.sys.misuse(what, p);
            }
            if was_full {
                self.partial.push(span);
            }
            if span.is_empty() && !self.partial.is_only(span) {
                self.partial.remove(span);
                last = None;
                // SAFETY: it is in use and on no list, and all its objects are in it.
                unsafe { heap.free_span(span) };
            }
        }
        self.out -= objects.len();
    }

    fn span_of<S: System>(&self, heap: &Heap<S>, class: usize, p: *mut u8) -> &'static Span {
        match heap.map.span_of(p.addr()) {
            Some(span) if span.state() != SpanState::Dead && span.covers(p) => {
                if span.class() != SpanClass::new(class, true) {
                    heap.sys.misuse("free with a layout of another size class", p);
                }
                span
            }
            _ => heap.sys.misuse("free of a pointer that is not the heap's", p),
        }
    }

    /// Frees the spans that are empty.
    pub(super) fn reclaim<S: System>(&mut self, heap: &Heap<S>) {
        while let Some(span) = self.partial.first_that(Span::is_empty) {
            self.partial.remove(span);
            // SAFETY: it is in use and on no list, and all its objects are in it.
            unsafe { heap.free_span(span) };
        }
    }
}
