//! Time (Go: package `time`, `runtime/time.go`). Durations are [`core::time::Duration`].

mod func;
mod handles;
mod heap4;
mod instant;
mod sleep;
#[cfg(all(feature = "kernel-tests", not(test)))]
mod tests;
mod ticker;
mod timer;
mod timers;
mod wall;

pub use core::time::Duration;
pub use handles::{Timer, after, after_func};
pub use instant::{Instant, now, since, until};
pub use sleep::sleep;
pub use ticker::{Ticker, tick};
pub(crate) use timer::{TimerCore, TimerOps};
pub(crate) use timers::Timers;
pub use wall::{SystemTime, SystemTimeError};
