//! The wall clock.

use super::Duration;
use crate::port;
use core::fmt;
use core::ops::{Add, Sub};

/// A moment of the wall clock, UTC (Rust: `std::time::SystemTime`; the wall half of Go's `time.Time`).
///
/// The machine sets the clock once, at boot, to whole seconds: it is up to a second behind. From then on it goes as
/// [`Instant`](super::Instant) does, so that it never goes back. To print a date take a crate such as `chrono` or `jiff`.
///
/// ```no_run
/// use runtime::time::SystemTime;
///
/// let now = SystemTime::now();
/// assert!(now.unix() > 1_700_000_000);
/// assert!(now.duration_since(SystemTime::UNIX_EPOCH).is_ok());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SystemTime {
    /// Nanoseconds since 1970, wide enough for all [`Duration`]s.
    ns: i128,
}

/// The other time is later, by this much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SystemTimeError(Duration);

impl SystemTime {
    /// 1970-01-01 00:00:00 UTC.
    pub const UNIX_EPOCH: SystemTime = SystemTime { ns: 0 };

    /// This moment.
    pub fn now() -> SystemTime {
        let (seconds, ns) = port::walltime();
        SystemTime { ns: i128::from(seconds) * 1_000_000_000 + i128::from(ns) }
    }

    /// Seconds since 1970, rounded down (Go: `Time.Unix`).
    pub fn unix(self) -> i64 {
        self.ns.div_euclid(1_000_000_000) as i64
    }

    /// Nanoseconds since 1970; saturates in the years 1677 and 2262 (Go: `Time.UnixNano`).
    pub fn unix_nano(self) -> i64 {
        self.ns.clamp(i64::MIN.into(), i64::MAX.into()) as i64
    }

    /// From `earlier` to this.
    ///
    /// # Errors
    /// If `earlier` is later; the error says by how much.
    pub fn duration_since(self, earlier: SystemTime) -> Result<Duration, SystemTimeError> {
        let ns = self.ns - earlier.ns;
        let length = duration(ns.unsigned_abs());
        if ns >= 0 { Ok(length) } else { Err(SystemTimeError(length)) }
    }

    /// From this to now.
    ///
    /// # Errors
    /// As [`SystemTime::duration_since`].
    pub fn elapsed(self) -> Result<Duration, SystemTimeError> {
        SystemTime::now().duration_since(self)
    }
}

/// A `Duration` of so many nanoseconds, saturated.
fn duration(ns: u128) -> Duration {
    match u64::try_from(ns / 1_000_000_000) {
        Ok(seconds) => Duration::new(seconds, (ns % 1_000_000_000) as u32),
        Err(_) => Duration::MAX,
    }
}

impl Add<Duration> for SystemTime {
    type Output = SystemTime;

    fn add(self, d: Duration) -> SystemTime {
        SystemTime { ns: self.ns.saturating_add(d.as_nanos() as i128) }
    }
}

impl Sub<Duration> for SystemTime {
    type Output = SystemTime;

    fn sub(self, d: Duration) -> SystemTime {
        SystemTime { ns: self.ns.saturating_sub(d.as_nanos() as i128) }
    }
}

impl SystemTimeError {
    /// By how much the other time is later.
    pub fn duration(self) -> Duration {
        self.0
    }
}

impl fmt::Display for SystemTimeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the other time is {:?} later", self.0)
    }
}

impl core::error::Error for SystemTimeError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn before_and_after_the_epoch() {
        let t = SystemTime::UNIX_EPOCH + Duration::new(5, 1);
        assert_eq!((t.unix(), t.unix_nano()), (5, 5_000_000_001));
        let t = SystemTime::UNIX_EPOCH - Duration::new(5, 1);
        assert_eq!((t.unix(), t.unix_nano()), (-6, -5_000_000_001));
        assert_eq!(SystemTime::UNIX_EPOCH.duration_since(t), Ok(Duration::new(5, 1)));
        assert_eq!(t.duration_since(SystemTime::UNIX_EPOCH), Err(SystemTimeError(Duration::new(5, 1))));
    }

    #[test]
    fn the_longest_duration() {
        let t = SystemTime::UNIX_EPOCH + Duration::MAX;
        assert_eq!(t.duration_since(SystemTime::UNIX_EPOCH), Ok(Duration::MAX));
        assert_eq!(t.unix_nano(), i64::MAX);
    }
}
