//! The heap's debug mode, `GODEBUG=mallocdebug=1`.
//!
//! # What it finds
//! Each object gets a header and a red zone on both sides:
//!
//! ```text
//!  object of the heap
//!  |…alignment…|magic, links, size, two backtraces|red zone, 24 B|the program's object|red zone, 32 B|…
//!                                                                ^ aligned as asked for
//! ```
//! 1. `alloc` fills the red zones, and the object with [`FRESH`]; it keeps the backtrace and puts the object on the list of live ones.
//! 2. `dealloc` finds the heap's object by address. A foreign pointer, one into the middle of an object, a second free, a layout that
//!    is not the allocation's and a changed red zone end the program with a report: what, and where the object was allocated and freed.
//! 3. The freed object is filled with [`FREED`] and rests in a queue, whose oldest go back to the heap when there are more than [`REST_OBJECTS`] or
//!    [`REST_BYTES`]. What was written to it meanwhile is found then.
//! 4. When the program ends, red zones of live objects and the bytes of resting ones are looked at once more, and what goroutines
//!    have allocated since `main` began and not freed is listed by where it was allocated. Goroutines' records, which the runtime keeps, are among it.
//!
//! What was allocated before the mode was on has no header: it is told by a pointer to the first byte of the heap's object, which no
//! program's object is here, and freed as it is.

use super::port::{alloc_unchecked, dealloc_unchecked, find_object};
use crate::lock::{Guarded, Rank};
use crate::proc::systemstack;
use crate::{arch, panic, port};
use core::alloc::Layout;
use core::fmt::{self, Write};
use core::ptr::null_mut;

const LIVE: usize = 0x4c49_5645_4c49_5645;
const DEAD: usize = 0x4445_4144_4445_4144;
/// Bytes of a red zone, of a new object and of a freed one.
const RED: u8 = 0xfb;
const FRESH: u8 = 0xcd;
const FREED: u8 = 0xdb;
/// Bytes from a header to the program's object, and of the red zone behind it.
const FRONT: usize = 192;
const TAIL: usize = 32;
/// Return addresses kept of each backtrace.
const DEPTH: usize = 8;
/// How many freed objects rest at most, and how many bytes.
const REST_OBJECTS: usize = 8192;
const REST_BYTES: usize = 4 << 20;
/// How many places of allocation the leak report tells apart.
const SITES: usize = 64;

type Trace = [usize; DEPTH];

#[repr(C)]
struct Header {
    magic: usize,
    next: *mut Header,
    prev: *mut Header,
    size: usize,
    align: usize,
    allocated: Trace,
    freed: Trace,
    /// By a goroutine, since `main` began.
    by_main: bool,
}

const RED_FRONT: usize = FRONT - size_of::<Header>();
const _: () = assert!(RED_FRONT >= 16 && FRONT.is_multiple_of(64));

/// A list of headers, newest first.
struct List {
    first: *mut Header,
    last: *mut Header,
    objects: usize,
    bytes: usize,
}

// SAFETY: the list owns its headers while it is locked.
unsafe impl Send for List {}

impl List {
    const fn new() -> List {
        List { first: null_mut(), last: null_mut(), objects: 0, bytes: 0 }
    }

    /// # Safety
    /// `h` is a header on no list.
    unsafe fn push(&mut self, h: *mut Header) {
        // SAFETY: as the caller promises; headers on the list are valid.
        unsafe {
            ((*h).next, (*h).prev) = (self.first, null_mut());
            match self.first.is_null() {
                true => self.last = h,
                false => (*self.first).prev = h,
            }
            self.first = h;
            self.objects += 1;
            self.bytes += (*h).size;
        }
    }

    /// # Safety
    /// `h` is a header on this list.
    unsafe fn remove(&mut self, h: *mut Header) {
        // SAFETY: as the caller promises; headers on the list are valid.
        unsafe {
            let (next, prev) = ((*h).next, (*h).prev);
            if prev.is_null() {
                self.first = next
            } else {
                (*prev).next = next
            }
            if next.is_null() {
                self.last = prev
            } else {
                (*next).prev = prev
            }
            self.objects -= 1;
            self.bytes -= (*h).size;
        }
    }

    /// The headers on the list; each is valid while the list is locked.
    fn iter(&self) -> impl Iterator<Item = *mut Header> {
        let mut h = self.first;
        core::iter::from_fn(move || {
            let this = h;
            // SAFETY: a header on the list.
            h = unsafe { this.as_ref()?.next };
            Some(this)
        })
    }
}

struct Lists {
    live: List,
    resting: List,
}

static LISTS: Guarded<Lists> = Guarded::new(Rank::Mdebug, Lists { live: List::new(), resting: List::new() });

/// Runs `f` with the lists, on the M's own stack.
fn with_lists<R>(f: impl FnOnce(&mut Lists) -> R) -> R {
    systemstack(|| f(&mut LISTS.lock()))
}

/// Where the program's object begins in the heap's.
fn front(align: usize) -> usize {
    FRONT.next_multiple_of(align)
}

fn whole(layout: Layout) -> Option<Layout> {
    let size = front(layout.align()).checked_add(layout.size())?.checked_add(TAIL)?;
    Layout::from_size_align(size, layout.align().max(16)).ok()
}

/// The calls that led here; none on a thread without a G.
#[inline(always)]
fn trace() -> Trace {
    let mut pcs = [0; DEPTH];
    let gp = port::getg();
    if !gp.is_null() {
        // SAFETY: the current G, on its own stack.
        let stack = unsafe { (*gp).stack };
        arch::callers(panic::frame_pointer(), stack, &mut pcs);
    }
    pcs
}

/// The program's object behind a header.
fn object(h: *mut Header) -> *mut u8 {
    h.cast::<u8>().wrapping_add(FRONT)
}

/// The first byte of `p[..n]` that is not `byte`.
///
/// # Safety
/// The bytes are readable.
unsafe fn first_other(p: *const u8, n: usize, byte: u8) -> Option<usize> {
    // SAFETY: as the caller promises.
    unsafe { core::slice::from_raw_parts(p, n) }.iter().position(|&b| b != byte)
}

/// An object of the debug mode.
#[inline(never)]
pub(super) fn alloc(layout: Layout, by_main: bool) -> *mut u8 {
    let pcs = trace();
    let Some(whole) = whole(layout) else { return null_mut() };
    let mut base = alloc_unchecked(whole);
    if base.is_null() {
        with_lists(|lists| while rest_less(lists) {});
        base = alloc_unchecked(whole);
        if base.is_null() {
            return base;
        }
    }
    // SAFETY: the heap's object has room for all of this.
    unsafe {
        let p = base.add(front(layout.align()));
        // Between the heap's object and the header, where alignment leaves room, there is no magic by chance.
        base.write_bytes(0, p.offset_from_unsigned(base) - FRONT);
        p.sub(RED_FRONT).write_bytes(RED, RED_FRONT);
        p.write_bytes(FRESH, layout.size());
        p.add(layout.size()).write_bytes(RED, TAIL);
        let h = p.sub(FRONT).cast::<Header>();
        let (size, align) = (layout.size(), layout.align());
        let links = null_mut();
        h.write(Header {
            magic: LIVE,
            next: links,
            prev: links,
            size,
            align,
            allocated: pcs,
            freed: [0; DEPTH],
            by_main,
        });
        with_lists(|lists| lists.live.push(h));
        p
    }
}

/// Frees an object of the debug mode, or one from before it was on.
///
/// # Safety
/// As `GlobalAlloc::dealloc`, where the breaches that the module's text names end the program with a report.
#[inline(never)]
pub(super) unsafe fn dealloc(p: *mut u8, layout: Layout) {
    let pcs = trace();
    let Some(found) = find_object(p.addr()) else {
        panic::throw_with(format_args!("mallocdebug: free of {p:p}, which is not the heap's"))
    };
    // SAFETY: the heap's object has at least 8 bytes, and is at least as large as a header's distance where `p` is that far inside.
    unsafe {
        let first = core::ptr::with_exposed_provenance::<usize>(found.base).read();
        if p.addr() == found.base && first != LIVE && first != DEAD {
            return dealloc_unchecked(p, layout);
        }
        let inside = p.addr() - found.base;
        let h = p.wrapping_sub(FRONT).cast::<Header>();
        if inside < FRONT || !p.addr().is_multiple_of(8) {
            panic::throw_with(format_args!("mallocdebug: free of {p:p}, the middle of an object"));
        }
        match (*h).magic {
            LIVE => {}
            DEAD => report(h, "double free"),
            _ => panic::throw_with(format_args!(
                "mallocdebug: free of {p:p}, no live object: freed long ago, never allocated, or its header is overwritten"
            )),
        }
        if ((*h).size, (*h).align) != (layout.size(), layout.align()) {
            report(h, "free with another layout than the allocation's");
        }
        check_zones(h);
        (*h).freed = pcs;
        (*h).magic = DEAD;
        p.write_bytes(FREED, layout.size());
        with_lists(|lists| {
            lists.live.remove(h);
            lists.resting.push(h);
            while (lists.resting.objects > REST_OBJECTS || lists.resting.bytes > REST_BYTES)
                && rest_less(lists)
            {}
        });
    }
}

/// Gives the oldest resting object back to the heap; false if none rests.
fn rest_less(lists: &mut Lists) -> bool {
    let h = lists.resting.last;
    if h.is_null() {
        return false;
    }
    // SAFETY: a freed object, which only the list knows.
    unsafe {
        lists.resting.remove(h);
        check_freed(h);
        (*h).magic = 0;
        let layout = Layout::from_size_align_unchecked((*h).size, (*h).align);
        let base = object(h).sub(front((*h).align));
        match whole(layout) {
            Some(whole) => dealloc_unchecked(base, whole),
            None => panic::throw("mallocdebug: a header is overwritten"),
        }
    }
    true
}

/// # Safety
/// `h` is the header of a live object.
unsafe fn check_zones(h: *mut Header) {
    // SAFETY: as the caller promises.
    unsafe {
        let p = object(h);
        if let Some(at) = first_other(p.sub(RED_FRONT), RED_FRONT, RED) {
            let at = RED_FRONT - at;
            panic::throw_with(format_args!(
                "mallocdebug: underrun of {p:p}: the byte {at} before it is changed\n{}",
                &*h
            ));
        }
        if let Some(at) = first_other(p.add((*h).size), TAIL, RED) {
            let at = (*h).size + at;
            panic::throw_with(format_args!("mallocdebug: overrun of {p:p}: byte {at} is changed\n{}", &*h));
        }
    }
}

/// # Safety
/// `h` is the header of a resting object.
unsafe fn check_freed(h: *mut Header) {
    // SAFETY: as the caller promises.
    unsafe {
        if let Some(at) = first_other(object(h), (*h).size, FREED) {
            let p = object(h);
            panic::throw_with(format_args!(
                "mallocdebug: {p:p} was written after its free: byte {at} is changed\n{}",
                &*h
            ));
        }
    }
}

/// # Safety
/// `h` is a header.
unsafe fn report(h: *mut Header, what: &str) -> ! {
    // SAFETY: as the caller promises.
    panic::throw_with(format_args!("mallocdebug: {what}: {:p}\n{}", object(h), unsafe { &*h }))
}

/// An object's size, and where it was allocated and freed.
impl fmt::Display for Header {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\nobject of {} bytes, allocated at:", self.size)?;
        print(f, &self.allocated)?;
        if self.freed[0] != 0 {
            writeln!(f, "freed at:")?;
            print(f, &self.freed)?;
        }
        Ok(())
    }
}

/// Prints a backtrace as a goroutine's is printed.
fn print(w: &mut dyn Write, pcs: &Trace) -> fmt::Result {
    let depth = pcs.iter().position(|&pc| pc == 0).unwrap_or(DEPTH);
    panic::traceback::write_frames(w, &pcs[..depth])
}

/// The console.
struct Console;

impl Write for Console {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        port::write_err(s.as_bytes());
        Ok(())
    }
}

/// Objects of one place of allocation.
#[derive(Clone, Copy)]
struct Site {
    pcs: Trace,
    objects: usize,
    bytes: usize,
}

/// Checks all objects once more and lists what was not freed: when the program ends.
pub(super) fn report_leaks() {
    with_lists(|lists| {
        // SAFETY: the headers are on the lists, which are locked.
        unsafe {
            lists.live.iter().for_each(|h| check_zones(h));
            lists.resting.iter().for_each(|h| check_freed(h));
        }
        let mut sites = [Site { pcs: [0; DEPTH], objects: 0, bytes: 0 }; SITES];
        let (mut n, mut objects, mut bytes) = (0, 0, 0);
        // SAFETY: as above.
        for h in lists.live.iter().map(|h| unsafe { &*h }).filter(|h| h.by_main) {
            (objects, bytes) = (objects + 1, bytes + h.size);
            let known = sites[..n].iter().position(|s| s.pcs == h.allocated);
            let i = known.unwrap_or_else(|| {
                if n < SITES {
                    sites[n].pcs = h.allocated;
                    n += 1;
                }
                n - 1
            });
            // The last place takes in all for which there is none.
            sites[i].objects += 1;
            sites[i].bytes += h.size;
        }
        sites[..n].sort_unstable_by_key(|s| core::cmp::Reverse(s.bytes));
        // The console does not fail.
        let w = &mut Console;
        _ = writeln!(w, "mallocdebug: {objects} objects of {bytes} bytes in all were not freed");
        for site in &sites[..n] {
            _ = writeln!(w, "\n{} objects, {} bytes, allocated at:", site.objects, site.bytes);
            _ = print(w, &site.pcs);
        }
    });
}
