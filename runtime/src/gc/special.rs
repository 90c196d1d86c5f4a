//! What hangs on an object besides its words: finalizers, cleanups, weak handles (Go: `special` in
//! `mheap.go`, `mfinal.go`, `mcleanup.go`).
//!
//! # Order of events
//! 1. Roots: an object with a finalizer keeps alive all that it points to, but not itself. So of two
//!    such objects the one that points to the other is finalized first, in a cycle of its own, and two
//!    that point to each other never. What a special itself points to (the function to be called,
//!    the handle) is a root.
//! 2. After marking, for each object that has specials and is not marked:
//!    - it has a finalizer: the object is marked, so that it lives for another cycle; its weak
//!      handles are cleared and the finalizer is queued; cleanups stay;
//!    - otherwise the object is dead: weak handles are cleared, cleanups are queued, and a heap
//!      profile that has it counts.
//! 3. Whoever runs them takes them off the queue: [`GcHeap::next_ready`]. As long as one is
//!    queued, all that it holds is a root, the object included.
//!
//! Weak handles are cleared before a finalizer can see the object, and in the same stop of the world
//! in which the object was found unreachable.

use super::mark::Marker;
use super::roots::Sink;
use super::span::Span;
use super::{GcHeap, Runs, find_class};
use crate::heap::System;
use core::cell::Cell;
use core::ptr::null_mut;

/// What a special is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Called with the object, which lives on until it is found dead once more.
    Finalizer,
    /// Called without the object, which is gone.
    Cleanup,
    /// A word that holds the object's address until the object is dead.
    Weak,
    /// A number that somebody has noted about it.
    Note,
    /// A word that is raised by 1 when the object is dead: it is in the heap profile.
    Sampled,
}

/// Words that say what to call, opaque here; they may be pointers to collected memory.
pub type Payload = [usize; 4];

/// A record on its span's list or on the queue.
#[repr(C)]
pub(super) struct Special {
    next: Cell<*mut Special>,
    addr: Cell<usize>,
    /// Of a weak one the first is the handle.
    payload: Cell<Payload>,
    id: Cell<u64>,
    kind: Cell<Kind>,
}

/// Something to be called.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ready {
    /// Finalizer or cleanup.
    pub kind: Kind,
    /// The object of a finalizer, to be passed to it; of a cleanup the address that it had.
    pub addr: usize,
    /// What was registered.
    pub payload: Payload,
}

/// All specials, under their lock.
pub(super) struct Specials {
    /// Spans that have some.
    spans: Option<&'static Span>,
    /// The queues: first and last.
    finalizers: Queue,
    cleanups: Queue,
    next_id: u64,
}

// SAFETY: records and spans are touched under the lock.
unsafe impl Send for Specials {}

struct Queue {
    first: *mut Special,
    last: *mut Special,
    len: usize,
    /// How many there ever were.
    pushed: u64,
}

impl Queue {
    const fn new() -> Queue {
        Queue { first: null_mut(), last: null_mut(), len: 0, pushed: 0 }
    }

    fn push(&mut self, s: *mut Special) {
        // SAFETY: a record that is on no list.
        unsafe { (*s).next.set(null_mut()) };
        match self.first.is_null() {
            true => self.first = s,
            // SAFETY: the last record is the queue's.
            false => unsafe { (*self.last).next.set(s) },
        }
        self.last = s;
        self.len += 1;
        self.pushed += 1;
    }

    fn pop(&mut self) -> *mut Special {
        let s = self.first;
        if !s.is_null() {
            // SAFETY: the queue's.
            self.first = unsafe { (*s).next.get() };
            self.len -= 1;
        }
        s
    }
}

impl Specials {
    pub(super) const fn new() -> Specials {
        Specials { spans: None, finalizers: Queue::new(), cleanups: Queue::new(), next_id: 1 }
    }

    /// Spans that have specials.
    fn spans(&self) -> impl Iterator<Item = &'static Span> {
        core::iter::successors(self.spans, |s| s.next_special.get())
    }

    /// The first special of a span that fulfils a condition, taken off its list.
    fn take(span: &Span, condition: impl Fn(&Special) -> bool) -> Option<&'static Special> {
        let mut link = span.specials.as_ptr();
        // SAFETY: links lead from the span through records of the list to null.
        unsafe {
            while !(*link).is_null() {
                let s: &'static Special = &**link;
                if condition(s) {
                    *link = s.next.get();
                    return Some(s);
                }
                link = s.next.as_ptr();
            }
        }
        None
    }

    /// Takes those off a span's list for which `keep` says no.
    fn retain(span: &Span, mut keep: impl FnMut(&'static Special) -> bool) {
        let mut link = span.specials.as_ptr();
        // SAFETY: as in `take`. One that is taken off may be on another list before the next is read.
        unsafe {
            while let Some(s) = (*link).as_ref() {
                let s: &'static Special = s;
                let next = s.next.get();
                if keep(s) {
                    link = s.next.as_ptr();
                } else {
                    *link = next;
                }
            }
        }
    }

    fn of(span: &Span) -> impl Iterator<Item = &'static Special> {
        let mut next = span.specials.get();
        core::iter::from_fn(move || {
            // SAFETY: null or a record of the list.
            let s: &'static Special = unsafe { next.as_ref() }?;
            next = s.next.get();
            Some(s)
        })
    }

    fn add(&mut self, span: &'static Span, s: &'static Special) {
        s.next.set(span.specials.get());
        span.specials.set(core::ptr::from_ref(s).cast_mut());
        if !span.has_specials.replace(true) {
            span.next_special.set(self.spans);
            self.spans = Some(span);
        }
    }
}

impl<S: System + 'static> GcHeap<S> {
    /// Registers a finalizer or cleanup of the object at `addr`, which the caller holds; returns its
    /// number, 0 if `addr` is not in a collected object or there is no memory.
    ///
    /// # Errors
    /// There is a finalizer for that address already.
    pub fn add_special(&self, kind: Kind, addr: usize, payload: Payload) -> Result<u64, AlreadySet> {
        let Some((span, _)) = self.table.view().find(addr) else { return Ok(0) };
        let mut specials = self.specials.lock();
        let same = |s: &Special| s.kind.get() == kind && s.addr.get() == addr;
        if kind == Kind::Finalizer && Specials::of(span).any(same) {
            return Err(AlreadySet);
        }
        // SAFETY: null or a new record.
        let Some(s) = (unsafe { self.records.lock().special(self.pages.sys()).as_ref() }) else {
            return Ok(0);
        };
        let s: &'static Special = s;
        let id = specials.next_id;
        specials.next_id += 1;
        s.addr.set(addr);
        s.payload.set(payload);
        s.id.set(id);
        s.kind.set(kind);
        specials.add(span, s);
        Ok(id)
    }

    /// Takes the finalizer of the object at `addr` away. False if there is none.
    pub fn remove_finalizer(&self, addr: usize) -> bool {
        self.remove(addr, |s| s.kind.get() == Kind::Finalizer && s.addr.get() == addr)
    }

    /// Takes the cleanup with a number away, which was registered for `addr`. False if it is queued
    /// already, or was run.
    pub fn remove_cleanup(&self, addr: usize, id: u64) -> bool {
        self.remove(addr, |s| s.kind.get() == Kind::Cleanup && s.id.get() == id)
    }

    /// What was noted about the object at `addr`.
    pub fn note(&self, addr: usize) -> Option<usize> {
        let (span, _) = self.table.view().find(addr)?;
        let _specials = self.specials.lock();
        noted(span, addr)
    }

    /// [`GcHeap::note`], after `value` was noted if nothing was. None if no object is there, or there
    /// is no memory.
    pub fn note_or_add(&self, addr: usize, value: usize) -> Option<usize> {
        let (span, _) = self.table.view().find(addr)?;
        let mut specials = self.specials.lock();
        if let Some(there) = noted(span, addr) {
            return Some(there);
        }
        // SAFETY: null or a new record.
        let s: &'static Special = unsafe { self.records.lock().special(self.pages.sys()).as_ref() }?;
        s.addr.set(addr);
        s.payload.set([value, 0, 0, 0]);
        s.kind.set(Kind::Note);
        specials.add(span, s);
        Some(value)
    }

    /// Takes away what was noted about the object at `addr`. False if nothing was.
    pub fn remove_note(&self, addr: usize) -> bool {
        self.remove(addr, |s| s.kind.get() == Kind::Note && s.addr.get() == addr)
    }

    fn remove(&self, addr: usize, which: impl Fn(&Special) -> bool) -> bool {
        let Some((span, _)) = self.table.view().find(addr) else { return false };
        let specials = self.specials.lock();
        let found = Specials::take(span, which);
        if let Some(s) = found {
            self.free_special(s);
        }
        drop(specials);
        found.is_some()
    }

    fn free_special(&self, s: &'static Special) {
        // SAFETY: on no list.
        unsafe { self.records.lock().specials.free(core::ptr::from_ref(s).cast_mut().cast()) };
    }

    /// The handle of the object at `addr`: the address of a word, itself a collected object, that holds
    /// `addr` until the object is dead, then 0. One for each address. 0: no object is there, or there is
    /// no memory.
    ///
    /// # Safety
    /// `runs` are the caller's, on a stack that is fully backed; the caller holds the object.
    pub unsafe fn weak_handle(&self, runs: &Runs, addr: usize) -> usize {
        let Some((span, _)) = self.table.view().find(addr) else { return 0 };
        let known = |s: &Special| s.kind.get() == Kind::Weak && s.addr.get() == addr;
        let find = || Specials::of(span).find(|s| known(s)).map(|s| s.payload.get()[0]);
        let specials = self.specials.lock();
        let there = find();
        drop(specials);
        if let Some(handle) = there {
            return handle;
        }
        // Its own block: a tiny one would be kept by its neighbours, and would keep them.
        // SAFETY: as the caller promises.
        let handle = unsafe { self.alloc_class(runs, find_class(16, true), 16, None, true) };
        if handle == 0 {
            return 0;
        }
        // SAFETY: a new object of two words.
        unsafe { *(handle as *mut usize) = addr };
        let mut specials = self.specials.lock();
        // Another may have been quicker.
        if let Some(handle) = find() {
            return handle;
        }
        // SAFETY: null or a new record.
        let Some(s) = (unsafe { self.records.lock().special(self.pages.sys()).as_ref() }) else { return 0 };
        let s: &'static Special = s;
        s.addr.set(addr);
        s.payload.set([handle, 0, 0, 0]);
        s.kind.set(Kind::Weak);
        specials.add(span, s);
        handle
    }

    /// The next finalizer, or cleanup, that is due.
    pub fn next_ready(&self, kind: Kind) -> Option<Ready> {
        let mut specials = self.specials.lock();
        let queue = if kind == Kind::Finalizer { &mut specials.finalizers } else { &mut specials.cleanups };
        // SAFETY: null or a record of the queue.
        let s: &'static Special = unsafe { queue.pop().as_ref() }?;
        drop(specials);
        let ready = Ready { kind, addr: s.addr.get(), payload: s.payload.get() };
        self.free_special(s);
        Some(ready)
    }

    /// How many finalizers and cleanups are due.
    pub fn ready(&self) -> (usize, usize) {
        let specials = self.specials.lock();
        (specials.finalizers.len, specials.cleanups.len)
    }

    /// How many finalizers and cleanups were ever due.
    pub fn queued(&self) -> (u64, u64) {
        let specials = self.specials.lock();
        (specials.finalizers.pushed, specials.cleanups.pushed)
    }

    /// Step 1: names the specials' roots.
    pub(super) fn special_roots(&self, marker: &mut Marker<'_, S>) {
        let specials = self.specials.lock();
        for span in specials.spans() {
            for s in Specials::of(span) {
                let payload = s.payload.get();
                if s.kind.get() == Kind::Finalizer {
                    let slot = span.slot(s.addr.get() - span.base.get());
                    // SAFETY: the world stands; an object with a special is in use.
                    unsafe { marker.referents(span, slot) };
                }
                words(marker, &payload);
            }
        }
        for queue in [&specials.finalizers, &specials.cleanups] {
            let mut next = queue.first;
            // SAFETY: null or a record of the queue.
            while let Some(s) = unsafe { next.as_ref() } {
                words(marker, &s.payload.get());
                if s.kind.get() == Kind::Finalizer {
                    words(marker, &[s.addr.get()]);
                }
                next = s.next.get();
            }
        }
    }

    /// Step 2, when everything that can be reached is marked. Before the sweep.
    pub(super) fn settle_specials(&self) {
        let mut specials = self.specials.lock();
        let mut left = None;
        let mut next = specials.spans;
        while let Some(span) = next {
            next = span.next_special.get();
            // SAFETY: the world stands.
            unsafe { self.settle_span(&mut specials, span) };
            if span.specials.get().is_null() {
                span.has_specials.set(false);
            } else {
                span.next_special.set(left);
                left = Some(span);
            }
        }
        specials.spans = left;
    }

    unsafe fn settle_span(&self, specials: &mut Specials, span: &'static Span) {
        let slot_of = |s: &Special| span.slot(s.addr.get() - span.base.get());
        // SAFETY: the world stands; specials are of slots that are there.
        let is = |s: &Special, kind| unsafe { s.kind.get() == kind && !span.is_marked(slot_of(s)) };
        Specials::retain(span, |s| {
            let weak = is(s, Kind::Weak);
            if weak {
                // SAFETY: the handle is marked, since the special was a root.
                unsafe { *(s.payload.get()[0] as *mut usize) = 0 };
            }
            let dead = weak || is(s, Kind::Note);
            if dead {
                self.free_special(s);
            }
            !dead
        });
        // Tiny objects share a slot: all their finalizers are due.
        let mut due = Queue::new();
        Specials::retain(span, |s| {
            let dead = is(s, Kind::Finalizer);
            if dead {
                due.push(core::ptr::from_ref(s).cast_mut());
            }
            !dead
        });
        // SAFETY: null or a record of the queue.
        while let Some(s) = unsafe { due.pop().as_ref() } {
            // SAFETY: the world stands. What the object points to is marked: step 1.
            unsafe { span.mark(slot_of(s)) };
            specials.finalizers.push(core::ptr::from_ref(s).cast_mut());
        }
        Specials::retain(span, |s| {
            let dead = is(s, Kind::Sampled);
            if dead {
                // SAFETY: whoever registered it gave the address of a counter that stays.
                unsafe { *(s.payload.get()[0] as *mut u64) += 1 };
                self.free_special(s);
            }
            !dead
        });
        Specials::retain(span, |s| {
            let dead = is(s, Kind::Cleanup);
            if dead {
                specials.cleanups.push(core::ptr::from_ref(s).cast_mut());
            }
            !dead
        });
    }
}

/// The object has a finalizer already.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AlreadySet;

/// What was noted about an object; under the lock.
fn noted(span: &Span, addr: usize) -> Option<usize> {
    let note = Specials::of(span).find(|s| s.kind.get() == Kind::Note && s.addr.get() == addr);
    note.map(|s| s.payload.get()[0])
}

fn words(marker: &mut impl Sink, words: &[usize]) {
    let lo = words.as_ptr().addr();
    // SAFETY: the words are there.
    unsafe { marker.conservative(lo, lo + size_of_val(words)) };
}
