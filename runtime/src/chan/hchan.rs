//! The channel's core, which knows elements by address and size (Go: `hchan`, `closechan`).
//!
//! `runtime/models` compiles this file once more, over loom's atomics.

use super::atomic::{AtomicBool, AtomicUsize, Ordering};
use super::under_lock::UnderLock;
use super::waitq::{Of, Sudog, WaitQ};
use crate::lock::{Lock, Rank};
use crate::proc::{G, WaitReason, gopark, goready, park_pinned, releasem};
use crate::time::TimerCore;
use core::cell::Cell;
use core::mem::{MaybeUninit, offset_of};
use core::ptr::{null, null_mut};

/// Bytes of the elements that have a short way.
pub(super) const WORD: usize = 8;

/// How far a send or a receive came that has only to move an element to or from the buffer.
pub(super) enum Short {
    /// All is done.
    Done,
    /// Nothing: another holds the lock.
    Busy,
    /// The lock is held, and there is more to it.
    Refused,
    /// The element has moved. The lock is held, and others wait for it.
    Awaited,
}

/// How the caller of a send or receive is told how that ended, and whether the goroutine has waited
/// for it.
pub trait Told<E> {
    /// What it is told.
    fn told(how: E, waited: bool) -> Self;
}

impl<E> Told<E> for E {
    #[inline(always)]
    fn told(how: E, _: bool) -> E {
        how
    }
}

/// A channel without its element type. The first two words are Go's: `len` and `cap` of compiled Go code read them.
///
/// All fields belong to the holder of `lock`; those with an atomic type may be looked at without it.
#[repr(C)]
pub struct Hchan {
    qcount: AtomicUsize,
    pub(super) dataqsiz: usize,
    buf: *mut u8,
    pub(super) elemsize: usize,
    /// Bytes of a slot that are cleared when its element is taken: see [`Hchan::clearing`].
    cleared: usize,
    pub(super) closed: AtomicBool,
    /// [`Hchan::has_short_way`]; does not change.
    short_way: bool,
    pub(super) sendx: Cell<usize>,
    pub(super) recvx: Cell<usize>,
    pub(super) recvq: WaitQ,
    pub(super) sendq: WaitQ,
    pub(super) lock: Lock,
    /// The timer that sends here; null: none does. Does not change.
    pub(super) timer: *const TimerCore,
}

/// Copies one element. Most are a few words: a call of `memcpy` would cost half as much as the rest of the hand-off.
///
/// # Safety
/// Both addresses are good for `size` bytes and do not overlap.
#[inline(always)]
pub(super) unsafe fn copy(from: *const u8, to: *mut u8, size: usize) {
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
        match size {
            8 => copy_as::<u64>(from, to),
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
    /// For the assembly that makes Go's channels.
    pub(crate) const SHORT_WAY_OFFSET: usize = offset_of!(Hchan, short_way);

    /// An open, empty channel.
    ///
    /// # Safety
    /// `buf` is the start of `dataqsiz` elements of `elemsize` bytes each, which belong to the channel as long as it is used.
    pub(crate) unsafe fn new(dataqsiz: usize, buf: *mut u8, elemsize: usize) -> Hchan {
        Hchan {
            qcount: AtomicUsize::new(0),
            dataqsiz,
            buf,
            elemsize,
            cleared: 0,
            closed: AtomicBool::new(false),
            short_way: false,
            sendx: Cell::new(0),
            recvx: Cell::new(0),
            recvq: WaitQ::new(),
            sendq: WaitQ::new(),
            lock: Lock::new(Rank::Hchan),
            timer: null(),
        }
    }

    /// The channel as one whose sender is a timer.
    pub(crate) fn with_timer(mut self, timer: *const TimerCore) -> Hchan {
        self.timer = timer;
        self
    }

    /// The channel as one whose buffer a collector looks at (Go: `typedmemclr` in `chanrecv`). The first `bytes` of an
    /// element, 0 for one without pointers, may hold pointers: they are cleared when the element is taken from the
    /// buffer. Else what they point to would live until another element takes the slot.
    pub(crate) fn clearing(mut self, bytes: usize) -> Hchan {
        self.cleared = bytes;
        self
    }

    /// The timer that sends here, or null.
    pub(crate) fn timer(&self) -> *const TimerCore {
        self.timer
    }

    /// The channel as one that says whether its elements are words and it has a buffer: for callers
    /// that do not know what they call with.
    pub(crate) fn with_short_way(mut self) -> Hchan {
        self.short_way = self.elemsize == WORD && self.dataqsiz != 0;
        self
    }

    /// Whether [`send_word`](super::send_word) and [`recv_word`](super::recv_word) may be used.
    /// False unless [`Hchan::with_short_way`] has said so.
    #[inline(always)]
    pub(crate) fn has_short_way(&self) -> bool {
        self.short_way
    }

    /// Whether it has no buffer.
    #[inline(always)]
    pub(crate) fn is_unbuffered(&self) -> bool {
        self.dataqsiz == 0
    }

    /// Bytes of an element.
    #[inline(always)]
    pub(crate) fn elem_size(&self) -> usize {
        self.elemsize
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
    pub(super) fn slot(&self, i: usize, size: usize) -> *mut u8 {
        self.buf.wrapping_add(i * size)
    }

    #[inline(always)]
    pub(super) fn after(&self, i: usize) -> usize {
        if i + 1 == self.dataqsiz { 0 } else { i + 1 }
    }

    /// Moves the element at `elem` to the end of the buffer if that is all there is to a send: there is room, nobody waits, not closed.
    ///
    /// # Safety
    /// Under the lock; else as [`chansend`].
    #[inline(always)]
    pub(super) unsafe fn put(&self, elem: *const u8, size: usize) -> bool {
        let n = self.qcount.load(Ordering::Relaxed);
        // SAFETY: under the lock.
        if n >= self.dataqsiz || unsafe { !self.recvq.first.get().is_null() || self.closed.get() } {
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
    /// Without `CLEAR` the channel is not [`clearing`](Hchan::clearing).
    ///
    /// # Safety
    /// Under the lock; else as [`chanrecv`].
    #[inline(always)]
    pub(super) unsafe fn take<const CLEAR: bool>(&self, elem: *mut u8, size: usize) -> bool {
        let n = self.qcount.load(Ordering::Relaxed);
        // SAFETY: under the lock.
        if n == 0 || unsafe { !self.sendq.first.get().is_null() } {
            return false;
        }
        let i = self.recvx.get();
        // SAFETY: slot `i` is the oldest taken one, and free once its element is copied.
        unsafe {
            let slot = self.slot(i, size);
            copy(slot, elem, size);
            if CLEAR && size == 8 {
                // One store costs less than asking.
                slot.cast::<u64>().write_unaligned(0);
            } else if CLEAR && self.cleared != 0 {
                slot.write_bytes(0, self.cleared);
            }
        }
        self.recvx.set(self.after(i));
        self.qcount.store(n - 1, Ordering::Relaxed);
        true
    }

    /// Whether the channel was, at some moment, open and had nothing to receive.
    #[inline(always)]
    pub(crate) fn is_idle(&self) -> bool {
        // In this order: see the head comment of `chan/mod.rs`.
        self.empty() && self.timer.is_null() && !self.closed.load(Ordering::Acquire)
    }

    /// Receives to `elem` with the help of `sg`, a sender that waited: its element, or, if there is a buffer, which is full then, the oldest element
    /// there, and the sender's takes its place.
    ///
    /// # Safety
    /// Under the lock; `sg` was taken off `sendq` by the caller; else as [`chanrecv`].
    #[inline(always)]
    pub(super) unsafe fn take_from(&self, sg: *mut Sudog, elem: *mut u8) {
        // SAFETY: the sender's element stays good until it is readied; the slot is taken, and then free.
        unsafe {
            if self.dataqsiz == 0 {
                return copy((*sg).elem, elem, self.elemsize);
            }
            // The head is the oldest element and, once taken, the free slot behind the youngest.
            let i = self.recvx.get();
            let slot = self.slot(i, self.elemsize);
            copy(slot, elem, self.elemsize);
            copy((*sg).elem, slot, self.elemsize);
            self.recvx.set(self.after(i));
            self.sendx.set(self.recvx.get());
        }
    }

    /// Whether a send would have to wait; without the lock, at some moment.
    #[inline]
    pub(super) fn full(&self) -> bool {
        if self.dataqsiz == 0 {
            self.recvq.is_empty()
        } else {
            self.qcount.load(Ordering::Acquire) == self.dataqsiz
        }
    }

    /// Whether a receive would have to wait if the channel is open; without the lock, at some moment.
    #[inline]
    pub(super) fn empty(&self) -> bool {
        if self.dataqsiz == 0 { self.sendq.is_empty() } else { self.qcount.load(Ordering::Acquire) == 0 }
    }
}

/// Gives back the lock of `c`, for which others wait, and undoes [`acquirem`].
#[cold]
#[inline(never)]
pub(super) fn unlock_contended(c: &Hchan, me: *mut G) {
    c.lock.unlock_slow();
    releasem(me);
}

/// Queues the current goroutine `me` and parks it; whether an element was handed over.
///
/// # Safety
/// After one [`acquirem`], which stays; the lock is held and given up; `q` is one of the channel's queues.
#[inline(always)]
pub(super) unsafe fn wait(me: *mut G, c: &Hchan, q: &WaitQ, elem: *mut u8, reason: WaitReason) -> bool {
    let mut sg = Sudog::new(me, elem, Of::Wait);
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
pub(super) fn park_for_ever(reason: WaitReason) -> ! {
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
    if !close(unsafe { &*c }) {
        panic!("close of closed channel");
    }
}

/// [`closechan`] of a channel that is there; false if it was closed.
pub(crate) fn close(c: &Hchan) -> bool {
    c.lock.lock();
    if c.closed.load(Ordering::Relaxed) {
        c.lock.unlock();
        return false;
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
            let sg = woken.pop();
            if sg.is_null() {
                return true;
            }
            goready((*sg).g);
        }
    }
}
