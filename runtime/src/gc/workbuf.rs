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

/// Where a buffer has its last address.
#[derive(Clone, Copy)]
pub(super) struct Cursor {
    /// Behind the last address, and where the buffer begins and ends.
    top: *mut usize,
    bottom: *mut usize,
    end: *mut usize,
}

impl Cursor {
    /// Adds an address; false if the buffer is full.
    #[inline(always)]
    pub(super) fn push(&mut self, addr: usize) -> bool {
        if self.top == self.end {
            return false;
        }
        // SAFETY: below the end.
        unsafe {
            *self.top = addr;
            self.top = self.top.add(1);
        }
        true
    }

    /// Takes the last address; 0 if the buffer is empty.
    #[inline(always)]
    pub(super) fn pop(&mut self) -> usize {
        if self.top == self.bottom {
            return 0;
        }
        // SAFETY: above the bottom.
        unsafe {
            self.top = self.top.sub(1);
            *self.top
        }
    }
}

/// A stack of addresses. Full buffers hang behind the one at hand; with several markers they are what
/// is shared.
pub(super) struct WorkStack<'h, S: System + 'static> {
    gc: &'h GcHeap<S>,
    buf: *mut WorkBuf,
    /// In `buf`. Who pushes and pops much keeps it in registers meanwhile.
    pub(super) at: Cursor,
    full: *mut WorkBuf,
    /// One empty buffer, so that a stack that goes up and down over an edge asks for none.
    spare: *mut WorkBuf,
}

impl<'h, S: System + 'static> WorkStack<'h, S> {
    pub(super) fn new(gc: &'h GcHeap<S>) -> Self {
        let mut stack = WorkStack {
            gc,
            buf: null_mut(),
            at: Cursor { top: null_mut(), bottom: null_mut(), end: null_mut() },
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
            let bottom = (&raw mut (*buf).entries).cast::<usize>();
            self.at = Cursor { top: bottom.add(used), bottom, end: bottom.add(ENTRIES) };
        }
    }

    #[inline(always)]
    pub(super) fn push(&mut self, addr: usize) {
        while !self.at.push(addr) {
            self.spill();
        }
    }

    /// The address that was pushed last; 0: there is none.
    pub(super) fn pop(&mut self) -> usize {
        match self.at.pop() {
            0 if self.refill() => self.at.pop(),
            addr => addr,
        }
    }

    /// The buffer is full: begins another.
    #[cold]
    #[inline(never)]
    pub(super) fn spill(&mut self) {
        // SAFETY: the buffer is ours, and full.
        unsafe { (*self.buf).next = self.full };
        self.full = self.buf;
        let buf = self.empty();
        self.set(buf, 0);
    }

    /// The buffer is empty: goes on with a full one. False if there is none.
    #[cold]
    #[inline(never)]
    pub(super) fn refill(&mut self) -> bool {
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
        debug_assert!(self.at.top == self.at.bottom && self.full.is_null(), "addresses were not looked at");
        self.free(self.buf);
        self.free(self.spare);
    }
}
