//! A P's part of the heap: a magazine of free objects for each size class (Go: `mcache.go`).
//!
//! A magazine is an array of pointers, filled and emptied at its end, with a null below the first: `alloc` reads the last
//! pointer and is done unless it is null, `dealloc` compares with the limit and stores. Five instructions each, and the object itself is not touched
//! (a list threaded through the objects would be as quick and would read memory that the program may not want).
//!
//! Refill and flush move half a magazine, so that a program that goes back and forth at the edge pays once in that many
//! operations. What is flushed is the older half: the newer is warm.

use super::Heap;
use super::size_class::{CLASS_TO_SIZE, NUM_SIZE_CLASSES};
use super::system::System;
use core::ptr::null_mut;

/// Objects that a magazine holds at most and at least, and bytes between the two.
const MAX_OBJECTS: usize = 64;
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
static NONE: Constant<MCache> = Constant(MCache::new());

/// Free objects of one class.
struct Magazine {
    /// The last object's slot, or the slot of the null below the first.
    top: *mut *mut u8,
    /// The last slot there is; null before the magazine has memory.
    limit: *mut *mut u8,
    /// Objects given out, ever.
    allocs: u64,
}

impl Magazine {
    const fn new() -> Magazine {
        // With a null limit it is full as well as empty, so the slot is never written.
        Magazine { top: (&raw const NO_OBJECT.0).cast_mut(), limit: null_mut(), allocs: 0 }
    }

    /// The slot of the null below the first object.
    fn bottom(&self, class: usize) -> *mut *mut u8 {
        // SAFETY: the array has a slot for each object and one below; called only when it is there.
        unsafe { self.limit.sub(usize::from(CAPACITY[class])) }
    }

    fn len(&self, class: usize) -> usize {
        if self.limit.is_null() {
            return 0;
        }
        // SAFETY: both point into the magazine's array.
        unsafe { self.top.offset_from_unsigned(self.bottom(class)) }
    }
}

/// See the module's text. Used only by the M that holds the P, not preempted.
#[repr(C)]
pub struct MCache {
    magazines: [Magazine; NUM_SIZE_CLASSES],
}

// SAFETY: the magazines' memory and the objects in them are the cache's alone.
unsafe impl Send for MCache {}

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
        (&raw const NONE.0).cast_mut()
    }

    /// Whether `cache` is [`MCache::none`].
    pub(super) fn is_none(cache: *mut MCache) -> bool {
        cache == MCache::none()
    }

    #[inline(always)]
    unsafe fn magazine(cache: *mut MCache, class: usize) -> *mut Magazine {
        debug_assert!(class < NUM_SIZE_CLASSES);
        // SAFETY: the caller passes a class that `class_of` returned, so it is in bounds.
        unsafe { (&raw mut (*cache).magazines).cast::<Magazine>().add(class) }
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
            let top = (*m).top;
            let p = *top;
            if !p.is_null() {
                (*m).top = top.sub(1);
                (*m).allocs += 1;
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
            if (*m).top >= (*m).limit {
                return false;
            }
            (*m).top = (*m).top.add(1);
            *(*m).top = p;
            true
        }
    }

    /// Gives the magazine of a class its memory, if it has none. False if there is no memory.
    fn provide<S: System>(&mut self, heap: &Heap<S>, class: usize) -> bool {
        let m = &mut self.magazines[class];
        if m.limit.is_null() {
            let capacity = usize::from(CAPACITY[class]);
            let array = heap.alloc_record((capacity + 1) * size_of::<*mut u8>()).cast::<*mut u8>();
            if array.is_null() {
                return false;
            }
            m.top = array;
            // SAFETY: the array has `capacity + 1` slots.
            m.limit = unsafe { array.add(capacity) };
        }
        true
    }

    /// Gets objects of a class from the central list and returns one of them; null if there is no memory. The magazine is empty.
    pub(super) fn refill<S: System>(&mut self, heap: &Heap<S>, class: usize) -> *mut u8 {
        if !self.provide(heap, class) {
            return heap.alloc_central(class);
        }
        let m = &mut self.magazines[class];
        let mut batch = [null_mut(); MAX_OBJECTS / 2];
        let want = usize::from(CAPACITY[class]) / 2;
        let n = heap.central[class].lock().take(heap, class, &mut batch[..want]);
        // Lowest address on top: a run of allocations walks up.
        for &p in batch[..n].iter().rev() {
            // SAFETY: half a magazine fits into an empty one.
            unsafe {
                m.top = m.top.add(1);
                *m.top = p;
            }
        }
        // SAFETY: the cache is borrowed mutably.
        unsafe { MCache::pop(self, class) }
    }

    /// Keeps a free object of a class whose magazine is full, and puts the older half of the magazine back into the spans.
    ///
    /// # Safety
    /// `p` and what is in the magazine are objects that are not used any more.
    pub(super) unsafe fn flush<S: System>(&mut self, heap: &Heap<S>, class: usize, p: *mut u8) {
        if !self.provide(heap, class) {
            // SAFETY: as the caller promises.
            unsafe { heap.dealloc_central(class, p) };
            return;
        }
        // SAFETY: as the caller promises; the cache is borrowed mutably.
        unsafe {
            if !MCache::push(self, class, p) {
                self.put_oldest(heap, class, usize::from(CAPACITY[class]) / 2);
                MCache::push(self, class, p);
            }
        }
    }

    /// Puts the `n` oldest objects of a magazine back into their spans.
    ///
    /// # Safety
    /// There are as many, and they are not used.
    unsafe fn put_oldest<S: System>(&mut self, heap: &Heap<S>, class: usize, n: usize) {
        let len = self.magazines[class].len(class);
        let m = &mut self.magazines[class];
        // SAFETY: the objects are in the `len` slots above the bottom; the rest moves down within the array.
        unsafe {
            let first = m.bottom(class).add(1);
            heap.central[class].lock().put(heap, class, core::slice::from_raw_parts(first, n));
            core::ptr::copy(first.add(n), first, len - n);
            m.top = m.top.sub(n);
        }
    }

    /// Puts all objects back into their spans: for a P that is destroyed.
    pub fn flush_all<S: System>(&mut self, heap: &Heap<S>) {
        for class in 1..NUM_SIZE_CLASSES {
            let len = self.magazines[class].len(class);
            if len > 0 {
                // SAFETY: free objects are not used.
                unsafe { self.put_oldest(heap, class, len) };
            }
        }
    }

    /// Objects of a class in the magazine, and objects given out, ever.
    pub(super) fn counts(&self, class: usize) -> (usize, u64) {
        (self.magazines[class].len(class), self.magazines[class].allocs)
    }
}
