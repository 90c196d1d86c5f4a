//! Tests of the collector under the scheduler: on the machine and over host threads.

use super::port::{GC, Mutator, alloc, collect, register, stats, weak_handle};
use super::{Kind, PAUSES, Sink, TypeDesc, scan_stacks};
use crate::proc::G;
use crate::sync::WaitGroup;
use crate::{go, gomaxprocs, gosched, kernel_test};
use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};

/// All that these tests hold is on goroutines' stacks.
struct Stacks;

static BEGUN: AtomicUsize = AtomicUsize::new(0);
static DUE: AtomicUsize = AtomicUsize::new(0);

// SAFETY: as said.
unsafe impl Mutator for Stacks {
    fn may_collect(&self) -> bool {
        true
    }

    fn begin(&self) {
        BEGUN.fetch_add(1, SeqCst);
    }

    fn scan(&self, me: *mut G, sp: usize, sink: &mut dyn Sink) {
        // SAFETY: the collecting goroutine's stack, from where it stands.
        unsafe { sink.conservative(sp, (*me).stack.hi) };
        scan_stacks(sink, me, |_| true, |g| g.stack.hi, super::stacks::all_words);
    }

    fn end(&self, finalizers: usize, cleanups: usize) {
        DUE.store(finalizers + cleanups, SeqCst);
    }
}

static STACKS: &dyn Mutator = &Stacks;

/// Has cycles begin: checked ones, every so many bytes.
fn begin(stress: usize) {
    static REGISTERED: AtomicBool = AtomicBool::new(false);
    if !REGISTERED.swap(true, SeqCst) {
        register(&STACKS);
    }
    GC.set_checks(true, true, stress);
}

static MASK: [u64; 1] = [0b0011];
// SAFETY: the mask covers both pointers.
static NODE: TypeDesc = unsafe { TypeDesc::new(32, 16, (&raw const MASK).cast()) };

#[repr(C)]
struct Node {
    left: *mut Node,
    right: *mut Node,
    tag: usize,
    junk: usize,
}

fn grow(depth: usize, tag: usize) -> *mut Node {
    // SAFETY: on a goroutine; the description is a static.
    let p = unsafe { alloc(size_of::<Node>(), Some(&NODE), true) }.object.cast::<Node>();
    assert!(!p.is_null());
    // SAFETY: a new object, held by this frame.
    unsafe {
        assert!((*p).left.is_null() && (*p).tag == 0, "not cleared");
        (*p).tag = tag;
        (*p).junk = p.expose_provenance();
        if depth > 0 {
            (*p).left = grow(depth - 1, tag + 1);
            (*p).right = grow(depth - 1, tag + 2);
        }
    }
    p
}

fn check(p: *const Node, depth: usize, tag: usize) -> usize {
    // SAFETY: nodes of a tree that the caller holds.
    unsafe {
        assert_eq!((*p).tag, tag, "a node was freed");
        match depth {
            0 => 1,
            _ => 1 + check((*p).left, depth - 1, tag + 1) + check((*p).right, depth - 1, tag + 2),
        }
    }
}

/// Goroutines grow trees that only their stacks hold, while any of them collects.
#[kernel_test]
fn trees_on_stacks_survive_collections_on_all_cores() {
    const DEPTH: usize = 9;
    begin(64 << 10);
    let cycles = GC.cycles();
    let wg = Arc::new(WaitGroup::new());
    let n = 2 * gomaxprocs();
    wg.add(n as i32);
    for g in 0..n {
        let wg = wg.clone();
        go(move || {
            let mut kept = grow(DEPTH, g << 20);
            for round in 0..6 {
                let next = grow(DEPTH, g << 20 | round);
                gosched();
                assert_eq!(
                    check(kept, DEPTH, if round == 0 { g << 20 } else { g << 20 | (round - 1) }),
                    (2 << DEPTH) - 1
                );
                kept = next;
            }
            wg.done();
        });
    }
    wg.wait();
    assert!(GC.cycles() >= cycles + 3 && BEGUN.load(SeqCst) > 0, "{} cycles", GC.cycles() - cycles);
    collect();
    // What stale words on stacks keep is little of what was there.
    let live = stats(&mut [0; PAUSES], &mut [0; PAUSES]).heap_alloc as usize;
    let made = n * 7 * ((2 << DEPTH) - 1) * size_of::<Node>();
    assert!(live < made / 2, "{live} of {made} B live");
    GC.set_checks(false, false, 0);
}

/// What nobody holds is finalized; weak handles of it are cleared.
#[kernel_test]
fn finalizers_are_due_when_nobody_holds_the_object() {
    const N: usize = 100;
    begin(0);
    let handles = Arc::new([const { AtomicUsize::new(0) }; N]);
    let (wg, theirs) = (Arc::new(WaitGroup::new()), handles.clone());
    wg.add(1);
    let done = wg.clone();
    go(move || {
        for (i, handle) in theirs.iter().enumerate() {
            let p = grow(0, i).expose_provenance();
            GC.add_special(Kind::Finalizer, p, [i, 0, 0, 0]).expect("it has none yet");
            handle.store(weak_handle(p), SeqCst);
        }
        done.done();
    });
    wg.wait();
    collect();
    let mut seen = [false; N];
    while let Some(ready) = GC.next_ready(Kind::Finalizer) {
        let node = core::ptr::with_exposed_provenance::<Node>(ready.addr);
        // SAFETY: a queued object was whole; this frame holds it now.
        let tag = unsafe { (*node).tag };
        assert!(tag == ready.payload[0] && !seen[tag], "object {tag} is not itself, or was here before");
        seen[tag] = true;
        // The handle dies a cycle after the object.
        // SAFETY: so it is there still.
        let cleared = unsafe { *core::ptr::with_exposed_provenance::<usize>(handles[tag].load(SeqCst)) };
        assert_eq!(cleared, 0, "the weak handle of object {tag}");
    }
    let finalized = seen.iter().filter(|&&s| s).count();
    // Stale words on stacks may hold some.
    assert!(finalized >= N * 9 / 10 && DUE.load(SeqCst) == finalized, "{finalized} of {N}");
}
