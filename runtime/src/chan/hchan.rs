//! The channel's core, which knows elements by address and size (Go: `hchan`, `chansend`, `chanrecv`, `closechan`).
//!
//! `runtime/models` compiles this file once more, over loom's atomics.

use super::atomic::{AtomicBool, AtomicUsize, Ordering};
use super::waitq::{Sudog, WaitQ};
use crate::lock::{Lock, Rank};
use crate::proc::{G, WaitReason, acquirem, gopark, goready, park_pinned, ready_pinned, releasem};
use core::cell::Cell;
use core::mem::MaybeUninit;
use core::ptr::null_mut;

/// A channel without its element type. The first two words are Go's: `len` and `cap` of compiled Go code read them.
///
/// All fields belong to the holder of `lock`; those with an atomic type may be looked at without it.
#[repr(C)]
pub struct Hchan {
    qcount: AtomicUsize,
    dataqsiz: usize,
    buf: *mut u8,
    elemsize: usize,
    closed: AtomicBool,
    sendx: Cell<usize>,
    recvx: Cell<usize>,
    recvq: WaitQ,
    sendq: WaitQ,
    lock: Lock,
}

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

/// How a receive ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// An element was moved to the address given.
    Element,
    /// The channel is not ready, and the caller did not want to wait.
    WouldBlock,
    /// The channel is closed and drained; nothing was written.
    Closed,
}

/// Copies one element. Most are a few words: a call of `memcpy` would cost half as much as the rest of the hand-off.
///
/// # Safety
/// Both addresses are good for `size` bytes and do not overlap.
#[inline(always)]
unsafe fn copy(from: *const u8, to: *mut u8, size: usize) {
    /// # Safety
    /// As [`copy`], with the size of `T`.
    #[inline(always)]
    unsafe fn copy_as<T>(from: *const u8, to: *mut u8) {
        // Not `T` but `MaybeUninit<T>`: an element may have padding. It need not be aligned like `T`.
        // SAFETY: as the caller promises.
        unsafe { to.cast::<MaybeUninit<T>>().write_unaligned(from.cast::<MaybeUninit<T>>().read_unaligned()) }
    }
    // SAFETY: as the caller promises.
    unsafe {
        if size == 8 {
            return copy_as::<u64>(from, to);
        }
        match size {
            0 => {}
            1 => copy_as::<u8>(from, to),
            4 => copy_as::<u32>(from, to),
            16 => copy_as::<[u64; 2]>(from, to),
            24 => copy_as::<[u64; 3]>(from, to),
            32 => copy_as::<[u64; 4]>(from, to),
            _ => to.copy_from_nonoverlapping(from, size),
        }
    }
}

impl Hchan {
    /// An open, empty channel.
    ///
    /// # Safety
    /// `buf` is the start of `dataqsiz` elements of `elemsize` bytes each, which belong to the channel as long as it is used.
    pub(super) unsafe fn new(dataqsiz: usize, buf: *mut u8, elemsize: usize) -> Hchan {
        Hchan {
            qcount: AtomicUsize::new(0),
            dataqsiz,
            buf,
            elemsize,
            closed: AtomicBool::new(false),
            sendx: Cell::new(0),
            recvx: Cell::new(0),
            recvq: WaitQ::new(),
            sendq: WaitQ::new(),
            lock: Lock::new(Rank::Hchan),
        }
    }

    /// How many elements are in the buffer.
    #[inline]
    pub(super) fn len(&self) -> usize {
        self.qcount.load(Ordering::Relaxed)
    }

    /// How many elements the buffer holds.
    #[inline]
    pub(super) fn cap(&self) -> usize {
        self.dataqsiz
    }

    /// The address of the oldest element in the buffer, which is thereby taken out; null if there is none.
    pub(super) fn take_oldest(&mut self) -> *mut u8 {
        let n = self.len();
        if n == 0 {
            return null_mut();
        }
        self.qcount.store(n - 1, Ordering::Relaxed);
        let slot = self.slot(self.recvx.get(), self.elemsize);
        self.recvx.set(self.after(self.recvx.get()));
        slot
    }

    #[inline(always)]
    fn slot(&self, i: usize, size: usize) -> *mut u8 {
        self.buf.wrapping_add(i * size)
    }

    #[inline(always)]
    fn after(&self, i: usize) -> usize {
        if i + 1 == self.dataqsiz { 0 } else { i + 1 }
    }

    /// Moves the element at `elem` to the end of the buffer if that is all there is to a send: there is room, nobody waits, not closed.
    ///
    /// # Safety
    /// Under the lock; else as [`chansend`].
    #[inline(always)]
    unsafe fn put(&self, elem: *const u8, size: usize) -> bool {
        let n = self.qcount.load(Ordering::Relaxed);
        if n >= self.dataqsiz || !self.recvq.is_empty() || self.closed.load(Ordering::Relaxed) {
            return false;
        }
        let i = self.sendx.get();
        // SAFETY: slot `i` is free: `n` are taken, from `recvx` to before `sendx`.
        unsafe { copy(elem, self.slot(i, size), size) };
        self.sendx.set(self.after(i));
        self.qcount.store(n + 1, Ordering::Relaxed);
        true
    }

    /// Moves the oldest element of the buffer to `elem` if that is all there is to a receive: there is one, no sender waits.
    ///
    /// # Safety
    /// Under the lock; else as [`chanrecv`].
    #[inline(always)]
    unsafe fn take(&self, elem: *mut u8, size: usize) -> bool {
        let n = self.qcount.load(Ordering::Relaxed);
        if n == 0 || !self.sendq.is_empty() {
            return false;
        }
        let i = self.recvx.get();
        // SAFETY: slot `i` is the oldest taken one.
        unsafe { copy(self.slot(i, size), elem, size) };
        self.recvx.set(self.after(i));
        self.qcount.store(n - 1, Ordering::Relaxed);
        true
    }

    /// Whether a send would have to wait; without the lock, at some moment.
    #[inline]
    fn full(&self) -> bool {
        if self.dataqsiz == 0 {
            self.recvq.is_empty()
        } else {
            self.qcount.load(Ordering::Acquire) == self.dataqsiz
        }
    }

    /// Whether a receive would have to wait if the channel is open; without the lock, at some moment.
    #[inline]
    fn empty(&self) -> bool {
        if self.dataqsiz == 0 { self.sendq.is_empty() } else { self.qcount.load(Ordering::Acquire) == 0 }
    }
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

/// Gives back the lock of `c`, for which others wait, and undoes [`acquirem`].
#[cold]
#[inline(never)]
fn unlock_contended(me: *mut G, c: &Hchan) {
    c.lock.unlock_slow();
    releasem(me);
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

/// Receives an element to `elem`; with `block`, waits until there is one, on a null channel for ever.
///
/// `size` is the channel's element size, as for [`chansend`].
///
/// # Safety
/// `c` is null or a channel that lives during the call, with elements of `size` bytes; `elem` is the address of room for one, which is the
/// caller's if the result is [`Received::Element`].
#[inline(always)]
pub unsafe fn chanrecv(c: *const Hchan, elem: *mut u8, size: usize, block: bool) -> Received {
    if c.is_null() {
        return if block { park_for_ever(WaitReason::ChanReceiveNilChan) } else { Received::WouldBlock };
    }
    // SAFETY: as the caller promises.
    let c = unsafe { &*c };
    if !block && c.empty() {
        if !c.closed.load(Ordering::Acquire) {
            return Received::WouldBlock;
        }
        if c.empty() {
            return Received::Closed;
        }
    }
    if c.dataqsiz == 0 {
        // SAFETY: as the caller promises.
        return unsafe { recv_unbuffered(c, elem, block) };
    }
    let me = acquirem();
    if !c.lock.lock_fast() {
        // SAFETY: pinned; else as the caller promises.
        return unsafe { recv_contended(me, c, elem, block) };
    }
    // SAFETY: the lock is held; else as the caller promises.
    if !unsafe { c.take(elem, size) } {
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
        if c.take(elem, c.elemsize) {
            c.lock.unlock_pinned();
            releasem(me);
            return Received::Element;
        }
        recv_slow(me, c, elem, block)
    }
}

/// [`chanrecv`] on a channel without a buffer.
///
/// # Safety
/// As [`chanrecv`].
#[inline(never)]
unsafe fn recv_unbuffered(c: &Hchan, elem: *mut u8, block: bool) -> Received {
    let me = acquirem();
    c.lock.lock_pinned();
    // SAFETY: the lock is held; the sender's sudog and its element stay good until it is readied.
    unsafe {
        let sg = c.sendq.dequeue();
        if !sg.is_null() {
            copy((*sg).elem, elem, c.elemsize);
            hand_over(me, c, sg);
            return Received::Element;
        }
        recv_empty(me, c, elem, block)
    }
}

/// [`chanrecv`] on a channel with a buffer that is empty, or full with senders waiting.
///
/// # Safety
/// As [`recv_empty`].
#[inline(never)]
unsafe fn recv_slow(me: *mut G, c: &Hchan, elem: *mut u8, block: bool) -> Received {
    // SAFETY: the lock is held; the sender's sudog and its element stay good until it is readied.
    unsafe {
        let sg = c.sendq.dequeue();
        if !sg.is_null() {
            // The buffer is full: its head is the oldest element and, once taken, the free slot behind the youngest.
            let i = c.recvx.get();
            let slot = c.slot(i, c.elemsize);
            copy(slot, elem, c.elemsize);
            copy((*sg).elem, slot, c.elemsize);
            c.recvx.set(c.after(i));
            c.sendx.set(c.recvx.get());
            hand_over(me, c, sg);
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
    let received = if c.closed.load(Ordering::Relaxed) {
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

/// Queues the current goroutine `me` and parks it; whether an element was handed over.
///
/// # Safety
/// After one [`acquirem`], which stays; the lock is held and given up; `q` is one of the channel's queues.
#[inline(always)]
unsafe fn wait(me: *mut G, c: &Hchan, q: &WaitQ, elem: *mut u8, reason: WaitReason) -> bool {
    let mut sg = Sudog::new(me, elem);
    let sg = &raw mut sg;
    // SAFETY: the sudog stays until this function returns, which is after it was taken off. What the waker wrote in it is read
    // through the same pointer.
    unsafe {
        q.enqueue(sg);
        park_pinned(me, &c.lock, reason);
        (*sg).success
    }
}

#[cold]
#[inline(never)]
fn park_for_ever(reason: WaitReason) -> ! {
    gopark(None, null_mut(), reason);
    unreachable!("a goroutine that waits on a nil channel was readied")
}

/// Closes a channel: receivers get what is in the buffer and then nothing, senders panic. All that wait are woken.
///
/// # Safety
/// `c` is null or a channel that lives during the call.
///
/// # Panics
/// If it is null or closed already.
pub unsafe fn closechan(c: *const Hchan) {
    if c.is_null() {
        panic!("close of nil channel");
    }
    // SAFETY: as the caller promises.
    let c = unsafe { &*c };
    c.lock.lock();
    if c.closed.load(Ordering::Relaxed) {
        c.lock.unlock();
        panic!("close of closed channel");
    }
    c.closed.store(true, Ordering::Release);
    // They are readied after the lock is given up: they may come back to it at once.
    let woken = WaitQ::new();
    for q in [&c.recvq, &c.sendq] {
        // SAFETY: the lock is held; `woken` is this function's own. The sudogs stay in place until `goready`; `success` stays false.
        unsafe {
            loop {
                let sg = q.dequeue();
                if sg.is_null() {
                    break;
                }
                woken.enqueue(sg);
            }
        }
    }
    c.lock.unlock();
    loop {
        // SAFETY: as above; whoever is readied is off the list before.
        unsafe {
            let sg = woken.dequeue();
            if sg.is_null() {
                break;
            }
            goready((*sg).g);
        }
    }
}
