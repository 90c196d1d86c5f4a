//! Programs that misuse the heap or locks, or get no memory: each is found out, none hangs.

use super::case::{Case, fails, options, run};
use super::{MALLOCDEBUG, PATIENCE};
use crate::guests::Guests;
use crate::harness::{Job, Outcome};
use boot::options::Options;

/// Misuse of the heap that its debug mode finds, with where the object was allocated and freed.
const MISUSES: &[(&str, &[&str])] = &[
    (
        "double_free",
        &["mallocdebug: double free", "allocated at:", "misuse::", "freed at:", "misuse::double_free"],
    ),
    ("foreign_free", &["mallocdebug: free of", "not the heap's", "misuse::foreign_free"]),
    ("overrun", &["mallocdebug: overrun", "byte 100", "allocated at:", "misuse::"]),
    ("underrun", &["mallocdebug: underrun", "byte 1 before", "allocated at:", "misuse::"]),
    ("use_after_free", &["after its free: byte 7", "allocated at:", "misuse::", "freed at:"]),
];

/// Misuse of locks (Go: `TestMutexMisuse`) and of `singleflight`, and each way to wait, all of which end the program.
const SYNC_MISUSES: &[(&str, &[&str])] = &[
    ("mutex_unlock", &["fatal error: sync: unlock of unlocked mutex\n\ngoroutine 1 "]),
    ("mutex_unlock2", &["fatal error: sync: unlock of unlocked mutex\n"]),
    ("rwmutex_unlock", &["fatal error: sync: Unlock of unlocked RWMutex\n"]),
    ("rwmutex_unlock2", &["fatal error: sync: Unlock of unlocked RWMutex\n"]),
    ("rwmutex_unlock3", &["fatal error: sync: Unlock of unlocked RWMutex\n"]),
    ("rwmutex_runlock", &["fatal error: sync: RUnlock of unlocked RWMutex\n"]),
    ("rwmutex_runlock2", &["fatal error: sync: RUnlock of unlocked RWMutex\n"]),
    ("rwmutex_runlock3", &["fatal error: sync: RUnlock of unlocked RWMutex\n"]),
    (
        "panic_do_chan",
        &["panic: Panicking in DoChan [recovered, repanicked]\n", "sync_misuse::panic_do_chan"],
    ),
    ("panic_do_shared_by_do_chan", &["panic: Panicking in Do [recovered, repanicked]\n"]),
    (
        "deadlock",
        &[
            "goroutine 1 [chan receive (nil chan)]:\n",
            "[sync.Mutex.Lock]:\n",
            "[sync.RWMutex.Lock]:\n",
            "[sync.RWMutex.RLock]:\n",
            "[sync.Cond.Wait]:\n",
        ],
    ),
];

/// Programs whose every early allocation is made to fail in turn (`GZERO_FAILALLOC`), and the status they end with when none does.
const FAILING: &[(&str, u8)] = &[("pingpong", 0), ("memstats", 0), ("parfib 8", 0), ("crash panic", 2)];

/// A job for each.
pub fn jobs(guests: &Guests) -> Vec<Job<'_>> {
    let mut jobs = Vec::new();
    for (kind, pieces) in MISUSES {
        let case = Case { env: MALLOCDEBUG, ..fails("misuse", &[2], "", pieces, 2) };
        let name = format!("programs::misuse_{kind}");
        jobs.push(Job::one(name, move || run(guests, 2, &case, &format!("crash {kind}"))));
    }
    for (kind, pieces) in SYNC_MISUSES {
        let case = fails("sync_misuse", &[2], "", pieces, 2);
        let name = format!("programs::sync_misuse_{kind}");
        jobs.push(Job::one(name, move || run(guests, 2, &case, &format!("sync_misuse {kind}"))));
    }
    for &(line, status) in FAILING {
        let name = format!("programs::failing_allocations::{}", line.replace(' ', "_"));
        jobs.push(Job::one(name, move || failing_allocations(guests, line, status)));
    }
    jobs
}

/// The N-th allocation fails, for many N: the program goes on without it or ends with the report, and never hangs.
fn failing_allocations(guests: &Guests, line: &str, status: u8) -> Outcome {
    for n in (1..16).chain([20, 30, 50, 80, 200]) {
        let env = vec![("GZERO_FAILALLOC".into(), n.to_string().into())];
        let ran = guests
            .run(&Options { env, ..options(2, line) }, PATIENCE)
            .map_err(|error| format!("allocation {n}: {error}"))?;
        let reported = ran.status == 2 && ran.errors.contains("out of memory");
        if !reported && ran.status != status {
            return Err(format!("allocation {n}: {}", ran.describe()));
        }
    }
    Ok(())
}
