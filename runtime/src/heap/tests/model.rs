//! The heap against a model: objects never overlap, are as aligned and as large as asked for, keep their contents, and are found from any
//! address inside; in the end all memory is back.

use super::Rng;
use super::source::{self, Source};
use crate::heap::size_class::MAX_SMALL_SIZE;
use crate::heap::size_class::{CLASS_TO_SIZE, class_of, objects_per_span};
use crate::heap::{Heap, MCache, PAGE_SIZE};
use std::alloc::Layout;
use std::boxed::Box;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::vec::Vec;

struct Live {
    p: *mut u8,
    layout: Layout,
    tag: u8,
}

/// Live objects by address.
struct Model {
    heap: &'static Heap<Source>,
    live: BTreeMap<usize, Live>,
}

/// The bytes of an object that tell whether it is intact: all of a small one, both ends of a large one.
fn witnesses(size: usize) -> impl Iterator<Item = usize> {
    (0..size.min(4096)).chain(size.saturating_sub(64).max(4096)..size)
}

impl Model {
    fn insert(&mut self, p: *mut u8, layout: Layout, tag: u8) {
        let (start, end) = (p.addr(), p.addr() + layout.size());
        assert!(start.is_multiple_of(layout.align()), "{p:p} for {layout:?}");
        if let Some((s, before)) = self.live.range(..end).next_back() {
            assert!(
                s + before.layout.size() <= start,
                "{p:p} {layout:?} overlaps {s:#x} {:?}",
                before.layout
            );
        }
        for addr in [start, start + layout.size() / 2, end - 1] {
            let object = self.heap.find_object(addr).expect("no object at an address inside one");
            assert!(
                object.base <= start && object.base + object.size >= end,
                "{object:?} for {p:p} {layout:?}"
            );
        }
        for i in witnesses(layout.size()) {
            // SAFETY: within the object.
            unsafe { p.add(i).write(tag ^ i as u8) };
        }
        self.live.insert(start, Live { p, layout, tag });
    }

    fn check(&self, p: *mut u8, size: usize, old: &Live) {
        for i in witnesses(old.layout.size()).filter(|&i| i < size) {
            // SAFETY: within the object.
            let byte = unsafe { p.add(i).read() };
            assert_eq!(byte, old.tag ^ i as u8, "byte {i} of {p:p}, {:?}", old.layout);
        }
    }

    fn take(&mut self, rng: &mut Rng) -> Option<Live> {
        let (&first, _) = self.live.first_key_value()?;
        let (&last, _) = self.live.last_key_value()?;
        let (&key, _) = self.live.range(first + rng.below(last - first + 1)..).next()?;
        self.live.remove(&key)
    }

    fn alloc(&mut self, cache: *mut MCache, layout: Layout, tag: u8) {
        // SAFETY: the cache is the test's own.
        let p = unsafe { self.heap.alloc(cache, layout) };
        assert!(!p.is_null(), "no memory for {layout:?}");
        self.insert(p, layout, tag);
    }

    fn free(&mut self, cache: *mut MCache, rng: &mut Rng) {
        if let Some(old) = self.take(rng) {
            self.check(old.p, old.layout.size(), &old);
            // SAFETY: the object is live and leaves the model.
            unsafe { self.heap.dealloc(cache, old.p, old.layout) };
        }
    }

    fn realloc(&mut self, cache: *mut MCache, rng: &mut Rng) {
        let Some(old) = self.take(rng) else { return };
        let size = if rng.below(2) == 0 { rng.size(21) } else { old.layout.size() * 3 / 2 };
        let new = Layout::from_size_align(size, old.layout.align()).unwrap();
        let mut p = old.p;
        if !self.heap.realloc_in_place(old.p, old.layout, size) {
            // SAFETY: the old object is live until it is freed here.
            unsafe {
                p = self.heap.alloc(cache, new);
                assert!(!p.is_null());
                p.copy_from_nonoverlapping(old.p, size.min(old.layout.size()));
                self.heap.dealloc(cache, old.p, old.layout);
            }
        }
        self.check(p, size, &old);
        self.insert(p, new, old.tag);
    }
}

fn random_layout(rng: &mut Rng) -> Layout {
    let align = match rng.below(8) {
        0 => 1 << rng.below(22),
        1 => 16,
        _ => 1 << rng.below(4),
    };
    let size = if rng.below(16) == 0 { rng.size(22) } else { rng.size(15) };
    Layout::from_size_align(size, align).unwrap()
}

fn run(seed: u64, steps: usize) {
    let mut rng = Rng::new(seed);
    let heap = source::heap(1 << 30);
    let mut caches = source::caches(4);
    let mut model = Model { heap, live: BTreeMap::new() };
    for step in 0..steps {
        // The fifth cache is none.
        let n = rng.below(5);
        let cache = caches.get_mut(n).map_or(MCache::none(), core::ptr::from_mut);
        // Grows for a while, then shrinks, and so on; never beyond what the arena holds.
        let growing = (step / 2000) % 2 == 0 && model.live.len() < 4000 && heap.sys.out() < 700 << 20;
        match rng.below(10) {
            0 => model.realloc(cache, &mut rng),
            1..=6 if growing => model.alloc(cache, random_layout(&mut rng), step as u8),
            1..=3 => model.alloc(cache, random_layout(&mut rng), step as u8),
            _ => model.free(cache, &mut rng),
        }
    }
    let stats = heap.mem_stats(caches.iter());
    assert_eq!(stats.heap_objects as usize, model.live.len());
    assert!(stats.heap_alloc as usize >= model.live.values().map(|l| l.layout.size()).sum::<usize>());
    assert!(stats.heap_alloc <= stats.heap_inuse && stats.heap_sys >= stats.heap_inuse);
    while !model.live.is_empty() {
        let n = rng.below(4);
        model.free(&mut caches[n], &mut rng);
    }
    source::assert_all_back(heap, &mut caches);
}

#[test]
fn random_operations_agree_with_the_model() {
    for seed in 1..=6 {
        run(seed, 20_000);
    }
}

/// The fuzzer: random operations from random seeds for `HEAP_FUZZ_SECONDS`, 1 unless told. A failure prints the seed.
#[test]
fn fuzz() {
    let seconds = std::env::var("HEAP_FUZZ_SECONDS").ok().and_then(|s| s.parse().ok()).unwrap_or(1);
    let end = std::time::Instant::now() + std::time::Duration::from_secs(seconds);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let mut seed = now.map_or(1, |t| t.as_nanos() as u64);
    while std::time::Instant::now() < end {
        run(seed, 6_000);
        seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    }
}

#[test]
fn every_class_fills_a_span_exactly() {
    let heap = source::heap(256 << 20);
    for (class, &size) in CLASS_TO_SIZE.iter().enumerate().skip(1) {
        let mut cache = MCache::new();
        let layout = Layout::from_size_align(usize::from(size), 8).unwrap();
        let mut model = Model { heap, live: BTreeMap::new() };
        let n = objects_per_span(class);
        for i in 0..2 * n {
            // One by one, so that no object waits in a magazine.
            model.alloc(MCache::none(), layout, i as u8);
        }
        let stats = heap.mem_stats(core::iter::once(&cache));
        let span = n * layout.size();
        assert_eq!(stats.heap_inuse as usize, (2 * span).next_multiple_of(2 * PAGE_SIZE), "class {class}");
        assert_eq!(stats.by_size[class].mallocs - stats.by_size[class].frees, 2 * n as u64);
        let mut rng = Rng(class as u64);
        while !model.live.is_empty() {
            model.free(&mut cache, &mut rng);
        }
        source::assert_all_back(heap, core::slice::from_mut(&mut cache));
    }
}

#[test]
fn alternating_at_the_edge_of_a_magazine_takes_no_more_memory() {
    let heap = source::heap(64 << 20);
    let mut cache = MCache::new();
    let layout = Layout::new::<[u64; 8]>();
    let mut all = Vec::new();
    for round in 0..100 {
        // SAFETY: the cache is the test's own; each object is freed once.
        unsafe {
            all.extend((0..40).map(|_| heap.alloc(&mut cache, layout)));
            all.drain(..).for_each(|p| heap.dealloc(&mut cache, p, layout));
        }
        assert!(heap.sys.out() <= 512 << 10, "round {round}: {}", heap.sys.out());
    }
    source::assert_all_back(heap, core::slice::from_mut(&mut cache));
}

#[test]
fn large_objects_grow_and_shrink_in_place() {
    let heap = source::heap(256 << 20);
    let none = MCache::none();
    let at = |size| Layout::from_size_align(size, 8).unwrap();
    // SAFETY: objects are freed once, with the layout they have by then.
    unsafe {
        // Free pages in a row.
        let room = heap.alloc(none, at(4 << 20));
        heap.dealloc(none, room, at(4 << 20));
        let a = heap.alloc(none, at(1 << 20));
        let b = heap.alloc(none, at(1 << 20));
        assert!(!heap.realloc_in_place(a, at(1 << 20), 2 << 20), "the next object is in the way");
        assert!(heap.realloc_in_place(a, at(1 << 20), MAX_SMALL_SIZE + 1));
        assert!(heap.find_object(a.addr() + MAX_SMALL_SIZE).is_some());
        assert!(heap.find_object(a.addr() + (1 << 19)).is_none());
        assert!(heap.realloc_in_place(a, at(MAX_SMALL_SIZE + 1), 1 << 20));
        assert!(!heap.realloc_in_place(a, at(1 << 20), 100), "a small object is no span");
        heap.dealloc(none, b, at(1 << 20));
        assert!(heap.realloc_in_place(a, at(1 << 20), (1 << 20) + 1));
        assert!(heap.find_object(a.addr() + (1 << 20)).is_some());
        heap.dealloc(none, a, at((1 << 20) + 1));
    }
    source::assert_all_back(heap, &mut []);
}

fn panics_with(what: &str, f: impl FnOnce()) {
    let payload = catch_unwind(AssertUnwindSafe(f)).expect_err("misuse went unnoticed");
    let text = payload.downcast_ref::<std::string::String>().expect("a message");
    assert!(text.contains(what), "{text}");
}

#[test]
fn misuse_is_noticed_when_the_object_reaches_its_span() {
    let word = Layout::new::<[u64; 16]>();
    type Wrong = fn(*mut u8) -> *mut u8;
    let cases: [(&str, Wrong, Layout); 4] = [
        ("double free", |p| p, word),
        ("middle of an object", |p| p.wrapping_add(8), word),
        ("another size class", |p| p, Layout::new::<u64>()),
        ("not the heap's", |_| Box::into_raw(Box::new(1u8)), word),
    ];
    for (what, pointer, layout) in cases {
        let heap = source::heap(16 << 20);
        let none = MCache::none();
        // SAFETY: the misuse is caught before anything is done; the heap is not used any more after that.
        unsafe {
            let p = heap.alloc(none, word);
            let keep = heap.alloc(none, word);
            assert!(!keep.is_null());
            if what == "double free" {
                heap.dealloc(none, p, word);
            }
            panics_with(what, || heap.dealloc(none, pointer(p), layout));
        }
    }
    let heap = source::heap(16 << 20);
    let large = Layout::new::<[u8; 1 << 20]>();
    // SAFETY: as above.
    unsafe {
        let p = heap.alloc(MCache::none(), large);
        panics_with("no large object", || heap.dealloc(MCache::none(), p.add(PAGE_SIZE), large));
    }
}

#[test]
fn class_of_agrees_between_alloc_and_free() {
    let mut rng = Rng::new(7);
    for _ in 0..10_000 {
        let layout = random_layout(&mut rng);
        let class = class_of(layout.size(), layout.align());
        assert!(class != 0 || layout.size() > MAX_SMALL_SIZE / 2 || layout.align() > PAGE_SIZE);
    }
}
