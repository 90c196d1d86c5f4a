//! Go programs: what code compiled by the stock Go toolchain calls of this runtime, and what this runtime must know of it.
//!
//! The Go program is an ELF of its own (`docs/go-programs.md`). Its half is `go/` at the repository's top: files of package runtime that stand in for Go's own
//! scheduler, channels, timers and memory. This is the other half, the only place that knows Go's layouts, and it knows them from the program itself.
//!
//! | file | `go/runtime/` | what |
//! |---|---|---|
//! | `table.rs` | `gzero_amd64.s` | the functions that Go code calls, by number |
//! | `layout.rs` | `gzero.go` | the addresses and offsets that the program registers |
//! | `m.rs` | `gzero.go` | Go's `m` of each M; calls of Go code from the scheduler |
//! | `proc.rs` `coro.rs` | `proc.go` `coro.go` | goroutines |
//! | `chan.rs` `sema.rs` `time.rs` | `chan.go` `select.go` `sema.go` `time.go` | channels, semaphores, timers |
//! | `bubble.rs` | `synctest.go` | bubbles of `testing/synctest` |
//! | `malloc.rs` `collect.rs` | `malloc.go` `mgc.go` `mfinal.go` `mstats.go` | memory, and the collector's roots |
//! | `profile.rs` | `blockprof.go` | what is measured for profiles of blocking |
//! | `metrics.rs` | `metrics.go` | what `runtime/metrics` shows |
//! | `frames.rs` `objects.rs` | | which words of a stack are roots |
//! | `os.rs` | `os_linux.go` | console, arguments, end |
//! | `syscall.rs` `pipe.rs` | `os_linux.go` | Linux's system calls |
//! | `fault.rs` | `signal_unix.go` | faults become panics |
//! | `preempt.rs` `pclntab.rs` | `stack.go` | where Go code may be preempted |
//! | `report.rs` | `proc.go` | all goroutines for Go's tracebacks; deadlock |
//!
//! # One G
//! Go's `g` lies right behind each [`G`](crate::proc::G), and the machine's word for the current G is its
//! address: `gs:8` here, `FS:-8` and R14 there are one. Each M has an `m` of Go's: `g.m` and `m.curg` are set by the stubs in `gzero_amd64.s` when a call that may park returns, and `m.g0` is the M's own g0. So Go's `systemstack`, `mcall` and `morestack`
//! do as they always do, and this scheduler's switches know nothing of Go.
//!
//! # Rules
//! - Rust runs on the goroutine's stack. Nothing here may panic, and no Go code that may panic is called from here.
//! - Go code called from here runs on a scheduler's stack ([`m::call`]), where nothing is preempted.

mod bubble;
mod chan;
mod collect;
mod coro;
mod fault;
mod frames;
mod layout;
mod m;
mod malloc;
mod metrics;
mod objects;
mod os;
mod pclntab;
mod pipe;
mod preempt;
mod proc;
mod profile;
mod report;
mod sema;
mod syscall;
mod table;
mod time;

pub(crate) use bubble::{bubble_of, set_bubble, with_bubble};
pub use fault::{Fault, fault};
pub(crate) use layout::is_on;
pub(crate) use m::{deadlock, minit, rebind};
pub(crate) use preempt::{may_preempt, refused};

use crate::port;

/// Bytes for Go's `g` behind each [`G`](crate::proc::G) where a Go program runs.
pub(crate) const G_BYTES: usize = 448;

/// Runs the Go program that the machine was given, as the main goroutine. Does not return.
pub fn run() -> ! {
    let entry = match port::load_program() {
        Ok(entry) => entry,
        Err(why) => refuse(format_args!("cannot run the Go program: {why}")),
    };
    table::enter(entry)
}

/// Ends the machine for a program that cannot be run.
fn refuse(why: core::fmt::Arguments<'_>) -> ! {
    /// BSD: `EX_NOINPUT`.
    const STATUS: i32 = 66;
    port::write_err(alloc::format!("gzero: {why}\n").as_bytes());
    port::exit(STATUS)
}
