//! The program `tlb_bench`: what a TLB miss, a local and a remote invalidation cost, and how the last grows with the number of cores.
//!
//! Best of three repetitions, in the form of `bench`'s lines. On the machine, so that it may map, flush and turn interrupts off; what it uses
//! is the kernel's own API. In nanoseconds of the machine's clock: QEMU's emulation has a TLB of its own making, whose ratios are not a
//! processor's, and its cores are threads of a host that may have fewer processors. Under `-icount` a miss costs as much as a hit.

use super::buddy::FRAME_SIZE;
use super::{demand_zero, tlb};
use crate::cpu::clock::nanotime;
use crate::irq::IrqOff;
use core::ops::Range;
use runtime::{println, program};

const REPS: usize = 3;

/// Pages that are touched: no more than a processor's first-level TLB holds, nor than are flushed one by one.
const PAGES: usize = 32;
/// How often they are.
const ROUNDS: usize = 1_000;

/// Nanoseconds that `f` takes, the best of some times.
fn best(mut f: impl FnMut() -> u64) -> u64 {
    (0..REPS).map(|_| f()).min().unwrap_or(0)
}

fn timed(f: impl FnOnce()) -> u64 {
    let start = nanotime();
    f();
    nanotime() - start
}

fn line(name: &str, n: usize, ns: u64, targets: usize) {
    let (per_op, cores) = (ns as f64 / n as f64, tlb::online_cores());
    println!(
        "bench {name} iters={n} total_ns={ns} ns_per_op={per_op:.2} cores={cores} targets={targets} reps={REPS}"
    );
}

/// Reads a word of each page.
fn touch(pages: &Range<usize>) {
    for page in pages.clone().step_by(FRAME_SIZE) {
        // SAFETY: the pages are reserved for this program and readable.
        unsafe { (page as *const u64).read_volatile() };
    }
}

#[program]
fn main() {
    let start = demand_zero::reserve(PAGES * FRAME_SIZE) as usize;
    let pages = start..start + PAGES * FRAME_SIZE;
    let one = start..start + FRAME_SIZE;
    touch(&pages);

    let rounds = |disturb: &dyn Fn()| best(|| (0..ROUNDS).map(|_| reads(&pages, disturb)).sum());
    line("tlb_hit", PAGES * ROUNDS, rounds(&|| {}), 0);
    line("tlb_miss", PAGES * ROUNDS, rounds(&|| tlb::flush_local(pages.clone())), 0);

    const LOCAL: usize = 10_000;
    let repeat = |n: usize, f: &dyn Fn()| best(|| timed(|| (0..n).for_each(|_| f())));
    line("tlb_flush_page", LOCAL, repeat(LOCAL, &|| tlb::flush_local(one.clone())), 0);
    line("tlb_flush_all", LOCAL, repeat(LOCAL, &|| tlb::flush_local(0..usize::MAX)), 0);

    const REMOTE: usize = 1_000;
    for targets in 1..tlb::online_cores() {
        let some = || tlb::shootdown_on(one.clone(), |others| lowest(others, targets));
        line("tlb_shootdown", REMOTE, repeat(REMOTE, &some), targets);
    }
}

/// Nanoseconds for reading every page, which were all read just before, after `disturb`. Nothing else runs on the core meanwhile.
fn reads(pages: &Range<usize>, disturb: &dyn Fn()) -> u64 {
    let _here = IrqOff::new();
    touch(pages);
    disturb();
    timed(|| touch(pages))
}

/// The `n` lowest bits that are set in `mask`.
fn lowest(mask: u64, n: usize) -> u64 {
    let mut rest = mask;
    (0..n).for_each(|_| rest &= rest.wrapping_sub(1));
    mask & !rest
}
