//! Send (Go: `chansend`).
//!
//! `runtime/models` compiles this file once more, over loom's atomics.

use super::atomic::Ordering;
use super::hchan::{Hchan, copy, park_for_ever, unlock_contended, wait};
use crate::proc::{G, WaitReason, acquirem, ready_pinned, releasem};

/// How a send ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
/// `size` is the channel's element size: where the caller knows it when it is compiled, the copy to the buffer is a move.
///
/// # Safety
/// `c` is null or a channel that lives during the call, with elements of `size` bytes; `elem` is the address of one, which
/// belongs to the channel if the result is [`Sent::Done`].
#[inline(always)]
pub unsafe fn chansend(c: *const Hchan, elem: *const u8, size: usize, block: bool) -> Sent {
    if c.is_null() {
        return if block { park_for_ever(WaitReason::ChanSendNilChan) } else { Sent::WouldBlock };
    }
    // SAFETY: as the caller promises.
    let c = unsafe { &*c };
    if !block && !c.closed.load(Ordering::Acquire) && c.full() {
        return Sent::WouldBlock;
    }
    if c.dataqsiz == 0 {
        // SAFETY: as the caller promises.
        return unsafe { send_unbuffered(c, elem, block) };
    }
    let me = acquirem();
    // Each slow path is one call at the end: nothing has to be kept over it, so the fast path saves no registers.
    if !c.lock.lock_fast() {
        // SAFETY: pinned; else as the caller promises.
        return unsafe { send_contended(me, c, elem, block) };
    }
    // SAFETY: the lock is held; else as the caller promises.
    if !unsafe { c.put(elem, size) } {
        // SAFETY: pinned, and the lock is held; else as the caller promises.
        return unsafe { send_slow(me, c, elem, block) };
    }
    if !c.lock.unlock_fast() {
        unlock_contended(me, c);
        return Sent::Done;
    }
    releasem(me);
    Sent::Done
}

/// The rest of [`chansend`] from where the lock was not free.
///
/// # Safety
/// As [`chansend`]; `me` is the current goroutine after [`acquirem`], which is undone here.
#[cold]
#[inline(never)]
unsafe fn send_contended(me: *mut G, c: &Hchan, elem: *const u8, block: bool) -> Sent {
    c.lock.lock_slow();
    // SAFETY: the lock is held; else as the caller promises.
    unsafe {
        if c.put(elem, c.elemsize) {
            c.lock.unlock_pinned();
            releasem(me);
            return Sent::Done;
        }
        send_locked(me, c, elem, block)
    }
}

/// [`chansend`] on a channel without a buffer.
///
/// # Safety
/// As [`chansend`].
#[inline(never)]
unsafe fn send_unbuffered(c: &Hchan, elem: *const u8, block: bool) -> Sent {
    let me = acquirem();
    c.lock.lock_pinned();
    // SAFETY: as the caller promises.
    unsafe { send_locked(me, c, elem, block) }
}

/// [`chansend`] on a channel with a buffer that cannot just take the element.
///
/// # Safety
/// As [`send_locked`].
#[inline(never)]
unsafe fn send_slow(me: *mut G, c: &Hchan, elem: *const u8, block: bool) -> Sent {
    // SAFETY: as the caller promises.
    unsafe { send_locked(me, c, elem, block) }
}

/// A send under the lock when a receiver waits, or the channel is closed, or there is no room.
///
/// # Safety
/// As [`chansend`]; `me` is the current goroutine after [`acquirem`], which is undone here, and the lock is held and given up.
#[inline(always)]
unsafe fn send_locked(me: *mut G, c: &Hchan, elem: *const u8, block: bool) -> Sent {
    // SAFETY: the lock is held. A queued sudog and the address in it stay good until its goroutine runs again, which is not before it
    // is readied.
    let sg = unsafe { c.recvq.dequeue() };
    let sent = if !sg.is_null() {
        // SAFETY: as above; the sudog was taken off here, so this is the one waker.
        unsafe {
            copy(elem, (*sg).elem, c.elemsize);
            (*sg).success = true;
            c.lock.unlock_pinned();
            ready_pinned(me, (*sg).g);
        }
        Sent::Done
    } else if c.closed.load(Ordering::Relaxed) {
        c.lock.unlock_pinned();
        Sent::Closed
    } else if !block {
        c.lock.unlock_pinned();
        Sent::WouldBlock
    // SAFETY: pinned, and the lock is held; the element stays where it is during the call.
    } else if unsafe { wait(me, c, &c.sendq, elem.cast_mut(), WaitReason::ChanSend) } {
        Sent::Done
    } else {
        Sent::Closed
    };
    releasem(me);
    sent
}
