//! The collector of Go programs: its roots, and what Go code asks of it (Go: `mgc.go`, `mfinal.go`,
//! `mcleanup.go`, `mstats.go`).
//!
//! # Roots
//! - the data and bss segments, word by word;
//! - each M's `m` of Go's, with the free `_defer`s that it keeps;
//! - of each goroutine of Go code that has not begun its closure and what its `g` was given by the `go`
//!   statement, labels and bubble; of others Go's `g`, by its type, and what the stack holds (`frames.rs`);
//! - timers that are armed: they lie in Go's memory, and only a P's heap of timers knows them.
//!
//! Channels and what waits in them lie in collected memory or on stacks, and so do select's arms.

use super::layout::{g_word, layout, word};
use super::{frames, m, os};
use crate::gc::port::GC;
use crate::gc::{self, Kind, Mutator, PAUSES, Sink, TypeDesc, scan_stacks};
use crate::heap::{self, PAGE_SIZE};
use crate::port;
use crate::proc::{self, ALLGS, ALLM, G, Status, WaitReason, systemstack};
use crate::sync::{semacquire, semrelease};
use core::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

struct Go;

static GO: &dyn Mutator = &Go;

/// Whoever runs finalizers, and cleanups, waits here.
static DUE: [AtomicU32; 2] = [AtomicU32::new(0), AtomicU32::new(0)];

/// A Go program has registered: from here on there are cycles. Its memory limit is soft.
pub(super) fn begin() {
    gc::set_memory_limit(heap::set_memory_limit(usize::MAX));
    gc::register(&GO);
    // SAFETY: the program's variable.
    unsafe { gc::sample_by(layout().mem_profile_rate as *mut AtomicUsize) };
}

// SAFETY: see "Roots" in the module's text.
unsafe impl Mutator for Go {
    fn may_collect(&self) -> bool {
        let (l, gp) = (layout(), port::getg());
        // SAFETY: the current goroutine's g and m, if it has one.
        unsafe {
            let m = g_word::<*mut u8>(gp, l.g_m).read();
            (*gp).is_go()
                && !m.is_null()
                && word::<_, i32>(m, l.m_locks).read() == 0
                && word::<_, i32>(m, l.m_mallocing).read() == 0
                // A string: its length.
                && word::<_, usize>(m, l.m_preemptoff + 8).read() == 0
        }
    }

    fn begin(&self) {
        // SAFETY: what the program registered for this neither allocates nor panics.
        systemstack(|| unsafe { m::call(layout().pool_cleanup, 0, 0, 0) });
    }

    fn scan(&self, me: *mut G, sp: usize, sink: &mut dyn Sink) {
        let l = layout();
        // SAFETY: a descriptor of the program's, which begins as `TypeDesc` does.
        let g_type = unsafe { &*(l.g_type as *const TypeDesc) };
        // SAFETY: segments, records and stacks that are there; the world stands.
        unsafe {
            sink.conservative(l.data, l.edata);
            sink.conservative(l.bss, l.ebss);
            ALLM.for_each(|mp| {
                let own = (*mp).go_m.load(Ordering::Acquire).addr();
                if own != 0 {
                    sink.conservative(own, own + l.m_size);
                }
            });
            ALLGS.for_each(|gp| {
                if (*gp).is_go() && !matches!((*gp).status(), Status::Idle | Status::Dead) {
                    let closure = (*gp).startarg.addr();
                    if closure == 0 {
                        sink.typed(G::go(gp).addr(), g_type);
                    } else {
                        for of in [l.g_labels, l.g_bubble] {
                            sink.pointer(g_word::<usize>(gp, of).read());
                        }
                        sink.pointer(closure);
                        sink.passed_over(g_type.ptr_bytes);
                    }
                }
            });
            frames::scan_own(sink, me, sp);
            // Whoever calls the machine has said where it stands: `os.rs`.
            scan_stacks(sink, me, G::is_go, G::saved_sp, |sink, gp| frames::scan_parked(sink, gp));
            proc::each_timer(|t| {
                let at = [t];
                sink.conservative(at.as_ptr().addr(), at.as_ptr().addr() + 8);
            });
        }
    }

    fn end(&self, finalizers: usize, cleanups: usize) {
        for (due, n) in DUE.iter().zip([finalizers, cleanups]) {
            if n != 0 {
                semrelease(due, false);
            }
        }
    }
}

pub(super) extern "C" fn gc_now() {
    gc::collect();
}

pub(super) extern "C" fn set_percent(percent: i32) -> isize {
    GC.set_percent(percent) as isize
}

/// A negative limit asks only.
pub(super) extern "C" fn set_limit(limit: i64) -> i64 {
    let old = match usize::try_from(limit) {
        Ok(limit) => gc::set_memory_limit(if limit == i64::MAX as usize { gc::UNLIMITED } else { limit }),
        Err(_) => GC.memory_limit(),
    };
    i64::try_from(old).unwrap_or(i64::MAX)
}

pub(super) extern "C" fn free_os_memory() {
    gc::free_os_memory();
}

fn kind(number: usize) -> Kind {
    match number {
        0 => Kind::Finalizer,
        1 => Kind::Cleanup,
        _ => Kind::Sampled,
    }
}

/// Registers a finalizer (0), a cleanup (1) or that an object is in the heap profile (2): its
/// number, 0 if there is no object, all bits if there is a finalizer.
pub(super) extern "C" fn add_special(number: usize, addr: usize, payload: &[usize; 4]) -> u64 {
    systemstack(|| GC.add_special(kind(number), addr, *payload)).unwrap_or(u64::MAX)
}

/// Takes a finalizer or a cleanup away.
pub(super) extern "C" fn remove_special(number: usize, addr: usize, id: u64) {
    systemstack(|| match kind(number) {
        Kind::Finalizer => GC.remove_finalizer(addr),
        _ => GC.remove_cleanup(addr, id),
    });
}

pub(super) extern "C" fn weak_handle(addr: usize) -> usize {
    gc::weak_handle(addr)
}

/// Waits for a finalizer (0) or a cleanup (1) that is due: its object and what was registered.
pub(super) extern "C" fn next_ready(number: usize, out: &mut [usize; 5]) {
    // On the scheduler's stack: a copy on this one would keep the object's next tenant alive while the goroutine waits.
    let mut next = || {
        let ready = GC.next_ready(kind(number))?;
        out[0] = ready.addr;
        out[1..].copy_from_slice(&ready.payload);
        Some(())
    };
    loop {
        if systemstack(&mut next).is_some() {
            return;
        }
        semacquire(&DUE[number & 1], false, WaitReason::Semacquire);
    }
}

/// How many finalizers, and cleanups, ever were due.
#[repr(C)]
pub(super) struct Queued(u64, u64);

pub(super) extern "C" fn queued() -> Queued {
    let (finalizers, cleanups) = systemstack(|| GC.queued());
    Queued(finalizers, cleanups)
}

/// The object that an address leads to: its first byte, 0 if there is none, and its size.
#[repr(C)]
pub(super) struct Found(usize, usize);

pub(super) extern "C" fn find_object(addr: usize) -> Found {
    GC.find_object(addr).map_or(Found(0, 0), |o| Found(o.base, o.size))
}

/// Size classes, 0 being large objects.
const BY_SIZE: usize = heap::NUM_SIZE_CLASSES;
const FIGURES: usize = 28;
/// Words that [`stats`] writes: `gzMemStats` in `mstats.go`.
const STATS: usize = FIGURES + 3 * BY_SIZE + 2 * PAUSES;

pub(super) extern "C" fn stats(out: &mut [u64; STATS]) {
    let heap = crate::mem_stats();
    let (figures, rings) = out.split_at_mut(FIGURES + 3 * BY_SIZE);
    let [lengths, ends] = rings.as_chunks_mut::<PAUSES>().0 else {
        unreachable!("two rings follow the figures")
    };
    let s = gc::stats(lengths, ends);
    // Another difference of the two clocks at each call would give a pause another end each time.
    for end in ends.iter_mut().take(s.cycles as usize) {
        *end = end.wrapping_add(os::started_at());
    }
    let last = s.cycles.checked_sub(1).map_or(0, |cycle| ends[cycle as usize % PAUSES]);
    let machine = heap.sys + s.records;
    let l = layout();
    let (finalizers, cleanups) = systemstack(|| GC.queued());
    let scalars: [u64; FIGURES] = [
        s.mallocs,
        s.frees,
        s.total_alloc,
        s.heap_alloc,
        s.heap_inuse,
        s.next_gc,
        s.records,
        s.spans_inuse,
        s.spans_sys,
        s.cycles,
        s.forced,
        s.pause_total,
        heap.heap_idle,
        heap.stack_inuse,
        heap.stack_sys,
        heap.mcache_inuse,
        machine,
        heap.heap_released,
        last,
        PAGE_SIZE as u64,
        s.tiny,
        s.marked,
        s.scanned,
        s.roots,
        (l.edata - l.data + l.ebss - l.bss) as u64,
        finalizers,
        cleanups,
        i64::from(GC.percent()) as u64,
    ];
    figures[..FIGURES].copy_from_slice(&scalars);
    for (row, b) in figures[FIGURES..].chunks_mut(3).zip(&s.by_size) {
        row.copy_from_slice(&[u64::from(b.size), b.mallocs, b.frees]);
    }
}
