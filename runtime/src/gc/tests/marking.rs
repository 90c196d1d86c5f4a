//! Marking: roots of each kind, deep and wide graphs, large objects, what is found by checks.

use super::{World, assert_empty, desc, set, word};
use crate::gc::{Roots, Sink, TypeDesc};
use core::cell::UnsafeCell;
use std::boxed::Box;
use std::panic::{AssertUnwindSafe, catch_unwind};

#[test]
fn a_long_list_takes_no_stack_and_a_wide_object_little() {
    let mut w = World::new(128 << 20);
    let node = desc(2, &[1]);
    for _ in 0..200_000 {
        let p = w.alloc(16, Some(node));
        set(p, w.roots[0]);
        w.roots[0] = p;
    }
    // Ten times as many pointers as a piece of it has.
    let pointer = desc(1, &[1]);
    const N: usize = 160_000;
    let wide = w.alloc(N * 8, Some(pointer));
    for i in 0..N {
        let leaf = w.alloc(16, Some(node));
        set(wide + i * 8, leaf);
    }
    w.roots[1] = wide + N * 4;
    let records = w.stats().records;
    assert_eq!(w.collect().objects, 200_000 + N + 1);
    // 16,384 addresses and some: 34 buffers.
    let grew = w.stats().records - records;
    assert!(grew <= 256 << 10, "{grew} B of work buffers");
    assert_eq!(w.collect().objects, 200_000 + N + 1);
    assert_empty(&mut w);
}

#[test]
fn masked_roots_are_looked_at_by_their_mask() {
    struct Masked([usize; 10], [u8; 2]);
    // SAFETY: the words are all that is kept.
    unsafe impl Roots for Masked {
        fn scan(&self, sink: &mut dyn Sink) {
            // SAFETY: ten words and as many bits.
            unsafe { sink.masked(self.0.as_ptr().addr(), 10, self.1.as_ptr()) };
            sink.pointer(0);
        }
    }
    let mut w = World::new(16 << 20);
    let mut roots = Masked([0; 10], [0b1010_0001, 0b10]);
    for r in &mut roots.0 {
        *r = w.alloc(100, None) + 50;
    }
    assert_eq!(w.collect_from(&roots).objects, 4);
    assert_empty(&mut w);
}

#[test]
fn words_that_lead_to_free_slots_or_beside_objects_keep_nothing() {
    let mut w = World::new(16 << 20);
    let pair = desc(2, &[3]);
    let first = w.alloc(48, Some(pair));
    let second = w.alloc(48, Some(pair));
    assert_eq!(second, first + 48);
    // A slot that is not allocated yet, the waste at the span's end, unaligned and foreign words.
    w.roots[0] = second + 48;
    w.roots[1] = first / 8192 * 8192 + 8191;
    w.roots[2] = first - 1;
    w.roots[3] = usize::MAX;
    w.roots[4] = (&raw const w.roots).addr();
    assert_eq!(w.collect().objects, 0);
    let again = w.alloc(48, Some(pair));
    w.roots[0] = again + 47;
    assert_eq!(w.collect().objects, 1);
    assert_empty(&mut w);
}

#[test]
fn a_mask_on_demand_is_all_words_until_it_is_made() {
    struct Word(UnsafeCell<*const u8>);
    let cell: &'static Word = Box::leak(Box::new(Word(UnsafeCell::new(core::ptr::null()))));
    // SAFETY: the word stays, and holds null or a mask of 8 bytes.
    let mut t = unsafe { TypeDesc::new(1024, 16, cell.0.get().cast_const().cast()) };
    t.flags = TypeDesc::MASK_ON_DEMAND;
    let t: &'static TypeDesc = Box::leak(Box::new(t));
    let mut w = World::new(16 << 20);
    let p = w.alloc(1024, Some(t));
    w.roots[0] = p;
    for i in [0, 1, 100] {
        let leaf = w.alloc(32, None);
        set(p + i * 8, leaf);
    }
    assert_eq!(w.collect().objects, 4);
    static MASK: [u8; 8] = [0b10, 0, 0, 0, 0, 0, 0, 0];
    // SAFETY: one thread.
    unsafe { *cell.0.get() = MASK.as_ptr() };
    assert_eq!(w.collect().objects, 2);
    assert_empty(&mut w);
}

#[test]
fn what_is_left_over_behind_the_elements_is_not_followed_beyond_the_object() {
    let mut w = World::new(16 << 20);
    // Three elements of 40 B in a slot of 128 B.
    let t = desc(5, &[0b10001]);
    let p = w.alloc(120, Some(t));
    w.roots[0] = p;
    for i in 0..16 {
        let leaf = w.alloc(32, None);
        set(p + i * 8, leaf);
    }
    assert_eq!(w.collect().objects, 1 + 6);
    assert_empty(&mut w);
}

/// The message of what `f` panics with.
fn broken(f: impl FnOnce()) -> std::string::String {
    let panic = catch_unwind(AssertUnwindSafe(f)).expect_err("nothing was found");
    *panic.downcast::<std::string::String>().expect("a text")
}

#[test]
fn a_write_to_a_freed_object_is_found_when_its_slot_is_allocated() {
    let w = World::new(16 << 20);
    w.gc.set_checks(true, true, 0);
    let t = desc(4, &[1]);
    let kept: std::vec::Vec<_> = (0..100).map(|_| w.alloc(32, Some(t))).collect();
    let mut w = w;
    w.roots[0] = kept[0];
    w.collect();
    set(kept[50] + 16, 7);
    let text = broken(|| drop((0..100).map(|_| w.alloc(32, Some(t))).collect::<std::vec::Vec<_>>()));
    assert!(text.contains("a free slot of the collected heap was written to"), "{text}");
}

#[test]
fn a_root_that_is_not_named_is_found_by_the_next_use() {
    let mut w = World::new(16 << 20);
    w.gc.set_checks(true, true, 0);
    let t = desc(4, &[1]);
    let holder = w.alloc(32, Some(t));
    w.roots[0] = holder;
    // Held where the collector does not look.
    let hidden = Box::new(w.alloc(32, Some(t)));
    w.collect();
    set(holder, *hidden);
    assert_ne!(word(*hidden), 0, "it is filled");
    let text = broken(|| assert_eq!(w.collect().objects, 0));
    assert!(text.contains("found bad pointer in the collected heap"), "{text}");
}
