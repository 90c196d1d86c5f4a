//! The collected heap: objects that nobody frees (Go: `mgc.go`, `malloc.go`).
//!
//! # Problem
//! Go programs allocate and forget. An allocation is to cost some twenty instructions, a collection less
//! than a hundred for each object that lives and nothing for one that does not; pointers may lead into the
//! middle of objects; stacks and globals hold words of which nobody says whether they are
//! pointers. Nothing here knows Go: an object has a type description ([`TypeDesc`]: size, mask of
//! pointers, how it repeats), and whoever has roots says where they are ([`Roots`]).
//!
//! # Layers
//! | layer | holds | guarded by | file |
//! |---|---|---|---|
//! | [`Runs`], one a P | for each span class a row of free slots | preemption off | `run.rs` |
//! | `Class`, one a span class | spans with and without free slots | its lock | `central.rs` |
//! | the page heap | pages, shared with owned objects | its lock | `../heap/mheap.rs` |
//!
//! # Protocol
//! 1. `alloc` takes the next slot of the P's run, writes which of its words are pointers, clears it.
//! 2. The run is at its end: the next row of zeroes in its span's bits is taken; there is none: a span
//!    with free slots from the class's list, else a new one. What a span has to give counts as allocated when a run
//!    gets it, and the pacer says whether a cycle is due (`pacer.rs`).
//! 3. A cycle, with the world stopped: every run gives its span back, with how far it came in it. Roots are
//!    looked at, then everything that they lead to is marked (`mark.rs`), then finalizers, cleanups and
//!    weak handles are seen to (`special.rs`), then the marks become the bits of slots in use (`sweep.rs`).
//!
//! # Where the concurrent collector will hook
//! Step 3 falls into phases at the calls of [`GcHeap::collect`]. New objects are black if a run's row is marked when the
//! run takes it, in `Run::advance`: allocation does not change. Spans are swept one at a time by
//! `sweep_span`, which `refill` can call. Writes of pointers into objects by Rust code are to go through one
//! typed move, which is the barrier's place. Buffers of the marker's stack are what markers will share.
//!
//! # Rejected
//! - *A type word for each slot* (the first proof). Marking takes three dependent loads to an object's mask, and an object of
//!   16 B takes 24. Bits in the span cost the allocation 7 instructions more and memory 1.6 %.
//! - *Objects of the owned heap's spans.* What is freed by its owner moves between Ps in magazines, and the
//!   collector would have to know what lies in them. The two share pages, and nothing else.
//! - *Counting allocations.* See `stats.rs`.

#![allow(unsafe_code, reason = "the collector reads and reuses all memory of its objects")]

mod central;

pub(crate) mod layout;
#[cfg(all(feature = "kernel-tests", not(test)))]
mod machine_tests;
mod mark;
mod pacer;
pub(crate) mod port;
mod roots;
mod run;
mod sample;
mod scan;
mod span;
mod special;
mod stacks;
mod stats;
mod sweep;
mod table;
#[cfg(test)]
mod tests;
mod types;
mod verify;
mod workbuf;

pub use pacer::UNLIMITED;
pub(crate) use port::init;
pub use port::{
    Allocated, Mutator, alloc, collect, free_os_memory, register, sample_by, set_memory_limit, stats,
    weak_handle,
};
pub use roots::{Roots, Sink};
pub use run::{NUM_SPAN_CLASSES, Runs};
pub use special::Kind;
pub use stacks::scan as scan_stacks;
pub use stats::{GcStats, PAUSES};
pub use types::TypeDesc;

use crate::heap::size_class::class_of;
use crate::heap::system::Locked;
use crate::heap::{Heap, Object, PAGE_SIZE, System};
use central::{Class, Records};
use core::ptr::null_mut;
use core::sync::atomic::AtomicBool;
use core::sync::atomic::Ordering::Relaxed;
use mark::Marker;
use special::Specials;

/// The collected heap, without the Ps' runs; see the module's text.
pub struct GcHeap<S: System + 'static> {
    pages: &'static Heap<S>,
    table: table::Table,
    central: [Locked<S::Lock, Class>; NUM_SPAN_CLASSES],
    records: Locked<S::Lock, Records>,
    specials: Locked<S::Lock, Specials>,
    pacer: pacer::Pacer,
    cycles: stats::Cycles,
    /// For heap profiles.
    rate: sample::Rate,
    /// Free memory is filled, from the next sweep on all of it; then it is looked at when it is allocated.
    clobber: AtomicBool,
    clobbered: AtomicBool,
    /// Each cycle is checked.
    verify: AtomicBool,
}

/// What a cycle did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cycle {
    /// Bytes allocated before it, and of objects that live.
    pub before: usize,
    /// See `before`.
    pub live: usize,
    /// Objects that live.
    pub objects: usize,
    /// Bytes of roots.
    pub roots: usize,
}

/// The span class of objects of `size` bytes, with or without pointers; 0 or 1: a large object.
#[inline(always)]
fn find_class(size: usize, noscan: bool) -> usize {
    class_of(size, 8) * 2 + usize::from(noscan)
}

impl<S: System + 'static> GcHeap<S> {
    /// A heap without objects, over the pages of another, with locks that are free.
    const fn new(
        pages: &'static Heap<S>,
        central: [Locked<S::Lock, Class>; NUM_SPAN_CLASSES],
        records: Locked<S::Lock, Records>,
        specials: Locked<S::Lock, Specials>,
    ) -> GcHeap<S> {
        GcHeap {
            pages,
            table: table::Table::new(),
            central,
            records,
            specials,
            pacer: pacer::Pacer::new(),
            cycles: stats::Cycles::new(),
            rate: sample::Rate::new(),
            clobber: AtomicBool::new(false),
            clobbered: AtomicBool::new(false),
            verify: AtomicBool::new(false),
        }
    }

    /// An object of `size` bytes, at least 1, that is as many elements of the type as fit into them, or, without a type,
    /// holds no pointers. With pointers, or if `zero` says so, it is cleared. Null if there is no memory.
    ///
    /// # Safety
    /// `runs` are the current P's, and nobody else uses them meanwhile; `desc` stays as long as the object.
    #[inline]
    pub unsafe fn alloc(&self, runs: &Runs, size: usize, desc: Option<&TypeDesc>, zero: bool) -> *mut u8 {
        let desc = desc.filter(|d| d.ptr_bytes != 0);
        runs.look_at_rate(&self.rate);
        if desc.is_none() && size < run::TINY_BLOCK {
            // SAFETY: as the caller promises.
            return unsafe { self.alloc_tiny(runs, size) };
        }
        // SAFETY: as the caller promises.
        let p = unsafe { self.alloc_class(runs, find_class(size, desc.is_none()), size, desc, zero) };
        core::ptr::with_exposed_provenance_mut(p)
    }

    /// [`GcHeap::alloc`] of a class, as an address.
    #[inline]
    unsafe fn alloc_class(
        &self,
        runs: &Runs,
        class: usize,
        size: usize,
        desc: Option<&TypeDesc>,
        zero: bool,
    ) -> usize {
        let mut p = runs.take(class);
        if p == 0 {
            // SAFETY: as the caller promises.
            match unsafe { self.alloc_slow(runs, class, size, desc, zero) } {
                Slow::Object(object) => return object,
                Slow::Refilled => p = runs.take(class),
            }
        }
        if let Some(desc) = desc {
            // SAFETY: the slot was just taken.
            unsafe { runs.set_type(class, p, size, desc) };
        }
        if zero || desc.is_some() {
            // SAFETY: the slot is ours.
            unsafe { (p as *mut u8).write_bytes(0, runs.run[class].size.get()) };
        }
        p
    }

    /// The run is at its end, or the object is large.
    #[cold]
    #[inline(never)]
    unsafe fn alloc_slow(
        &self,
        runs: &Runs,
        class: usize,
        size: usize,
        desc: Option<&TypeDesc>,
        zero: bool,
    ) -> Slow {
        // SAFETY: as the caller promises, and on the stack for it.
        self.pages.sys().systemstack(|| unsafe {
            if class < 2 {
                let word = desc.map_or(0, |d| core::ptr::from_ref(d).addr());
                let object = self.alloc_large(size, word, desc.is_none(), zero);
                if runs.look_at_rate(&self.rate) && object != 0 {
                    runs.sample_large(class, size.next_multiple_of(PAGE_SIZE));
                }
                return Slow::Object(object);
            }
            if !self.refill(&runs.run[class], class) {
                return Slow::Object(0);
            }
            if runs.look_at_rate(&self.rate) {
                runs.sample_row(class);
            }
            Slow::Refilled
        })
    }

    /// An object of less than 16 B without pointers, cleared.
    unsafe fn alloc_tiny(&self, runs: &Runs, size: usize) -> *mut u8 {
        let p = runs.take_tiny(size);
        if p != 0 {
            return core::ptr::with_exposed_provenance_mut(p);
        }
        // SAFETY: as the caller promises.
        let p = unsafe { self.alloc_class(runs, run::TINY_CLASS, run::TINY_BLOCK, None, true) };
        if p != 0 {
            runs.tiny_block(p, size);
        }
        core::ptr::with_exposed_provenance_mut(p)
    }

    /// A cycle: frees what cannot be reached from `roots`. `others` are bytes that the program has from the machine beside
    /// pages and records of this heap, for the memory limit: any number if there is none.
    ///
    /// # Safety
    /// The world stands: nobody uses this heap, its runs or its objects; `runs` are those of all Ps. On a
    /// stack that is fully backed.
    pub unsafe fn collect<'a>(
        &self,
        runs: impl Iterator<Item = &'a Runs>,
        roots: &dyn Roots,
        others: usize,
    ) -> Cycle {
        let before = self.pacer.live();
        for p in runs {
            self.flush(p);
        }
        let mut marker = Marker::new(self);
        roots.scan(&mut marker);
        self.special_roots(&mut marker);
        marker.drain();
        let roots = marker.root_bytes;
        drop(marker);
        self.settle_specials();
        // SAFETY: marking has ended.
        unsafe {
            if self.verify.load(Relaxed) {
                self.verify();
            }
            let records = self.records.lock().bytes().2;
            let swept = self.sweep(|swept| {
                self.pacer.cycle(swept.live, roots, others + records);
                // Until the next cycle is due, as much again will be wanted.
                let goal = self.pacer.goal();
                if goal == UNLIMITED { 0 } else { sweep::pages(goal.saturating_sub(swept.live)) }
            });
            self.clobbered.store(self.clobber.load(Relaxed), Relaxed);
            self.cycles.count.fetch_add(1, Relaxed);
            self.cycles.scanned.store(swept.scanned as u64, Relaxed);
            Cycle { before, live: swept.live, objects: swept.objects, roots }
        }
    }

    /// A P's runs give their spans back.
    fn flush(&self, runs: &Runs) {
        for (class, run) in runs.run.iter().enumerate() {
            let unused = run.unused();
            if let Some(span) = run.leave() {
                let mut central = self.central[class].lock();
                central.mallocs -= unused as u64;
                central.full.push(span);
            }
        }
        // The block is an object as any other: nobody may hold it any more.
        runs.drop_tiny();
    }

    /// How many cycles there were.
    pub fn cycles(&self) -> u64 {
        self.cycles.count.load(Relaxed)
    }

    /// At how many bytes the next cycle is due.
    pub fn goal(&self) -> usize {
        self.pacer.goal()
    }

    /// Whether a cycle is due. An allocation that takes a new span, or is large, asks first.
    pub fn is_due(&self) -> bool {
        self.pacer.due()
    }

    /// Sets GOGC, below 0: off; returns what it was.
    pub fn set_percent(&self, percent: i32) -> i32 {
        self.pacer.set_percent(percent)
    }

    /// GOGC, below 0: off.
    pub fn percent(&self) -> i32 {
        self.pacer.percent()
    }

    /// Sets the memory limit, which is soft; returns what it was. `others` are as in [`GcHeap::collect`].
    pub fn set_memory_limit(&self, bytes: usize, others: usize) -> usize {
        self.pacer.set_limit(bytes, others + self.records.lock().bytes().2)
    }

    /// The memory limit.
    pub fn memory_limit(&self) -> usize {
        self.pacer.limit()
    }

    /// Has free slots filled and looked at, each cycle checked, and one every so many bytes in any
    /// case (0: not).
    pub fn set_checks(&self, clobber: bool, verify: bool, stress: usize) {
        self.clobbered.store(false, Relaxed);
        self.clobber.store(clobber, Relaxed);
        self.verify.store(verify, Relaxed);
        self.pacer.set_stress(stress);
    }

    /// The object that `addr` points into, in use or not; none if it points elsewhere.
    pub fn find_object(&self, addr: usize) -> Option<Object> {
        let (span, index) = self.table.view().find(addr)?;
        Some(Object { base: span.address(index), size: span.size.get(), index })
    }
}

/// How a slow allocation ended.
enum Slow {
    /// The object, 0 if there is no memory.
    Object(usize),
    /// The run has slots.
    Refilled,
}

/// Asks for the line of an address, if the processor likes.
#[inline(always)]
fn arch_prefetch(addr: usize) {
    crate::arch::prefetch(addr);
}

/// Pages are what spans are made of, and a bitmap's place follows from an object's offset in its page.
const _: () = assert!(PAGE_SIZE == 8192 && null_mut::<u8>().is_null());
