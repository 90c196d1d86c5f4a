//! Random programs against a model that knows which objects can be reached.

use super::{World, assert_empty, desc, set, word};
use crate::gc::TypeDesc;
use crate::heap::PAGE_SIZE;
use crate::heap::size_class::{CLASS_TO_SIZE, class_of};
use crate::heap::tests::Rng;
use std::collections::{BTreeMap, BTreeSet};
use std::vec;
use std::vec::Vec;

/// What the model knows of an object.
struct Object {
    size: usize,
    /// Words that are pointers, and what the program wrote to each.
    pointers: BTreeMap<usize, usize>,
    /// Words that are none, and what was written.
    data: BTreeMap<usize, usize>,
}

struct Model {
    w: World,
    objects: BTreeMap<usize, Object>,
    types: Vec<(&'static TypeDesc, Vec<u64>)>,
    rng: Rng,
}

fn slot_bytes(size: usize) -> usize {
    match class_of(size, 8) {
        0 => size.next_multiple_of(PAGE_SIZE),
        class => usize::from(CLASS_TO_SIZE[class]),
    }
}

impl Model {
    fn new(seed: u64) -> Model {
        let mut rng = Rng::new(seed);
        let mut types = vec![];
        for words in
            [1usize, 2, 3, 4, 5, 6, 7, 8, 9, 10, 13, 16, 27, 33, 60, 63, 64, 65, 100, 129, 500, 5000, 40_000]
        {
            for _ in 0..3 {
                let mut mask: Vec<u64> = (0..words.div_ceil(64)).map(|_| rng.next() & rng.next()).collect();
                if words == 1 {
                    mask[0] = 1;
                }
                *mask.last_mut().unwrap() &= u64::MAX >> (63 - (words - 1) % 64);
                types.push((desc(words, &mask), mask));
            }
        }
        let w = World::new(256 << 20);
        w.gc.set_checks(seed.is_multiple_of(2), seed.is_multiple_of(3), 0);
        Model { w, objects: BTreeMap::new(), types, rng }
    }

    fn alloc(&mut self) -> usize {
        let t = self.rng.below(self.types.len() + 10);
        let Some((desc, mask)) = self.types.get(t) else {
            // Without pointers; of at least 16 B, since smaller ones share blocks.
            let size = 16 + self.rng.size(17);
            let p = self.w.alloc(size, None);
            let data = (0..size / 8).map(|i| (i * 8, 0)).collect();
            return self.enter(p, Object { size, pointers: BTreeMap::new(), data });
        };
        let elements = match desc.size {
            ..=512 => self.rng.size(8),
            _ => 1 + self.rng.below(3),
        };
        let size = desc.size * elements;
        let (mut pointers, mut data) = (BTreeMap::new(), BTreeMap::new());
        for w in 0..size / 8 {
            let in_element = w % (desc.size / 8);
            let is_pointer = mask[in_element / 64] >> (in_element % 64) & 1 != 0;
            if is_pointer { &mut pointers } else { &mut data }.insert(w * 8, 0);
        }
        let desc = (desc.ptr_bytes != 0 || self.rng.below(2) == 0).then_some(*desc);
        let p = self.w.alloc(size, desc);
        self.enter(p, Object { size, pointers, data })
    }

    fn enter(&mut self, p: usize, mut object: Object) -> usize {
        let aligned = if object.size.is_multiple_of(16) && object.size <= 64 { 16 } else { 8 };
        assert!(p.is_multiple_of(aligned));
        if let Some((q, before)) = self.objects.range(..p + object.size).next_back() {
            assert!(q + before.size <= p, "{p:#x} overlaps {q:#x}");
        }
        assert!((0..object.size / 8).all(|i| word(p + i * 8) == 0), "not cleared");
        // Words that are no pointers look like some.
        let decoys: Vec<usize> = self.objects.keys().copied().take(3).chain([p]).collect();
        for (at, v) in object.data.iter_mut().take(100) {
            *v = decoys[self.rng.below(decoys.len())];
            set(p + at, *v);
        }
        self.objects.insert(p, object);
        p
    }

    /// The object that an address is in.
    fn resolve(&self, addr: usize) -> Option<usize> {
        let (p, object) = self.objects.range(..=addr).next_back()?;
        (addr - p < slot_bytes(object.size)).then_some(*p)
    }

    fn reachable(&self) -> BTreeSet<usize> {
        let mut todo: Vec<usize> = self.w.roots.iter().filter_map(|&r| self.resolve(r)).collect();
        let mut seen = BTreeSet::new();
        while let Some(p) = todo.pop() {
            if seen.insert(p) {
                todo.extend(self.objects[&p].pointers.values().filter_map(|&v| self.resolve(v)));
            }
        }
        seen
    }

    /// Writes a pointer, mostly to the middle of an object, somewhere that can be reached.
    fn link(&mut self, to: usize) {
        let inside = to + self.rng.below(self.objects[&to].size);
        let reached: Vec<usize> = self.w.roots.iter().filter_map(|&r| self.resolve(r)).collect();
        let mut holder = 0;
        if !reached.is_empty() && self.rng.below(4) != 0 {
            holder = reached[self.rng.below(reached.len())];
            for _ in 0..self.rng.below(6) {
                let next = self.objects[&holder].pointers.values().filter_map(|&v| self.resolve(v)).next();
                holder = next.unwrap_or(holder);
            }
        }
        let n = self.objects.get(&holder).map_or(0, |o| o.pointers.len());
        if n == 0 {
            let i = self.rng.below(self.w.roots.len());
            self.w.roots[i] = inside;
            return;
        }
        let i = if self.rng.below(2) == 0 { n - 1 } else { self.rng.below(n) };
        let (&at, v) = self.objects.get_mut(&holder).unwrap().pointers.iter_mut().nth(i).unwrap();
        *v = inside;
        set(holder + at, inside);
    }

    fn collect(&mut self) {
        let reachable = self.reachable();
        let bytes: usize = reachable.iter().map(|p| slot_bytes(self.objects[p].size)).sum();
        let cycle = self.w.collect();
        assert_eq!((cycle.objects, cycle.live), (reachable.len(), bytes));
        self.objects.retain(|p, _| reachable.contains(p));
        for (p, object) in &self.objects {
            for (at, v) in object.pointers.iter().chain(&object.data) {
                assert_eq!(word(p + at), *v, "object {p:#x} of {} B at {at}", object.size);
            }
        }
        let stats = self.w.stats();
        assert_eq!(stats.mallocs - stats.frees, self.objects.len() as u64);
        assert_eq!(stats.heap_alloc, bytes as u64);
    }

    fn run(&mut self, rounds: usize) {
        for _ in 0..rounds {
            for _ in 0..1 + self.rng.below(200) {
                let p = self.alloc();
                if self.rng.below(3) != 0 {
                    self.link(p);
                }
            }
            // Forget some roots; others are odd words.
            for _ in 0..self.rng.below(20) {
                let i = self.rng.below(self.w.roots.len());
                self.w.roots[i] = match self.rng.below(3) {
                    0 => self.rng.next() as usize,
                    _ => 0,
                };
            }
            self.collect();
        }
        assert_empty(&mut self.w);
    }
}

#[test]
fn what_can_be_reached_lives_and_nothing_else() {
    for seed in 1..=6 {
        Model::new(seed).run(8);
    }
}
