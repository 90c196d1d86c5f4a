//! The collected heap over the port, and a cycle under the scheduler (Go: `mallocgc`, `gcStart`).
//!
//! # A cycle
//! 1. The goroutine whose allocation made it due, or that asks for it, stops the world (`proc/stw.rs`). Another
//!    may have been quicker: if there was a cycle meanwhile, nothing is left to do.
//! 2. Its callee-saved registers go to its stack, so that everything that it holds is there, and it continues on its
//!    M's g0. Every other goroutine stands with all its registers on its stack: those that switched by
//!    themselves pushed them, those that were preempted have all of them, the XSAVE area included, in the frame that
//!    the preemption made.
//! 3. [`GcHeap::collect`], from the roots that were registered.
//! 4. The world runs. Whoever was to be told of finalizers and cleanups is.
//!
//! # Where it may begin
//! In [`alloc`], before an object is taken, and in [`collect`]: on a goroutine that holds no lock of the
//! runtime, and where whoever registered the roots agrees. Until somebody has, there are no cycles.

use super::central::{Class, Records};
use super::special::Specials;
use super::{Cycle, GcHeap, GcStats, NUM_SPAN_CLASSES, PAUSES, Roots, Runs, Sink, TypeDesc, UNLIMITED};
use crate::heap::port::{HEAP, PortSystem};
use crate::heap::system::Locked;
use crate::heap::{PAGE_SIZE, System, on_goroutine};
use crate::lock::{Lock, Rank};
use crate::proc::{FOR_GC, G, acquirem, all_runs, releasem, stop_the_world, systemstack};
use crate::{arch, godebug, port};
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use core::sync::atomic::{AtomicPtr, AtomicUsize};

/// The program's collected heap.
pub(crate) static GC: GcHeap<PortSystem> = GcHeap::new(
    &HEAP,
    [const { Locked::new(Lock::new(Rank::Mcentral), Class::new()) }; NUM_SPAN_CLASSES],
    Locked::new(Lock::new(Rank::Mheap), Records::new()),
    Locked::new(Lock::new(Rank::Mcentral), Specials::new()),
);

/// Who knows the roots and where a cycle may begin.
///
/// # Safety
/// `scan` names all roots, as [`Roots`] says.
pub unsafe trait Mutator: Sync {
    /// Whether the goroutine that allocates may stop the world here, as far as it is not the runtime's own locks
    /// that forbid it.
    fn may_collect(&self) -> bool;

    /// The world has just stopped for a cycle (Go runs `poolCleanup` here).
    fn begin(&self);

    /// Names the roots. The goroutine `me` collects; what it holds lies on its stack from `sp` on.
    fn scan(&self, me: *mut G, sp: usize, sink: &mut dyn Sink);

    /// The world runs again. So many finalizers and cleanups are due.
    fn end(&self, finalizers: usize, cleanups: usize);
}

/// The one that was registered.
static MUTATOR: AtomicPtr<&'static dyn Mutator> = AtomicPtr::new(core::ptr::null_mut());

/// Registers who knows the roots, once for all: from here on there are cycles.
pub fn register(mutator: &'static &'static dyn Mutator) {
    MUTATOR.store(core::ptr::from_ref(mutator).cast_mut(), Release);
}

fn mutator() -> Option<&'static dyn Mutator> {
    // SAFETY: null or what `register` was given.
    unsafe { MUTATOR.load(Acquire).as_ref() }.copied()
}

/// Reads `GODEBUG`. Called once, before the first P.
pub(crate) fn init(percent: Option<i32>) {
    let (clobber, verify) = (godebug::CLOBBERFREE.is_on(), godebug::GCVERIFY.is_on());
    GC.set_checks(clobber, verify, godebug::GCSTRESS.get() as usize * 1024);
    if let Some(percent) = percent {
        GC.set_percent(percent);
    }
}

/// What [`alloc`] returns.
#[repr(C)]
pub struct Allocated {
    /// Null: there is no memory.
    pub object: *mut u8,
    /// Its size if it is to be in the heap profile, else 0 (`sample.rs`).
    pub sampled: usize,
}

/// Has heap profiles sample one object of so many bytes as the word says at that time; 0: none.
///
/// # Safety
/// The word stays.
pub unsafe fn sample_by(word: *mut AtomicUsize) {
    // SAFETY: as the caller promises.
    unsafe { GC.rate.read_from(word) };
}

/// An object as [`GcHeap::alloc`] makes it, perhaps after a cycle; null if there is no memory even so.
///
/// # Safety
/// On a goroutine; `desc` stays as long as the object.
pub unsafe fn alloc(size: usize, desc: Option<&TypeDesc>, zero: bool) -> Allocated {
    if GC.is_due() {
        collect_if_allowed(desc);
    }
    // SAFETY: as the caller promises.
    let p = unsafe { alloc_now(size, desc, zero) };
    if !p.object.is_null() || !collect_if_allowed(desc) {
        return p;
    }
    // SAFETY: as above.
    unsafe { alloc_now(size, desc, zero) }
}

/// [`alloc`] without a cycle.
///
/// # Safety
/// As [`alloc`].
unsafe fn alloc_now(size: usize, desc: Option<&TypeDesc>, zero: bool) -> Allocated {
    with_runs(|runs| {
        // SAFETY: the current P's runs, not preempted.
        let object = unsafe { GC.alloc(runs, size, desc, zero) };
        Allocated { object, sampled: runs.sampling.take_hit() }
    })
}

/// Calls `f` with the current P's runs, not preempted.
fn with_runs<R>(f: impl FnOnce(&Runs) -> R) -> R {
    let gp = acquirem();
    // SAFETY: a goroutine that runs has an M, and that a P; with the count raised it keeps both.
    let r = f(unsafe { &(*(*(*gp).m).p).runs });
    releasem(gp);
    r
}

/// [`GcHeap::weak_handle`] on the current P.
pub fn weak_handle(addr: usize) -> usize {
    with_runs(|runs| {
        // SAFETY: the current P's runs, not preempted, on a stack for it.
        let handle = systemstack(|| unsafe { GC.weak_handle(runs, addr) });
        // The program did not ask for the handle.
        runs.sampling.take_hit();
        handle
    })
}

/// A cycle, if one may begin here; whether there was one.
#[cold]
#[inline(never)]
fn collect_if_allowed(desc: Option<&TypeDesc>) -> bool {
    let gp = port::getg();
    // SAFETY: the current G.
    if gp.is_null() || unsafe { (*gp).locks.load(Relaxed) } != 0 || !on_goroutine() {
        return false;
    }
    match mutator() {
        Some(m) if m.may_collect() => {
            collect_unless_done(GC.cycles(), desc);
            true
        }
        _ => false,
    }
}

/// A whole cycle (Go: `GC`): what is unreachable now is free when it returns. Nothing happens before somebody has registered.
///
/// The caller is a goroutine that holds no lock of the runtime.
pub fn collect() {
    GC.cycles.forced.fetch_add(1, Relaxed);
    collect_unless_done(GC.cycles(), None);
}

/// [`collect`], and all free memory goes back to the machine (Go: `FreeOSMemory`). Returns how many bytes.
pub fn free_os_memory() -> usize {
    collect();
    crate::heap::free_os_memory()
}

/// A cycle, unless there has been one since `seen`.
#[inline(never)]
fn collect_unless_done(seen: u64, desc: Option<&TypeDesc>) {
    let Some(mutator) = mutator() else { return };
    let start = port::nanotime();
    let world = stop_the_world(FOR_GC);
    if GC.cycles() != seen {
        return;
    }
    mutator.begin();
    let me = port::getg();
    let cycle = arch::with_saved_registers(|sp| systemstack(|| cycle(mutator, me, sp, desc)));
    let end = port::nanotime();
    GC.note_pause((end - start) as u64, end as u64);
    drop(world);
    if godebug::GCTRACE.is_on() {
        trace(seen + 1, &cycle, start, end);
    }
    let (finalizers, cleanups) = GC.ready();
    if finalizers + cleanups != 0 {
        mutator.end(finalizers, cleanups);
    }
}

/// Step 3, on g0.
fn cycle(mutator: &dyn Mutator, me: *mut G, sp: usize, desc: Option<&TypeDesc>) -> Cycle {
    struct All<'a>(&'a dyn Mutator, *mut G, usize, Option<&'a TypeDesc>);
    // SAFETY: as whoever registered promised; and what is being allocated.
    unsafe impl Roots for All<'_> {
        fn scan(&self, sink: &mut dyn Sink) {
            self.0.scan(self.1, self.2, sink);
            // A description may be a collected object itself.
            sink.pointer(self.3.map_or(0, |d| core::ptr::from_ref(d).addr()));
        }
    }
    let others = if GC.memory_limit() == UNLIMITED { 0 } else { others() };
    // SAFETY: the world stands; on g0.
    unsafe { GC.collect(all_runs(), &All(mutator, me, sp, desc), others) }
}

/// Bytes of heap and stacks that are not the collected heap's pages. The machine looks at every frame to say so. On g0.
fn others() -> usize {
    let machine = port::sys_stats();
    let pages = GC.records.lock().pages + HEAP.idle_pages();
    (machine.heap + machine.stacks).saturating_sub(pages * PAGE_SIZE)
}

/// [`GcHeap::set_memory_limit`] of the program's heap.
pub fn set_memory_limit(bytes: usize) -> usize {
    GC.set_memory_limit(bytes, systemstack(others))
}

/// A line as Go's `gctrace=1` prints it; with the world stopped throughout the first phase is all.
fn trace(n: u64, c: &Cycle, start: i64, end: i64) {
    let ms = (end - start) as f64 / 1e6;
    let mb = |bytes: usize| bytes >> 20;
    crate::print::eprint(format_args!(
        "gc {n} @{:.3}s: {ms:.3} ms stopped, {}->{} MB, {} objects, {} MB goal, {} KB roots, {} P\n",
        start as f64 / 1e9,
        mb(c.before),
        mb(c.live),
        c.objects,
        mb(GC.goal()),
        c.roots >> 10,
        crate::gomaxprocs()
    ));
}

/// The figures of the collected heap, and its last pauses' lengths and ends as [`GcHeap::pauses`] writes them: of one moment, with the world stopped.
pub fn stats(lengths: &mut [u64; PAUSES], ends: &mut [u64; PAUSES]) -> GcStats {
    let world = stop_the_world("read mem stats");
    let stats = systemstack(|| {
        // SAFETY: the world stands.
        unsafe { GC.pauses(lengths, ends) };
        // SAFETY: as above.
        unsafe { GC.stats(all_runs()) }
    });
    drop(world);
    stats
}

const _: fn() = || {
    fn is_system<S: System>() {}
    is_system::<PortSystem>();
};
