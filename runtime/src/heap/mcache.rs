//! A P's part of the heap: a magazine of free objects for each size class (Go: `mcache.go`).
//!
//! A magazine is an array of pointers, filled and emptied at its end, with a null below the first: `alloc` reads the last
//! pointer and is done unless it is null, `dealloc` compares with the limit and stores. Five instructions each, and the object itself is not touched
//! (a list threaded through the objects would be as quick and would read memory that the program may not want).
//!
//! The central list's lock is what Ps share: magazines are as long as a span of the class, or nearly, as Go's are by their nature, so
//! that a program that makes and drops a hundred objects in turn does not meet it. Refill and flush move half a magazine, so that
//! a program that goes on in one direction pays once in that many operations. What is flushed is the oldest: the newer is warm.
//!
//! The first flush after a refill moves an eighth only. With halves in both directions a program that makes and drops a batch of
//! more than half a magazine, but less than a whole one, could stay in a cycle: a batch empties the magazine and half of one is
//! fetched, the batch comes back and half is given away, which the next batch then lacks. An eighth leaves the magazine nearly
//! full, and the next batch finds what it needs.

use super::Heap;
use super::size_class::{CLASS_TO_SIZE, NUM_SIZE_CLASSES};
use super::system::System;
use core::cell::Cell;
use core::ptr::null_mut;
use core::sync::atomic::Ordering::Relaxed;
use core::sync::atomic::{AtomicPtr, AtomicU64};

/// Objects that a magazine holds at most and at least, and bytes between the two.
const MAX_OBJECTS: usize = 128;
const MIN_OBJECTS: usize = 4;
const MAGAZINE_BYTES: usize = 16 << 10;

/// How many objects a magazine of each class holds; even, since half of it moves at a time.
static CAPACITY: [u8; NUM_SIZE_CLASSES] = {
    let mut t = [0; NUM_SIZE_CLASSES];
    let mut i = 1;
    while i < t.len() {
        let n = MAGAZINE_BYTES / CLASS_TO_SIZE[i] as usize;
        let n = if n > MAX_OBJECTS { MAX_OBJECTS } else { n & !1 };
        t[i] = if n < MIN_OBJECTS { MIN_OBJECTS } else { n } as u8;
        i += 1;
    }
    t
};

/// What is read by all and never written.
struct Constant<T>(T);
// SAFETY: it is never written: see `Magazine::new`.
unsafe impl<T> Sync for Constant<T> {}

/// A slot without an object, where the magazines that have no memory end.
static NO_OBJECT: Constant<*mut u8> = Constant(null_mut());
static NONE: MCache = MCache::new();

/// Free objects of one class. Written by the cache's owner only; statistics read it from elsewhere. The slots are the owner's alone.
struct Magazine {
    /// The last object's slot, or the slot of the null below the first.
    top: AtomicPtr<*mut u8>,
    /// The last slot there is; null before the magazine has memory. The owner's alone.
    limit: Cell<*mut *mut u8>,
    /// The slot of the null below the first object; null before the magazine has memory.
    bottom: AtomicPtr<*mut u8>,
    /// Objects given out, ever.
    allocs: AtomicU64,
    /// It was refilled after it was last flushed. The owner's alone.
    refilled: Cell<bool>,
}

impl Magazine {
    const fn new() -> Magazine {
        // With a null limit it is full as well as empty, so the slot is never written.
        Magazine {
            top: AtomicPtr::new((&raw const NO_OBJECT.0).cast_mut()),
            limit: Cell::new(null_mut()),
            bottom: AtomicPtr::new(null_mut()),
            allocs: AtomicU64::new(0),
            refilled: Cell::new(false),
        }
    }

    fn len(&self, class: usize) -> usize {
        let bottom = self.bottom.load(Relaxed);
        if bottom.is_null() {
            return 0;
        }
        // Read from another P, the top may still be where it was before the magazine had memory.
        let slots = self.top.load(Relaxed).addr().wrapping_sub(bottom.addr()) / size_of::<*mut u8>();
        if slots <= usize::from(CAPACITY[class]) { slots } else { 0 }
    }
}

/// See the module's text. Used only by the M that holds the P, not preempted.
#[repr(C)]
pub struct MCache {
    magazines: [Magazine; NUM_SIZE_CLASSES],
}

// SAFETY: the magazines' memory and the objects in them are the cache's alone.
unsafe impl Send for MCache {}
// SAFETY: what is not atomic (`limit`, `refilled`) is touched by the owner only.
unsafe impl Sync for MCache {}

impl Default for MCache {
    fn default() -> Self {
        MCache::new()
    }
}

impl MCache {
    /// A cache without objects.
    pub const fn new() -> MCache {
        MCache { magazines: [const { Magazine::new() }; NUM_SIZE_CLASSES] }
    }

    /// The cache of an M that has no P: it is empty as well as full, so that everything goes to the central lists.
    pub const fn none() -> *mut MCache {
        (&raw const NONE).cast_mut()
    }

    /// Whether `cache` is [`MCache::none`].
    pub(super) fn is_none(cache: *mut MCache) -> bool {
        cache == MCache::none()
    }

    #[inline(always)]
    unsafe fn magazine<'a>(cache: *mut MCache, class: usize) -> &'a Magazine {
        debug_assert!(class < NUM_SIZE_CLASSES);
        // SAFETY: the caller passes a class that `class_of` returned, so it is in bounds.
        unsafe { &*(&raw const (*cache).magazines).cast::<Magazine>().add(class) }
    }

    /// An object of a class, or null: [`MCache::refill`] has to get some. Class 0 has none.
    ///
    /// # Safety
    /// `cache` is [`MCache::none`] or used by nobody else now; `class` came from `class_of`.
    #[inline(always)]
    pub(super) unsafe fn pop(cache: *mut MCache, class: usize) -> *mut u8 {
        // SAFETY: as the caller promises; `top` points to a readable slot, and if there is an object in it, there is a slot below.
        unsafe {
            let m = Self::magazine(cache, class);
            let top = m.top.load(Relaxed);
            let p = *top;
            if !p.is_null() {
                m.top.store(top.sub(1), Relaxed);
                m.allocs.store(m.allocs.load(Relaxed) + 1, Relaxed);
            }
            p
        }
    }

    /// Keeps a free object of a class. False if the magazine is full: [`MCache::flush`] has to make room. Class 0's always is.
    ///
    /// # Safety
    /// As [`MCache::pop`]; `p` is not used any more.
    #[inline(always)]
    pub(super) unsafe fn push(cache: *mut MCache, class: usize, p: *mut u8) -> bool {
        // SAFETY: as the caller promises; a slot above `top` is there if `top` is below the limit.
        unsafe {
            let m = Self::magazine(cache, class);
            let top = m.top.load(Relaxed);
            if top >= m.limit.get() {
                return false;
            }
            let top = top.add(1);
            *top = p;
            m.top.store(top, Relaxed);
            true
        }
    }

    /// Gives the magazine of a class its memory, if it has none. False if there is no memory.
    fn provide<S: System>(&self, heap: &Heap<S>, class: usize) -> bool {
        let m = &self.magazines[class];
        if m.limit.get().is_null() {
            let capacity = usize::from(CAPACITY[class]);
            let array = heap.alloc_magazine((capacity + 1) * size_of::<*mut u8>()).cast::<*mut u8>();
            if array.is_null() {
                return false;
            }
            // SAFETY: the array has `capacity + 1` slots.
            m.limit.set(unsafe { array.add(capacity) });
            m.bottom.store(array, Relaxed);
            m.top.store(array, Relaxed);
        }
        true
    }

    /// Gets objects of a class from the central list and returns one of them; null if there is no memory. The magazine is empty.
    pub(super) fn refill<S: System>(&self, heap: &Heap<S>, class: usize) -> *mut u8 {
        if !self.provide(heap, class) {
            return heap.alloc_central(class);
        }
        let m = &self.magazines[class];
        let mut batch = [null_mut(); MAX_OBJECTS / 2];
        let want = usize::from(CAPACITY[class]) / 2;
        m.refilled.set(true);
        let n = heap.central[class].lock().take(heap, class, &mut batch[..want]);
        // Lowest address on top: a run of allocations walks up.
        let mut top = m.top.load(Relaxed);
        for &p in batch[..n].iter().rev() {
            // SAFETY: half a magazine fits into an empty one.
            unsafe {
                top = top.add(1);
                *top = p;
            }
        }
        m.top.store(top, Relaxed);
        // SAFETY: the caller's own cache, as it promises by calling this.
        unsafe { MCache::pop(core::ptr::from_ref(self).cast_mut(), class) }
    }

    /// Keeps a free object of a class whose magazine is full, and puts the oldest objects in it back into the spans.
    ///
    /// # Safety
    /// `p` and what is in the magazine are objects that are not used any more.
    pub(super) unsafe fn flush<S: System>(&self, heap: &Heap<S>, class: usize, p: *mut u8) {
        if !self.provide(heap, class) {
            // SAFETY: as the caller promises.
            unsafe { heap.dealloc_central(class, p) };
            return;
        }
        let this = core::ptr::from_ref(self).cast_mut();
        // SAFETY: as the caller promises.
        unsafe {
            if !MCache::push(this, class, p) {
                let part = if self.magazines[class].refilled.replace(false) { 8 } else { 2 };
                self.put_oldest(heap, class, usize::from(CAPACITY[class]).div_ceil(part));
                MCache::push(this, class, p);
            }
        }
    }

    /// Puts the `n` oldest objects of a magazine back into their spans.
    ///
    /// # Safety
    /// There are as many, and they are not used.
    unsafe fn put_oldest<S: System>(&self, heap: &Heap<S>, class: usize, n: usize) {
        let len = self.magazines[class].len(class);
        let m = &self.magazines[class];
        // SAFETY: the objects are in the `len` slots above the bottom; the rest moves down within the array.
        unsafe {
            let first = m.bottom.load(Relaxed).add(1);
            heap.central[class].lock().put(heap, class, core::slice::from_raw_parts(first, n));
            core::ptr::copy(first.add(n), first, len - n);
            m.top.store(m.top.load(Relaxed).sub(n), Relaxed);
        }
    }

    /// Puts all objects back into their spans: for a P that is destroyed.
    pub fn flush_all<S: System>(&self, heap: &Heap<S>) {
        for class in 1..NUM_SIZE_CLASSES {
            let len = self.magazines[class].len(class);
            if len > 0 {
                // SAFETY: free objects are not used.
                unsafe { self.put_oldest(heap, class, len) };
            }
        }
    }

    /// Objects of a class in the magazine, and objects given out, ever; on another P than its own a moment's figures.
    pub(super) fn counts(&self, class: usize) -> (usize, u64) {
        (self.magazines[class].len(class), self.magazines[class].allocs.load(Relaxed))
    }
}
