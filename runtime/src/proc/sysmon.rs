//! sysmon: takes Ps back from blocking calls (Go: `sysmon`, `retake` in `proc.go`).
//!
//! It runs on an M of its own, without a P. Go's also preempts goroutines and polls the network by the clock; here time slices end by the M's
//! own timer (`preempt.rs`) and a sleeping M waits for goroutine timers, so sysmon has work only while some P is in state syscall,
//! and sleeps otherwise. So an idle machine takes no interrupts for it. With `GODEBUG=schedtrace` it also prints that.
//!
//! # Sleeping
//! 1. sysmon sets [`SLEEPING`], then looks at all Ps once more; only if none is in state syscall it sleeps on its note.
//! 2. A goroutine sets its P's state, then looks at [`SLEEPING`] ([`wake`]).
//!
//! Both pairs are sequentially consistent, so one of the two sees the other's store. Who takes the mark away wakes sysmon, once.

use super::p::PStatus;
use super::sched::{self, NMSPINNING, NPIDLE, allp, gomaxprocs};
use super::syscall::handoffp;
use super::threads::{allocm, init_g0, newm};
use super::{M, P};
use crate::godebug::{SCHEDDETAIL, SCHEDTRACE};
use crate::note::Note;
use crate::port;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicPtr, Ordering};

/// The shortest and the longest sleep between two rounds, in nanoseconds, and the rounds without work after which it grows.
const MIN_DELAY_NS: i64 = 20_000;
const MAX_DELAY_NS: i64 = 10_000_000;
const IDLE_ROUNDS: u32 = 50;
/// As many as the longest sleep is away from the shortest.
const MAX_DOUBLINGS: u32 = 9;
/// How long a P stays with its blocking call although nobody would run on it otherwise.
const KEEP_NS: i64 = 10_000_000;
/// How long a line of `schedtrace` waits for a moment at which no goroutine changes hands.
const SETTLE_NS: i64 = 1_000_000_000;

/// The number of sysmon's M, the first after M0's as in Go; `schedinit` keeps it free.
pub(super) const SYSMON_ID: u64 = 1;

static SLEEPING: AtomicBool = AtomicBool::new(false);
static NOTE: AtomicPtr<Note> = AtomicPtr::new(core::ptr::null_mut());

/// Starts sysmon. On g0.
pub(super) fn start() {
    NOTE.store(alloc::boxed::Box::into_raw(alloc::boxed::Box::new(Note::new())), Ordering::Release);
    newm(allocm(SYSMON_ID), sysmon);
}

/// A P has gone to state syscall: wakes sysmon if it sleeps.
#[inline]
pub(super) fn wake() {
    if SLEEPING.load(Ordering::SeqCst) && SLEEPING.swap(false, Ordering::SeqCst) {
        note().wakeup();
    }
}

fn note() -> &'static Note {
    // SAFETY: set by `start` before there are goroutines, never freed.
    unsafe { &*NOTE.load(Ordering::Acquire) }
}

/// How long sysmon sleeps between two rounds: longer and longer while there is nothing for it to do.
#[derive(Default)]
struct Pace {
    /// Rounds in turn in which nothing was taken.
    idle: u32,
}

impl Pace {
    fn delay_ns(&self) -> i64 {
        let doublings = self.idle.saturating_sub(IDLE_ROUNDS).min(MAX_DOUBLINGS);
        (MIN_DELAY_NS << doublings).min(MAX_DELAY_NS)
    }

    /// Counts a round, in which a P was taken or not.
    fn round(&mut self, taken: bool) {
        self.idle = if taken { 0 } else { self.idle.saturating_add(1) };
    }
}

/// What sysmon saw of a P in its last round.
#[derive(Clone, Copy, Default)]
struct Seen {
    syscalltick: u32,
    since: i64,
}

extern "C" fn sysmon(mp: *mut M) -> ! {
    // SAFETY: the current M.
    unsafe { init_g0((*mp).g0) };
    let mut seen: Vec<Seen> = Vec::new();
    let mut pace = Pace::default();
    let period = i64::from(SCHEDTRACE.get()) * 1_000_000;
    let mut next_trace = port::nanotime();
    loop {
        if period != 0 && port::nanotime() >= next_trace {
            // Where goroutines change hands without end a line that does not add up is better than none.
            let late = port::nanotime() >= next_trace + SETTLE_NS;
            if super::schedtrace::print(SCHEDDETAIL.is_on(), late) {
                next_trace = port::nanotime() + period;
            } else {
                port::semasleep(MIN_DELAY_NS);
            }
        }
        SLEEPING.store(true, Ordering::SeqCst);
        let busy = (0..gomaxprocs()).any(|i| allp(i).in_syscall());
        if !busy || !SLEEPING.swap(false, Ordering::SeqCst) {
            // Not busy: until a goroutine takes the mark. Busy, and a goroutine has taken it: its wake-up is on the way.
            let until = if period == 0 { -1 } else { (next_trace - port::nanotime()).max(1) };
            if !note().tsleep(until) {
                if SLEEPING.swap(false, Ordering::SeqCst) {
                    continue;
                }
                // The mark was taken as the time ran out.
                note().sleep();
            }
            note().clear();
            pace = Pace::default();
        }
        // Nobody posts this M's semaphore but for the note.
        port::semasleep(pace.delay_ns());
        pace.round(retake(&mut seen));
    }
}

/// Takes the Ps that are wanted elsewhere from blocking calls that were there in the last round, too. Whether there was any.
fn retake(seen: &mut Vec<Seen>) -> bool {
    let (mut taken, now) = (false, port::nanotime());
    seen.resize(gomaxprocs(), Seen::default());
    for (i, seen) in seen.iter_mut().enumerate() {
        let pp = allp(i);
        if !pp.in_syscall() {
            continue;
        }
        let tick = pp.syscalltick.load(Ordering::Relaxed);
        if seen.since == 0 || seen.syscalltick != tick {
            *seen = Seen { syscalltick: tick, since: now };
            continue;
        }
        let others = NMSPINNING.load(Ordering::SeqCst) + NPIDLE.load(Ordering::SeqCst) > 0;
        if pp.runq.is_empty() && others && now - seen.since < KEEP_NS {
            continue;
        }
        // The P in sysmon's hands counts as one more M that is busy: else the M that finds it gone on its return queues its goroutine, goes to
        // sleep as the last one, and reports a deadlock (Go: `incidlelocked(-1)` in `retake`).
        sched::lock().nmidlelocked -= 1;
        if pp.try_take_from_syscall(PStatus::Idle) {
            taken = true;
            handoffp(core::ptr::from_ref::<P>(pp).cast_mut());
        }
        sched::lock().nmidlelocked += 1;
    }
    taken
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Go's: 20 µs for 50 rounds, then twice as long each time up to 10 ms; 20 µs again once there was work.
    #[test]
    fn sysmon_slows_down_while_there_is_nothing_to_do() {
        let mut pace = Pace::default();
        let mut delays = Vec::new();
        for _ in 0..70 {
            delays.push(pace.delay_ns() / 1000);
            pace.round(false);
        }
        assert!(delays[..=50].iter().all(|&us| us == 20));
        assert_eq!(delays[51..61], [40, 80, 160, 320, 640, 1280, 2560, 5120, 10_000, 10_000]);
        pace.round(true);
        assert_eq!(pace.delay_ns(), MIN_DELAY_NS);
        pace.idle = u32::MAX;
        pace.round(false);
        assert_eq!(pace.delay_ns(), MAX_DELAY_NS);
    }
}
