//! The list of all goroutines shrinks.

use super::super::allgs::{ALLGS, RESERVE};
use super::super::p::GFREE_MAX;
use super::super::stw::stop_the_world;
use super::super::{G, go, gosched, num_goroutine, sched, shrink_stacks, systemstack};
use super::{made_at, wait_for_end};
use crate::heap::mem_stats;
use crate::kernel_test;
use crate::sync::WaitGroup;
use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, Ordering};

fn gs() -> usize {
    let mut n = 0;
    systemstack(|| ALLGS.for_each(|_| n += 1));
    n
}

/// The Gs of a burst of goroutines that stay for ever, as Go's do; or one that is freed while a walk of the list, or a queue, still has it.
#[kernel_test]
fn gs_of_a_burst_are_given_back() {
    const N: usize = 100_000;
    let stop = Arc::new(AtomicBool::new(false));
    let walker = Arc::new(WaitGroup::new());
    let s = stop.clone();
    walker.go(move || {
        while !s.load(Ordering::Relaxed) {
            shrink_stacks();
            gosched();
        }
    });
    for _ in 0..2 {
        // While the world stands they are made and do not run: so they need no stacks.
        let world = stop_the_world("test");
        let before = num_goroutine();
        let ended = Arc::new(WaitGroup::new());
        ended.add(N as i32);
        let mine = made_at(file!(), line!() + 3);
        for _ in 0..N {
            let ended = ended.clone();
            go(move || ended.done());
        }
        let most = mem_stats().alloc;
        let made = num_goroutine();
        drop(world);
        assert_eq!(made, before + N);
        // So few are left then that to list them is cheap.
        ended.wait();
        wait_for_end(mine);
        let kept = RESERVE + (1 + sched::all_ps().count()) * GFREE_MAX + num_goroutine();
        assert!(gs() <= kept, "{} Gs are kept, not {kept} at most", gs());
        let freed = (N - kept) * size_of::<G>();
        let now = mem_stats().alloc;
        assert!(most - now >= freed as u64, "{most} bytes, then {now}: not {freed} less");
    }
    stop.store(true, Ordering::Relaxed);
    walker.wait();
}
