//! Tests of the collected heap on the host, over memory of the host's allocator and without a scheduler.

mod marking;
mod model;
mod runs;
mod sampling;
mod specials;

use super::central::{Class, Records};
use super::special::Specials;
use super::{Cycle, GcHeap, Roots, Runs, Sink, TypeDesc};
use crate::heap::PAGE_SIZE;
use crate::heap::system::Locked;
use crate::heap::tests::source::{Source, heap, lock};
use std::boxed::Box;
use std::vec::Vec;

/// A collected heap over an arena of so many bytes. It is leaked, since records live for ever.
fn gc_heap(bytes: usize) -> &'static GcHeap<Source> {
    let gc = GcHeap::new(
        heap(bytes),
        core::array::from_fn(|_| Locked::new(lock(), Class::new())),
        Locked::new(lock(), Records::new()),
        Locked::new(lock(), Specials::new()),
    );
    Box::leak(Box::new(gc))
}

/// Ranges of words as roots.
struct Ranges<'a>(&'a [(usize, usize)]);

// SAFETY: as whoever made it promised.
unsafe impl Roots for Ranges<'_> {
    fn scan(&self, sink: &mut dyn Sink) {
        for &(lo, hi) in self.0 {
            // SAFETY: as above.
            unsafe { sink.conservative(lo, hi) };
        }
    }
}

/// A heap with one P and a few words of roots.
struct World {
    gc: &'static GcHeap<Source>,
    runs: Runs,
    roots: Vec<usize>,
}

impl World {
    fn new(bytes: usize) -> World {
        World { gc: gc_heap(bytes), runs: Runs::new(), roots: std::vec![0; 64] }
    }

    fn alloc(&self, size: usize, desc: Option<&'static TypeDesc>) -> usize {
        // SAFETY: one thread, one P.
        let p = unsafe { self.gc.alloc(&self.runs, size, desc, true) }.expose_provenance();
        assert_ne!(p, 0, "no memory for {size} B");
        p
    }

    fn collect(&self) -> Cycle {
        let lo = self.roots.as_ptr().expose_provenance();
        self.collect_from(&Ranges(&[(lo, lo + self.roots.len() * 8)]))
    }

    fn collect_from(&self, roots: &dyn Roots) -> Cycle {
        // SAFETY: nobody else uses the heap.
        unsafe { self.gc.collect(core::iter::once(&self.runs), roots, 0) }
    }

    fn stats(&self) -> super::GcStats {
        // SAFETY: as above.
        unsafe { self.gc.stats(core::iter::once(&self.runs)) }
    }
}

/// A type of so many words; `mask` has a bit for each that is a pointer.
fn desc(words: usize, mask: &[u64]) -> &'static TypeDesc {
    let last = mask.iter().enumerate().rev().find(|(_, m)| **m != 0);
    let ptr_words = last.map_or(0, |(i, m)| i * 64 + 64 - m.leading_zeros() as usize);
    assert!(ptr_words <= words);
    let mask = Vec::leak(mask.to_vec());
    // SAFETY: the mask covers the words, and is leaked.
    Box::leak(Box::new(unsafe { TypeDesc::new(words * 8, ptr_words * 8, mask.as_ptr().cast()) }))
}

fn word(p: usize) -> usize {
    // SAFETY: tests pass words of objects that are there.
    unsafe { *(p as *const usize) }
}

fn set(p: usize, v: usize) {
    // SAFETY: as in `word`.
    unsafe { *(p as *mut usize) = v };
}

/// All memory is back but the collector's records.
fn assert_empty(w: &mut World) {
    w.roots.fill(0);
    let cycle = w.collect();
    assert_eq!((cycle.live, cycle.objects), (0, 0), "objects that nobody reaches");
    let stats = w.stats();
    assert_eq!((stats.heap_alloc, stats.heap_inuse, stats.mallocs), (0, 0, stats.frees));
    w.gc.pages.release_all();
    let left = w.gc.pages.sys().out();
    let records = stats.records as usize + w.gc.pages.mem_stats(core::iter::empty()).sys as usize;
    assert!(left <= records + PAGE_SIZE, "{left} bytes are out, {records} are records");
}
