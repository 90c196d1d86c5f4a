//! What the scheduler counts, for Go's `runtime/metrics` (Go: `schedStatsAggregate`, `cpuStats`).
//!
//! The queues are those of one moment (`moment.rs`), as in `schedtrace.rs`; all else is read as it is.

use super::moment::{self, PMoment};
use super::sched::{self, ALLM, GOIDGEN, all_ps, gomaxprocs};
use super::threads::systemstack;
use super::{Status, num_goroutine};
use crate::port;
use alloc::vec::Vec;
use core::hint::spin_loop;
use core::sync::atomic::Ordering;

/// How often a moment is looked for before what was read last is taken.
const TRIES: u32 = 1000;

/// See the module's text. Times are sums over Ps, in nanoseconds.
#[derive(Debug)]
pub(crate) struct Figures {
    /// Goroutines there are, and how many there ever were.
    pub(crate) goroutines: u64,
    pub(crate) created: u64,
    /// Of those there are: on Ps, in queues, and in blocking calls.
    pub(crate) running: u64,
    pub(crate) runnable: u64,
    pub(crate) in_calls: u64,
    /// Threads, sysmon's included.
    pub(crate) threads: u64,
    /// How long there were Ps, and how long they were idle.
    pub(crate) total_ns: u64,
    pub(crate) idle_ns: u64,
}

/// The figures. On a goroutine.
pub(crate) fn figures() -> Figures {
    systemstack(|| {
        let mut tries = 0;
        loop {
            let mut ps = Vec::with_capacity(gomaxprocs());
            let s = sched::lock();
            let settled = moment::read(&s, &mut ps);
            tries += 1;
            if !settled && tries < TRIES {
                // An M with a goroutine in its hands may wait for the lock.
                drop(s);
                spin_loop();
                continue;
            }
            let (total, idle) = s.p_ticks();
            return Figures {
                goroutines: num_goroutine() as u64,
                created: created(),
                running: ps.iter().filter(|p| p.runs()).count() as u64,
                runnable: (s.runq.len() + ps.iter().map(PMoment::queued).sum::<usize>()) as u64,
                in_calls: in_calls(),
                threads: s.nms + 1,
                total_ns: nanoseconds(total),
                idle_ns: nanoseconds(idle),
            };
        }
    })
}

/// How many numbers were given to goroutines. With other Ps at work, a moment's figure.
fn created() -> u64 {
    let taken = GOIDGEN.load(Ordering::Relaxed) - 1;
    // SAFETY: words of Ps, which are never freed. Their owners may write them meanwhile.
    let unused = |p: &super::P| unsafe {
        let end = (&raw const p.end_goid).read_volatile();
        end.saturating_sub((&raw const p.next_goid).read_volatile())
    };
    taken.saturating_sub(all_ps().map(unused).sum())
}

/// How many goroutines are in calls that block their M.
fn in_calls() -> u64 {
    let mut n = 0;
    ALLM.for_each(|mp| {
        // SAFETY: Ms are never freed, and under `sched.lock` neither are their Gs (`allgs.rs`).
        let gp = unsafe { (*mp).curg.as_ref() };
        n += u64::from(gp.is_some_and(|g| g.status() == Status::Syscall));
    });
    n
}

fn nanoseconds(ticks: i64) -> u64 {
    (i128::from(ticks) * 1_000_000 / i128::from(port::cputicks_per_ms())) as u64
}
