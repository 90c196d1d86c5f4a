//! Time on the machine: the tests of Go's `time/sleep_test.go` and `time/tick_test.go`, written anew, and our own. Each test names the bug
//! that it would show. None asserts that something is quick: a test waits for what is bound to come, and a deadline is only ever a lower bound.

mod after_func;
mod channel;
mod leaks;
mod sleep;
mod ticker;
mod timer;

use super::{Duration, Instant, Timer, after_func, now};
use crate::chan::{self, Receiver};

const MILLISECOND: Duration = Duration::from_millis(1);
const HOUR: Duration = Duration::from_secs(3600);

/// A timer of either kind, with a channel that gets a value when it goes off.
struct Timed {
    c: Receiver<Instant>,
    timer: Timer,
}

/// Go's `NewTimer`.
fn with_channel(d: Duration) -> Timed {
    let timer = Timer::new(d);
    Timed { c: timer.c.clone(), timer }
}

/// Go's `newTimerFunc`: the same by a function.
fn with_function(d: Duration) -> Timed {
    let c = chan::make(1);
    let end = c.receiver();
    Timed { c: end, timer: after_func(d, move || c.send(now())) }
}

/// Go's `impl=chan` and `impl=func`.
const KINDS: [fn(Duration) -> Timed; 2] = [with_channel, with_function];
