//! Time (Go: package `time`, `runtime/time.go`; C4). Durations are [`core::time::Duration`].

mod heap4;
mod instant;
mod sleep;
#[cfg(all(feature = "kernel-tests", not(test)))]
mod tests;
mod timers;

pub use core::time::Duration;
pub use instant::{Instant, now};
pub use sleep::sleep;
pub use timers::{Timer, TimerFn, Timers};
