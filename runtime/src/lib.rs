//! Goroutines: Go's scheduler, channels and allocator, portable and `no_std`.
#![no_std]

extern crate alloc;
// The macros name this crate `::runtime`, also inside it.
extern crate self as runtime;
#[cfg(test)]
extern crate std;

pub mod arch;
pub mod chan;
pub mod debug;
pub mod godebug;
pub mod heap;
pub mod init;
pub mod lock;
pub mod note;
pub mod panic;
pub mod port;
mod print;
pub mod proc;
mod program;
mod rand;
pub mod sync;
pub mod testing;
pub mod time;

pub use heap::{MemStats, mem_stats};
pub use panic::{goexit, panic_any, recover};
pub use proc::{go, go_with_stack, gomaxprocs, gosched, num_goroutine};
pub use program::{PROGRAMS, Program, Termination};
pub use runtime_macros::{init, kernel_test, program};

/// What `note.rs` is built on; its model has loom's.
use core::sync::atomic;

/// The program's name and arguments.
pub fn args() -> &'static [&'static str] {
    port::args()
}

/// The program's environment, as pairs of name and value.
pub fn environ() -> &'static [(&'static str, &'static str)] {
    port::environ()
}

/// Ends the program with an exit status, 0 to 255 (Go: `os.Exit`).
pub fn exit(status: i32) -> ! {
    heap::program_ends();
    port::exit(status)
}

/// What the macros name; not for users.
#[doc(hidden)]
pub mod __private {
    pub use crate::print::print;
    pub use alloc::boxed::Box;
    pub use core::any::Any;
    pub use core::fmt;
    pub use linkme;
}
