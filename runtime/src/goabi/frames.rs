//! Stacks of Go code as roots: of a frame that stands at a call only what the compiler says is live (Go: `scanstack` in `mgcmark.go`).
//!
//! # Problem
//! A frame's words are not cleared when a variable dies. Taken word by word, as [`scan_stacks`](crate::gc::scan_stacks) can do no better, a
//! stack keeps every object that a dead slot leads to for as long as the frame lives: of `main`, for ever. Go programs count on the
//! opposite: a finalizer is to close the other end of a pipe, a weak map is to shrink.
//!
//! # Protocol
//! For each goroutine that does not run, with the world stopped:
//! 1. From its saved stack pointer up to the first frame of Go code ([`first`]) lie frames of Rust's: the switch, a channel operation, with
//!    what Go passed in registers. Word by word.
//! 2. The first frame of Go code stands behind the call of a stub, or was interrupted. If it was interrupted its registers lie below it
//!    (step 1), and the compiler's maps do not hold, since they are for calls: word by word, arguments included.
//! 3. Each frame above stands behind a call: the words that the maps name, and those stack objects (variables whose address is taken) to
//!    which a word of this or of an inner frame leads, up to their last pointer, word by word, since one need not have been written yet.
//!    No frame holds addresses in frames further in. So one walk outwards does, with the addresses seen so far of what lies further out
//!    (`objects.rs`). Few stacks have such objects: the addresses are noted from the first frame on that has one, and then those of the
//!    frames below are fetched by a second walk up to there ([`Walk::begin_noting`]).
//! 4. A frame of whose live words the tables say nothing is taken word by word, and so are its arguments, which lie in its caller's frame:
//!    assembly; the prologue, from which `newstack` gives way; what faulted (its callee is `sigpanic`), which goes on, if at all, at its
//!    deferred calls. If it is not known how many arguments it has, then the caller's frame, too.
//! 5. Where the frames cannot be followed any further, the rest of the stack, word by word.
//!
//! # What the maps do not name
//! - `_defer` records on stacks: the compiler gives them no pointers. What they call, and the next in the list, is looked at from the
//!   goroutine's list. (A function that was deferred may itself lie on the stack; then it is a stack object.)
//! - Words that package runtime keeps as numbers (`uintptr`), such as a finalizer that is due. Its frames are taken word by word, those of
//!   reflect as well, whose assembly leaves registers for them to find: the packages in which nothing is preempted either.
//!
//! # Rejected
//! - *Clearing dead stack below the stack pointer.* The slots that matter lie above it.
//! - *All stack objects.* Arguments of a variadic call are one; `io`'s own test counts on their end.

use super::layout::{Layout, g_word, layout, word};
use super::objects::Seen;
use super::pclntab::maps::{Frame, Live, Stands};
use super::pclntab::shapes::Shapes;
use crate::arch;
use crate::gc::{Sink, TypeDesc};
use crate::port::Stack;
use crate::proc::G;
use core::cell::UnsafeCell;

/// Where Go code stands.
pub(super) struct Place {
    pub pc: usize,
    pub sp: usize,
    pub bp: usize,
    pub stands: Stands,
}

/// The first frame of Go code up the frame pointers from `fp`, which code at `within` set up.
///
/// # Safety
/// Frame pointers lead up the stack.
pub(super) unsafe fn first(l: &Layout, stack: Stack, mut fp: usize, mut within: usize) -> Option<Place> {
    // SAFETY: as the caller promises; they are followed within the stack, upwards.
    unsafe {
        while stack.contains(fp) && fp + 16 <= stack.hi {
            let (next, pc) = (*(fp as *const usize), *(fp as *const usize).add(1));
            if (l.text..l.etext).contains(&pc) {
                if arch::is_async_preempt(within) {
                    // Its frame stands for a call by the code that was interrupted.
                    return Some(Place { pc, sp: fp + 16, bp: next, stands: Stands::Interrupted });
                }
                // The stub that called has a frame of its own, which begins with its caller's frame pointer.
                let (bp, pc) = (*(next as *const usize), *(next as *const usize).add(1));
                return Some(Place { pc, sp: next + 16, bp, stands: Stands::BehindCall });
            }
            if next <= fp {
                return None;
            }
            (fp, within) = (next, pc);
        }
        None
    }
}

/// Where the stub stands that called Rust, up the frame pointers from `fp`.
///
/// # Safety
/// Frame pointers lead up the stack.
pub(super) unsafe fn stub(l: &Layout, stack: Stack, mut fp: usize) -> Option<usize> {
    // SAFETY: as the caller promises; they are followed within the stack, upwards.
    unsafe {
        while stack.contains(fp) && fp + 16 <= stack.hi {
            let (next, pc) = (*(fp as *const usize), *(fp as *const usize).add(1));
            if (l.text..l.etext).contains(&pc) {
                return Some(pc);
            }
            if next <= fp {
                return None;
            }
            fp = next;
        }
        None
    }
}

/// Names what the stack of the goroutine that collects holds. `sp` is where its callee-saved registers lie.
///
/// # Safety
/// `sp` came from `with_saved_registers` on the stack of `me`; the world stands.
pub(super) unsafe fn scan_own(sink: &mut dyn Sink, me: *mut G, sp: usize) {
    // SAFETY: as the caller promises. What older frames of Rust's left below the first frame of Go code is of no use to it.
    unsafe {
        let place = first(layout(), (*me).stack, *(sp as *const usize).add(1), 0);
        let from = place.as_ref().map_or(sp, |place| place.sp);
        scan(sink, me, from, place);
    }
}

/// Names what the stack of a goroutine holds that was switched away from.
///
/// # Safety
/// It was, by `mcall`; the world stands.
pub(super) unsafe fn scan_parked(sink: &mut dyn Sink, gp: *mut G) {
    // SAFETY: as the caller promises: from the saved stack pointer on the stack is backed.
    unsafe {
        let from = (*gp).saved_sp();
        let (fp, within) = arch::saved_frame(from);
        scan(sink, gp, from, first(layout(), (*gp).stack, fp, within));
    }
}

/// Names what a stack holds from `from` on.
///
/// # Safety
/// The world stands; `place` is the first frame of Go code above `from`.
unsafe fn scan(sink: &mut dyn Sink, gp: *mut G, from: usize, place: Option<Place>) {
    // SAFETY: as the caller promises.
    unsafe {
        let hi = (*gp).stack.hi;
        let Some(place) = place else { return sink.conservative(from, hi) };
        let Scratch { seen, shapes } = &mut *SCRATCH.0.get();
        let start = &Start { gp, from, place, hi };
        Walk { start, sink, seen, shapes, noting: false }.up_to(hi);
    }
}

/// State of a walk, kept between walks so that it need not be cleared for each goroutine.
struct Scratch {
    seen: Seen,
    shapes: Shapes,
}

/// Touched by the collecting M only, with the world stopped.
struct InStoppedWorld(UnsafeCell<Scratch>);

// SAFETY: one collects at a time.
unsafe impl Sync for InStoppedWorld {}

static SCRATCH: InStoppedWorld =
    InStoppedWorld(UnsafeCell::new(Scratch { seen: Seen::new(), shapes: Shapes::new() }));

/// Where a walk begins, and where the stack ends.
struct Start {
    gp: *mut G,
    from: usize,
    place: Place,
    hi: usize,
}

/// The walk up a stack, with the world stopped.
struct Walk<'a> {
    start: &'a Start,
    sink: &'a mut dyn Sink,
    seen: &'a mut Seen,
    shapes: &'a mut Shapes,
    /// Whether what the words say of the stack's objects is to be kept.
    noting: bool,
}

/// For a walk that only notes.
struct Nowhere;

impl Sink for Nowhere {
    unsafe fn conservative(&mut self, _: usize, _: usize) {}
    unsafe fn masked(&mut self, _: usize, _: usize, _: *const u8) {}
    unsafe fn typed(&mut self, _: usize, _: &TypeDesc) {}
    fn pointer(&mut self, _: usize) {}
    fn passed_over(&mut self, _: usize) {}
}

impl Walk<'_> {
    /// Names what deferred calls hold, and what the stack holds below the frame at `until`.
    unsafe fn up_to(&mut self, until: usize) {
        // SAFETY: the goroutine's, whose stack it is.
        unsafe {
            self.defers(self.start.gp);
            self.words(self.start.from, self.start.place.sp);
            self.frames(until);
        }
    }

    /// From here on addresses are noted; and those of what lies below the frame at `sp`.
    #[cold]
    unsafe fn begin_noting(&mut self, sp: usize) {
        self.noting = true;
        self.seen.begin(sp, self.start.hi);
        let Walk { start, seen, shapes, .. } = self;
        // SAFETY: as the walk that came here.
        unsafe { Walk { start, sink: &mut Nowhere, seen, shapes, noting: true }.up_to(sp) };
    }

    /// Names what the deferred calls of a goroutine hold.
    unsafe fn defers(&mut self, gp: *mut G) {
        let l = layout();
        // SAFETY: the goroutine's list, whose records lie on its stack or are held by what was named before.
        unsafe {
            let mut d = g_word::<*mut u8>(gp, l.g_defer).read();
            while !d.is_null() {
                let f = word::<_, usize>(d, l.defer_fn).read();
                self.sink.pointer(d.addr());
                self.sink.pointer(f);
                if self.noting {
                    self.seen.note(f);
                }
                d = word::<_, *mut u8>(d, l.defer_link).read();
            }
        }
    }

    /// Names every word in `from..to`.
    unsafe fn words(&mut self, from: usize, to: usize) {
        // SAFETY: the range is of the stack.
        unsafe {
            self.sink.conservative(from, to);
            if self.noting {
                self.seen.note_words(from, to);
            }
        }
    }

    /// Steps 2 to 5, to the frame at `until`.
    unsafe fn frames(&mut self, until: usize) {
        let l = layout();
        let Start { place, hi, .. } = self.start;
        let (mut pc, mut sp, mut stands) = (place.pc, place.sp, place.stands);
        let mut by_word = false;
        // SAFETY: each frame ends above where it begins and within the stack, and there its caller's begins.
        unsafe {
            while sp < until {
                let Some(f) = self.shapes.frame(l, pc, sp, stands).filter(|f| sp < f.end && f.end < *hi)
                else {
                    return self.sink.conservative(sp, *hi);
                };
                match f.live.as_ref().filter(|live| !by_word && live.locals_start() >= sp) {
                    Some(live) => self.live(sp, &f, live),
                    None => self.words(sp, (f.end + f.args.unwrap_or(0)).min(*hi)),
                }
                if self.noting {
                    self.seen.forget_below(f.end);
                }
                by_word = f.args.is_none();
                stands = if f.is_sigpanic { Stands::Interrupted } else { Stands::BehindCall };
                (pc, sp) = (*((f.end - 8) as *const usize), f.end);
            }
        }
    }

    /// Names the live words of the frame at `sp`, of its arguments, and of the stack objects that are seen from there.
    unsafe fn live(&mut self, sp: usize, f: &Frame, live: &Live) {
        // SAFETY: the tables' words are the frame's.
        unsafe {
            if live.objects() != 0 && !self.noting {
                self.begin_noting(sp);
            }
            for (at, bits) in [(live.locals_start(), live.locals), (f.end, live.args)] {
                if bits.n != 0 {
                    self.sink.masked(at, bits.n, bits.bytes as *const u8);
                }
                if self.noting {
                    self.seen.note_masked(at, bits.n, bits.bytes as *const u8);
                }
            }
            // An object may lead to one that was looked at before it.
            let mut named = 0_u64;
            loop {
                let before = named;
                for i in 0..live.objects() {
                    let object = live.object(i, f.end);
                    let bit = 1_u64.checked_shl(i as u32).unwrap_or(0);
                    let inside = object.start >= sp && object.start + object.pointers <= self.start.hi;
                    if named & bit == 0 && inside && (bit == 0 || self.seen.leads_to(&object)) {
                        named |= bit;
                        self.words(object.start, object.start + object.pointers);
                    }
                }
                if named == before {
                    return;
                }
            }
        }
    }
}
