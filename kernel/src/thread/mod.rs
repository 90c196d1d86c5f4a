//! Kernel threads: what the runtime's Ms are made of.
//!
//! A thread runs on one core at a time, sleeps on its own semaphore with an optional deadline, and is time-shared when more threads are runnable
//! than there are cores. It has a fully backed stack. Everything a goroutine needs is above this layer; here is only what an
//! operating system does for Go's runtime with `clone`, `futex` and `sched_yield`.
//!
//! | file | what |
//! |---|---|
//! | `thread.rs` | the thread, its states, its semaphore |
//! | `runqueue.rs` | a core: its queue, its idle thread |
//! | `queue.rs` | that queue |
//! | `idle.rs` | how a core sleeps, and which core a woken thread goes to |
//! | `switch.rs` | the switch between two threads, and what is done with the former one after it |
//! | `exit.rs` | the end of a thread |
//! | `timer.rs` | a core's one timer, shared by sleeping threads, time slices and the runtime |
//! | `counters.rs` | what its interrupts were for |

mod counters;
mod exit;
mod idle;
mod queue;
mod runqueue;
mod sleep;
mod switch;
#[cfg(feature = "kernel-tests")]
mod tests;
#[allow(clippy::module_inception, reason = "the thread itself, beside what is done with threads")]
mod thread;
mod timer;

/// What the files that are modelled are built on; their models have loom's.
use core::sync::atomic;
pub use counters::log_counters;

pub use exit::exit;
pub use runqueue::{enter_idle, init, yield_now};
pub use sleep::{post, sleep};
pub use thread::{Thread, current, spawn};
pub use timer::{on_reschedule, on_signal, on_timer, set_signal_timer, signal};
