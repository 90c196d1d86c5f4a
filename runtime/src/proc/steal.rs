//! Work stealing, and the last looks before an M sleeps (Go: `stealWork`, `checkRunqsNoP`, `checkTimersNoP`).

use super::sched::{allp, gomaxprocs};
use super::{G, M, P};
use crate::port;
use core::ptr::null_mut;
use core::sync::atomic::Ordering;

const ROUNDS: u32 = 4;
/// How long a thief lets a running P use its own `runnext`: readying a goroutine and then blocking is one motion, and
/// taking the goroutine in between would bounce it between cores (Go: 3 µs).
const RUNNEXT_GRACE_NS: i64 = 3_000;

/// What a round of stealing found.
pub(super) struct Stolen {
    /// A goroutine to run, or null.
    pub(super) gp: *mut G,
    /// When the earliest timer of all Ps is due (nanotime), 0 if none. Set if nothing else was found.
    pub(super) poll_until: i64,
    /// A timer ran and may have made goroutines ready: look again.
    pub(super) new_work: bool,
}

/// Visits all Ps four times, each time in another random order, and takes half of the first queue that is not empty. Timers and
/// `runnext` of others are touched in the last round only.
///
/// # Safety
/// `mp` is the current M, spinning, and holds `pp`.
pub(super) unsafe fn steal_work(mp: *mut M, pp: *mut P, now: i64) -> Stolen {
    let n = gomaxprocs() as u32;
    let mut found = Stolen { gp: null_mut(), poll_until: 0, new_work: false };
    for round in 0..ROUNDS {
        let last = round == ROUNDS - 1;
        // SAFETY: the current M's own generator.
        let (start, step) = unsafe { ((*mp).rand.below(n), coprime_step(&(*mp).rand, n)) };
        let mut i = start;
        for _ in 0..n {
            let p2 = allp(i as usize);
            i = (i + step) % n;
            let me = core::ptr::eq(p2, pp);
            if last && p2.timers.wake_time_before_sleep() != 0 {
                let (ran, next) = p2.timers.check(now);
                if next != 0 && (found.poll_until == 0 || next < found.poll_until) {
                    found.poll_until = next;
                }
                if ran {
                    // The timers' goroutines went to this P's queue.
                    // SAFETY: the current M's P.
                    let (gp, _) = unsafe { (*pp).runq.pop() };
                    if !gp.is_null() {
                        found.gp = gp;
                        return found;
                    }
                    found.new_work = true;
                }
            }
            if me || p2.runq.is_empty() {
                continue;
            }
            if last && p2.is_running() {
                grace();
            }
            // SAFETY: the current M's P is the thief's own queue.
            let gp = unsafe { p2.runq.steal_into(&(*pp).runq, last) };
            if !gp.is_null() {
                // SAFETY: the current M's P.
                unsafe { (*pp).steals.fetch_add(1, Ordering::Relaxed) };
                found.gp = gp;
                return found;
            }
        }
    }
    found
}

fn grace() {
    let end = port::nanotime() + RUNNEXT_GRACE_NS;
    while port::nanotime() < end {
        core::hint::spin_loop();
    }
}

/// A random step that visits each of `n` Ps once (Go: `randomOrder`): coprime with `n`.
fn coprime_step(rand: &crate::rand::Rand, n: u32) -> u32 {
    loop {
        let step = rand.below(n) + 1;
        if gcd(step, n) == 1 {
            return step;
        }
    }
}

fn gcd(mut a: u32, mut b: u32) -> u32 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// Whether any P has queued goroutines.
pub(super) fn any_runq() -> bool {
    (0..gomaxprocs()).any(|i| !allp(i).runq.is_empty())
}

/// The earliest of `poll_until` and all Ps' timers; 0 = none.
pub(super) fn earliest_timer(mut poll_until: i64) -> i64 {
    for i in 0..gomaxprocs() {
        let w = allp(i).timers.wake_time();
        if w != 0 && (poll_until == 0 || w < poll_until) {
            poll_until = w;
        }
    }
    poll_until
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_step_visits_every_p_once() {
        let rand = crate::rand::Rand::new(7);
        for n in 1..=64u32 {
            for _ in 0..32 {
                let (mut i, step) = (rand.below(n), coprime_step(&rand, n));
                let mut seen = [false; 64];
                for _ in 0..n {
                    assert!(!seen[i as usize], "P {i} visited twice, n={n} step={step}");
                    seen[i as usize] = true;
                    i = (i + step) % n;
                }
            }
        }
    }
}
