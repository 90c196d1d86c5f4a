//! The channel's core, which knows elements by address and size (Go: `hchan`, `chansend`, `chanrecv`, `closechan`).

use super::waitq::{Sudog, WaitQ};
use crate::lock::{Lock, Rank};
use crate::port::getg;
use crate::proc::{WaitReason, gopark, goparkunlock, goready};
use core::cell::Cell;
use core::mem::MaybeUninit;
use core::ptr::null_mut;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

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

/// Copies one element. Most are a word or nothing: a call of `memcpy` would cost more than the rest of the hand-off.
///
/// # Safety
/// Both addresses are good for `size` bytes and do not overlap.
#[inline(always)]
unsafe fn copy(from: *const u8, to: *mut u8, size: usize) {
    // SAFETY: as the caller promises.
    unsafe {
        match size {
            0 => {}
            8 => to
                .cast::<MaybeUninit<u64>>()
                .write_unaligned(from.cast::<MaybeUninit<u64>>().read_unaligned()),
            _ => to.copy_from_nonoverlapping(from, size),
        }
    }
}

impl Hchan {
    /// An open, empty channel.
    ///
    /// # Safety
    /// `buf` is the start of `dataqsiz` elements of `elemsize` bytes each, which belong to the channel as long as it is used.
    pub(super) const unsafe fn new(dataqsiz: usize, buf: *mut u8, elemsize: usize) -> Hchan {
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
#[inline]
pub unsafe fn chansend(c: *const Hchan, elem: *const u8, size: usize, block: bool) -> Sent {
    if c.is_null() {
        return if block { park_for_ever(WaitReason::ChanSendNilChan) } else { Sent::WouldBlock };
    }
    // SAFETY: as the caller promises.
    let c = unsafe { &*c };
    if !block && !c.closed.load(Ordering::Acquire) && c.full() {
        return Sent::WouldBlock;
    }
    c.lock.lock();
    let n = c.qcount.load(Ordering::Relaxed);
    if n < c.dataqsiz && c.recvq.is_empty() && !c.closed.load(Ordering::Relaxed) {
        let i = c.sendx.get();
        // SAFETY: slot `i` is free: fewer than `dataqsiz` are taken, from `recvx` to before `sendx`.
        unsafe { copy(elem, c.slot(i, size), size) };
        c.sendx.set(c.after(i));
        c.qcount.store(n + 1, Ordering::Relaxed);
        c.lock.unlock();
        return Sent::Done;
    }
    // SAFETY: the lock is held; else as the caller promises.
    unsafe { send_slow(c, elem, block) }
}

/// The rest of [`chansend`], under the lock: closed, or a receiver waits, or there is no room.
///
/// # Safety
/// As [`chansend`], with the lock held, which is given up.
#[inline(never)]
unsafe fn send_slow(c: &Hchan, elem: *const u8, block: bool) -> Sent {
    if c.closed.load(Ordering::Relaxed) {
        c.lock.unlock();
        return Sent::Closed;
    }
    // SAFETY: the lock is held. A queued sudog and the address in it stay good until its goroutine runs again, which is not before `goready`.
    unsafe {
        let sg = c.recvq.dequeue();
        if !sg.is_null() {
            copy(elem, (*sg).elem, c.elemsize);
            (*sg).success = true;
            c.lock.unlock();
            goready((*sg).g);
            return Sent::Done;
        }
    }
    if !block {
        c.lock.unlock();
        return Sent::WouldBlock;
    }
    // SAFETY: the lock is held; the element stays where it is during the call.
    if unsafe { wait(c, &c.sendq, elem.cast_mut(), WaitReason::ChanSend) } {
        Sent::Done
    } else {
        Sent::Closed
    }
}

/// Receives an element to `elem`; with `block`, waits until there is one, on a null channel for ever.
///
/// `size` is the channel's element size, as for [`chansend`].
///
/// # Safety
/// `c` is null or a channel that lives during the call, with elements of `size` bytes; `elem` is the address of room for one, which is the
/// caller's if the result is [`Received::Element`].
#[inline]
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
    c.lock.lock();
    let n = c.qcount.load(Ordering::Relaxed);
    if n > 0 && c.sendq.is_empty() {
        let i = c.recvx.get();
        // SAFETY: slot `i` is the oldest taken one.
        unsafe { copy(c.slot(i, size), elem, size) };
        c.recvx.set(c.after(i));
        c.qcount.store(n - 1, Ordering::Relaxed);
        c.lock.unlock();
        return Received::Element;
    }
    // SAFETY: the lock is held; else as the caller promises.
    unsafe { recv_slow(c, elem, block) }
}

/// The rest of [`chanrecv`], under the lock: closed and drained, or a sender waits, or nothing is there.
///
/// # Safety
/// As [`chanrecv`], with the lock held, which is given up.
#[inline(never)]
unsafe fn recv_slow(c: &Hchan, elem: *mut u8, block: bool) -> Received {
    if c.closed.load(Ordering::Relaxed) {
        c.lock.unlock();
        return Received::Closed;
    }
    // SAFETY: the lock is held. A queued sudog and the address in it stay good until its goroutine runs again, which is not before `goready`.
    unsafe {
        let sg = c.sendq.dequeue();
        if !sg.is_null() {
            if c.dataqsiz == 0 {
                copy((*sg).elem, elem, c.elemsize);
            } else {
                // The buffer is full: its head is the oldest element and, once taken, the free slot behind the youngest.
                let i = c.recvx.get();
                let slot = c.slot(i, c.elemsize);
                copy(slot, elem, c.elemsize);
                copy((*sg).elem, slot, c.elemsize);
                c.recvx.set(c.after(i));
                c.sendx.set(c.recvx.get());
            }
            (*sg).success = true;
            c.lock.unlock();
            goready((*sg).g);
            return Received::Element;
        }
    }
    if !block {
        c.lock.unlock();
        return Received::WouldBlock;
    }
    // SAFETY: the lock is held; the room for the element stays where it is during the call.
    if unsafe { wait(c, &c.recvq, elem, WaitReason::ChanReceive) } {
        Received::Element
    } else {
        Received::Closed
    }
}

/// Queues the current goroutine and parks it; whether an element was handed over.
///
/// # Safety
/// The lock is held and given up; `q` is one of the channel's queues.
#[inline]
unsafe fn wait(c: &Hchan, q: &WaitQ, elem: *mut u8, reason: WaitReason) -> bool {
    let mut sg = Sudog { g: getg(), next: null_mut(), elem, success: false, c };
    let sg = &raw mut sg;
    // SAFETY: the sudog stays until this function returns, which is after it was taken off. What the waker wrote in it is read
    // through the same pointer.
    unsafe {
        q.enqueue(sg);
        goparkunlock(&c.lock, reason);
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
