//! Timers of Go code (Go: `time.go`).
//!
//! A timer lies in Go's `timeTimer`. One with a channel is the kernel's timer channel (`chan/timer_chan.rs`): the timer itself is the sender, the channel has
//! no buffer, and no value can be old. What is sent, a `time.Time`, only Go code can make: it sends it to a channel of its own, from where it is taken.
//! All Go code that a timer calls runs on a scheduler's stack.

use super::bubble::with_bubble;
use super::layout::layout;
use crate::chan::{Hchan, timer_chan};
use crate::proc::{Bubble, systemstack};
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
const ROOM: usize = 10 * 8;
const _: () = assert!(size_of::<Timer>() <= ROOM);

/// One of a bubble.
#[repr(C)]
struct Bubbled {
    timer: Timer,
    bubble: *mut Bubble,
}

const _: () = assert!(size_of::<Bubbled>() <= ROOM);

static FUNC: TimerOps = TimerOps { due: expire, run: call, free: keep, moment, bubble: None };
static CHAN: TimerOps = TimerOps { due: keep, run: fire, free: keep, moment, bubble: None };
static FUNC_IN: TimerOps = TimerOps { run: call_in, bubble: Some(bubble), ..FUNC };
static CHAN_IN: TimerOps = TimerOps { moment: moment_in, bubble: Some(bubble), ..CHAN };

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

/// [`init`] of a timer of a bubble.
///
/// # Safety
/// As [`init`]; the bubble is the current goroutine's.
pub(super) unsafe fn init_in(
    bubble: *mut Bubble,
    t: *mut Timer,
    go: *mut u8,
    when: i64,
    period: i64,
    c: *mut Hchan,
) {
    // SAFETY: as the caller promises.
    unsafe {
        let (ops, wanted) = if c.is_null() { (&FUNC_IN, 1) } else { (&CHAN_IN, 0) };
        let core = TimerCore::new(ops, wanted, if c.is_null() { 0 } else { when.max(1) }, period);
        t.cast::<Bubbled>().write(Bubbled { timer: Timer { core, go, c }, bubble });
        if c.is_null() {
            reset_in_bubble(&*t, when, period);
        } else {
            c.write(Hchan::new(0, core::ptr::null_mut(), (*c).elem_size()).with_timer(&raw const (*t).core));
        }
    }
}

/// [`reset`] of a timer of the current goroutine's bubble. A function that is due is called at once:
/// the bubble's clock stands while its goroutines run.
pub(super) fn reset_in_bubble(t: &Timer, when: i64, period: i64) -> usize {
    if !t.c.is_null() || when > t.core.now() {
        return reset(t, when, period);
    }
    let pending = stop(t);
    // SAFETY: a timer of a bubble's, on g0.
    systemstack(|| unsafe { call_in(&raw const t.core) });
    pending
}

/// The bubble of a timer of Go's, or null.
///
/// # Safety
/// `t` is one.
pub(super) unsafe fn bubble_of(t: *const TimerCore) -> *mut Bubble {
    // SAFETY: as the caller promises.
    unsafe { (*t).bubble() }
}

impl Timer {
    pub(super) fn core(&self) -> *const TimerCore {
        &raw const self.core
    }
}

/// # Safety
/// See [`TimerOps`]; of a [`Bubbled`].
unsafe fn bubble(t: *const TimerCore) -> *mut Bubble {
    // SAFETY: as the caller promises.
    unsafe { (*t.cast::<Bubbled>()).bubble }
}

/// # Safety
/// See [`TimerOps`]; of a [`Bubbled`].
unsafe fn call_in(t: *const TimerCore) {
    // SAFETY: as the caller promises.
    unsafe { with_bubble(bubble(t), || call(t)) };
}

/// # Safety
/// See [`TimerOps`]; of a [`Bubbled`].
unsafe fn moment_in(t: *const TimerCore, when: i64, elem: *mut u8) {
    // SAFETY: as the caller promises.
    systemstack(|| unsafe { with_bubble(bubble(t), || moment(t, when, elem)) });
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
        let delay = ((*t).now() - when) as usize;
        super::m::call(layout().timer_fire, (*t.cast::<Timer>()).go as usize, delay, elem as usize)
    });
}
