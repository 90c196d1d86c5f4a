//! Timers of Go code (Go: `time.go`).
//!
//! A timer lies in Go's `timeTimer`. One with a channel is the kernel's timer channel (`chan/timer_chan.rs`): the timer itself is the sender, the channel has
//! no buffer, and no value can be old. What is sent, a `time.Time`, only Go code can make: it sends it to a channel of its own, from where it is taken.
//! All Go code that a timer calls runs on a scheduler's stack.

use super::layout::layout;
use crate::chan::{Hchan, timer_chan};
use crate::port;
use crate::proc::systemstack;
use crate::time::{Duration, TimerCore, TimerOps};
use core::mem::size_of;

/// What the kernel has of a `timeTimer`.
#[repr(C)]
pub(super) struct Timer {
    /// The first field: its address is the timer's.
    core: TimerCore,
    /// The `timeTimer`.
    go: *mut u8,
    c: *const Hchan,
}

/// Bytes that Go has for it.
const ROOM: usize = 16 * 8;
const _: () = assert!(size_of::<Timer>() <= ROOM);

static FUNC: TimerOps = TimerOps { due: expire, run: call, free: keep, moment };
static CHAN: TimerOps = TimerOps { due: keep, run: fire, free: keep, moment };

pub(super) extern "C" fn sleep(ns: i64) {
    crate::time::sleep(Duration::from_nanos(ns.max(0) as u64));
}

/// Makes the timer at `t` and has it go off at `when`; with a channel, that becomes the timer's.
pub(super) unsafe extern "C" fn init(t: *mut Timer, go: *mut u8, when: i64, period: i64, c: *mut Hchan) {
    // SAFETY: Go's memory for it, and a channel of Go's that nobody has so far.
    unsafe {
        let (ops, wanted) = if c.is_null() { (&FUNC, 1) } else { (&CHAN, 0) };
        t.write(Timer { core: TimerCore::new(ops, wanted, when.max(1), period), go, c });
        if c.is_null() {
            (*t).core.add_new();
        } else {
            c.write(Hchan::new(0, core::ptr::null_mut(), (*c).elem_size()).with_timer(&raw const (*t).core));
        }
    }
}

/// Whether it was to go off.
pub(super) extern "C" fn stop(t: &Timer) -> usize {
    usize::from(t.core.stop(|| ()))
}

/// Whether it was to go off anyway.
pub(super) extern "C" fn reset(t: &Timer, when: i64, period: i64) -> usize {
    usize::from(t.core.modify(when.max(1), period, || ()))
}

/// # Safety
/// See [`TimerOps`].
unsafe fn expire(t: *const TimerCore) {
    // SAFETY: as the caller promises.
    unsafe { (*t).expire() };
}

/// # Safety
/// See [`TimerOps`]. The memory is Go's.
unsafe fn keep(_: *const TimerCore) {}

/// # Safety
/// See [`TimerOps`].
unsafe fn call(t: *const TimerCore) {
    // SAFETY: on g0; what the program registered for this takes a timer, a delay, and no room.
    unsafe { super::m::call(layout().timer_fire, (*t.cast::<Timer>()).go as usize, 0, 0) };
}

/// # Safety
/// See [`TimerOps`].
unsafe fn fire(t: *const TimerCore) {
    // SAFETY: the channel is Go's, and there is the timer in it.
    unsafe { timer_chan::fire_on(&*(*t.cast::<Timer>()).c, t) };
}

/// # Safety
/// See [`TimerOps`].
unsafe fn moment(t: *const TimerCore, when: i64, elem: *mut u8) {
    // `<-t.C`: nobody wants it.
    if elem.is_null() {
        return;
    }
    // SAFETY: as in `call`, with room for an element.
    systemstack(|| unsafe {
        let delay = (port::nanotime() - when) as usize;
        super::m::call(layout().timer_fire, (*t.cast::<Timer>()).go as usize, delay, elem as usize)
    });
}
