//! Channels of Go code (Go: `chan.go`, `select.go`).
//!
//! How a send or receive ended goes to Go as the number of [`Sent`] or [`Received`].
//!
//! What Go's channels do beside Rust's: the room for an element may be missing (`<-c`), and a receive from a closed channel zeroes it.

use crate::chan::{Hchan, Received, Scase, Sent, Sudog, chanrecv_clearing, chansend, close, selectgo};
use alloc::vec::Vec;
use core::mem::MaybeUninit;

/// Bytes of a Go `hchan` that are the kernel's.
const ROOM: usize = 17 * 8;
const _: () = assert!(size_of::<Hchan>() <= ROOM - 8);

/// Arms of a select whose waiters lie on the stack.
const INLINE: usize = 8;

/// An element up to this size that nobody wants is received to the stack.
const SCRAP: usize = 256;

pub(super) unsafe extern "C" fn make(
    c: *mut Hchan,
    buf: *mut u8,
    elemsize: usize,
    n: usize,
    pointers: usize,
) {
    // SAFETY: Go's memory for a channel, and for its buffer; no element has pointers behind its first `pointers` bytes.
    unsafe { c.write(Hchan::new(n, buf, elemsize).clearing(pointers)) };
}

/// The size of the channel's elements, which Go does not pass.
///
/// # Safety
/// `c` is null or a channel.
#[inline(always)]
unsafe fn size_of_elem(c: *const Hchan) -> usize {
    // SAFETY: as the caller promises.
    unsafe { c.as_ref() }.map_or(0, Hchan::elem_size)
}

/// Bytes of the elements that have short ways: their copy is one move, and nothing has to be kept over a call.
const WORD: usize = 8;

pub(super) unsafe extern "C" fn send(c: *const Hchan, elem: *const u8) -> Sent {
    // SAFETY: a channel of Go's and an element of it.
    unsafe { if size_of_elem(c) == WORD { chansend(c, elem, WORD, true) } else { send_any(c, elem) } }
}

/// # Safety
/// As [`send`].
#[inline(never)]
unsafe fn send_any(c: *const Hchan, elem: *const u8) -> Sent {
    // SAFETY: as the caller promises.
    unsafe { chansend(c, elem, size_of_elem(c), true) }
}

pub(super) unsafe extern "C" fn send_nb(c: *const Hchan, elem: *const u8) -> Sent {
    // SAFETY: as in `send`.
    unsafe { chansend(c, elem, size_of_elem(c), false) }
}

/// # Safety
/// `c` is null or a channel; `elem` is null or room for an element.
#[inline(always)]
unsafe fn receive(c: *const Hchan, elem: *mut u8, block: bool) -> Received {
    // SAFETY: as the caller promises.
    unsafe {
        let size = size_of_elem(c);
        if elem.is_null() && size != 0 {
            return discard(c, size, block);
        }
        let received = chanrecv_clearing(c, elem, size, block);
        if received == Received::Closed && size != 0 {
            elem.write_bytes(0, size);
        }
        received
    }
}

/// A receive whose element nobody wants.
///
/// # Safety
/// As [`receive`].
#[cold]
unsafe fn discard(c: *const Hchan, size: usize, block: bool) -> Received {
    // SAFETY: as the caller promises.
    unsafe {
        if size <= SCRAP {
            let mut to = MaybeUninit::<[u64; SCRAP / 8]>::uninit();
            receive(c, to.as_mut_ptr().cast(), block)
        } else {
            let mut to = Vec::<u64>::with_capacity(size.div_ceil(8));
            receive(c, to.as_mut_ptr().cast(), block)
        }
    }
}

pub(super) unsafe extern "C" fn recv(c: *const Hchan, elem: *mut u8) -> Received {
    // SAFETY: a channel of Go's and room for an element of it.
    unsafe {
        if size_of_elem(c) != WORD || elem.is_null() {
            return recv_any(c, elem);
        }
        // What a closed channel gives; written before, nothing has to be done after.
        elem.cast::<u64>().write_unaligned(0);
        chanrecv_clearing(c, elem, WORD, true)
    }
}

/// # Safety
/// As [`recv`].
#[inline(never)]
unsafe fn recv_any(c: *const Hchan, elem: *mut u8) -> Received {
    // SAFETY: as the caller promises.
    unsafe { receive(c, elem, true) }
}

pub(super) unsafe extern "C" fn recv_nb(c: *const Hchan, elem: *mut u8) -> Received {
    // SAFETY: as in `recv`.
    unsafe {
        // The usual end of a `select` with a default arm.
        match c.as_ref() {
            Some(c) if c.is_idle() => Received::WouldBlock,
            _ => receive(c, elem, false),
        }
    }
}

/// 0 closed, 1 was nil, 2 was closed.
pub(super) unsafe extern "C" fn closechan(c: *const Hchan) -> usize {
    // SAFETY: a channel of Go's, or nil.
    match unsafe { c.as_ref() } {
        None => 1,
        // SAFETY: as above.
        Some(c) => {
            if close(c) {
                0
            } else {
                2
            }
        }
    }
}

/// An index and whether an element moved.
#[repr(C)]
pub(super) struct Chosen(usize, usize);

pub(super) unsafe extern "C" fn select(
    cases: *const Scase,
    order: *mut u16,
    nsends: usize,
    nrecvs: usize,
    block: usize,
) -> Chosen {
    let n = nsends + nrecvs;
    let mut scrap = [0_u64; SCRAP / 8];
    let mut large = Vec::<u64>::new();
    let mut own = [const { MaybeUninit::<Scase>::uninit() }; INLINE];
    let mut more = Vec::<Scase>::new();
    let mut sudogs = [const { MaybeUninit::<Sudog>::uninit() }; INLINE];
    let mut more_sudogs = Vec::<Sudog>::new();
    // SAFETY: the arms and the order are Go's, on the stack of the goroutine; what is made here stays until the select is over.
    unsafe {
        let unwanted = |i: usize| {
            let case = *cases.add(i);
            if case.elem.is_null() { size_of_elem(case.c) } else { 0 }
        };
        let largest = (nsends..n).map(unwanted).max().unwrap_or(0);
        let mut arms = cases;
        if largest != 0 {
            // Elements that nobody wants go where nobody looks; of a select's arms only one is served.
            let to = if n <= INLINE {
                own.as_mut_ptr().cast::<Scase>()
            } else {
                more.reserve(n);
                more.as_mut_ptr()
            };
            let room = if largest <= SCRAP {
                scrap.as_mut_ptr().cast::<u8>()
            } else {
                large.reserve(largest.div_ceil(8));
                large.as_mut_ptr().cast()
            };
            for i in 0..n {
                let mut case = *cases.add(i);
                if i >= nsends && case.elem.is_null() {
                    case.elem = room;
                }
                to.add(i).write(case);
            }
            arms = to;
        }
        let sudogs = if n <= INLINE {
            sudogs.as_mut_ptr().cast::<Sudog>()
        } else {
            more_sudogs.reserve(n);
            more_sudogs.as_mut_ptr()
        };
        let s = selectgo(arms, order, sudogs, nsends, nrecvs, block != 0);
        if s.index >= nsends && s.index < n && !s.moved {
            let case = *arms.add(s.index);
            let size = size_of_elem(case.c);
            if size != 0 {
                case.elem.write_bytes(0, size);
            }
        }
        Chosen(s.index, usize::from(s.moved))
    }
}
