//! Receive (Go: `chanrecv`).
//!
//! `runtime/models` compiles this file once more, over loom's atomics.

use super::atomic::Ordering;
use super::hchan::{Hchan, copy, park_for_ever, unlock_contended, wait};
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
    /// The channel is closed and drained; nothing was written.
    Closed,
}

/// Receives an element to `elem`; with `block`, waits until there is one, on a null channel for ever.
///
/// `size` is the channel's element size, as for [`chansend`].
///
/// # Safety
/// `c` is null or a channel that lives during the call, not a [`clearing`](Hchan::clearing) one, with elements of `size` bytes; `elem` is the address of room for one, which is the
/// caller's if the result is [`Received::Element`].
#[inline(always)]
pub unsafe fn chanrecv(c: *const Hchan, elem: *mut u8, size: usize, block: bool) -> Received {
    // SAFETY: as the caller promises.
    unsafe { receive::<false>(c, elem, size, block) }
}

/// [`chanrecv`] from a channel that may be [`clearing`](Hchan::clearing).
///
/// # Safety
/// As [`chanrecv`].
#[inline(always)]
pub unsafe fn chanrecv_clearing(c: *const Hchan, elem: *mut u8, size: usize, block: bool) -> Received {
    // SAFETY: as the caller promises.
    unsafe { receive::<true>(c, elem, size, block) }
}

/// # Safety
/// As [`chanrecv`]. Without `CLEAR` the channel is not [`clearing`](Hchan::clearing).
#[inline(always)]
unsafe fn receive<const CLEAR: bool>(c: *const Hchan, elem: *mut u8, size: usize, block: bool) -> Received {
    if c.is_null() {
        return if block { park_for_ever(WaitReason::ChanReceiveNilChan) } else { Received::WouldBlock };
    }
    // SAFETY: as the caller promises.
    let c = unsafe { &*c };
    if !block && c.empty() {
        if !c.closed.load(Ordering::Acquire) {
            if c.timer.is_null() {
                return Received::WouldBlock;
            }
        } else if c.empty() {
            return Received::Closed;
        }
    }
    if c.dataqsiz == 0 {
        // SAFETY: as the caller promises.
        return unsafe {
            if block { recv_unbuffered::<true>(c, elem) } else { recv_unbuffered::<false>(c, elem) }
        };
    }
    let me = acquirem();
    if !c.lock.lock_fast() {
        // SAFETY: pinned; else as the caller promises.
        return unsafe { recv_contended(me, c, elem, block) };
    }
    // SAFETY: the lock is held; else as the caller promises.
    if !unsafe { c.take::<CLEAR>(elem, size) } {
        // SAFETY: pinned, and the lock is held; else as the caller promises.
        return unsafe { recv_slow(me, c, elem, block) };
    }
    if !c.lock.unlock_fast() {
        unlock_contended(me, c);
        return Received::Element;
    }
    releasem(me);
    Received::Element
}

/// The rest of [`chanrecv`] from where the lock was not free.
///
/// # Safety
/// As [`chanrecv`]; `me` is the current goroutine after [`acquirem`], which is undone here.
#[cold]
#[inline(never)]
unsafe fn recv_contended(me: *mut G, c: &Hchan, elem: *mut u8, block: bool) -> Received {
    c.lock.lock_slow();
    // SAFETY: the lock is held; else as the caller promises.
    unsafe {
        if c.take::<true>(elem, c.elemsize) {
            c.lock.unlock_pinned();
            releasem(me);
            return Received::Element;
        }
        recv_slow(me, c, elem, block)
    }
}

/// [`chanrecv`] on a channel without a buffer. As for one with a buffer, what is rare is one call at the end.
///
/// # Safety
/// As [`chanrecv`].
#[inline(never)]
unsafe fn recv_unbuffered<const BLOCK: bool>(c: &Hchan, elem: *mut u8) -> Received {
    let me = acquirem();
    // SAFETY: pinned, and the lock is held; the sender's sudog and its element stay good until it is readied.
    unsafe {
        if !c.lock.lock_fast() {
            return recv_contended(me, c, elem, BLOCK);
        }
        let sg = c.sendq.pop();
        if sg.is_null() {
            return recv_empty(me, c, elem, BLOCK);
        }
        if (*sg).of_select() {
            return recv_rest(me, c, sg, elem, BLOCK);
        }
        copy((*sg).elem, elem, c.elemsize);
        hand_over(me, c, sg);
    }
    Received::Element
}

/// [`chanrecv`] on a channel from whose buffer an element cannot just be taken.
///
/// # Safety
/// As [`recv_empty`].
#[inline(always)]
unsafe fn recv_slow(me: *mut G, c: &Hchan, elem: *mut u8, block: bool) -> Received {
    // SAFETY: as the caller promises.
    unsafe { recv_rest(me, c, c.sendq.pop(), elem, block) }
}

/// The rest of a receive from where `sg`, or nobody, was the first in `sendq`.
///
/// # Safety
/// As [`recv_empty`]; `sg` has just been popped, or is null.
#[inline(never)]
unsafe fn recv_rest(me: *mut G, c: &Hchan, sg: *mut Sudog, elem: *mut u8, block: bool) -> Received {
    // SAFETY: the lock is held; the sender's sudog and its element stay good until it is readied.
    unsafe {
        let sg = c.sendq.win(sg);
        if !sg.is_null() {
            c.take_from(sg, elem);
            hand_over(me, c, sg);
            return Received::Element;
        }
        // The buffer may be full still if those who waited were `select`s that another channel has readied.
        if c.take::<true>(elem, c.elemsize) {
            c.lock.unlock_pinned();
            releasem(me);
            return Received::Element;
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
unsafe fn recv_empty(me: *mut G, c: &Hchan, elem: *mut u8, block: bool) -> Received {
    if !c.timer.is_null() {
        // SAFETY: as the caller promises.
        return unsafe { timer_chan::recv(me, c, elem, block) };
    }
    // SAFETY: under the lock.
    let received = if unsafe { c.closed.get() } {
        c.lock.unlock_pinned();
        Received::Closed
    } else if !block {
        c.lock.unlock_pinned();
        Received::WouldBlock
    // SAFETY: pinned, and the lock is held; the room for the element stays where it is during the call.
    } else if unsafe { wait(me, c, &c.recvq, elem, WaitReason::ChanReceive) } {
        Received::Element
    } else {
        Received::Closed
    };
    releasem(me);
    received
}
