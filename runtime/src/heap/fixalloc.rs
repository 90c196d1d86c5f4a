//! Memory for the heap's own records (Go: `mfixalloc.go`, `persistentalloc`). It comes from the machine in chunks and never goes back.

use super::size_class::PAGE_SIZE;
use super::system::System;
use core::ptr::null_mut;

const CHUNK_BYTES: usize = 4 * PAGE_SIZE;

/// Memory that is never freed, by moving a pointer.
pub(crate) struct Persistent {
    next: usize,
    left: usize,
    chunk: *mut u8,
    /// Bytes that came from the machine.
    pub(crate) sys: usize,
}

// SAFETY: the pointer is to memory of this allocator alone.
unsafe impl Send for Persistent {}

impl Persistent {
    pub(crate) const fn new() -> Persistent {
        Persistent { next: 0, left: 0, chunk: null_mut(), sys: 0 }
    }

    /// `bytes` of memory aligned to 16, all zero; null if there is none.
    pub(crate) fn alloc<S: System>(&mut self, sys: &S, bytes: usize) -> *mut u8 {
        let bytes = bytes.next_multiple_of(16);
        if bytes > self.left {
            let chunk = bytes.next_multiple_of(PAGE_SIZE).max(CHUNK_BYTES);
            let p = sys.alloc(chunk, PAGE_SIZE);
            if p.is_null() {
                return p;
            }
            self.sys += chunk;
            // What is left of the old chunk is lost, unless the new one is less of a gain.
            if chunk - bytes < self.left {
                // SAFETY: the chunk was just allocated.
                unsafe { p.write_bytes(0, bytes) };
                return p;
            }
            (self.chunk, self.next, self.left) = (p, 0, chunk);
        }
        // SAFETY: `bytes` are left in the chunk from `next` on, and nobody else has them.
        let p = unsafe {
            let p = self.chunk.add(self.next);
            p.write_bytes(0, bytes);
            p
        };
        self.next += bytes;
        self.left -= bytes;
        p
    }
}

/// Records of one size that are freed and allocated again, as records of the same type (type-stable memory).
pub(crate) struct FixAlloc {
    size: usize,
    free: *mut *mut u8,
    /// Records there are, in use and free.
    made: usize,
    /// Records in use.
    in_use: usize,
}

// SAFETY: the pointer is to memory of this allocator alone.
unsafe impl Send for FixAlloc {}

impl FixAlloc {
    /// An allocator of records of `size` bytes, at least a pointer's.
    pub(crate) const fn new(size: usize) -> FixAlloc {
        assert!(size >= size_of::<*mut u8>());
        FixAlloc { size, free: null_mut(), made: 0, in_use: 0 }
    }

    /// A record aligned to 16: zero if new, with the contents it was freed with (but for the first word) if not. Null if there is no memory.
    pub(crate) fn alloc<S: System>(&mut self, sys: &S, from: &mut Persistent) -> *mut u8 {
        if self.free.is_null() {
            let p = from.alloc(sys, self.size);
            self.made += usize::from(!p.is_null());
            self.in_use += usize::from(!p.is_null());
            return p;
        }
        self.in_use += 1;
        let p = self.free;
        // SAFETY: a free record's first word is the next one, and the record is ours.
        self.free = unsafe { *p }.cast();
        p.cast()
    }

    /// Frees a record.
    ///
    /// # Safety
    /// `p` came from `alloc`, and nothing uses the record's first word any more.
    pub(crate) unsafe fn free(&mut self, p: *mut u8) {
        let p = p.cast::<*mut u8>();
        // SAFETY: the record is ours again, aligned and at least a word.
        unsafe { *p = self.free.cast() };
        self.free = p;
        self.in_use -= 1;
    }

    /// Bytes of the records in use, and of all records.
    pub(crate) fn bytes(&self) -> (usize, usize) {
        (self.in_use * self.size, self.made * self.size)
    }
}
