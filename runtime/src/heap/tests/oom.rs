//! Out of memory: null, at any allocation, and the heap goes on.

use super::Rng;
use super::source;
use crate::heap::{MCache, PAGE_SIZE};
use std::alloc::Layout;
use std::vec::Vec;

#[test]
fn no_limit_breaks_the_heap() {
    let mut rng = Rng::new(3);
    for pages in 0..200 {
        let heap = source::heap(64 << 20);
        heap.sys.set_limit(pages * PAGE_SIZE);
        let mut cache = MCache::new();
        let mut live = Vec::new();
        let mut failed = 0;
        while failed < 20 && live.len() < 5000 {
            let layout = Layout::from_size_align(rng.size(18), 8).unwrap();
            // SAFETY: the cache is the test's own.
            let p = unsafe { heap.alloc(&mut cache, layout) };
            if p.is_null() {
                failed += 1;
            } else {
                live.push((p, layout));
            }
        }
        assert!(failed > 0 || live.len() == 5000);
        for (p, layout) in live {
            // SAFETY: each object is freed once.
            unsafe { heap.dealloc(&mut cache, p, layout) };
        }
        source::assert_all_back(heap, core::slice::from_mut(&mut cache));
    }
}

#[test]
fn memory_that_other_classes_hold_in_reserve_is_found() {
    let heap = source::heap(64 << 20);
    heap.sys.set_limit(8 << 20);
    let none = MCache::none();
    let small = Layout::new::<[u8; 4096]>();
    let large = Layout::new::<[u8; 7 << 20]>();
    // SAFETY: each object is freed once.
    unsafe {
        let all: Vec<_> =
            core::iter::from_fn(|| Some(heap.alloc(none, small)).filter(|p| !p.is_null())).collect();
        assert!(all.len() > 1800, "{}", all.len());
        assert!(heap.alloc(none, large).is_null());
        all.into_iter().for_each(|p| heap.dealloc(none, p, small));
        let p = heap.alloc(none, large);
        assert!(!p.is_null());
        heap.dealloc(none, p, large);
    }
    source::assert_all_back(heap, &mut []);
}

#[test]
fn freed_memory_goes_back_without_being_asked() {
    let heap = source::heap(512 << 20);
    let none = MCache::none();
    let layout = Layout::new::<[u8; 1 << 20]>();
    // SAFETY: each object is freed once.
    unsafe {
        let all: Vec<_> = (0..200).map(|_| heap.alloc(none, layout)).collect();
        assert!(heap.sys.out() >= 200 << 20);
        all.into_iter().for_each(|p| heap.dealloc(none, p, layout));
    }
    assert!(heap.sys.out() < 6 << 20, "{}", heap.sys.out());
    source::assert_all_back(heap, &mut []);
}
