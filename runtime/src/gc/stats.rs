//! Statistics of the collected heap, as Go's `MemStats` wants them.
//!
//! Allocations are not counted one by one: a run was given so many slots, and those that it has not
//! used are counted when somebody asks. With the world stopped the figures are exact.

use super::run::Runs;
use super::{GcHeap, NUM_SPAN_CLASSES};
use crate::heap::{BySize, NUM_SIZE_CLASSES, PAGE_SIZE, System};
use core::sync::atomic::AtomicU64;
use core::sync::atomic::Ordering::Relaxed;

/// Lengths of the last pauses that are kept (Go: `MemStats.PauseNs`).
pub const PAUSES: usize = 256;

/// What the collector has done so far.
pub(super) struct Cycles {
    pub(super) count: AtomicU64,
    pub(super) forced: AtomicU64,
    pub(super) pause_total: AtomicU64,
    /// Bytes of objects with pointers that lived after the last one.
    pub(super) scanned: AtomicU64,
    /// Lengths in nanoseconds and ends (`nanotime`), a ring.
    pub(super) pauses: [AtomicU64; PAUSES],
    pub(super) ends: [AtomicU64; PAUSES],
}

impl Cycles {
    pub(super) const fn new() -> Cycles {
        Cycles {
            count: AtomicU64::new(0),
            forced: AtomicU64::new(0),
            pause_total: AtomicU64::new(0),
            scanned: AtomicU64::new(0),
            pauses: [const { AtomicU64::new(0) }; PAUSES],
            ends: [const { AtomicU64::new(0) }; PAUSES],
        }
    }
}

/// See the module's text; sizes in bytes.
#[derive(Clone, Debug)]
pub struct GcStats {
    /// Objects allocated and freed, ever, tiny ones in shared blocks included in both.
    pub mallocs: u64,
    /// See `mallocs`.
    pub frees: u64,
    /// Bytes of all objects allocated, ever, and of those that are there.
    pub total_alloc: u64,
    /// See `total_alloc`. Objects that nobody reaches any more count until the next cycle.
    pub heap_alloc: u64,
    /// Of spans.
    pub heap_inuse: u64,
    /// At which the next cycle is due.
    pub next_gc: u64,
    /// The collector's records, those of spans in use and of all spans.
    pub records: u64,
    /// See `records`.
    pub spans_inuse: u64,
    /// See `records`.
    pub spans_sys: u64,
    /// Cycles, and those that the program asked for.
    pub cycles: u64,
    /// See `cycles`.
    pub forced: u64,
    /// Of all pauses, in nanoseconds.
    pub pause_total: u64,
    /// Tiny objects that found room in a block that was there.
    pub tiny: u64,
    /// Of the last cycle, in bytes: objects that lived, those of them with pointers, roots.
    pub marked: u64,
    /// See `marked`.
    pub scanned: u64,
    /// See `marked`.
    pub roots: u64,
    /// By size class, as in Go without tiny objects in shared blocks.
    pub by_size: [BySize; NUM_SIZE_CLASSES],
}

impl<S: System + 'static> GcHeap<S> {
    /// The figures.
    ///
    /// # Safety
    /// The world stands; `runs` are those of all Ps.
    pub unsafe fn stats<'a>(&self, runs: impl Iterator<Item = &'a Runs>) -> GcStats {
        let mut unused = [0u64; NUM_SPAN_CLASSES];
        let mut tiny = 0;
        for p in runs {
            for (class, run) in p.run.iter().enumerate() {
                unused[class] += run.unused() as u64;
            }
            tiny += p.tiny_allocs.get();
        }
        let mut by_size = [BySize::default(); NUM_SIZE_CLASSES];
        let (mut total, mut freed) = (0, 0);
        for (class, central) in self.central.iter().enumerate() {
            let central = central.lock();
            let b = &mut by_size[class / 2];
            let size = super::central::LAYOUTS[class].size as u64;
            let mallocs = central.mallocs.saturating_sub(unused[class]);
            b.size = size as u32;
            b.mallocs += mallocs;
            b.frees += central.frees;
            total += mallocs * size + central.large_bytes;
            freed += central.frees * size + central.large_freed;
        }
        let (mallocs, frees) = by_size.iter().fold((tiny, tiny), |(m, f), b| (m + b.mallocs, f + b.frees));
        let records = self.records.lock();
        let (spans_inuse, spans_sys, all) = records.bytes();
        let (marked, roots) = self.pacer.last();
        GcStats {
            mallocs,
            frees,
            total_alloc: total,
            heap_alloc: total - freed,
            heap_inuse: (records.pages * PAGE_SIZE) as u64,
            next_gc: self.pacer.goal() as u64,
            records: all as u64,
            spans_inuse: spans_inuse as u64,
            spans_sys: spans_sys as u64,
            cycles: self.cycles.count.load(Relaxed),
            forced: self.cycles.forced.load(Relaxed),
            pause_total: self.cycles.pause_total.load(Relaxed),
            tiny,
            marked: marked as u64,
            scanned: self.cycles.scanned.load(Relaxed),
            roots: roots as u64,
            by_size,
        }
    }

    /// The last cycle's pause ends. The world still stands: whoever reads that there was the cycle reads its pause.
    pub(super) fn note_pause(&self, nanoseconds: u64, end: u64) {
        let cycles = &self.cycles;
        let i = (cycles.count.load(Relaxed) as usize).wrapping_sub(1) % PAUSES;
        cycles.pauses[i].store(nanoseconds, Relaxed);
        cycles.ends[i].store(end, Relaxed);
        cycles.pause_total.fetch_add(nanoseconds, Relaxed);
    }

    /// Writes the last pauses' lengths and ends, the first cycle's at 0 and so on round; 0 where there was none yet.
    ///
    /// # Safety
    /// The world stands.
    pub unsafe fn pauses(&self, lengths: &mut [u64; PAUSES], ends: &mut [u64; PAUSES]) {
        *lengths = self.cycles.pauses.each_ref().map(|length| length.load(Relaxed));
        *ends = self.cycles.ends.each_ref().map(|end| end.load(Relaxed));
    }
}
