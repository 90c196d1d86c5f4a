//! A mapping that one core changes is seen by all.

use super::shootdown::bits;
use super::*;
use crate::memory::direct_map;
use crate::memory::frames::{self, Owner};
use crate::memory::paging::{self, Access};
use crate::memory::tests::on_backed_stack;
use core::sync::atomic::Ordering;
use x86_64::structures::paging::{Page, PhysFrame, Size4KiB};

/// In the lower half, which the kernel leaves empty; another GiB than the paging tests'.
const SCRATCH: usize = 0x20_0000_0000;

/// The value that readers are to read, and how many have.
static ROUND: AtomicU64 = AtomicU64::new(0);
static SEEN: AtomicUsize = AtomicUsize::new(0);
static WRONG: AtomicUsize = AtomicUsize::new(0);
static GONE: AtomicUsize = AtomicUsize::new(0);

const ROUNDS: u64 = 50;

fn wait_until(done: impl Fn() -> bool) {
    let mut spins = 0u32;
    while !done() {
        spins += 1;
        // Mostly spin, to stay on the core whose TLB has the page; but give way, for there may be one core only.
        if spins.is_multiple_of(1000) {
            runtime::gosched();
        }
        core::hint::spin_loop();
    }
}

fn reader() {
    for round in 1..=ROUNDS {
        wait_until(|| ROUND.load(Ordering::Acquire) == round);
        // SAFETY: the page is mapped while `SEEN` is short of the number of readers.
        if unsafe { (SCRATCH as *const u64).read_volatile() } != round {
            WRONG.fetch_add(1, Relaxed);
        }
        SEEN.fetch_add(1, Ordering::Release);
    }
    GONE.fetch_add(1, Ordering::Release);
}

#[runtime::kernel_test]
fn a_changed_mapping_is_seen_on_all_cores() {
    on_backed_stack(|| {
        let readers = online_cores();
        let page = Page::<Size4KiB>::containing_address(VirtAddr::new(SCRATCH as u64));
        let both = [0, 1].map(|_| frames::alloc(0, Owner::Kernel).expect("memory is left"));
        for _ in 0..readers {
            runtime::go(reader);
        }
        for round in 1..=ROUNDS {
            let frame = both[round as usize % 2];
            // SAFETY: the frame is the test's; all readers wait for the next round.
            unsafe {
                direct_map::phys_to_virt(frame).cast::<u64>().write_volatile(round);
                paging::map(page, PhysFrame::containing_address(frame), Access::ReadWrite)
                    .expect("unmapped before");
            }
            SEEN.store(0, Relaxed);
            ROUND.store(round, Ordering::Release);
            wait_until(|| SEEN.load(Ordering::Acquire) == readers);
            // SAFETY: as above.
            let (_, flush) = unsafe { paging::unmap(page) }.expect("mapped above");
            flush.everywhere();
        }
        wait_until(|| GONE.load(Ordering::Acquire) == readers);
        assert_eq!(WRONG.load(Relaxed), 0, "reads of a frame that was no longer mapped");
        for frame in both {
            // SAFETY: unmapped everywhere.
            unsafe { frames::free(frame, 0, Owner::Kernel) };
        }
    });
}

#[runtime::kernel_test]
fn every_online_core_answers() {
    let before: u64 = (0..online_cores()).map(|cpu| counters(cpu).served).sum();
    for _ in 0..100 {
        shootdown(SCRATCH..SCRATCH + PAGE);
    }
    let served = (0..online_cores()).map(|cpu| counters(cpu).served).sum::<u64>() - before;
    assert!(served >= 100 * (online_cores() as u64 - 1), "{served} answers");
}

#[runtime::kernel_test]
fn sets_of_cores() {
    assert!(bits(0).eq([]));
    assert!(bits(1 << 63 | 0b101).eq([0, 2, 63]));
}
