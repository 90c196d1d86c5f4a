//! A P's run queue: a lock-free ring of 256 slots and `runnext` (Go: `runqput`, `runqget`, `runqgrab` in `proc.go`).
//!
//! `runtime/models` compiles this file once more, over loom's atomics and with a ring of four slots.
//!
//! # Problem
//! The owner puts and takes a goroutine for every switch and must not pay for a lock; thieves on other cores take half of it at any
//! moment. Rejected: a lock (two locked instructions a switch and a convoy when thieves come); the Chase–Lev deque (the
//! owner takes at the end where it puts: LIFO, which starves the oldest).
//!
//! # Protocol
//! `head` and `tail` only grow (wrapping `u32`); slot `i % 256` holds entry `i` for `head <= i < tail`.
//! 1. Put (owner): load `head` with *acquire* (so that the slot's former taker has read it), write the slot, store `tail` with
//!    *release* (so that a thief that sees the new tail sees the slot).
//! 2. Take (owner or thief): load `head` with *acquire* and `tail` (*acquire* in a thief, which pairs with 1), read the slots,
//!    then exchange `head` with *release*: that commits the taking, and nothing read before it is used if it fails.
//!    The release keeps the slot reads before the exchange, so that the owner cannot reuse a slot that is still to be read.
//! 3. A full ring: the owner takes half as in 2 and moves it to the global queue with one lock.
//!
//! `runnext` is a slot for the goroutine that the running one has just readied: it runs next and inherits the time slice. Only the
//! owner sets it to a goroutine; thieves may set it to null, hence the exchange.

use super::atomic::{AtomicPtr, AtomicU32, Ordering};
use super::{G, RUNQ_LEN};
use core::array;
use core::ptr::null_mut;

/// The ring and `runnext`.
#[repr(C)]
pub struct RunQueue {
    next: AtomicPtr<G>,
    head: AtomicU32,
    tail: AtomicU32,
    ring: [AtomicPtr<G>; RUNQ_LEN as usize],
}

impl RunQueue {
    /// An empty queue.
    pub fn new() -> RunQueue {
        RunQueue {
            next: AtomicPtr::new(null_mut()),
            head: AtomicU32::new(0),
            tail: AtomicU32::new(0),
            ring: array::from_fn(|_| AtomicPtr::new(null_mut())),
        }
    }

    /// Whether nothing is queued, as seen at one moment: a goroutine may be kicked from `runnext` to the ring between two loads.
    #[inline]
    pub fn is_empty(&self) -> bool {
        loop {
            let head = self.head.load(Ordering::Acquire);
            let tail = self.tail.load(Ordering::Acquire);
            let next = self.next.load(Ordering::Acquire);
            if tail == self.tail.load(Ordering::Acquire) {
                return head == tail && next.is_null();
            }
        }
    }

    /// [`RunQueue::is_empty`] for the owner, who alone adds: what is not there at one look is not
    /// there at the next.
    #[inline]
    pub fn is_empty_for_owner(&self) -> bool {
        self.head.load(Ordering::Acquire) == self.tail.load(Ordering::Relaxed)
            && self.next.load(Ordering::Relaxed).is_null()
    }

    /// Where the ring begins and ends, and `runnext`, for who compares two moments.
    pub fn ends(&self) -> ((u32, u32), *mut G) {
        let (head, tail) = (self.head.load(Ordering::Acquire), self.tail.load(Ordering::Acquire));
        ((head, tail), self.next.load(Ordering::Acquire))
    }

    /// Owner: makes `gp` the next to run and returns whom it displaces, null if nobody.
    #[inline]
    pub fn set_next(&self, gp: *mut G) -> *mut G {
        self.next.swap(gp, Ordering::AcqRel)
    }

    /// Owner: queues `gp` at the tail. False if the ring is full.
    #[inline]
    pub fn push(&self, gp: *mut G) -> bool {
        let head = self.head.load(Ordering::Acquire);
        let tail = self.tail.load(Ordering::Relaxed);
        if tail.wrapping_sub(head) >= RUNQ_LEN {
            return false;
        }
        self.slot(tail).store(gp, Ordering::Relaxed);
        self.tail.store(tail.wrapping_add(1), Ordering::Release);
        true
    }

    /// Owner: takes `runnext`; null if there is none.
    #[inline]
    pub fn pop_next(&self) -> *mut G {
        let next = self.next.load(Ordering::Relaxed);
        // If the exchange fails, a thief has taken it: only the owner can set it again.
        if !next.is_null()
            && self.next.compare_exchange(next, null_mut(), Ordering::AcqRel, Ordering::Relaxed).is_ok()
        {
            return next;
        }
        null_mut()
    }

    /// Owner: takes `runnext`, else the head. The flag says that the time slice is inherited.
    #[inline]
    pub fn pop(&self) -> (*mut G, bool) {
        let next = self.pop_next();
        if !next.is_null() {
            return (next, true);
        }
        loop {
            let head = self.head.load(Ordering::Acquire);
            let tail = self.tail.load(Ordering::Relaxed);
            if tail == head {
                return (null_mut(), false);
            }
            let gp = self.slot(head).load(Ordering::Relaxed);
            if self.commit(head, 1) {
                return (gp, false);
            }
        }
    }

    /// Owner, when [`RunQueue::push`] found the ring full: takes the older half out into `batch`. 0 if thieves made room meanwhile.
    pub fn pop_half(&self, batch: &mut [*mut G; RUNQ_LEN as usize / 2]) -> usize {
        let head = self.head.load(Ordering::Acquire);
        let tail = self.tail.load(Ordering::Relaxed);
        let n = tail.wrapping_sub(head) / 2;
        if n != RUNQ_LEN / 2 {
            return 0;
        }
        for i in 0..n {
            batch[i as usize] = self.slot(head.wrapping_add(i)).load(Ordering::Relaxed);
        }
        if self.commit(head, n) { n as usize } else { 0 }
    }

    /// Thief (owner of `to`): moves half of this queue to `to` and returns one of those, to be run at once; null if there was nothing.
    /// With `steal_next`, takes `runnext` if nothing else is there.
    pub fn steal_into(&self, to: &RunQueue, steal_next: bool) -> *mut G {
        let tail = to.tail.load(Ordering::Relaxed);
        let n = self.grab(to, tail, steal_next);
        if n == 0 {
            return null_mut();
        }
        let gp = to.slot(tail.wrapping_add(n - 1)).load(Ordering::Relaxed);
        if n > 1 {
            debug_assert!(tail.wrapping_sub(to.head.load(Ordering::Acquire)) + n - 1 < RUNQ_LEN);
            to.tail.store(tail.wrapping_add(n - 1), Ordering::Release);
        }
        gp
    }

    /// Copies half of the queue into `to`'s slots from `at`, which no other thief can see yet; returns how many.
    fn grab(&self, to: &RunQueue, at: u32, steal_next: bool) -> u32 {
        loop {
            let head = self.head.load(Ordering::Acquire);
            let tail = self.tail.load(Ordering::Acquire);
            let n = tail.wrapping_sub(head);
            let n = n - n / 2;
            if n == 0 {
                if !steal_next {
                    return 0;
                }
                let next = self.next.load(Ordering::Acquire);
                if next.is_null() {
                    return 0;
                }
                if self.next.compare_exchange(next, null_mut(), Ordering::AcqRel, Ordering::Relaxed).is_err()
                {
                    continue;
                }
                to.slot(at).store(next, Ordering::Relaxed);
                return 1;
            }
            if n > RUNQ_LEN / 2 {
                // Head and tail were read at different moments.
                continue;
            }
            for i in 0..n {
                let gp = self.slot(head.wrapping_add(i)).load(Ordering::Relaxed);
                to.slot(at.wrapping_add(i)).store(gp, Ordering::Relaxed);
            }
            if self.commit(head, n) {
                return n;
            }
        }
    }

    #[inline]
    fn slot(&self, i: u32) -> &AtomicPtr<G> {
        &self.ring[(i % RUNQ_LEN) as usize]
    }

    #[inline]
    fn commit(&self, head: u32, n: u32) -> bool {
        self.head.compare_exchange(head, head.wrapping_add(n), Ordering::Release, Ordering::Relaxed).is_ok()
    }
}

impl Default for RunQueue {
    fn default() -> Self {
        RunQueue::new()
    }
}
