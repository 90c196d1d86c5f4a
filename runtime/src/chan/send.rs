//! Send (Go: `chansend`).
//!
//! `runtime/models` compiles this file once more, over loom's atomics.

use super::atomic::Ordering;
use super::hchan::{Hchan, Short, Told, WORD, copy, park_for_ever, unlock_contended, wait};
use super::under_lock::UnderLock;
use super::waitq::Sudog;
use crate::proc::{G, WaitReason, acquirem, ready_pinned, releasem};

/// How a send ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Sent {
    /// The element was moved out of the sender's hands.
    Done,
    /// The channel is not ready, and the caller did not want to wait; the element is the caller's still.
    WouldBlock,
    /// The channel is closed; the element is the caller's still. (Go panics.)
    Closed,
}

/// Sends the element at `elem`; with `block`, waits until that is possible, on a null channel for ever.
///
/// `size` is the channel's element size: where the caller knows it when it is compiled, the copy to
/// the buffer is a move. `R` is [`Sent`], or what the caller makes of that ([`Told`]).
///
/// # Safety
/// `c` is null or a channel that lives during the call, with elements of `size` bytes; `elem` is the address of one, which
/// belongs to the channel if the result is [`Sent::Done`].
#[inline(always)]
pub unsafe fn chansend<R: Told<Sent>>(c: *const Hchan, elem: *const u8, size: usize, block: bool) -> R {
    if c.is_null() {
        return if block {
            park_for_ever(WaitReason::ChanSendNilChan)
        } else {
            R::told(Sent::WouldBlock, false)
        };
    }
    // SAFETY: as the caller promises.
    let c = unsafe { &*c };
    if !block && !c.closed.load(Ordering::Acquire) && c.full() {
        return R::told(Sent::WouldBlock, false);
    }
    if c.dataqsiz == 0 {
        // SAFETY: as the caller promises.
        return unsafe {
            if block { send_unbuffered::<R, true>(c, elem) } else { send_unbuffered::<R, false>(c, elem) }
        };
    }
    let me = acquirem();
    // Each slow path is one call at the end: nothing has to be kept over it, so the fast path saves no registers.
    // SAFETY: pinned; where it says so the lock is held; else as the caller promises.
    unsafe {
        match send_short(c, elem, size) {
            Short::Done => releasem(me),
            Short::Busy => return send_contended(c, elem, me, block),
            Short::Refused => return send_slow(c, elem, me, block),
            Short::Awaited => unlock_contended(c, me),
        }
    }
    R::told(Sent::Done, false)
}

/// [`chansend`] that waits, of a word on a channel with a buffer, by a caller that is not preempted
/// anyway: its count is raised only where a goroutine is readied or waits.
///
/// # Safety
/// As [`chansend`]; the channel has [a short way](Hchan::has_short_way).
#[inline(always)]
pub(crate) unsafe fn send_word<R: Told<Sent>>(c: &Hchan, elem: *const u8) -> R {
    // SAFETY: as in `chansend`.
    unsafe {
        match send_short(c, elem, WORD) {
            Short::Done => {}
            Short::Busy => return send_contended(c, elem, acquirem(), true),
            Short::Refused => return send_slow(c, elem, acquirem(), true),
            Short::Awaited => unlock_contended(c, acquirem()),
        }
    }
    R::told(Sent::Done, false)
}

/// A send if it has only to move the element to the buffer.
///
/// # Safety
/// As [`chansend`]; the caller is not preempted.
#[inline(always)]
unsafe fn send_short(c: &Hchan, elem: *const u8, size: usize) -> Short {
    if !c.lock.lock_fast() {
        return Short::Busy;
    }
    // SAFETY: the lock is held; else as the caller promises.
    if !unsafe { c.put(elem, size) } {
        return Short::Refused;
    }
    if c.lock.unlock_fast() { Short::Done } else { Short::Awaited }
}

/// The rest of [`chansend`] from where the lock was not free.
///
/// # Safety
/// As [`chansend`]; `me` is the current goroutine after [`acquirem`], which is undone here.
#[cold]
#[inline(never)]
unsafe fn send_contended<R: Told<Sent>>(c: &Hchan, elem: *const u8, me: *mut G, block: bool) -> R {
    c.lock.lock_slow();
    // SAFETY: the lock is held; else as the caller promises.
    unsafe {
        if c.put(elem, c.elemsize) {
            c.lock.unlock_pinned();
            releasem(me);
            return R::told(Sent::Done, false);
        }
        send_slow(c, elem, me, block)
    }
}

/// [`chansend`] on a channel without a buffer.
///
/// # Safety
/// As [`chansend`].
#[inline(never)]
pub(crate) unsafe fn send_unbuffered<R: Told<Sent>, const BLOCK: bool>(c: &Hchan, elem: *const u8) -> R {
    let me = acquirem();
    // SAFETY: pinned, and the lock is held. A queued sudog and the address in it stay good until its goroutine runs again, which is not before
    // it is readied.
    unsafe {
        if !c.lock.lock_fast() {
            return send_contended(c, elem, me, BLOCK);
        }
        let sg = c.recvq.pop();
        if sg.is_null() {
            return send_full(me, c, elem, BLOCK);
        }
        if (*sg).of_select() {
            return send_rest(c, elem, me, sg, BLOCK);
        }
        hand_over(me, c, sg, elem);
    }
    R::told(Sent::Done, false)
}

/// [`chansend`] on a channel with a buffer that cannot just take the element.
///
/// # Safety
/// As [`send_full`].
#[inline(always)]
unsafe fn send_slow<R: Told<Sent>>(c: &Hchan, elem: *const u8, me: *mut G, block: bool) -> R {
    // SAFETY: as the caller promises.
    unsafe { send_rest(c, elem, me, c.recvq.pop(), block) }
}

/// The rest of a send from where `sg`, or nobody, was the first in `recvq`.
///
/// # Safety
/// As [`send_full`]; `sg` has just been popped, or is null.
#[inline(never)]
unsafe fn send_rest<R: Told<Sent>>(c: &Hchan, elem: *const u8, me: *mut G, sg: *mut Sudog, block: bool) -> R {
    // SAFETY: as in `send_unbuffered`.
    unsafe {
        let sg = c.recvq.win(sg);
        if !sg.is_null() {
            hand_over(me, c, sg, elem);
            return R::told(Sent::Done, false);
        }
        // There is room after all if those who waited were `select`s that another channel has readied.
        if c.put(elem, c.elemsize) {
            c.lock.unlock_pinned();
            releasem(me);
            return R::told(Sent::Done, false);
        }
        send_full(me, c, elem, block)
    }
}

/// Moves the element to the receiver of `sg` and lets it go on.
///
/// # Safety
/// `me` is the current goroutine after [`acquirem`], which is undone here; the lock is held and given up; `sg` was taken off the queue.
#[inline(always)]
unsafe fn hand_over(me: *mut G, c: &Hchan, sg: *mut Sudog, elem: *const u8) {
    // SAFETY: as the caller promises, this is the one waker.
    unsafe {
        copy(elem, (*sg).elem, c.elemsize);
        (*sg).success = true;
        c.lock.unlock_pinned();
        ready_pinned(me, (*sg).g);
    }
    releasem(me);
}

/// A send under the lock when no receiver waits and there is no room, or the channel is closed.
///
/// # Safety
/// As [`chansend`]; `me` is the current goroutine after [`acquirem`], which is undone here, and the lock is held and given up.
#[inline(always)]
unsafe fn send_full<R: Told<Sent>>(me: *mut G, c: &Hchan, elem: *const u8, block: bool) -> R {
    // SAFETY: under the lock.
    let sent = if unsafe { c.closed.get() } {
        c.lock.unlock_pinned();
        R::told(Sent::Closed, false)
    } else if !block {
        c.lock.unlock_pinned();
        R::told(Sent::WouldBlock, false)
    // SAFETY: pinned, and the lock is held; the element stays where it is during the call.
    } else if unsafe { wait(me, c, &c.sendq, elem.cast_mut(), WaitReason::ChanSend) } {
        R::told(Sent::Done, true)
    } else {
        R::told(Sent::Closed, true)
    };
    releasem(me);
    sent
}
