//! Stack slots: what is backed when, and what comes back.

use super::*;
use crate::memory::tests::on_backed_stack;
use core::hint::black_box;
use core::sync::atomic::AtomicUsize;

fn backed(stack: Stack) -> usize {
    (stack.lo - FRAME_SIZE..stack.hi).step_by(FRAME_SIZE).filter(|&a| paging::translate(a).is_some()).count()
}

#[runtime::kernel_test]
fn a_stack_is_backed_as_it_is_touched() {
    on_backed_stack(|| {
        let stack = alloc(100_000).expect("memory is left");
        assert_eq!(stack.hi - stack.lo, 128 * 1024 - FRAME_SIZE);
        assert!(paging::translate(stack.hi - 1).is_some());
        // A warm slot may have some pages more.
        assert!(backed(stack) <= KEEP as usize);
        let deep = stack.hi - 10 * FRAME_SIZE;
        assert_eq!(handle_fault(deep), FaultOutcome::Backed);
        assert_eq!(handle_fault(deep), FaultOutcome::NotAStack, "it is present now");
        // SAFETY: the page was just backed.
        unsafe { (deep as *mut u64).write_volatile(1) };
        let overflow = FaultOutcome::Overflow { limit: stack.hi - stack.lo, lo: stack.lo };
        assert_eq!(handle_fault(stack.lo - 1), overflow);
        assert!(!back_range(stack.lo - 1, stack.hi), "the guard");
        assert!(back_range(stack.lo, stack.hi));
        assert_eq!(backed(stack), 31);
        // SAFETY: nothing runs on the stack.
        unsafe {
            assert_eq!(shrink(stack, 2 * FRAME_SIZE), 29 * FRAME_SIZE);
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
            [(1, 64 << 10), ((64 << 10) - FRAME_SIZE, 64 << 10), (64 << 10, 128 << 10), (1 << 29, 1 << 30)]
        {
            let stack = alloc(size).expect("memory is left");
            assert_eq!(stack.hi - stack.lo, slot - FRAME_SIZE, "for {size}");
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
        assert!(backed(stack) <= KEEP as usize);
        reclaim();
        assert_eq!(backed(stack), 0);
        let again = alloc(SIZE).expect("memory is left");
        assert_eq!(again, stack, "last in, first out");
        assert_eq!(backed(again), 1);
        // SAFETY: nothing runs on the stack.
        unsafe { free(again) };
        assert_eq!(alloc(SIZE), Ok(stack), "warm now");
        // SAFETY: nothing runs on the stack.
        unsafe { free(stack) };
    });
}

#[runtime::kernel_test]
fn addresses_outside_are_no_stacks() {
    for addr in [0, 0x1000, BASE - 1, BASE + (CLASSES << CLASS_SHIFT), usize::MAX] {
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
                // 10 to 50 pages of stack.
                if !descend(id, 40 + n * 2) {
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

/// A goroutine that waits after a peak gives the pages of the peak back, and may go as deep again (K3).
#[runtime::kernel_test]
fn parked_stacks_are_shrunk() {
    const DEPTH: usize = 200;
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
