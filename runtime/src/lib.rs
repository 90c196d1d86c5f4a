//! Goroutines: Go's scheduler, channels and allocator, portable and `no_std`.
#![no_std]

extern crate alloc;
// The macros name this crate `::runtime`, also inside it.
extern crate self as runtime;

mod program;
pub mod testing;

pub use program::{PROGRAMS, Program, Termination};
pub use runtime_macros::{kernel_test, program};

/// What the attribute macros name; not for users.
#[doc(hidden)]
pub mod __private {
    pub use linkme;
}
