//! Receive (Go: `chanrecv`).
//!
//! `runtime/models` compiles this file once more, over loom's atomics.

use super::atomic::Ordering;
use super::hchan::{Hchan, Short, Told, WORD, copy, park_for_ever, unlock_contended, wait};
use super::timer_chan;
use super::under_lock::UnderLock;
use super::waitq::Sudog;
use crate::proc::{G, WaitReason, acquirem, ready_pinned, releasem};

/// How a receive ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Received {
    /// An element was moved to the address given.
    Element = 0,
    /// The channel is not ready, and the caller did not want to wait.
    WouldBlock,
    /// The channel is closed and drained; the room was zeroed.
    Closed,
}

/// Receives an element to `elem`; with `block`, waits until there is one, on a null channel for ever.
///
/// `size` is the channel's element size, and `R` what is told, as for
/// [`chansend`](super::chansend).
///
/// # Safety
/// `c` is null or a channel that lives during the call, not one with `Hchan::clearing`, with elements of `size` bytes; `elem` is the address of room for one, which is the
/// caller's if the result is [`Received::Element`].
#[inline(always)]
pub unsafe fn chanrecv<R: Told<Received>>(c: *const Hchan, elem: *mut u8, size: usize, block: bool) -> R {
    // SAFETY: as the caller promises.
    unsafe { receive::<R, false>(c, elem, size, block) }
}

/// [`chanrecv`] from a channel that may be [`clearing`](Hchan::clearing).
///
/// # Safety
/// As [`chanrecv`].
#[inline(always)]
pub unsafe fn chanrecv_clearing<R: Told<Received>>(
    c: *const Hchan,
    elem: *mut u8,
    size: usize,
    block: bool,
) -> R {
    // SAFETY: as the caller promises.
    unsafe { receive::<R, true>(c, elem, size, block) }
}

/// # Safety
/// As [`chanrecv`]. Without `CLEAR` the channel is not [`clearing`](Hchan::clearing).
#[inline(always)]
unsafe fn receive<R: Told<Received>, const CLEAR: bool>(
    c: *const Hchan,
    elem: *mut u8,
    size: usize,
    block: bool,
) -> R {
    if c.is_null() {
        return if block {
            park_for_ever(WaitReason::ChanReceiveNilChan)
        } else {
            R::told(Received::WouldBlock, false)
        };
    }
    // SAFETY: as the caller promises.
    let c = unsafe { &*c };
    if !block && c.empty() {
        if !c.closed.load(Ordering::Acquire) {
            if c.timer.is_null() {
                return R::told(Received::WouldBlock, false);
            }
        } else if c.empty() {
            // SAFETY: as the caller promises.
            return unsafe { closed(c, elem, false) };
        }
    }
    if c.dataqsiz == 0 {
        // SAFETY: as the caller promises.
        return unsafe {
            if block { recv_unbuffered::<R, true>(c, elem) } else { recv_unbuffered::<R, false>(c, elem) }
        };
    }
    let me = acquirem();
    // SAFETY: pinned; where it says so the lock is held; else as the caller promises.
    unsafe {
        match recv_short::<CLEAR>(c, elem, size) {
            Short::Done => releasem(me),
            Short::Busy => return recv_contended(c, elem, me, block),
            Short::Refused => return recv_slow(c, elem, me, block),
            Short::Awaited => unlock_contended(c, me),
        }
    }
    R::told(Received::Element, false)
}

/// [`chanrecv`] that waits, as [`send_word`](super::send_word).
///
/// # Safety
/// As [`chanrecv`]; the channel has [a short way](Hchan::has_short_way).
#[inline(always)]
pub(crate) unsafe fn recv_word<R: Told<Received>>(c: &Hchan, elem: *mut u8) -> R {
    // SAFETY: as in `chanrecv`.
    unsafe {
        match recv_short::<true>(c, elem, WORD) {
            Short::Done => {}
            Short::Busy => return recv_contended(c, elem, acquirem(), true),
            Short::Refused => return recv_slow(c, elem, acquirem(), true),
            Short::Awaited => unlock_contended(c, acquirem()),
        }
    }
    R::told(Received::Element, false)
}

/// A receive if it has only to move the element from the buffer.
///
/// # Safety
/// As [`receive`]; the caller is not preempted.
#[inline(always)]
unsafe fn recv_short<const CLEAR: bool>(c: &Hchan, elem: *mut u8, size: usize) -> Short {
    if !c.lock.lock_fast() {
        return Short::Busy;
    }
    // SAFETY: the lock is held; else as the caller promises.
    if !unsafe { c.take::<CLEAR>(elem, size) } {
        return Short::Refused;
    }
    if c.lock.unlock_fast() { Short::Done } else { Short::Awaited }
}

/// Nothing is to be had from `c` any more.
///
/// # Safety
/// `elem` is room for an element.
#[cold]
#[inline(never)]
unsafe fn closed<R: Told<Received>>(c: &Hchan, elem: *mut u8, waited: bool) -> R {
    // SAFETY: as the caller promises.
    unsafe { elem.write_bytes(0, c.elemsize) };
    R::told(Received::Closed, waited)
}

/// The rest of [`chanrecv`] from where the lock was not free.
///
/// # Safety
/// As [`chanrecv`]; `me` is the current goroutine after [`acquirem`], which is undone here.
#[cold]
#[inline(never)]
unsafe fn recv_contended<R: Told<Received>>(c: &Hchan, elem: *mut u8, me: *mut G, block: bool) -> R {
    c.lock.lock_slow();
    // SAFETY: the lock is held; else as the caller promises.
    unsafe {
        if c.take::<true>(elem, c.elemsize) {
            c.lock.unlock_pinned();
            releasem(me);
            return R::told(Received::Element, false);
        }
        recv_slow(c, elem, me, block)
    }
}

/// [`chanrecv`] on a channel without a buffer. As for one with a buffer, what is rare is one call at the end.
///
/// # Safety
/// As [`chanrecv`].
#[inline(never)]
pub(crate) unsafe fn recv_unbuffered<R: Told<Received>, const BLOCK: bool>(c: &Hchan, elem: *mut u8) -> R {
    let me = acquirem();
    // SAFETY: pinned, and the lock is held; the sender's sudog and its element stay good until it is readied.
    unsafe {
        if !c.lock.lock_fast() {
            return recv_contended(c, elem, me, BLOCK);
        }
        let sg = c.sendq.pop();
        if sg.is_null() {
            return recv_empty(me, c, elem, BLOCK);
        }
        if (*sg).of_select() {
            return recv_rest(c, elem, me, sg, BLOCK);
        }
        copy((*sg).elem, elem, c.elemsize);
        hand_over(me, c, sg);
    }
    R::told(Received::Element, false)
}

/// [`chanrecv`] on a channel from whose buffer an element cannot just be taken.
///
/// # Safety
/// As [`recv_empty`].
#[inline(always)]
unsafe fn recv_slow<R: Told<Received>>(c: &Hchan, elem: *mut u8, me: *mut G, block: bool) -> R {
    // SAFETY: as the caller promises.
    unsafe { recv_rest(c, elem, me, c.sendq.pop(), block) }
}

/// The rest of a receive from where `sg`, or nobody, was the first in `sendq`.
///
/// # Safety
/// As [`recv_empty`]; `sg` has just been popped, or is null.
#[inline(never)]
unsafe fn recv_rest<R: Told<Received>>(
    c: &Hchan,
    elem: *mut u8,
    me: *mut G,
    sg: *mut Sudog,
    block: bool,
) -> R {
    // SAFETY: the lock is held; the sender's sudog and its element stay good until it is readied.
    unsafe {
        let sg = c.sendq.win(sg);
        if !sg.is_null() {
            c.take_from(sg, elem);
            hand_over(me, c, sg);
            return R::told(Received::Element, false);
        }
        // The buffer may be full still if those who waited were `select`s that another channel has readied.
        if c.take::<true>(elem, c.elemsize) {
            c.lock.unlock_pinned();
            releasem(me);
            return R::told(Received::Element, false);
        }
        recv_empty(me, c, elem, block)
    }
}

/// Lets the sender of `sg` go on, whose element was taken.
///
/// # Safety
/// `me` is the current goroutine after [`acquirem`], which is undone here; the lock is held and given up; `sg` was taken off the queue.
#[inline(always)]
unsafe fn hand_over(me: *mut G, c: &Hchan, sg: *mut Sudog) {
    // SAFETY: as the caller promises, this is the one waker.
    unsafe {
        (*sg).success = true;
        c.lock.unlock_pinned();
        ready_pinned(me, (*sg).g);
    }
    releasem(me);
}

/// A receive under the lock when there is no element: waits if it may and if one can come.
///
/// # Safety
/// As [`chanrecv`]; `me` is the current goroutine after [`acquirem`], which is undone here, and the lock is held and given up.
#[inline(always)]
unsafe fn recv_empty<R: Told<Received>>(me: *mut G, c: &Hchan, elem: *mut u8, block: bool) -> R {
    if !c.timer.is_null() {
        // SAFETY: as the caller promises.
        return R::told(unsafe { timer_chan::recv(me, c, elem, block) }, true);
    }
    // SAFETY: under the lock.
    let received = if unsafe { c.closed.get() } {
        c.lock.unlock_pinned();
        // SAFETY: as the caller promises.
        unsafe { closed(c, elem, false) }
    } else if !block {
        c.lock.unlock_pinned();
        R::told(Received::WouldBlock, false)
    // SAFETY: pinned, and the lock is held; the room for the element stays where it is during the call.
    } else if unsafe { wait(me, c, &c.recvq, elem, WaitReason::ChanReceive) } {
        R::told(Received::Element, true)
    } else {
        // SAFETY: as the caller promises.
        unsafe { closed(c, elem, true) }
    };
    releasem(me);
    received
}
