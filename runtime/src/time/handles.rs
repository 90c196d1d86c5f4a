//! `Timer`, `after`, `after_func` (Go: `time/sleep.go`).

use super::func::FuncRef;
use super::instant::after_now;
use super::{Duration, Instant};
use crate::chan::{Receiver, TimerChan};
use core::fmt;

/// Something that is to happen once, at a time: a value on the channel `c`, or a function's call.
///
/// As in Go since 1.23, a receive after [`Timer::stop`] or [`Timer::reset`] has returned never gets a value of before; the channel
/// looks unbuffered; and a timer with a channel that nobody has any more, as handle or channel, is gone. A timer with a function goes off
/// also without a handle.
pub struct Timer {
    /// Gets the time that the timer was set for, once that has come. The nil channel if the timer has a function.
    pub c: Receiver<Instant>,
    does: Does,
}

enum Does {
    Send(TimerChan),
    Call(FuncRef),
}

/// The channel of a timer that goes off after `d` (Go: `time.After`). No value is left behind, and no timer, if nobody receives it.
pub fn after(d: Duration) -> Receiver<Instant> {
    TimerChan::new(after_now(d), 0).receiver()
}

/// Calls `f` after `d` on a goroutine of its own, and again each time that the timer is reset after that (Go: `time.AfterFunc`).
///
/// ```compile_fail,E0277
/// let here = std::rc::Rc::new(0_u8);
/// runtime::time::after_func(std::time::Duration::ZERO, move || drop(here.clone()));
/// ```
#[inline]
pub fn after_func(d: Duration, f: impl Fn() + Send + Sync + 'static) -> Timer {
    Timer { c: Receiver::default(), does: Does::Call(FuncRef::start(after_now(d), f)) }
}

impl Timer {
    /// A timer whose channel gets a value after `d` (Go: `time.NewTimer`).
    pub fn new(d: Duration) -> Timer {
        let c = TimerChan::new(after_now(d), 0);
        Timer { c: c.receiver(), does: Does::Send(c) }
    }

    /// Stops it. Returns whether it was to go off: false if it has gone off, or was stopped.
    ///
    /// That it has gone off means that a goroutine has got the value, or that one was started for the function; this does not wait for that
    /// one's end.
    #[inline]
    pub fn stop(&self) -> bool {
        match &self.does {
            Does::Send(c) => c.core().stop(|| {}),
            Does::Call(f) => f.stop(),
        }
    }

    /// Has it go off after `d` from now. Returns whether it was to go off before that: false if it had gone off, or was stopped.
    #[inline]
    pub fn reset(&self, d: Duration) -> bool {
        let when = after_now(d);
        match &self.does {
            Does::Send(c) => c.core().modify(when, 0, || {}),
            Does::Call(f) => f.reset(when),
        }
    }
}

impl fmt::Debug for Timer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Timer").field("c", &self.c).finish_non_exhaustive()
    }
}
