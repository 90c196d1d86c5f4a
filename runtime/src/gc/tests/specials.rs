//! Finalizers, cleanups and weak handles in Go's order of events.

use super::{World, assert_empty, desc, set, word};
use crate::gc::Kind;
use crate::gc::special::{AlreadySet, Ready};

impl World {
    fn finalizer(&self, p: usize, payload: [usize; 4]) {
        assert_ne!(self.gc.add_special(Kind::Finalizer, p, payload), Ok(0));
    }

    fn weak(&self, p: usize) -> usize {
        // SAFETY: one thread, one P.
        let handle = unsafe { self.gc.weak_handle(&self.runs, p) };
        assert_eq!(word(handle), p);
        handle
    }

    fn next(&self, kind: Kind) -> Option<usize> {
        self.gc.next_ready(kind).map(|r| r.addr)
    }
}

#[test]
fn a_finalizer_gets_its_object_whole_and_once() {
    let mut w = World::new(16 << 20);
    w.gc.set_checks(true, true, 0);
    let t = desc(2, &[1]);
    let (leaf, closure) = (w.alloc(32, None), w.alloc(16, None));
    set(leaf, 42);
    let p = w.alloc(16, Some(t));
    set(p, leaf);
    w.finalizer(p, [closure, 1, 2, 3]);
    assert_eq!(w.gc.add_special(Kind::Finalizer, p, [0; 4]), Err(AlreadySet));
    w.roots[0] = p;
    assert_eq!(w.collect().objects, 3);
    assert_eq!(w.gc.ready(), (0, 0));
    w.roots[0] = 0;
    // Queued, it is held, as often as there are cycles.
    for _ in 0..3 {
        assert_eq!(w.collect().objects, 3);
        assert_eq!((w.gc.ready(), word(word(p))), ((1, 0), 42));
    }
    let ready = w.gc.next_ready(Kind::Finalizer).unwrap();
    assert_eq!(ready, Ready { kind: Kind::Finalizer, addr: p, payload: [closure, 1, 2, 3] });
    // Whoever runs it holds it by a root; then it may have another.
    w.roots[0] = ready.addr;
    assert_eq!(w.collect().objects, 2);
    w.finalizer(p, [0; 4]);
    w.roots[0] = 0;
    w.collect();
    assert_eq!(w.next(Kind::Finalizer), Some(p));
    assert_eq!(w.collect().objects, 0);
    assert_eq!(w.gc.ready(), (0, 0));
    assert_empty(&mut w);
}

#[test]
fn objects_are_finalized_before_those_that_they_point_to() {
    let mut w = World::new(16 << 20);
    let t = desc(2, &[1]);
    let mut chain = std::vec![];
    let mut last = 0;
    for _ in 0..5 {
        let p = w.alloc(16, Some(t));
        set(p, last);
        w.finalizer(p, [0; 4]);
        chain.push(p);
        last = p;
    }
    for &p in chain.iter().rev() {
        w.collect();
        assert_eq!(w.gc.ready().0, 1);
        assert_eq!(w.next(Kind::Finalizer), Some(p));
    }
    // A circle is never finalized.
    let (a, b) = (w.alloc(16, Some(t)), w.alloc(16, Some(t)));
    set(a, b);
    set(b, a);
    w.finalizer(a, [0; 4]);
    w.finalizer(b, [0; 4]);
    for _ in 0..3 {
        assert_eq!(w.collect().objects, 2);
        assert_eq!(w.gc.ready().0, 0);
    }
    assert!(w.gc.remove_finalizer(a));
    assert!(!w.gc.remove_finalizer(a));
    // Nor is one that can be reached from itself.
    w.collect();
    assert_eq!(w.gc.ready().0, 0);
    set(a, 0);
    w.collect();
    assert_eq!(w.next(Kind::Finalizer), Some(b));
    assert_empty(&mut w);
}

#[test]
fn cleanups_run_when_the_object_is_gone_and_after_its_finalizer() {
    let mut w = World::new(16 << 20);
    let p = w.alloc(64, None);
    let first = w.gc.add_special(Kind::Cleanup, p, [1, 0, 0, 0]).unwrap();
    let second = w.gc.add_special(Kind::Cleanup, p, [2, 0, 0, 0]).unwrap();
    w.gc.add_special(Kind::Cleanup, p + 8, [3, 0, 0, 0]).unwrap();
    w.finalizer(p, [0; 4]);
    assert!(w.gc.remove_cleanup(p, second) && !w.gc.remove_cleanup(p, second));
    assert_ne!(first, second);
    w.collect();
    assert_eq!(w.gc.ready(), (1, 0));
    assert_eq!(w.next(Kind::Finalizer), Some(p));
    assert_eq!(w.collect().objects, 0);
    assert_eq!(w.gc.ready(), (0, 2));
    let mut due = [w.gc.next_ready(Kind::Cleanup).unwrap(), w.gc.next_ready(Kind::Cleanup).unwrap()];
    due.sort_by_key(|r| r.payload[0]);
    assert_eq!(due.map(|r| (r.addr, r.payload[0])), [(p, 1), (p + 8, 3)]);
    assert!(!w.gc.remove_cleanup(p, first));
    assert_empty(&mut w);
}

#[test]
fn weak_handles_are_one_for_each_address_and_cleared_before_the_finalizer() {
    let mut w = World::new(16 << 20);
    let p = w.alloc(64, None);
    let handle = w.weak(p);
    assert_eq!(w.weak(p), handle);
    let inner = w.weak(p + 16);
    assert_ne!(inner, handle);
    w.roots[0] = p;
    w.collect();
    // The object keeps its handle, though nobody else does.
    assert_eq!((word(handle), w.weak(p)), (p, handle));
    w.finalizer(p, [0; 4]);
    w.roots = std::vec![handle, inner];
    w.collect();
    assert_eq!((word(handle), word(inner)), (0, 0));
    assert_eq!(w.next(Kind::Finalizer), Some(p));
    // Revived, it gets a new one.
    w.roots.push(p);
    assert_ne!(w.weak(p), handle);
    // A handle dies a cycle after its object.
    w.roots.fill(0);
    assert_eq!(w.collect().objects, 1);
    assert_empty(&mut w);
}

#[test]
fn tiny_objects_in_one_block_have_finalizers_of_their_own() {
    let mut w = World::new(16 << 20);
    let (a, b) = (w.alloc(8, None), w.alloc(8, None));
    assert_eq!(a + 8, b);
    w.finalizer(a, [0; 4]);
    w.finalizer(b, [0; 4]);
    w.roots[0] = b;
    w.collect();
    assert_eq!(w.gc.ready().0, 0);
    w.roots[0] = 0;
    w.collect();
    let mut both = [w.next(Kind::Finalizer), w.next(Kind::Finalizer)];
    both.sort();
    assert_eq!(both, [Some(a), Some(b)]);
    assert_empty(&mut w);
}

#[test]
fn many_finalizers_at_once() {
    let mut w = World::new(64 << 20);
    for i in 0..20_000 {
        let p = w.alloc(16 + i % 3 * 16, None);
        w.finalizer(p, [i, 0, 0, 0]);
    }
    assert_eq!(w.gc.add_special(Kind::Cleanup, (&raw const w).addr(), [0; 4]), Ok(0));
    w.collect();
    assert_eq!(w.gc.ready().0, 20_000);
    let mut all: std::vec::Vec<usize> =
        core::iter::from_fn(|| w.gc.next_ready(Kind::Finalizer)).map(|r| r.payload[0]).collect();
    all.sort_unstable();
    assert!(all.into_iter().eq(0..20_000));
    assert_empty(&mut w);
}
