//! `Ticker`, `tick` (Go: `time/tick.go`).

use super::instant::{after_now, nanoseconds};
use super::{Duration, Instant};
use crate::chan::{Receiver, TimerChan};
use core::fmt;

/// A channel that gets a value in each period. Periods in which nobody received are left out. What [`Timer`](super::Timer) says of channels
/// holds here, too.
pub struct Ticker {
    /// Gets the times of the ticks.
    pub c: Receiver<Instant>,
    chan: TimerChan,
}

impl Ticker {
    /// A ticker with the period `d` (Go: `time.NewTicker`).
    ///
    /// # Panics
    /// If `d` is 0.
    pub fn new(d: Duration) -> Ticker {
        if d.is_zero() {
            panic!("non-positive interval for NewTicker");
        }
        let chan = TimerChan::new(after_now(d), nanoseconds(d));
        Ticker { c: chan.receiver(), chan }
    }

    /// Stops it: no more ticks, and the channel is not closed.
    pub fn stop(&self) {
        self.chan.core().stop(|| {});
    }

    /// Sets another period, also after [`Ticker::stop`]; the next tick comes when it has passed.
    ///
    /// # Panics
    /// If `d` is 0.
    pub fn reset(&self, d: Duration) {
        if d.is_zero() {
            panic!("non-positive interval for Ticker.Reset");
        }
        self.chan.core().modify(after_now(d), nanoseconds(d), || {});
    }
}

impl fmt::Debug for Ticker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ticker").field("c", &self.c).finish_non_exhaustive()
    }
}

/// The channel of a ticker, which lives as long as that; the nil channel if `d` is 0 (Go: `time.Tick`).
pub fn tick(d: Duration) -> Receiver<Instant> {
    if d.is_zero() { Receiver::default() } else { Ticker::new(d).c }
}
