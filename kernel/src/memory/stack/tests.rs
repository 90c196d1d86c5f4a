//! Stack slots: what is backed when, and what comes back.

use super::*;
use crate::memory::tests::on_backed_stack;
use core::hint::black_box;
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};

fn backed(stack: Stack) -> usize {
    (stack.lo - GUARD..stack.hi).step_by(FRAME_SIZE).filter(|&a| paging::translate(a).is_some()).count()
}

#[runtime::kernel_test]
fn a_stack_is_backed_as_it_is_touched() {
    on_backed_stack(|| {
        let stack = alloc(100_000).expect("memory is left");
        assert_eq!(stack.hi - stack.lo, 256 * 1024 - GUARD);
        assert!(paging::translate(stack.hi - 1).is_some());
        // A warm slot may have some pages more.
        assert!(backed(stack) <= KEEP);
        let deep = stack.hi - 10 * FRAME_SIZE;
        assert_eq!(handle_fault(deep), FaultOutcome::Backed);
        assert_eq!(handle_fault(deep), FaultOutcome::NotAStack, "it is present now");
        // SAFETY: the page was just backed.
        unsafe { (deep as *mut u64).write_volatile(1) };
        let overflow = FaultOutcome::Overflow { limit: stack.hi - stack.lo, lo: stack.lo };
        assert_eq!(handle_fault(stack.lo - 1), overflow);
        assert_eq!(handle_fault(stack.lo - GUARD), overflow, "the guard area's other end");
        assert!(!back_range(stack.lo - 1, stack.hi), "the guard");
        assert!(back_range(stack.lo, stack.hi));
        assert_eq!(backed(stack), 48);
        // SAFETY: nothing runs on the stack.
        unsafe {
            assert_eq!(shrink(stack, 2 * FRAME_SIZE), 46 * FRAME_SIZE);
            assert_eq!(backed(stack), 2);
            assert_eq!(shrink(stack, 0), FRAME_SIZE, "one page stays");
            free(stack);
        }
        assert_eq!(handle_fault(stack.lo), FaultOutcome::NotAStack);
    });
}

#[runtime::kernel_test]
fn sizes_are_rounded_up() {
    on_backed_stack(|| {
        for (size, slot) in
            [(1, 128 << 10), (64 << 10, 128 << 10), ((64 << 10) + 1, 256 << 10), (1 << 29, 1 << 30)]
        {
            let stack = alloc(size).expect("memory is left");
            assert_eq!(stack.hi - stack.lo, slot - GUARD, "for {size}");
            assert_eq!(stack.hi % 16, 0);
            // SAFETY: nothing runs on the stack.
            unsafe { free(stack) };
        }
        assert_eq!(alloc(1 << 30), Err(StackError::OutOfAddressSpace));
        assert_eq!(alloc(usize::MAX), Err(StackError::OutOfAddressSpace));
    });
}

#[runtime::kernel_test]
fn deep_stacks_come_back_and_lose_their_pages() {
    on_backed_stack(|| {
        // A size that nothing else uses.
        const SIZE: usize = 40 << 20;
        let stack = alloc(SIZE).expect("memory is left");
        assert!(back_range(stack.hi - 300 * FRAME_SIZE, stack.hi));
        // SAFETY: nothing runs on the stack.
        unsafe { free(stack) };
        assert!(backed(stack) <= KEEP);
        let other = alloc(SIZE).expect("memory is left");
        assert_ne!(other, stack, "its address is in quarantine");
        reclaim(usize::MAX);
        assert_eq!(backed(stack), 0);
        quarantine::release_all();
        let again = alloc(SIZE).expect("memory is left");
        assert_eq!(again, stack, "last in, first out");
        assert_eq!(backed(again), 1);
        // SAFETY: nothing runs on the stack.
        unsafe { free(again) };
        assert_eq!(alloc(SIZE), Ok(stack), "warm now");
        // SAFETY: nothing runs on the stacks.
        unsafe {
            free(stack);
            free(other);
        }
    });
}

#[runtime::kernel_test]
fn addresses_outside_are_no_stacks() {
    let (start, end) = (slot::BASE, slot::BASE + (slot::CLASSES << slot::CLASS_SHIFT));
    for addr in [0, 0x1000, start - 1, end, usize::MAX] {
        assert_eq!(handle_fault(addr), FaultOutcome::NotAStack);
    }
}

/// Fills frames down to `depth` with numbers of its own, gives way at the bottom, and looks at them again on the way up.
fn descend(id: usize, depth: usize) -> bool {
    let frame = black_box([id ^ depth; 120]);
    let below = match depth {
        0 => {
            runtime::gosched();
            true
        }
        _ => descend(id, depth - 1),
    };
    below && black_box(&frame).iter().all(|&word| word == id ^ depth)
}

/// Goroutines that end with deep stacks on all cores make frames and addresses rest, be flushed and come back. A core that went on
/// with an old translation would read another goroutine's numbers.
#[runtime::kernel_test]
fn deep_stacks_are_reused_by_all_cores() {
    static DONE: AtomicUsize = AtomicUsize::new(0);
    static WRONG: AtomicUsize = AtomicUsize::new(0);
    const ROUNDS: usize = 20;
    const GOROUTINES: usize = 100;
    for round in 0..ROUNDS {
        for n in 0..GOROUTINES {
            let id = (round * GOROUTINES + n) << 8;
            runtime::go(move || {
                // 10 to 35 pages of stack.
                if !descend(id, 40 + n) {
                    WRONG.fetch_add(1, Relaxed);
                }
                DONE.fetch_add(1, Relaxed);
            });
        }
        while DONE.load(Relaxed) < (round + 1) * GOROUTINES {
            runtime::gosched();
        }
    }
    assert_eq!(WRONG.load(Relaxed), 0, "stacks that another goroutine wrote to");
}

/// Goroutines whose stacks grew end by the thousand, and no core waits for another. (A shootdown for every 512 frames made 60 of them.)
#[runtime::kernel_test]
fn deaths_wait_for_no_core() {
    static DONE: AtomicUsize = AtomicUsize::new(0);
    const GOROUTINES: usize = 5000;
    let total =
        |of: fn(tlb::Counters) -> u64| (0..tlb::online_cores()).map(|c| of(tlb::counters(c))).sum::<u64>();
    let counted = || (total(|c| c.shootdowns), total(|c| c.asked));
    let before = counted();
    for n in 1..=GOROUTINES {
        runtime::go(move || {
            // 6 pages of stack.
            descend(n << 8, 20);
            DONE.fetch_add(1, Relaxed);
        });
        if n % 100 == 0 {
            while DONE.load(Relaxed) < n {
                runtime::gosched();
            }
        }
    }
    let after = counted();
    let (shootdowns, epochs) = (after.0 - before.0, after.1 - before.1);
    // Each death has a weight of 5 at most; a machine of 64 MiB begins an epoch at 512.
    assert!(
        shootdowns <= 4 && epochs <= GOROUTINES as u64 * 5 / 500,
        "{shootdowns} shootdowns, {epochs} epochs"
    );
}

/// A goroutine that waits after a peak gives the pages of the peak back, and may go as deep again (K3).
#[runtime::kernel_test]
fn parked_stacks_are_shrunk() {
    const DEPTH: usize = 140;
    let (parked, go_on) = (runtime::chan::make(0), runtime::chan::make::<()>(0));
    let (say, wait) = (parked.clone(), go_on.clone());
    runtime::go(move || {
        for id in [1 << 8, 2 << 8] {
            let right = descend(id, DEPTH);
            say.send(right);
            wait.recv();
        }
    });
    for _ in 0..2 {
        assert_eq!(parked.recv(), Some(true));
        // A thousand bytes a step. It waits soon after it has sent.
        let mut bytes = 0;
        while bytes < DEPTH * 900 {
            bytes += runtime::heap::free_os_memory();
            runtime::gosched();
        }
        go_on.send(());
    }
}
