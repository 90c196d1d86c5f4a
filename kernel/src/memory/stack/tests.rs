//! Stack slots: what is backed when, and what comes back.

use super::*;
use crate::memory::tests::on_backed_stack;

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
