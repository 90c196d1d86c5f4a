//! `select`: one of several sends and receives, whichever can go on first (Go: `selectgo`).
//!
//! # Problem
//! A goroutine waits on many channels and one of them, exactly one, must serve it: two wakers on two cores may come at the same moment, each
//! under its own channel's lock. Among those that are ready the choice must be random, else one starves the others. With a default arm,
//! "nothing is ready" must hold of all channels at *one* moment. And it should cost little more than the operation that is chosen.
//!
//! # Rejected
//! Polling the channels in turn with `gosched` between (burns a core, and two selects that meet would both have to look at the same moment). One lock over all channels.
//! Waking the goroutine on every event to look again (most looks would be in vain, and who woke it could not hand it an element). A heap object that the
//! wakers share (an allocation a select).
//!
//! # Protocol
//! 1. Draw the *poll order*, a random permutation of the arms whose channel is not nil.
//! 2. Look at each channel in this order, first without its lock; one that seems ready is locked, alone, and if it is ready under the lock, that
//!    arm is served and the select is over. (It is ready at the moment when it is served, which is all that a select promises; so
//!    nothing is locked that is not used.)
//! 3. Else lock *all* channels in the order of their addresses, so that two selects cannot wait for each other; one that is in
//!    several arms only once. Look again, in poll order, and serve the first one that is ready.
//! 4. None is, at this one moment. With a default arm: unlock all, that is the result.
//! 5. Else set the goroutine's `select_done` to 0, put a [`Sudog`] marked [`Of::Select`] on each channel's queue, and park. On g0, when the registers are
//!    saved, all locks are given up ([`unlock_parked`]).
//! 6. A waker takes a sudog off its channel's queue under the lock, and if it is a select's, must win the goroutine: exchange `select_done` 0 for 1. The winner
//!    notes the sudog in `param`, moves the element, and readies the goroutine, like any other. A loser marks the sudog [`Of::Lost`], and goes on
//!    to the next in the queue ([`WaitQ::win`]). `close` is a waker that moves no element.
//! 7. The goroutine takes its other sudogs off, each under its channel's lock, one lock at a time; those that losers took off are gone already.
//!    `select_done` stays 1 meanwhile: nobody can win it twice.
//!
//! # Who may touch the goroutine's stack while it waits
//! The cases, the orders and the sudogs lie on it, and elements are moved from and to it by others.
//! - The M that parked it reads cases and order to unlock. As soon as it has given up one lock, a waker may have readied the goroutine, and another M runs
//!   it. It does not leave step 7 before that M is done: step 7 takes the lock of every channel but the winner's, and the winner
//!   held that one; so each was given up before. After the last lock the M reads nothing more.
//! - A loser has a sudog in its hands only under the channel's lock, which step 7 takes.
//! - The winner moves the element before it readies the goroutine.
//!
//! What the winner wrote (`param`, `success`, the element) is seen by way of the goroutine's status: *release* in `goready`, *acquire*
//! by the M that runs it. All else is under the locks.
//!
//! # Preemption and panics
//! The goroutine is pinned from before the poll order is drawn (the generator is its M's) until the result is there, over the switch included.
//! Nothing here panics: a send on a closed channel is a result, and the caller panics once no lock is held.
//!
//! `runtime/models` compiles this file once more, over loom's atomics.

use super::atomic::Ordering;
use super::hchan::{Hchan, copy, park_for_ever};
use super::sellock::{Locked, unlock_parked};
use super::timer_chan;
use super::waitq::{Of, Sudog, WaitQ};
use crate::proc::{G, WaitReason, acquirem, cheaprandn, park_pinned_locks, ready_pinned, releasem};
use core::ptr::null_mut;

/// One arm (Go: `scase`).
#[derive(Clone, Copy)]
#[repr(C)]
pub struct Scase {
    /// The channel; null is never ready.
    pub c: *const Hchan,
    /// Where the element is (send) or goes (receive).
    pub elem: *mut u8,
}

/// The most arms that a select may have.
pub const MAX_CASES: usize = 1 << 16;

/// Which arm was chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Selected {
    /// Its index; [`Selected::NONE`] if none was ready.
    pub index: usize,
    /// The element changed hands. False: the arm's channel is closed. (Go panics if that is a send.)
    pub moved: bool,
}

impl Selected {
    /// The index that says: nothing is ready, take the default arm.
    pub const NONE: usize = usize::MAX;
}

/// Does one of several sends and receives, waiting until one is possible; without `block` only if one is at this moment.
///
/// The sends come first among the cases.
///
/// # Safety
/// - `cases` are `nsends + nrecvs` cases, at most [`MAX_CASES`], and `order` has room for twice as many numbers, `sudogs` for as many sudogs.
/// - Each channel is null or lives during the call. The element of a send is one of its channel, and belongs to the channel if that arm is chosen and
///   `moved`; that of a receive is room for one, which is the caller's if that arm is chosen and `moved`. No two overlap.
#[inline(never)]
pub unsafe fn selectgo(
    cases: *const Scase,
    order: *mut u16,
    sudogs: *mut Sudog,
    nsends: usize,
    nrecvs: usize,
    block: bool,
) -> Selected {
    let me = acquirem();
    // SAFETY: as the caller promises; pinned. Each lock is held where an arm is served, and the sudog of whom it wakes was taken off there.
    unsafe {
        let n = draw_poll_order(me, cases, order, nsends + nrecvs);
        for at in 0..n {
            let arm = Arm::nth(cases, nsends, order, at);
            if !arm.seems_ready() {
                continue;
            }
            arm.c.lock.lock_pinned();
            // Most that are ready have something in the buffer, or room: that has an end of its own, with nothing to keep and nobody to ready.
            if arm.serve_by_buffer() {
                arm.c.lock.unlock_pinned();
                releasem(me);
                return Selected { index: arm.index, moved: true };
            }
            let served = arm.serve_rest();
            arm.c.lock.unlock_pinned();
            if let Some(served) = served {
                return served.finish(me, arm.index);
            }
        }
        let locked = Locked::new(cases, order, order.add(nsends + nrecvs), n);
        for at in 0..n {
            let arm = Arm::nth(cases, nsends, order, at);
            if let Some(served) = arm.serve() {
                locked.unlock();
                return served.finish(me, arm.index);
            }
        }
        if !block {
            locked.unlock();
            releasem(me);
            return Selected { index: Selected::NONE, moved: false };
        }
        let selected = wait(me, &locked, sudogs, nsends);
        releasem(me);
        selected
    }
}

/// Waits for ever: a select without arms (Go: `block`).
pub fn block() -> ! {
    park_for_ever(WaitReason::SelectNoCases)
}

/// Writes a random permutation of the arms that have a channel to `order`; returns how many they are.
///
/// # Safety
/// As [`selectgo`]; `me` is the current goroutine after [`acquirem`].
#[inline(always)]
unsafe fn draw_poll_order(me: *mut G, cases: *const Scase, order: *mut u16, ncases: usize) -> usize {
    let (mut case, mut i) = (cases, 0_usize);
    // SAFETY: as the caller promises: there are `ncases` cases.
    let end = unsafe { cases.add(ncases) };
    // The first arm has no choice, and so no random number and no place in the loop.
    loop {
        if case == end {
            return 0;
        }
        // SAFETY: it is before the end.
        unsafe {
            if !(*case).c.is_null() {
                break;
            }
            case = case.add(1);
        }
        i += 1;
    }
    // SAFETY: as the caller promises: there is room.
    unsafe { *order = i as u16 };
    let mut n = 1;
    loop {
        // SAFETY: it is before the end; `j` is not above `n`, below which all is written.
        unsafe {
            case = case.add(1);
            i += 1;
            if case == end {
                return n;
            }
            if !(*case).c.is_null() {
                let j = cheaprandn(me, n as u32 + 1) as usize;
                *order.add(n) = *order.add(j);
                *order.add(j) = i as u16;
                n += 1;
            }
        }
    }
}

/// An arm whose channel is not nil.
struct Arm<'a> {
    index: usize,
    send: bool,
    c: &'a Hchan,
    elem: *mut u8,
}

/// An arm was ready, and this is what remains to be done.
struct Served {
    /// Who waited for it, or null.
    wake: *mut G,
    moved: bool,
}

impl<'a> Arm<'a> {
    /// The arm at place `at` of `order`.
    ///
    /// # Safety
    /// `order` names arms among `cases` whose channels live and are not null; the first `nsends` are sends.
    #[inline(always)]
    unsafe fn nth(cases: *const Scase, nsends: usize, order: *const u16, at: usize) -> Self {
        // SAFETY: as the caller promises.
        unsafe {
            let index = usize::from(*order.add(at));
            let case = *cases.add(index);
            Arm { index, send: index < nsends, c: &*case.c, elem: case.elem }
        }
    }

    /// Where the goroutine waits for it.
    #[inline(always)]
    fn queue(&self) -> &'a WaitQ {
        if self.send { &self.c.sendq } else { &self.c.recvq }
    }

    /// Whether it is worth locking the channel; without the lock, at some moment.
    #[inline(always)]
    fn seems_ready(&self) -> bool {
        let would_wait = if self.send { self.c.full() } else { self.c.empty() && self.c.timer.is_null() };
        !would_wait || self.c.closed.load(Ordering::Relaxed)
    }

    /// Moves the element if the arm is ready.
    ///
    /// # Safety
    /// Under the channel's lock. The element is as [`selectgo`] wants it. The caller readies whom this says.
    #[inline(always)]
    unsafe fn serve(&self) -> Option<Served> {
        // SAFETY: as the caller promises.
        unsafe {
            if self.serve_by_buffer() {
                return Some(Served { wake: null_mut(), moved: true });
            }
            self.serve_rest()
        }
    }

    /// Moves the element if it has only to go to the buffer or come from there.
    ///
    /// # Safety
    /// As [`Arm::serve`].
    #[inline(always)]
    unsafe fn serve_by_buffer(&self) -> bool {
        let Arm { c, elem, .. } = *self;
        // SAFETY: as the caller promises.
        unsafe { if self.send { c.put(elem, c.elemsize) } else { c.take::<true>(elem, c.elemsize) } }
    }

    /// [`Arm::serve`] after [`Arm::serve_by_buffer`] has said no.
    ///
    /// # Safety
    /// As [`Arm::serve`].
    #[inline(always)]
    unsafe fn serve_rest(&self) -> Option<Served> {
        let Arm { c, elem, .. } = *self;
        // SAFETY: as the caller promises; a queued sudog and the address in it stay good until its goroutine is readied.
        unsafe {
            if self.send {
                if c.closed.load(Ordering::Relaxed) {
                    return Some(Served { wake: null_mut(), moved: false });
                }
                let sg = c.recvq.dequeue();
                if !sg.is_null() {
                    copy(elem, (*sg).elem, c.elemsize);
                    (*sg).success = true;
                    return Some(Served { wake: (*sg).g, moved: true });
                }
                // Those who waited were `select`s that another channel has readied: there may be room.
                c.put(elem, c.elemsize).then_some(Served { wake: null_mut(), moved: true })
            } else {
                let sg = c.sendq.dequeue();
                if !sg.is_null() {
                    c.take_from(sg, elem);
                    (*sg).success = true;
                    return Some(Served { wake: (*sg).g, moved: true });
                }
                if c.take::<true>(elem, c.elemsize) || !c.timer.is_null() && timer_chan::poll(c, elem) {
                    return Some(Served { wake: null_mut(), moved: true });
                }
                c.closed.load(Ordering::Relaxed).then_some(Served { wake: null_mut(), moved: false })
            }
        }
    }
}

impl Served {
    /// Lets whoever waited go on, and unpins.
    ///
    /// # Safety
    /// No lock is held; `me` is the current goroutine after [`acquirem`], which is undone here.
    #[inline(always)]
    unsafe fn finish(self, me: *mut G, index: usize) -> Selected {
        if !self.wake.is_null() {
            // SAFETY: as the caller promises; whose sudog was taken off is readied here and nowhere else.
            unsafe { ready_pinned(me, self.wake) };
        }
        releasem(me);
        Selected { index, moved: self.moved }
    }
}

/// Queues the goroutine on all channels, parks it, and takes it off all queues when it is readied.
///
/// # Safety
/// All channels are locked, which ends here; none of them is ready. `me` is the current goroutine after [`acquirem`], which stays. Else as [`selectgo`].
#[inline(always)]
unsafe fn wait(me: *mut G, locked: &Locked, sudogs: *mut Sudog, nsends: usize) -> Selected {
    // SAFETY: the locks are held where a queue is changed. The sudogs stay until this returns, when they are off all queues; what the winner
    // wrote in one is read through the pointer that was queued.
    unsafe {
        (*me).select_done.store(0, Ordering::Relaxed);
        for at in 0..locked.n {
            let arm = Arm::nth(locked.cases, nsends, locked.order, at);
            let sg = sudogs.add(at);
            sg.write(Sudog::new(me, arm.elem, Of::Select));
            arm.queue().enqueue(sg);
            if !arm.c.timer.is_null() {
                timer_chan::block(arm.c);
            }
        }
        locked.forget();
        park_pinned_locks(me, unlock_parked, (&raw const *locked).cast_mut().cast(), WaitReason::Select);

        let won: *mut Sudog = (*me).param.cast();
        let mut index = Selected::NONE;
        for at in 0..locked.n {
            let arm = Arm::nth(locked.cases, nsends, locked.order, at);
            let sg = sudogs.add(at);
            if sg == won {
                index = arm.index;
            } else {
                arm.c.lock.lock_pinned();
                arm.queue().remove(sg);
                arm.c.lock.unlock_pinned();
            }
            if !arm.c.timer.is_null() {
                timer_chan::unblock(arm.c);
            }
        }
        Selected { index, moved: (*won).success }
    }
}
