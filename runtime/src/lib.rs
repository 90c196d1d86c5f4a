//! Goroutines: Go's scheduler, channels and allocator, portable and `no_std`.
//!
//! Two faces are visible and nothing else: what programs use ([`prelude`] has most of it, [`guide`]
//! lists it by Go's names), and [`machine`] for the machine below.
#![no_std]

extern crate alloc;
// The macros name this crate `::runtime`, also inside it.
extern crate self as runtime;
#[cfg(test)]
extern crate std;

mod arch;
mod boot_key;
pub mod chan;
pub mod collections;
mod console;
pub mod context;
pub mod debug;
pub mod env;
mod gc;
mod goabi;
mod godebug;
pub mod guide;
mod heap;
mod init;
pub mod io;
mod lock;
pub mod machine;
pub mod math;
mod note;
mod panic;
mod port;
pub mod prelude;
mod print;
mod proc;
mod program;
mod rand;
pub mod sync;
pub mod syscall;
mod testing;
pub mod time;

pub use env::args;
pub use heap::{BySize, MemStats, mem_stats};
pub use panic::{PanicPayload, catch_unwind, goexit, panic_any, panicking, recover};
pub use proc::{
    go, go_with_stack, gomaxprocs, gosched, lock_os_thread, num_goroutine, set_gomaxprocs, unlock_os_thread,
};
pub use program::{Program, Termination};
pub use runtime_macros::{init, kernel_test, program};

/// Waits for one of several sends and receives (Go: `select`).
///
/// ```no_run
/// use runtime::{chan::{Receiver, Sender}, select};
///
/// /// Squares what comes, until nothing does or `quit` is closed.
/// fn squares(numbers: Receiver<u64>, results: Sender<u64>, quit: Receiver<()>) {
///     loop {
///         let n = select! {
///             n = numbers.recv() => match n {
///                 Some(n) => n,
///                 None => break,
///             },
///             _ = quit.recv() => break,
///         };
///         select! {
///             results.send(n * n) => {}
///             quit.recv() => return,
///         }
///     }
/// }
/// ```
///
/// # Arms
/// - `pattern = channel.recv() => expression`: the pattern is matched with what [`recv`](chan::Chan::recv) would return, `Some(element)`, or `None` if the
///   channel is closed and drained. It must match both. `channel.recv() => …` is `_ = channel.recv() => …`.
/// - `channel.send(value) => expression`
/// - `default => expression`, at most one: taken if no other arm is ready; without it the goroutine waits.
///
/// `channel` is an expression for a [`Chan`](chan::Chan), or a [`Receiver`](chan::Receiver) or [`Sender`](chan::Sender), or a reference to one; only
/// it and `value` belong to the operation: `channel` may not be any other expression that has a `recv`. A body that is a block needs no comma after
/// it. The value of the whole is that of the chosen body. `break`, `continue`, `return` and `?` in a body, a channel or a value are those of the
/// code around.
///
/// # What happens
/// 1. Channels and values are evaluated once, in the order of the arms, as in Go: also the values of arms that are not chosen. What should not be
///    made in vain is sent by its maker: `tx.send(make())` makes it always.
/// 2. One of the arms that are ready is chosen at random; if none is, the default arm, or the goroutine waits, for reason `select`. An arm
///    on the nil channel is never ready; a receive from a closed channel always is. A select without arms waits for ever.
/// 3. The values that were not sent are dropped, and temporaries of the channel expressions; the channels are no longer borrowed.
///    ([`chan::select`] keeps them.)
/// 4. The body runs.
///
/// Nothing is allocated, whatever the number of arms.
///
/// # Panics
/// If the chosen arm sends on a closed channel: `send on closed channel`. All values are dropped.
///
/// # Misuse
/// The directions of the handles are checked, and the types of elements:
///
/// ```compile_fail,E0599
/// # let (a, b) = (runtime::chan::make::<u8>(1), runtime::chan::make::<u8>(1));
/// let receiver = a.receiver();
/// runtime::select! {
///     receiver.send(1) => {} // a Receiver cannot send
///     b.recv() => {}
/// }
/// ```
///
/// ```compile_fail,E0599
/// # let (a, b) = (runtime::chan::make::<u8>(1), runtime::chan::make::<u8>(1));
/// let sender = a.sender();
/// runtime::select! {
///     sender.recv() => {} // a Sender cannot receive
///     b.recv() => {}
/// }
/// ```
///
/// ```compile_fail,E0308
/// # let (a, b) = (runtime::chan::make::<u8>(1), runtime::chan::make::<u8>(1));
/// runtime::select! {
///     a.send("text") => {} // the channel's elements are u8
///     b.recv() => {}
/// }
/// ```
///
/// ```compile_fail,E0005
/// # let (a, b) = (runtime::chan::make::<u8>(1), runtime::chan::make::<u8>(1));
/// runtime::select! {
///     Some(v) = a.recv() => {} // and if `a` is closed?
///     b.recv() => {}
/// }
/// ```
///
/// ```compile_fail,E0277
/// # let (a, b) = (runtime::chan::make(1), runtime::chan::make::<u8>(1));
/// runtime::go(move || {
///     runtime::select! {
///         a.send(std::rc::Rc::new(1)) => {} // an Rc may not go to another goroutine
///         b.recv() => {}
///     }
/// });
/// ```
///
/// ```compile_fail
/// # let (a, b) = (runtime::chan::make::<u8>(1), runtime::chan::make::<u8>(1));
/// runtime::select! {
///     a.recv() => {}
///     default => {}
///     default => {} // which?
/// }
/// ```
pub use runtime_macros::select;

/// What `lock.rs` and `note.rs` are built on; their models have loom's.
use core::sync::atomic;

/// How many cores the machine has that came up, whatever [`gomaxprocs`] says (Go: `NumCPU`).
pub fn num_cpu() -> usize {
    port::ncpu()
}

/// Ends the program with an exit status, 0 to 255 (Go: `os.Exit`).
pub fn exit(status: i32) -> ! {
    proc::report_preemption();
    heap::program_ends();
    port::exit(status)
}

/// What the macros name; not for users.
#[doc(hidden)]
pub mod __private {
    /// What `select!` expands to.
    pub mod select {
        pub use crate::chan::arms::*;
    }
    pub use crate::init::*;
    pub use crate::panic::Deferred;
    pub use crate::print::{eprint, print};
    pub use crate::program::PROGRAMS;
    pub use crate::testing::*;
    pub use alloc::boxed::Box;
    pub use alloc::string::String;
    pub use core::any::Any;
    pub use core::fmt;
    pub use linkme;
}
