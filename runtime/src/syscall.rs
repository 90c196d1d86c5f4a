//! Calls that hold the thread (Go: `syscall`): the P goes to other goroutines meanwhile.

pub use crate::proc::syscall::{nanosleep, num_blocking_calls};
