//! The monotonic clock.

use super::Duration;
use crate::port;
use core::ops::{Add, Sub};

/// A moment of the monotonic clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(i64);

/// This moment (Go: `time.Now`).
#[inline]
pub fn now() -> Instant {
    Instant(port::nanotime())
}

/// How long ago `t` was; 0 if it is to come (Go: `time.Since`).
#[inline]
pub fn since(t: Instant) -> Duration {
    now() - t
}

/// How long it is until `t`; 0 if it is past (Go: `time.Until`).
#[inline]
pub fn until(t: Instant) -> Duration {
    t - now()
}

/// Nanotime `d` from now, saturated; not 0.
#[inline]
pub(super) fn after_now(d: Duration) -> i64 {
    port::nanotime().saturating_add(nanoseconds(d)).max(1)
}

impl Instant {
    /// The moment when nanotime is `ns`.
    #[inline]
    pub(crate) fn from_nanotime(ns: i64) -> Instant {
        Instant(ns)
    }

    /// This moment.
    #[inline]
    pub fn now() -> Instant {
        now()
    }

    /// As [`since`].
    #[inline]
    pub fn elapsed(self) -> Duration {
        now() - self
    }

    /// From `earlier` to this; 0 if `earlier` is later.
    #[inline]
    pub fn duration_since(self, earlier: Instant) -> Duration {
        self - earlier
    }
}

impl Add<Duration> for Instant {
    type Output = Instant;
    /// Saturates some 292 years after boot.
    #[inline]
    fn add(self, d: Duration) -> Instant {
        Instant(self.0.saturating_add(nanoseconds(d)))
    }
}

impl Sub for Instant {
    type Output = Duration;
    /// 0 if the right-hand side is later.
    #[inline]
    fn sub(self, earlier: Instant) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0).max(0) as u64)
    }
}

/// `d` in nanoseconds, saturated at 292 years.
#[inline]
pub(super) fn nanoseconds(d: Duration) -> i64 {
    i64::try_from(d.as_nanos()).unwrap_or(i64::MAX)
}
