//! Time: the cores' time stamp counters, scaled.
//!
//! `nanotime` is `(tsc - start) * mult >> 32` with a 128-bit product. The factor comes from [`calibrate`](super::calibrate).
//!
//! **Monotonic across cores.** `LFENCE` keeps the counter from being read before earlier loads are done (SDM vol. 2, RDTSC), so a core that
//! has seen another's time reads a later one, if the counters run in step. On current CPUs they do: they start at reset together
//! and tick at one rate. Each core checks when it starts ([`check_in_step`]): it compares its counter with the latest that
//! any core had published before, while the others do the same. If one is found behind, every reading from then on is
//! pushed up to a shared maximum. That is monotonic and costs a contended cache line; the rate is right on each core, but a core that is
//! behind sees time stand still for as long as it is behind. QEMU's counters are in step, so only the mechanism is tested, not its need.
//!
//! Rejected: an offset for each core, measured at start (right only to the precision of a round trip between cores, so
//! the maximum would be needed all the same); the HPET as the clock (a microsecond for each reading).

use core::arch::x86_64::{_mm_lfence, _rdtsc};
use core::hint::spin_loop;
use core::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

/// What `nanotime` reads, in one cache line. Go programs read the first three words, too
/// (`runtime::machine::Port::clock_words`).
#[repr(C, align(64))]
struct Scale {
    start: AtomicU64,
    /// Nanoseconds in a tick, times 2³². 0, which stops the clock, until it is calibrated.
    mult: AtomicU64,
    out_of_step: AtomicBool,
    hz: AtomicU64,
}

static SCALE: Scale = Scale {
    start: AtomicU64::new(0),
    mult: AtomicU64::new(0),
    out_of_step: AtomicBool::new(false),
    hz: AtomicU64::new(0),
};

/// The latest time that any core has read, kept if the counters are out of step.
static MAXIMUM: AtomicU64 = AtomicU64::new(0);

/// The latest counter that a core published to [`check_in_step`], and how far behind it one was found.
static PUBLISHED: AtomicU64 = AtomicU64::new(0);
static BEHIND: AtomicU64 = AtomicU64::new(0);

/// Unix time in nanoseconds when `nanotime` was 0.
static BOOTED_AT: AtomicI64 = AtomicI64::new(0);

/// The time stamp counter, read when all earlier loads are done.
#[inline(always)]
fn ordered_cycles() -> u64 {
    // SAFETY: SSE2 is part of x86_64, and reading the counter is allowed in ring 0.
    unsafe {
        _mm_lfence();
        _rdtsc()
    }
}

/// Nanoseconds since the kernel started, monotonic across cores. 0 until the clock is calibrated.
#[inline(always)]
pub fn nanotime() -> u64 {
    let ticks = ordered_cycles().wrapping_sub(SCALE.start.load(Ordering::Relaxed));
    let ns = ((u128::from(ticks) * u128::from(SCALE.mult.load(Ordering::Relaxed))) >> 32) as u64;
    if SCALE.out_of_step.load(Ordering::Relaxed) { push_up(ns) } else { ns }
}

/// The address of what [`nanotime`] reads: the counter's start, its scale, and a byte that says
/// whether the counters are out of step.
pub fn words() -> *const u64 {
    (&raw const SCALE).cast()
}

/// The latest time that any core has seen, `ns` included.
#[cold]
pub(super) fn push_up(ns: u64) -> u64 {
    MAXIMUM.fetch_max(ns, Ordering::AcqRel).max(ns)
}

/// The time stamp counter, as cheaply as it can be read: unordered, unscaled.
#[inline(always)]
pub fn cycles() -> u64 {
    // SAFETY: reading the counter is allowed in ring 0.
    unsafe { _rdtsc() }
}

/// How many [`cycles`] make a millisecond. 0 until the clock is calibrated.
pub fn cycles_per_ms() -> u64 {
    SCALE.hz.load(Ordering::Relaxed) / 1000
}

/// What the counter is when `nanotime` is `ns`.
pub(super) fn cycles_at(ns: u64) -> u64 {
    let ticks = u128::from(ns) * u128::from(SCALE.hz.load(Ordering::Relaxed)) / 1_000_000_000;
    SCALE.start.load(Ordering::Relaxed).saturating_add(ticks.min(u64::MAX.into()) as u64)
}

/// Wall time: seconds since 1970 (UTC) and nanoseconds. The RTC has whole seconds, so it is up to one second behind.
pub fn walltime() -> (i64, u32) {
    const SECOND: i64 = 1_000_000_000;
    let ns = BOOTED_AT.load(Ordering::Relaxed) + nanotime() as i64;
    (ns.div_euclid(SECOND), ns.rem_euclid(SECOND) as u32)
}

/// Waits `ns` nanoseconds, busily.
pub fn delay(ns: u64) {
    let end = nanotime() + ns;
    while nanotime() < end {
        spin_loop();
    }
}

/// Sets where `nanotime` starts: now. To be called first thing.
pub fn mark_start() {
    SCALE.start.store(cycles(), Ordering::Relaxed);
}

/// Sets the counter's rate: `nanotime` goes from now on.
pub(super) fn set_rate(hz: u64) {
    SCALE.hz.store(hz, Ordering::Relaxed);
    SCALE.mult.store(((1_000_000_000_u128 << 32) / u128::from(hz)) as u64, Ordering::Relaxed);
}

/// Sets wall time: it is now `unix` seconds since 1970.
pub fn set_walltime(unix: u64) {
    BOOTED_AT.store(unix as i64 * 1_000_000_000 - nanotime() as i64, Ordering::Relaxed);
}

/// One comparison of this core's counter with the latest that another has published, and publication of this one.
///
/// All cores that start do this for a while, and the boot core while it waits for them.
pub(super) fn check_in_step() {
    let published = PUBLISHED.load(Ordering::Acquire);
    let now = ordered_cycles();
    if now < published {
        BEHIND.fetch_max(published - now, Ordering::Relaxed);
        SCALE.out_of_step.store(true, Ordering::Relaxed);
    }
    PUBLISHED.fetch_max(now, Ordering::AcqRel);
}

/// By how many cycles a core's counter was found behind another's; 0 if they are in step.
pub(super) fn behind() -> u64 {
    BEHIND.load(Ordering::Relaxed)
}
