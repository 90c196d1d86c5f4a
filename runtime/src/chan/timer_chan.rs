//! A timer's channel (Go: `maybeRunChan`, `blockTimerChan`, `unblockTimerChan` in `time.go`).
//!
//! # Problem
//! After a timer was stopped or set anew no value of before may be received, and a timer whose channel nobody can receive from must not
//! stay in a heap.
//!
//! # Rejected
//! Go's own way: a buffer of one, which stop and reset drain, which `len` and `cap` deny, with a lock, a sequence number and a count of sends
//! under way against a send that was decided on before the timer was stopped.
//!
//! # Protocol
//! The channel has no buffer: **the timer itself is the sender that waits**, from the moment when it is due until a receiver takes the value. The
//! decision to take it and what it makes of the timer are one step under the timer's lock ([`TimerCore::take_due`]), so a value
//! cannot be old. The channel's lock comes first, then the timers'.
//! 1. A receiver that finds no sender looks at the timer, under the channel's lock ([`poll`]).
//! 2. Before it waits it counts itself into those who want the timer to go off ([`block`]); the first puts it into a heap. After the wait it counts itself
//!    out ([`unblock`]); the last takes it out.
//! 3. A timer that is found due in a heap leaves it and [`fire`]s: under the channel's lock, if it is still due, the first receiver in the queue
//!    gets the value. If there is none, the timer stays due. If more wait and it has a period, it goes back to a heap.
//!
//! While somebody is in the queue the timer is in a heap, or stopped, or on its way to [`fire`], which needs the lock that the queue's
//! members were added under: it finds them.

use super::channel::Shared;
use super::hchan::{Hchan, copy, wait};
use super::{Chan, Received, Receiver};
use crate::proc::{G, WaitReason, acquirem, ready_pinned, releasem};
use crate::time::{Instant, TimerCore, TimerOps};
use alloc::boxed::Box;
use core::mem::offset_of;
use core::sync::atomic::Ordering;

/// A channel with its timer.
#[repr(C)]
struct Object {
    /// The first field: a `Chan` has its address.
    shared: Shared,
    timer: TimerCore,
}

static OPS: TimerOps = TimerOps { due, run: fire, free, moment, bubble: None };

/// A handle of a channel with a timer.
pub(crate) struct TimerChan(Chan<Instant>);

impl TimerChan {
    /// A channel that gets the value `when` (nanotime, not 0) at that time, and then, if `period` is not 0, one each `period` nanoseconds.
    pub(crate) fn new(when: i64, period: i64) -> TimerChan {
        let timer = TimerCore::new(&OPS, 0, when, period);
        let object = Box::into_raw(Box::new(Object { shared: Shared::unbuffered::<Instant>(), timer }));
        // SAFETY: it is this function's.
        unsafe {
            (*object).shared.hchan.timer = &raw const (*object).timer;
            TimerChan(Chan::from_shared(&raw const (*object).shared))
        }
    }

    /// A handle for users.
    pub(crate) fn receiver(&self) -> Receiver<Instant> {
        self.0.receiver()
    }

    /// The timer.
    #[inline]
    pub(crate) fn core(&self) -> &TimerCore {
        // SAFETY: the handle keeps the object alive.
        unsafe { &*self.0.shared().hchan.timer }
    }
}

/// The last handle of a channel with a timer is gone.
///
/// # Safety
/// Called once, with `Hchan::timer`.
pub(super) unsafe fn abandon(timer: *const TimerCore) {
    // SAFETY: nobody waits, and nobody has a handle.
    unsafe { TimerCore::abandon(timer) };
}

/// # Safety
/// See [`TimerOps`].
unsafe fn free(timer: *const TimerCore) {
    // SAFETY: it was boxed; moments have no destructor.
    drop(unsafe { Box::from_raw(object(timer).cast_mut()) });
}

/// The object that `timer` is part of.
fn object(timer: *const TimerCore) -> *const Object {
    timer.wrapping_byte_sub(offset_of!(Object, timer)).cast()
}

/// # Safety
/// See [`TimerOps`].
unsafe fn due(timer: *const TimerCore) {
    // It was in a heap and wanted: a goroutine that wants it has a handle. One more for `fire`.
    // SAFETY: as above.
    unsafe { (*object(timer)).shared.refs.fetch_add(1, Ordering::Relaxed) };
}

/// The timer was due in a heap: gives the first receiver the value.
///
/// # Safety
/// See [`TimerOps`].
unsafe fn fire(timer: *const TimerCore) {
    // SAFETY: the handle that `due` made.
    let chan = unsafe { Chan::<Instant>::from_shared(&raw const (*object(timer)).shared) };
    // SAFETY: as the caller promises; the handle keeps both alive.
    unsafe { fire_on(&chan.shared().hchan, timer) };
}

/// The timer of `c` was due in a heap: gives the first receiver the value.
///
/// # Safety
/// On g0 with no lock held; both live.
pub(crate) unsafe fn fire_on(c: &Hchan, timer: *const TimerCore) {
    let me = acquirem();
    c.lock.lock_pinned();
    let mut receiver = core::ptr::null_mut();
    // SAFETY: the handle keeps the timer alive; a queued sudog and the room that it names stay good until its goroutine is readied.
    unsafe {
        let when = (*timer).take_due((*timer).now(), || {
            receiver = c.recvq.dequeue();
            !receiver.is_null()
        });
        if let Some(when) = when {
            (*timer).moment(when, (*receiver).elem);
            (*receiver).success = true;
            if !c.recvq.is_empty() {
                (*timer).maybe_add();
            }
        }
        c.lock.unlock_pinned();
        if when.is_some() {
            ready_pinned(me, (*receiver).g);
        }
    }
    releasem(me);
}

/// # Safety
/// See [`TimerOps`].
unsafe fn moment(_: *const TimerCore, when: i64, elem: *mut u8) {
    let value = Instant::from_nanotime(when);
    // SAFETY: as the caller promises.
    unsafe { copy((&raw const value).cast(), elem, size_of::<Instant>()) };
}

/// Takes the value if the timer of `c` is due, and nobody waits for it already.
///
/// # Safety
/// `c` has a timer; its lock is held, and no lock of timers. `elem` as for [`chanrecv`](super::chanrecv).
pub(super) unsafe fn poll(c: &Hchan, elem: *mut u8) -> bool {
    if !c.recvq.is_empty() {
        return false;
    }
    // SAFETY: as the caller promises.
    unsafe {
        let due = (*c.timer).take_due((*c.timer).now(), || true);
        if let Some(when) = due {
            (*c.timer).moment(when, elem);
        }
        due.is_some()
    }
}

/// The current goroutine is about to wait in the queue of `c`: its timer has to go off by itself. To be followed by one [`unblock`].
///
/// # Safety
/// `c` has a timer; its lock is held until the goroutine is in the queue, and no lock of timers.
pub(super) unsafe fn block(c: &Hchan) {
    // SAFETY: as the caller promises.
    unsafe { (*c.timer).want() };
}

/// The current goroutine waits in the queue of `c` no more.
///
/// # Safety
/// `c` has a timer; no lock of timers is held.
pub(super) unsafe fn unblock(c: &Hchan) {
    // SAFETY: as the caller promises.
    unsafe { (*c.timer).unwant() };
}

/// A receive from a channel with a timer.
///
/// # Safety
/// As [`chanrecv`](super::chanrecv); `me` is the current goroutine after [`acquirem`], which is undone here, and the lock is held and given up.
#[cold]
#[inline(never)]
pub(super) unsafe fn recv(me: *mut G, c: &Hchan, elem: *mut u8, may_wait: bool) -> Received {
    // SAFETY: as the caller promises.
    let received = unsafe {
        if poll(c, elem) {
            c.lock.unlock_pinned();
            Received::Element
        } else if !may_wait {
            c.lock.unlock_pinned();
            Received::WouldBlock
        } else {
            block(c);
            // Nobody can close it: users have receiving ends only.
            wait(me, c, &c.recvq, elem, WaitReason::ChanReceive);
            unblock(c);
            Received::Element
        }
    };
    releasem(me);
    received
}
