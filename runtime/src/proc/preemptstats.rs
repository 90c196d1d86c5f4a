//! `GODEBUG=preemptstats=1`: how long the stretches are in which a goroutine cannot be preempted, by the processor's own count.
//!
//! # Problem
//! A request that lands in an unsafe place waits: for a runtime lock to be given back, for `releasem`, for the scheduler to leave g0, for interrupts to
//! come on. How long, and where, must be measured without a cost for those who do not ask.
//!
//! # Rejected
//! A clock read at both ends of each region: ends lie in the hottest paths (`acquirem` and `releasem` are four instructions), and even a branch that is
//! never taken is two more in each. Patching the code at start: writable code, on every core at once. Repeating a refused request until it is
//! honoured: an interrupt costs more instructions than most regions have, so it measures itself.
//!
//! # Protocol
//! 1. The scheduling timer of every M that has a P fires at random moments, 20 to 200 µs apart, whether a slice ends or not.
//! 2. It meets an unsafe place: the processor is told to trap after each instruction (the TF flag of the interrupted code), and [`step`] counts
//!    them until the place is safe. So a region's count is exact from the sample on, and of many samples the longest is nearly all of the region.
//! 3. On the way, runs of instructions with interrupts off are counted, too. Interrupt handlers clear TF and are not counted.
//! 4. An M that gives up its P has nothing to preempt any more; such samples are dropped.
//! 5. A real request that is refused (its slice is over, others wait) is not stepped but timed, by the clock, until it is honoured: by the retry
//!    or because the goroutine gave way by itself.
//!
//! Regions are named by the function in which they end, since all samples of a region share it.
//!
//! # Units
//! Instructions, on any machine. The delays of 5 are nanoseconds, which are instructions too under `qemu-run.sh -icount`.
//!
//! # Cost
//! Without the setting: a branch where the timer is armed (once a slice) and one in the interrupt. With it the program runs many times slower.

use super::preempt::at_safe_place;
use super::{G, M};
use crate::eprintln;
use crate::godebug::PREEMPTSTATS;
use crate::port;
use core::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering};

/// What is measured on an M; touched by interrupts on its own thread only.
pub(super) struct Probe {
    stepping: AtomicBool,
    /// Where the sample was taken.
    from: AtomicUsize,
    instructions: AtomicU64,
    /// Of these, the last with interrupts off.
    interrupts_off: AtomicU64,
    /// Nanotime at which a request was refused, 0 if none waits.
    refused: AtomicI64,
}

impl Probe {
    pub(super) const fn new() -> Probe {
        Probe {
            stepping: AtomicBool::new(false),
            from: AtomicUsize::new(0),
            instructions: AtomicU64::new(0),
            interrupts_off: AtomicU64::new(0),
            refused: AtomicI64::new(0),
        }
    }
}

/// A stretch that is longer is given up: something is wrong, and single steps take their time.
const MAX_STEPS: u64 = 1 << 20;
/// How many functions a table has room for; what comes later is not told apart.
const SITES: usize = 256;
/// How many of them are printed.
const PRINTED: usize = 20;

/// A function in which regions end.
struct Site {
    function: AtomicUsize,
    times: AtomicU64,
    longest: AtomicU64,
    /// Where the sample of the longest was taken.
    from: AtomicUsize,
}

struct Table([Site; SITES]);

static REGIONS: Table = Table::new();
static INTERRUPTS_OFF: Table = Table::new();
/// Requests that were refused at first, and the longest that one waited, in nanoseconds.
static REFUSED: AtomicU64 = AtomicU64::new(0);
static LONGEST_WAIT: AtomicI64 = AtomicI64::new(0);

/// Whether statistics are asked for.
pub(super) fn is_on() -> bool {
    PREEMPTSTATS.is_on()
}

/// How long to the next sample, in nanoseconds.
pub(super) fn interval_ns(mp: &M) -> i64 {
    i64::from(20_000 + mp.rand.below(180_000))
}

/// The signal met an unsafe place, at `pc`, on an M with a P, which is not being stepped through. Whether to step from there.
pub(super) fn unsafe_place(mp: &M, pc: usize) -> bool {
    let probe = &mp.probe;
    if probe.refused.load(Ordering::Relaxed) != 0 {
        return false;
    }
    probe.stepping.store(true, Ordering::Relaxed);
    probe.from.store(pc, Ordering::Relaxed);
    probe.instructions.store(0, Ordering::Relaxed);
    probe.interrupts_off.store(0, Ordering::Relaxed);
    true
}

/// A request was refused.
pub(super) fn refused(mp: &M) {
    mp.probe.stepping.store(false, Ordering::Relaxed);
    if mp.probe.refused.load(Ordering::Relaxed) == 0 {
        mp.probe.refused.store(port::nanotime(), Ordering::Relaxed);
        REFUSED.fetch_add(1, Ordering::Relaxed);
    }
}

/// A goroutine of the current M gave way, or could, at `when` (nanotime).
pub(super) fn honoured(mp: &M, when: i64) {
    let refused = mp.probe.refused.swap(0, Ordering::Relaxed);
    if refused != 0 {
        LONGEST_WAIT.fetch_max(when - refused, Ordering::Relaxed);
    }
    mp.probe.stepping.store(false, Ordering::Relaxed);
}

/// The current M has left its P for a blocking call: nobody waits for it.
pub(super) fn dropped(mp: &M) {
    mp.probe.refused.store(0, Ordering::Relaxed);
    mp.probe.stepping.store(false, Ordering::Relaxed);
}

/// No request is due on the current M, whose goroutine's slice began at `when` (nanotime): if one was refused before that, the switch honoured it.
pub(super) fn honoured_before(mp: &M, when: i64) {
    let refused = mp.probe.refused.load(Ordering::Relaxed);
    if refused != 0 && refused <= when {
        mp.probe.refused.store(0, Ordering::Relaxed);
        LONGEST_WAIT.fetch_max(when - refused, Ordering::Relaxed);
    }
}

/// The trap after an instruction, in which interrupts were on or off, met code at `pc` with stack pointer `sp`. Whether to step on.
///
/// # Safety
/// As [`super::preempt_signal`].
pub unsafe fn step(sp: usize, pc: usize, interrupts_on: bool) -> bool {
    let gp = port::getg();
    // SAFETY: the current G.
    let mp: *mut M = if gp.is_null() { return false } else { unsafe { (*gp).m } };
    if mp.is_null() {
        return false;
    }
    // SAFETY: the current M.
    let (mp, gp): (&M, &G) = unsafe { (&*mp, &*gp) };
    let probe = &mp.probe;
    if !probe.stepping.load(Ordering::Relaxed) {
        return false;
    }
    let n = probe.instructions.fetch_add(1, Ordering::Relaxed) + 1;
    let from = probe.from.load(Ordering::Relaxed);
    if !interrupts_on {
        probe.interrupts_off.fetch_add(1, Ordering::Relaxed);
    } else {
        let off = probe.interrupts_off.swap(0, Ordering::Relaxed);
        if off > 0 {
            INTERRUPTS_OFF.record(pc, off, from);
        }
    }
    let safe = !core::ptr::eq(gp, mp.g0) && at_safe_place(gp, sp);
    if safe || n == MAX_STEPS {
        REGIONS.record(pc, n, from);
    }
    let on = !safe && n < MAX_STEPS && !mp.p.is_null();
    probe.stepping.store(on, Ordering::Relaxed);
    on
}

impl Table {
    const fn new() -> Table {
        Table(
            [const {
                Site {
                    function: AtomicUsize::new(0),
                    times: AtomicU64::new(0),
                    longest: AtomicU64::new(0),
                    from: AtomicUsize::new(0),
                }
            }; SITES],
        )
    }

    fn record(&self, pc: usize, instructions: u64, from: usize) {
        let function = port::symbol(pc).map_or(pc, |(_, offset)| pc - offset);
        let mine = |site: &&Site| match site.function.compare_exchange(
            0,
            function,
            Ordering::Relaxed,
            Ordering::Relaxed,
        ) {
            Ok(_) => true,
            Err(other) => other == function,
        };
        let site = self.0.iter().find(mine).unwrap_or(&self.0[SITES - 1]);
        site.times.fetch_add(1, Ordering::Relaxed);
        if site.longest.fetch_max(instructions, Ordering::Relaxed) < instructions {
            // Two at once may leave the other's place behind.
            site.from.store(from, Ordering::Relaxed);
        }
    }

    fn print(&self, title: &str) {
        let mut order: [usize; SITES] = core::array::from_fn(|i| i);
        order.sort_unstable_by_key(|&i| core::cmp::Reverse(self.0[i].longest.load(Ordering::Relaxed)));
        let times: u64 = self.0.iter().map(|site| site.times.load(Ordering::Relaxed)).sum();
        eprintln!("preemptstats: {title}, {times} samples\n   longest    times  ends in (longest met in)");
        for site in order.map(|i| &self.0[i]).iter().take(PRINTED) {
            let times = site.times.load(Ordering::Relaxed);
            if times == 0 {
                break;
            }
            eprintln!(
                "{:>10} {times:>8}  {} ({})",
                site.longest.load(Ordering::Relaxed),
                Function(site.function.load(Ordering::Relaxed)),
                Function(site.from.load(Ordering::Relaxed)),
            );
        }
    }
}

/// The function that an address is in.
struct Function(usize);

impl core::fmt::Display for Function {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match port::symbol(self.0) {
            Some((name, _)) => f.write_str(name),
            None => write!(f, "{:#x}", self.0),
        }
    }
}

/// Prints the tables, if they were asked for: the program is about to end.
pub(crate) fn report() {
    if !is_on() {
        return;
    }
    REGIONS.print("instructions until a goroutine could be preempted");
    INTERRUPTS_OFF.print("of these, instructions with interrupts off");
    eprintln!(
        "preemptstats: {} requests were refused at first; the last was honoured at most {} ns later",
        REFUSED.load(Ordering::Relaxed),
        LONGEST_WAIT.load(Ordering::Relaxed)
    );
}
