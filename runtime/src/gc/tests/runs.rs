//! Allocation: slots, layouts, the tiny allocator, statistics, several Ps.

use super::{Ranges, World, assert_empty, desc, gc_heap, set, word};
use crate::gc::Runs;
use crate::gc::central::LAYOUTS;
use crate::gc::span::{Layout, MAX_BITMAP_OBJECT};
use crate::heap::size_class::{CLASS_TO_NPAGES, CLASS_TO_SIZE};
use crate::heap::{NUM_SIZE_CLASSES, PAGE_SIZE};
use std::collections::BTreeSet;
use std::vec::Vec;

#[test]
fn bits_take_a_sixtieth_of_a_span() {
    for class in 1..NUM_SIZE_CLASSES {
        let (size, npages) = (usize::from(CLASS_TO_SIZE[class]), usize::from(CLASS_TO_NPAGES[class]));
        let with = LAYOUTS[2 * class];
        let without: Layout = LAYOUTS[2 * class + 1];
        assert_eq!(without.slots, npages * PAGE_SIZE / size);
        if size > MAX_BITMAP_OBJECT {
            assert_eq!((with.slots, with.bitmap), (without.slots, 0));
        } else {
            // Eight bytes from the last object's first bit on are in the span.
            assert!(with.bitmap + with.slots * size / 64 + 8 <= PAGE_SIZE, "{size} B");
            assert!(with.slots * size <= with.bitmap);
            assert!(with.slots * size > (PAGE_SIZE - size) * 98 / 100 - 8, "{size} B: {}", with.slots);
        }
    }
}

#[test]
fn tiny_objects_share_blocks_and_live_as_long_as_one_of_them() {
    let mut w = World::new(16 << 20);
    let (a, b, c) = (w.alloc(3, None), w.alloc(4, None), w.alloc(8, None));
    assert_eq!((b - a, c - a), (4, 8), "not in one block, or not aligned as Go aligns");
    let d = w.alloc(1, None);
    assert_ne!(d / 16, a / 16);
    let e = w.alloc(2, None);
    assert_eq!(e, d + 2);
    let stats = w.stats();
    assert_eq!((stats.mallocs, stats.heap_alloc), (5, 32));
    w.roots[0] = c;
    assert_eq!(w.collect().objects, 1);
    // The block at hand was given up: nothing is put into what may be free.
    let f = w.alloc(1, None);
    assert_ne!(f, e + 1);
    assert_eq!(w.stats().mallocs - w.stats().frees, 2);
    assert_empty(&mut w);
}

#[test]
fn statistics_are_exact_at_any_moment() {
    let mut w = World::new(64 << 20);
    let pair = desc(2, &[3]);
    let mut bytes = 0;
    for i in 0..5000usize {
        let before = w.stats();
        let (size, t) = match i % 4 {
            0 => (16, Some(pair)),
            1 => (40, None),
            2 => (1600, Some(pair)),
            _ if i % 100 == 3 => (50_000, None),
            _ => (64, Some(pair)),
        };
        w.alloc(size, t);
        let after = w.stats();
        assert_eq!(after.mallocs, before.mallocs + 1, "object {i} of {size} B");
        bytes += after.total_alloc - before.total_alloc;
        assert!(after.total_alloc - before.total_alloc >= size as u64);
        assert_eq!(after.heap_alloc, after.total_alloc - (before.total_alloc - before.heap_alloc));
        if i % 1000 == 999 {
            w.collect();
            assert_eq!(w.stats().heap_alloc, 0);
            assert_eq!(w.stats().total_alloc, bytes);
        }
    }
    assert_empty(&mut w);
}

#[test]
fn a_full_heap_says_so_and_is_usable_after_a_collection() {
    let mut w = World::new(8 << 20);
    let list = desc(8, &[1]);
    loop {
        // SAFETY: one thread, one P.
        let p = unsafe { w.gc.alloc(&w.runs, 64, Some(list), true) }.expose_provenance();
        if p == 0 {
            break;
        }
        set(p, w.roots[0]);
        w.roots[0] = p;
    }
    // SAFETY: as above.
    assert!(unsafe { w.gc.alloc(&w.runs, 1 << 20, None, true) }.is_null());
    let full = w.collect();
    assert!(full.live > 6 << 20, "{full:?}");
    w.roots[0] = 0;
    assert_eq!(w.collect().objects, 0);
    for _ in 0..50_000 {
        w.alloc(64, Some(list));
    }
    assert_empty(&mut w);
}

#[test]
fn a_limit_and_a_percentage_say_when_a_cycle_is_due() {
    let w = World::new(64 << 20);
    let mut n = 0;
    while !w.gc.is_due() {
        w.alloc(1024, None);
        n += 1;
    }
    // Spans count when a run gets them.
    assert!((4088..=4096).contains(&n), "{n} KiB");
    w.collect();
    assert_eq!(w.gc.set_percent(25), 100);
    w.alloc(1 << 20, None);
    assert!(w.gc.is_due());
    assert_eq!(w.gc.set_percent(-1), 25);
    assert!(!w.gc.is_due());
    w.gc.set_memory_limit(512 << 10, 0);
    assert!(w.gc.is_due());
}

#[test]
fn threads_get_slots_of_their_own() {
    const THREADS: usize = 4;
    let gc = gc_heap(256 << 20);
    let node = desc(4, &[1]);
    let runs: Vec<Runs> = (0..THREADS).map(|_| Runs::new()).collect();
    let mut heads = [0usize; THREADS];
    for round in 0..4 {
        let made: Vec<Vec<usize>> = std::thread::scope(|s| {
            let threads: Vec<_> = runs
                .iter()
                .enumerate()
                .map(|(t, runs)| {
                    s.spawn(move || {
                        (0..20_000)
                            .map(|i| {
                                let size = if i % 7 == 0 { 96 } else { 32 };
                                // SAFETY: each thread has its own runs.
                                let p = unsafe { gc.alloc(runs, size, Some(node), true) };
                                set(p.expose_provenance() + 8, t << 32 | i);
                                p.addr()
                            })
                            .collect()
                    })
                })
                .collect();
            threads.into_iter().map(|t| t.join().unwrap()).collect()
        });
        let all: BTreeSet<usize> = made.iter().flatten().copied().collect();
        assert_eq!(all.len(), THREADS * 20_000);
        for (t, list) in made.iter().enumerate() {
            for (i, &p) in list.iter().enumerate() {
                assert_eq!(word(p + 8), t << 32 | i);
                // Every other one is kept, on top of what was kept before.
                if i % 2 == round % 2 {
                    set(p, heads[t]);
                    heads[t] = p;
                }
            }
        }
        let lo = heads.as_ptr().addr();
        // SAFETY: the threads have ended.
        let cycle = unsafe { gc.collect(runs.iter(), &Ranges(&[(lo, lo + 8 * THREADS)]), 0) };
        assert_eq!(cycle.objects, THREADS * 10_000 * (round + 1));
    }
}
