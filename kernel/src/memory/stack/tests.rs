//! Stack slots: what is backed when, and what comes back.

use super::window::SHALLOW_AND_RESERVE;
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
        assert_eq!(handle_fault(deep, Faulting::IN_ADVANCE), FaultOutcome::Backed);
        assert_eq!(handle_fault(deep, Faulting::IN_ADVANCE), FaultOutcome::NotAStack, "it is present now");
        // SAFETY: the page was just backed.
        unsafe { (deep as *mut u64).write_volatile(1) };
        let overflow = FaultOutcome::Overflow { limit: stack.hi - stack.lo, lo: stack.lo };
        assert_eq!(handle_fault(stack.lo - 1, Faulting::IN_ADVANCE), overflow);
        assert_eq!(
            handle_fault(stack.lo - GUARD, Faulting::IN_ADVANCE),
            overflow,
            "the guard area's other end"
        );
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
        assert_eq!(handle_fault(stack.lo, Faulting::IN_ADVANCE), FaultOutcome::NotAStack);
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
    let (start, end) = (slot::base(), slot::base() + slot::RANGE);
    for addr in [0, 0x1000, start - 1, end, usize::MAX] {
        assert_eq!(handle_fault(addr, Faulting::IN_ADVANCE), FaultOutcome::NotAStack);
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
    DONE.store(0, Relaxed);
    for round in 0..ROUNDS {
        for n in 0..GOROUTINES {
            let id = (round * GOROUTINES + n) << 8;
            runtime::go(move || {
                // 10 to 110 pages of stack; some get page tables of their own.
                if !descend(id, 40 + if n % 10 == 9 { n * 4 } else { n }) {
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
    DONE.store(0, Relaxed);
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

/// A goroutine that waits after a peak gives the pages of the peak back, and may go as deep again.
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
            bytes += runtime::debug::free_os_memory();
            runtime::gosched();
        }
        go_on.send(());
    }
}

/// Pages that back `stack`, if all are among the `n` highest.
fn backed_of(stack: Stack, n: usize) -> usize {
    (1..=n).filter(|i| paging::translate(stack.hi - i * FRAME_SIZE).is_some()).count()
}

/// Windows of one group share tables and not pages; one that grows deep gets tables of its own, and gives them back.
#[runtime::kernel_test]
fn windows_share_tables_while_shallow() {
    on_backed_stack(|| {
        for class in [0, 1] {
            let tables = || frames::stats().owners[Owner::PageTable as usize];
            let slots: [Slot; 16] = core::array::from_fn(|_| {
                let slot = pool::take(class).expect("memory is left");
                slot.set_state(State::InUse);
                slot
            });
            // Those of stacks that have died before are given back now, not between the counts.
            quarantine::release_all();
            let before = tables();
            let more = || tables().saturating_sub(before);
            for (i, slot) in slots.into_iter().enumerate() {
                let hi = slot.stack().hi;
                assert!(
                    back_range(hi - SHALLOW_AND_RESERVE * FRAME_SIZE, hi),
                    "the reserve is there in advance"
                );
                assert!(!back_range(hi - (SHALLOW_AND_RESERVE + 1) * FRAME_SIZE, hi), "and not more");
                assert_eq!(handle_fault(hi - (256 << 10), Faulting::IN_ADVANCE), FaultOutcome::NoReserve);
                // Not the stack's own code.
                let other = Faulting { limit: usize::MAX, waits_at: Some(hi) };
                assert_eq!(handle_fault(hi - (256 << 10), other), FaultOutcome::NoReserve);
                let own = Faulting { limit: usize::MAX, waits_at: Some(hi - 8) };
                let small = Faulting { limit: 1 << 20, ..own };
                assert_eq!(
                    handle_fault(hi - (1 << 20) - 1, small),
                    FaultOutcome::Overflow { limit: 1 << 20, lo: hi - (1 << 20) }
                );
                // SAFETY: nothing runs on the stack, and the page is backed.
                unsafe { ((hi - 8) as *mut usize).write_volatile(i) };
            }
            assert!(more() <= 10, "{} tables for 16 shallow stacks", more());
            for (i, slot) in slots.into_iter().enumerate().skip(5).step_by(8) {
                let Stack { lo, hi } = slot.stack();
                let own = Faulting { limit: usize::MAX, waits_at: Some(hi - 8) };
                assert_eq!(handle_fault(lo, own), FaultOutcome::Backed);
                assert!(slot.is_private());
                assert!((lo - GUARD..lo).step_by(FRAME_SIZE).all(|addr| paging::translate(addr).is_none()));
                // No alias of a neighbour is left, wherever it was.
                let all = (hi - (64 << 20)).max(lo)..hi;
                let present =
                    all.step_by(FRAME_SIZE).filter(|&addr| paging::translate(addr).is_some()).count();
                assert_eq!(present, SHALLOW_AND_RESERVE + usize::from(hi - lo <= 64 << 20), "window {i}");
                let overflow = FaultOutcome::Overflow { limit: hi - lo, lo };
                assert_eq!(handle_fault(lo - 1, own), overflow);
            }
            for (i, slot) in slots.into_iter().enumerate() {
                let stack = slot.stack();
                // SAFETY: as above.
                assert_eq!(unsafe { ((stack.hi - 8) as *const usize).read_volatile() }, i);
                // SAFETY: nothing runs on the stack.
                unsafe { shrink(stack, 2 * FRAME_SIZE) };
                assert!(!slot.is_private());
                assert_eq!(backed_of(stack, 64), 2);
                // SAFETY: as above.
                assert_eq!(unsafe { ((stack.hi - 8) as *const usize).read_volatile() }, i);
            }
            assert!(more() <= 10, "{} tables after", more());
            let own = |hi| Faulting { limit: usize::MAX, waits_at: Some(hi - 8) };
            for slot in slots {
                let stack = slot.stack();
                assert_eq!(handle_fault(stack.hi - (1 << 20), own(stack.hi)), FaultOutcome::Backed);
                // SAFETY: nothing runs on the stack.
                unsafe { free(stack) };
            }
            quarantine::release_all();
            assert!(more() <= 10, "{} tables after all died", more());
            assert!(slots.iter().all(|slot| !slot.is_private()));
            for slot in slots {
                assert_eq!(backed_of(slot.stack(), 64), 2, "the pages that {slot:?} had kept");
                assert!(slot.is(State::Warm));
            }
        }
    });
}

/// A stack's deep part is one place for all cores: each goroutine lends the next one a word of it, and waits deep down for others to write there.
#[runtime::kernel_test]
fn other_cores_write_to_the_deep_part() {
    const GOROUTINES: usize = 40;
    const ROUNDS: usize = 10;
    let results = runtime::chan::make::<bool>(GOROUTINES);
    let links: [_; GOROUTINES] = core::array::from_fn(|_| runtime::chan::make::<[usize; 8]>(0));
    for i in 0..GOROUTINES {
        let (from, to, result) = (links[i].clone(), links[(i + 1) % GOROUTINES].clone(), results.clone());
        fn deeper(depth: usize, body: &mut dyn FnMut() -> bool) -> bool {
            let frame = black_box([depth; 120]);
            let right = if depth == 0 { body() } else { deeper(depth - 1, body) };
            right && black_box(&frame).iter().all(|&word| word == depth)
        }
        runtime::go(move || {
            // A shallow visit to several cores first, whose paging-structure caches then know the shared tables.
            (0..ROUNDS).for_each(|_| runtime::gosched());
            // 50 to 440 pages.
            let right = deeper(200 + i * 40, &mut || {
                (0..ROUNDS).all(|round| {
                    // A sender that finds the receiver waiting writes to the receiver's stack, on another core.
                    if i == 0 {
                        to.send([round; 8]);
                        from.recv() == Some([round; 8])
                    } else {
                        let got = from.recv();
                        to.send([round; 8]);
                        got == Some([round; 8])
                    }
                })
            });
            result.send(right);
        });
    }
    for _ in 0..GOROUTINES {
        assert_eq!(results.recv(), Some(true));
    }
}
