//! Channels of Go code (Go: `chan.go`, `select.go`).
//!
//! How a send or receive ended goes to Go as the number of [`Sent`] or [`Received`].
//!
//! `C-unwind` is what functions are that end in a call of another: nothing unwinds here, and what
//! the compiler would add to `C` against that costs the jump.
//!
//! What Go's channels do beside Rust's: the room for an element may be missing (`<-c`, `case <-c`).

use crate::chan::{
    Hchan, Received, Scase, Selected, Sent, Sudog, Told, chanrecv_clearing, chansend, close, recv_unbuffered,
    recv_word, selectgo, send_unbuffered, send_word,
};
use alloc::vec::Vec;
use core::mem::MaybeUninit;

/// Bytes of a Go `hchan` that are the kernel's.
const ROOM: usize = 15 * 8;
const _: () = assert!(size_of::<Hchan>() <= ROOM);

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
    unsafe { c.write(Hchan::new(n, buf, elemsize).clearing(pointers).with_short_way()) };
}

/// How a send or receive ended, and in the second byte whether the goroutine has waited, perhaps to
/// come back on another M. 0: all is well, nothing else is to be done.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(transparent)]
pub(super) struct Ended(u32);

impl Told<Sent> for Ended {
    #[inline(always)]
    fn told(how: Sent, waited: bool) -> Ended {
        Ended(how as u32 | u32::from(waited) << 8)
    }
}

impl Told<Received> for Ended {
    #[inline(always)]
    fn told(how: Received, waited: bool) -> Ended {
        Ended(how as u32 | u32::from(waited) << 8)
    }
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

pub(super) unsafe extern "C-unwind" fn send(c: *const Hchan, elem: *const u8) -> Ended {
    // SAFETY: a channel of Go's and an element of it. Go code is not preempted in here
    // (`preempt.rs`).
    unsafe {
        match c.as_ref() {
            Some(c) if c.has_short_way() => send_word(c, elem),
            Some(c) if c.is_unbuffered() => send_unbuffered::<_, true>(c, elem),
            _ => send_any(c, elem),
        }
    }
}

/// # Safety
/// As [`send`].
#[inline(never)]
unsafe fn send_any(c: *const Hchan, elem: *const u8) -> Ended {
    // SAFETY: as the caller promises.
    unsafe { chansend(c, elem, size_of_elem(c), true) }
}

pub(super) unsafe extern "C" fn send_nb(c: *const Hchan, elem: *const u8) -> Sent {
    // SAFETY: as in `send`.
    unsafe { chansend(c, elem, size_of_elem(c), false) }
}

pub(super) unsafe extern "C-unwind" fn recv(c: *const Hchan, elem: *mut u8) -> Ended {
    // SAFETY: a channel of Go's and room for an element of it. Go code is not preempted in here.
    unsafe {
        match c.as_ref() {
            Some(c) if elem.is_null() && c.elem_size() != 0 => {
                if c.is_unbuffered() && c.elem_size() <= SCRAP { discard_handed(c) } else { discard(c, true) }
            }
            Some(c) if c.has_short_way() => recv_word(c, elem),
            Some(c) if c.is_unbuffered() => recv_unbuffered::<_, true>(c, elem),
            _ => recv_any(c, elem),
        }
    }
}

/// # Safety
/// As [`recv`].
#[inline(never)]
unsafe fn recv_any(c: *const Hchan, elem: *mut u8) -> Ended {
    // SAFETY: as the caller promises.
    unsafe { chanrecv_clearing(c, elem, size_of_elem(c), true) }
}

pub(super) unsafe extern "C" fn recv_nb(c: *const Hchan, elem: *mut u8) -> Received {
    // SAFETY: as in `recv`.
    unsafe {
        // The usual end of a `select` with a default arm.
        match c.as_ref() {
            Some(c) if c.is_idle() => Received::WouldBlock,
            Some(c) if elem.is_null() && c.elem_size() != 0 => discard(c, false),
            _ => chanrecv_clearing(c, elem, size_of_elem(c), false),
        }
    }
}

/// A receive whose element nobody wants.
///
/// # Safety
/// As [`chanrecv_clearing`] but for the room.
#[inline(never)]
unsafe fn discard<R: Told<Received>>(c: &Hchan, block: bool) -> R {
    if c.elem_size() > SCRAP {
        // SAFETY: as the caller promises.
        return unsafe { discard_large(c, block) };
    }
    let mut to = MaybeUninit::<[u64; SCRAP / 8]>::uninit();
    // SAFETY: as the caller promises.
    unsafe { chanrecv_clearing(c, to.as_mut_ptr().cast(), c.elem_size(), block) }
}

/// [`discard`] of an element that is too large for the stack.
///
/// # Safety
/// As [`discard`].
#[cold]
#[inline(never)]
unsafe fn discard_large<R: Told<Received>>(c: &Hchan, block: bool) -> R {
    let mut to = Vec::<u64>::with_capacity(c.elem_size().div_ceil(8));
    // SAFETY: as the caller promises.
    unsafe { chanrecv_clearing(c, to.as_mut_ptr().cast(), c.elem_size(), block) }
}

/// [`discard`] that waits, of a small element on a channel without a buffer: how goroutines wait
/// for each other.
///
/// # Safety
/// As [`discard`]; the element fits.
#[inline(never)]
unsafe fn discard_handed(c: &Hchan) -> Ended {
    let mut to = MaybeUninit::<[u64; SCRAP / 8]>::uninit();
    // SAFETY: as the caller promises.
    unsafe { recv_unbuffered::<_, true>(c, to.as_mut_ptr().cast()) }
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

/// An index, and how it ended: [`NOT_MOVED`], [`MOVED`] or [`SEND_CLOSED`].
#[repr(C)]
pub(super) struct Chosen(usize, usize);

const NOT_MOVED: usize = 0;
const MOVED: usize = 1;
const SEND_CLOSED: usize = 2;

pub(super) unsafe extern "C" fn select(
    cases: *const Scase,
    order: *mut u16,
    nsends: usize,
    nrecvs: usize,
    block: bool,
) -> Chosen {
    let n = nsends + nrecvs;
    // SAFETY: the arms and the order are Go's, on the stack of the goroutine; the sudogs stay until
    // the select is over.
    unsafe {
        let mut unwanted = (nsends..n).map(|i| *cases.add(i)).filter(|case| case.elem.is_null());
        if n > INLINE || unwanted.any(|case| size_of_elem(case.c) != 0) {
            return select_any(cases, order, nsends, nrecvs, block);
        }
        let mut sudogs = [const { MaybeUninit::<Sudog>::uninit() }; INLINE];
        served(cases, selectgo(cases, order, sudogs.as_mut_ptr().cast(), nsends, nrecvs, block), nsends)
    }
}

/// [`select`] with many arms, or with receives whose elements nobody wants.
///
/// # Safety
/// As [`select`].
#[cold]
#[inline(never)]
unsafe fn select_any(
    cases: *const Scase,
    order: *mut u16,
    nsends: usize,
    nrecvs: usize,
    block: bool,
) -> Chosen {
    let n = nsends + nrecvs;
    // SAFETY: as in `select`.
    unsafe {
        let mut arms: Vec<Scase> = (0..n).map(|i| *cases.add(i)).collect();
        let unwanted = |case: &&mut Scase| case.elem.is_null();
        let largest = arms[nsends..].iter_mut().filter(unwanted).map(|case| size_of_elem(case.c)).max();
        // They go where nobody looks; of a select's arms only one is served.
        let mut scrap = Vec::<u64>::with_capacity(largest.unwrap_or(0).div_ceil(8));
        for case in arms[nsends..].iter_mut().filter(unwanted) {
            case.elem = scrap.as_mut_ptr().cast();
        }
        let mut sudogs = Vec::<Sudog>::with_capacity(n);
        served(
            arms.as_ptr(),
            selectgo(arms.as_ptr(), order, sudogs.as_mut_ptr(), nsends, nrecvs, block),
            nsends,
        )
    }
}

/// Tells Go which arm was chosen, and gives a receiver from a closed channel its zeros.
///
/// # Safety
/// `s` is what a select of the arms `cases` said, whose rooms are still there.
#[inline(always)]
unsafe fn served(cases: *const Scase, s: Selected, nsends: usize) -> Chosen {
    if s.moved {
        return Chosen(s.index, MOVED);
    }
    if s.index == Selected::NONE {
        return Chosen(s.index, NOT_MOVED);
    }
    if s.index < nsends {
        return Chosen(s.index, SEND_CLOSED);
    }
    // SAFETY: as the caller promises.
    unsafe {
        let case = *cases.add(s.index);
        case.elem.write_bytes(0, size_of_elem(case.c));
    }
    Chosen(s.index, NOT_MOVED)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the assembly writes that makes small channels: nothing else is other than 0.
    #[test]
    fn a_new_channel_is_zeros_but_for_its_sizes_its_buffer_and_the_short_way() {
        const FLAGS: usize = 5;
        // Of a lock that checks the order of locks, which no kernel has.
        const RANK: usize = if cfg!(debug_assertions) { 13 } else { usize::MAX };
        let mut buf = [0_u64; 3];
        for (elemsize, n, short) in [(8, 3, true), (8, 0, false), (0, 3, false), (4, 3, false)] {
            let mut words = [0_usize; ROOM / 8];
            let c = words.as_mut_ptr().cast::<Hchan>();
            // SAFETY: there is room for a channel, and for its buffer.
            unsafe { make(c, buf.as_mut_ptr().cast(), elemsize, n, 0) };
            // SAFETY: a channel, of which each word but that of the flags is whole.
            let is = |i: usize| unsafe { c.cast::<usize>().add(i).read() };
            for i in (0..size_of::<Hchan>() / 8).filter(|&i| i != FLAGS && i != RANK) {
                let expected = match i {
                    1 => n,
                    2 => buf.as_ptr().addr(),
                    3 => elemsize,
                    _ => 0,
                };
                assert_eq!(is(i), expected, "word {i} of {n} elements of {elemsize} bytes");
            }
            // SAFETY: as above.
            assert_eq!(unsafe { (*c).has_short_way() }, short);
            // SAFETY: the byte is a flag.
            assert_eq!(unsafe { c.cast::<bool>().add(Hchan::SHORT_WAY_OFFSET).read() }, short);
        }
    }
}
