//! The goroutine scheduler: G, M, P (Go: `proc.go`, `runtime2.go`).
//!
//! A **G** is a goroutine, an **M** a kernel thread of the machine, a **P** the right to run Go code and the resources that go with it:
//! a run queue, caches, timers. An M must hold a P to run Gs; there are GOMAXPROCS Ps. Each M has a **g0**, whose stack is the M's own:
//! the scheduler runs there, so that no code ever frees or hands over the stack that it stands on.
//!
//! | file | Go | what |
//! |---|---|---|
//! | `g.rs` `m.rs` `p.rs` `status.rs` | `runtime2.go` | the three structures, G states |
//! | `runq.rs` `runqput.rs` | `proc.go` | a P's 256-slot queue and `runnext` |
//! | `sched.rs` | `proc.go` | the global queue, idle Ms and Ps, under `sched.lock` |
//! | `schedule.rs` `steal.rs` | `proc.go` | `schedule`, `find_runnable`, stealing |
//! | `spinning.rs` `poller.rs` | `proc.go` | how an idle M learns of queued work, and of timers |
//! | `park.rs` `handover.rs` | `proc.go` | `gopark`, `goready`, `gosched` |
//! | `spin.rs` | `proc.go` | whether a waiter for a lock may spin |
//! | `allgs.rs` `alllist.rs` | `proc.go` | all Gs and Ms; dead Gs beyond a reserve are freed |
//! | `bubble.rs` | `synctest.go` | goroutines with a clock of their own |
//! | `coro.rs` | `coro.go` | a goroutine hands its M to another |
//! | `newproc.rs` | `proc.go` | `go`, the death of a goroutine, reuse of Gs and stacks |
//! | `threads.rs` | `proc.go` | `startm`, `stopm`, `mstart` |
//! | `syscall.rs` `sysmon.rs` | `proc.go` | calls that block the M, and who takes their Ps |
//! | `stw.rs` `procresize.rs` | `proc.go` | stopping the world, GOMAXPROCS at run time |
//! | `lockosthread.rs` | `proc.go` | goroutines that are bound to their M |
//! | `schedtrace.rs` `moment.rs` | `schedtrace` | `GODEBUG=schedtrace` |
//! | `figures.rs` `durations.rs` | `metrics.go` `histogram.go` | what Go's `runtime/metrics` asks |
//! | `goroutines.rs` | `mprof.go` | all goroutines, looked at while they go on |
//! | `preempt.rs` | `preempt.go` | time slices and asynchronous preemption |
//! | `preemptstats.rs` | | `GODEBUG=preemptstats`: how long goroutines cannot be preempted |
//! | `schedseed.rs` | `randomizeScheduler` | `GODEBUG=schedseed`: choices that can be repeated |
//! | `start.rs` | `rt0_go`, `schedinit`, `main` | start-up |

mod allgs;
mod alllist;
#[cfg(test)]
mod arrows;
mod bubble;
mod coro;
mod durations;
mod figures;
mod g;
mod goroutines;
mod handover;
mod lockosthread;
mod m;
mod moment;
mod newproc;
mod p;
mod park;
mod poller;
mod preempt;
mod preemptstats;
mod procresize;
mod runq;
mod runqput;
mod sched;
mod schedseed;
mod schedtrace;
mod schedule;
mod shrink;
mod spin;
mod spinning;
mod start;
mod status;
mod steal;
mod stw;
pub mod syscall;
mod sysmon;
#[cfg(all(feature = "kernel-tests", not(test)))]
mod tests;
mod threads;
mod waitreason;

pub(crate) use bubble::{Bubble, durably, enter_bubble, enter_bubble_parked, sleep_in_bubble};
pub(crate) use coro::{end_foreign_to, let_go_of_coroutine, switch_on_g0, switch_to};
pub(crate) use durations::COUNTS;
pub(crate) use figures::figures;
pub use g::{G, GoG};
pub use goroutines::{Goroutine, goroutines};
pub use lockosthread::{lock_os_thread, unlock_os_thread};
pub use m::M;
pub(crate) use newproc::{become_foreign, end_foreign, go_foreign, new_foreign_parked};
pub use newproc::{go, go_with_stack, num_goroutine, set_max_stack, stack_limit};
pub use p::P;
pub use park::{gopark, goparkunlock, goready, gosched};
pub use preempt::{Signal, preempt_signal, stack_grew};
pub(crate) use preemptstats::report as report_preemption;
pub use preemptstats::step;
pub use procresize::set_gomaxprocs;
pub(crate) use sched::ALLM;
pub use sched::{gomaxprocs, set_max_threads};
pub use schedseed::report_seed;
pub use schedule::wake_net_poller;
pub use start::{StartError, Startup, rt0};
pub use status::Status;
pub use threads::{getm, getp, systemstack};
pub use waitreason::WaitReason;

/// What the files that are modelled are built on; their models have loom's.
use core::{hint, sync::atomic};
/// Slots in a P's ring.
const RUNQ_LEN: u32 = 256;

pub(crate) use allgs::ALLGS;
pub(crate) use m::{cheaprandn, random};
pub(crate) use park::{goyield, park_pinned, park_pinned_locks, ready_list, ready_pinned};
pub(crate) use preempt::{acquirem, async_preempt2, lock_count_down, lock_count_up, releasem};
#[cfg(debug_assertions)]
pub(crate) use preempt::{lock_rank_pop, lock_rank_push};
#[cfg(all(feature = "kernel-tests", not(test)))]
pub(crate) use sched::timers_len;
pub(crate) use sched::{all_runs, caches, each_timer};
pub(crate) use shrink::shrink_stacks;
pub(crate) use spin::{can_spin, do_spin};
pub(crate) use stw::{FOR_GC, PAUSES, StoppedWorld, stop_the_world};
#[cfg(all(feature = "kernel-tests", not(test)))]
pub(crate) use tests::prompt::TESTS as PROMPT_TESTS;
