//! Addresses that a marker has still to look at, in buffers of 4 KiB (Go: `mgcwork.go`, `workbuf`).

use super::GcHeap;
use crate::heap::System;
use core::ptr::null_mut;

const ENTRIES: usize = 510;

/// See the module's text.
#[repr(C)]
pub(super) struct WorkBuf {
    next: *mut WorkBuf,
    _reserved: usize,
    entries: [usize; ENTRIES],
}

/// A stack of addresses. Full buffers hang behind the one at hand; with several markers they are what
/// is shared.
pub(super) struct WorkStack<'h, S: System + 'static> {
    gc: &'h GcHeap<S>,
    buf: *mut WorkBuf,
    /// Behind the last address in `buf`, and where the buffer begins and ends.
    top: *mut usize,
    bottom: *mut usize,
    end: *mut usize,
    full: *mut WorkBuf,
    /// One empty buffer, so that a stack that goes up and down over an edge asks for none.
    spare: *mut WorkBuf,
}

impl<'h, S: System + 'static> WorkStack<'h, S> {
    pub(super) fn new(gc: &'h GcHeap<S>) -> Self {
        let mut stack = WorkStack {
            gc,
            buf: null_mut(),
            top: null_mut(),
            bottom: null_mut(),
            end: null_mut(),
            full: null_mut(),
            spare: null_mut(),
        };
        stack.spare = stack.empty();
        let buf = stack.empty();
        stack.set(buf, 0);
        stack
    }

    fn empty(&mut self) -> *mut WorkBuf {
        if !self.spare.is_null() {
            return core::mem::replace(&mut self.spare, null_mut());
        }
        let buf = self.gc.records.lock().buf(self.gc.pages.sys());
        if buf.is_null() {
            self.gc.pages.sys().misuse("out of memory for the collector's work buffers", null_mut());
        }
        buf
    }

    fn set(&mut self, buf: *mut WorkBuf, used: usize) {
        self.buf = buf;
        // SAFETY: a buffer has that many entries.
        unsafe {
            self.bottom = (&raw mut (*buf).entries).cast();
            self.top = self.bottom.add(used);
            self.end = self.bottom.add(ENTRIES);
        }
    }

    #[inline(always)]
    pub(super) fn push(&mut self, addr: usize) {
        if self.top == self.end {
            self.spill();
        }
        // SAFETY: below the end.
        unsafe {
            *self.top = addr;
            self.top = self.top.add(1);
        }
    }

    /// The address that was pushed last; 0: there is none.
    #[inline(always)]
    pub(super) fn pop(&mut self) -> usize {
        if self.top == self.bottom && !self.refill() {
            return 0;
        }
        // SAFETY: above the bottom.
        unsafe {
            self.top = self.top.sub(1);
            *self.top
        }
    }

    #[cold]
    #[inline(never)]
    fn spill(&mut self) {
        // SAFETY: the buffer is ours, and full.
        unsafe { (*self.buf).next = self.full };
        self.full = self.buf;
        let buf = self.empty();
        self.set(buf, 0);
    }

    #[cold]
    #[inline(never)]
    fn refill(&mut self) -> bool {
        let full = self.full;
        if full.is_null() {
            return false;
        }
        // SAFETY: a full buffer is ours, and linked to the next.
        self.full = unsafe { (*full).next };
        let empty = core::mem::replace(&mut self.spare, self.buf);
        self.free(empty);
        self.set(full, ENTRIES);
        true
    }

    fn free(&self, buf: *mut WorkBuf) {
        if !buf.is_null() {
            // SAFETY: ours, and nothing in it is needed.
            unsafe { self.gc.records.lock().free_buf(buf) };
        }
    }
}

impl<S: System + 'static> Drop for WorkStack<'_, S> {
    fn drop(&mut self) {
        debug_assert!(self.top == self.bottom && self.full.is_null(), "addresses were not looked at");
        self.free(self.buf);
        self.free(self.spare);
    }
}
