//! A machine for the heap under test: pages of one block of host memory, a naive allocator that checks every free, spin locks.

use crate::heap::mcentral::Central;
use crate::heap::mheap::MHeap;
use crate::heap::system::Locked;
use crate::heap::{Heap, MCache, NUM_SIZE_CLASSES, PAGE_SIZE, RawLock, System};
use core::cell::Cell;
use core::sync::atomic::{AtomicBool, Ordering};
use std::alloc::Layout;
use std::boxed::Box;
use std::collections::BTreeMap;
use std::sync::Mutex;
use std::vec::Vec;

/// What the pages hold that the heap gets.
pub const JUNK: u8 = 0xa5;

pub struct SpinLock(AtomicBool);

/// A lock that is free.
pub fn lock() -> SpinLock {
    SpinLock(AtomicBool::new(false))
}

std::thread_local! {
    /// How often this thread has taken a lock of a heap.
    pub static LOCKED: Cell<usize> = const { Cell::new(0) };
}

// SAFETY: the exchange admits one holder, with acquire and release.
unsafe impl RawLock for SpinLock {
    fn lock(&self) {
        LOCKED.with(|n| n.set(n.get() + 1));
        while self.0.swap(true, Ordering::Acquire) {
            std::thread::yield_now();
        }
    }

    fn unlock(&self) {
        assert!(self.0.swap(false, Ordering::Release), "unlock of a free lock");
    }
}

struct Pages {
    /// Free ranges: first address and length.
    free: BTreeMap<usize, usize>,
    /// Bytes given out.
    out: usize,
    /// Most bytes that may be out.
    limit: usize,
}

pub struct Source {
    lo: *mut u8,
    bytes: usize,
    pages: Mutex<Pages>,
}

// SAFETY: the memory is handed out under the mutex, to one user at a time.
unsafe impl Sync for Source {}
// SAFETY: as above.
unsafe impl Send for Source {}

impl Source {
    fn new(bytes: usize) -> Source {
        // Off by a few pages from any large alignment, as a machine's memory may be.
        let layout = Layout::from_size_align(bytes + 64 * PAGE_SIZE, 128 << 20).unwrap();
        // SAFETY: the layout has a size.
        let block = unsafe { std::alloc::alloc(layout) };
        assert!(!block.is_null());
        // SAFETY: within the block.
        let lo = unsafe { block.add(3 * PAGE_SIZE) };
        let free = BTreeMap::from([(lo.addr(), bytes)]);
        Source { lo, bytes, pages: Mutex::new(Pages { free, out: 0, limit: usize::MAX }) }
    }

    /// Bytes that the heap has.
    pub fn out(&self) -> usize {
        self.pages.lock().unwrap().out
    }

    /// The heap gets no more than so many bytes.
    pub fn set_limit(&self, bytes: usize) {
        self.pages.lock().unwrap().limit = bytes;
    }
}

// SAFETY: ranges are disjoint: each comes out of the list of free ones.
unsafe impl System for Source {
    type Lock = SpinLock;

    fn arena(&self) -> (usize, usize) {
        (self.lo.addr(), self.lo.addr() + self.bytes)
    }

    fn alloc(&self, bytes: usize, align: usize) -> *mut u8 {
        assert!(
            bytes > 0 && bytes.is_multiple_of(PAGE_SIZE) && align.is_power_of_two() && align >= PAGE_SIZE
        );
        let mut pages = self.pages.lock().unwrap();
        if pages.out + bytes > pages.limit {
            return core::ptr::null_mut();
        }
        let fit = pages.free.iter().find_map(|(&start, &len)| {
            let first = start.next_multiple_of(align);
            (first + bytes <= start + len).then_some((start, len, first))
        });
        let Some((start, len, first)) = fit else { return core::ptr::null_mut() };
        pages.free.remove(&start);
        if first > start {
            pages.free.insert(start, first - start);
        }
        if first + bytes < start + len {
            pages.free.insert(first + bytes, start + len - first - bytes);
        }
        pages.out += bytes;
        // SAFETY: within the block.
        unsafe {
            let p = self.lo.add(first - self.lo.addr());
            p.write_bytes(JUNK, bytes);
            p
        }
    }

    unsafe fn free(&self, p: *mut u8, bytes: usize) {
        let start = p.addr();
        assert!(bytes > 0 && bytes.is_multiple_of(PAGE_SIZE) && start.is_multiple_of(PAGE_SIZE));
        assert!(start >= self.lo.addr() && start + bytes <= self.lo.addr() + self.bytes, "foreign pages");
        let mut pages = self.pages.lock().unwrap();
        let before = pages.free.range(..start + bytes).next_back();
        assert!(before.is_none_or(|(s, len)| s + len <= start), "pages freed twice");
        pages.out -= bytes;
        let (mut start, mut bytes) = (start, bytes);
        if let Some((&s, &len)) = pages.free.range(..start).next_back()
            && s + len == start
        {
            pages.free.remove(&s);
            (start, bytes) = (s, bytes + len);
        }
        if let Some(len) = pages.free.remove(&(start + bytes)) {
            bytes += len;
        }
        pages.free.insert(start, bytes);
    }

    fn systemstack<R>(&self, f: impl FnOnce() -> R) -> R {
        f()
    }

    fn misuse(&self, what: &str, ptr: *mut u8) -> ! {
        panic!("heap: {what}: {ptr:p}")
    }
}

/// A heap over an arena of so many bytes. It is leaked, since spans live for ever.
pub fn heap(bytes: usize) -> &'static Heap<Source> {
    Box::leak(Box::new(Heap::new(
        Source::new(bytes),
        core::array::from_fn::<_, NUM_SIZE_CLASSES, _>(|_| Locked::new(lock(), Central::new())),
        Locked::new(lock(), MHeap::new()),
    )))
}

/// Empties caches and checks that the machine has all memory back but the heap's records.
pub fn assert_all_back(heap: &'static Heap<Source>, caches: &mut [MCache]) {
    for cache in caches.iter_mut() {
        cache.flush_all(heap);
    }
    heap.release_all();
    let stats = heap.mem_stats(caches.iter());
    assert_eq!((stats.heap_objects, stats.heap_alloc, stats.heap_inuse, stats.heap_idle), (0, 0, 0, 0));
    assert_eq!(heap.sys.out() as u64, stats.sys, "memory that is not back");
}

/// So many caches.
pub fn caches(n: usize) -> Vec<MCache> {
    (0..n).map(|_| MCache::new()).collect()
}
