//! Tests of unwinding: on all cores at once, through many functions, through registers that matter.

use super::cache::Cache;
use super::row::{Base, Landing, Row, Undecodable, decode};
use super::{CACHE, Registers};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::arch::asm;
use core::hint::black_box;
use core::sync::atomic::{AtomicUsize, Ordering};
use runtime::sync::WaitGroup;
use runtime::{defer, gosched, kernel_test};
use runtime::{panic_any, recover};

/// A row that belongs to `pc` alone, so that half of another's would show.
fn row_of(pc: usize) -> Row {
    let byte = pc as u8;
    let landing = match pc % 4 {
        0 => Landing::None,
        1 => Landing::Cleanup(pc * 3),
        2 => Landing::Catch(pc * 5),
        _ => Landing::Forbidden,
    };
    let base = if pc.is_multiple_of(3) { Base::Rsp } else { Base::Rbp };
    Row {
        base,
        cfa_offset: -(pc as i32),
        saved: [byte, !byte, byte ^ 1, byte ^ 2, byte ^ 4, byte ^ 8],
        landing,
    }
}

#[kernel_test]
fn rows_come_back_as_they_went_in() {
    let cache = Cache::<64>::new();
    assert_eq!(cache.get(100), None);
    (100..110).for_each(|pc| cache.insert(pc, row_of(pc)));
    (100..110).for_each(|pc| assert_eq!(cache.get(pc), Some(row_of(pc))));
    assert_eq!(cache.get(110), None);
}

/// A table that is full takes no more, and still has what it took.
#[kernel_test]
fn a_full_table_takes_no_more() {
    let cache = Cache::<16>::new();
    (2..100).for_each(|pc| cache.insert(pc, row_of(pc)));
    let found: Vec<usize> = (2..100).filter(|&pc| cache.get(pc).is_some()).collect();
    assert_eq!(found.len(), 16);
    found.iter().for_each(|&pc| assert_eq!(cache.get(pc), Some(row_of(pc))));
}

/// Goroutines on all cores insert and look up the same rows: what is found is whole.
#[kernel_test]
fn rows_are_whole_on_all_cores() {
    for _ in 0..50 {
        let cache = Arc::new(Cache::<256>::new());
        let wg = Arc::new(WaitGroup::new());
        for i in 0..8 {
            let cache = cache.clone();
            wg.go(move || {
                for n in 0..300 {
                    let pc = 2 + (n * 7 + i * 13) % 150;
                    match cache.get(pc) {
                        Some(row) => assert_eq!(row, row_of(pc)),
                        None => cache.insert(pc, row_of(pc)),
                    }
                }
            });
        }
        wg.wait();
    }
}

/// The return addresses on this stack, by frame pointers.
#[inline(never)]
fn return_addresses() -> Vec<usize> {
    let mut fp: *const [usize; 2];
    // SAFETY: reads a register.
    unsafe { asm!("mov {}, rbp", out(reg) fp, options(nomem, nostack, preserves_flags)) };
    let mut pcs = Vec::new();
    loop {
        // SAFETY: code is compiled with frame pointers; the outermost frame has a return address of 0.
        let [next, pc] = unsafe { fp.read() };
        if pc == 0 {
            return pcs;
        }
        pcs.push(pc);
        fp = next as *const _;
    }
}

/// What is decoded anew is what the table has, for every frame of this stack; and the walk ends where the stack does.
#[kernel_test]
fn cached_rows_are_the_decoded_ones() {
    const DEPTH: usize = 6;
    let mut pcs = Vec::new();
    // The panic puts the rows of the frames that it passes into the table.
    assert!(recover(|| traced(DEPTH, &mut pcs)).is_err() && pcs.len() > DEPTH);
    let mut cached = 0;
    for pc in pcs {
        let decoded = decode(pc).expect("a frame of the kernel's");
        cached += usize::from(CACHE.get(pc).inspect(|row| assert_eq!(*row, decoded)).is_some());
    }
    assert!(cached >= DEPTH - 1, "{cached} of {DEPTH} frames");
    assert_eq!(decode(0), Err(Undecodable::NoFrame));
    assert_eq!(decode(0x1234), Err(Undecodable::NoFrame));
}

/// `depth` frames, then the return addresses of this stack, then a panic.
#[inline(never)]
fn traced(depth: usize, pcs: &mut Vec<usize>) -> usize {
    if depth == 1 {
        *pcs = return_addresses();
        panic_any("on purpose");
    }
    black_box(traced(depth - 1, pcs)) + 1
}

/// `depth` frames with a destructor each, then a panic.
#[inline(never)]
fn nested(depth: usize, dropped: &AtomicUsize) -> usize {
    defer! { dropped.fetch_add(1, Ordering::Relaxed); }
    if depth == 1 {
        panic_any("on purpose");
    }
    black_box(nested(depth - 1, dropped)) + 1
}

/// Goroutines on all cores panic at many depths, are preempted meanwhile, and every destructor runs once.
#[kernel_test]
fn panics_on_all_cores() {
    let dropped = Arc::new(AtomicUsize::new(0));
    let wg = Arc::new(WaitGroup::new());
    const DEPTHS: usize = 40;
    const GOROUTINES: usize = 16;
    for _ in 0..GOROUTINES {
        let dropped = dropped.clone();
        wg.go(move || {
            for depth in 1..=DEPTHS {
                assert!(recover(|| nested(depth, &dropped)).is_err());
                gosched();
            }
        });
    }
    wg.wait();
    assert_eq!(dropped.load(Ordering::Relaxed), GOROUTINES * DEPTHS * (DEPTHS + 1) / 2);
}

/// What a function keeps in callee-saved registers across a call that unwinds is there when it goes on.
#[kernel_test]
fn callee_saved_registers_survive() {
    #[inline(never)]
    fn work(seed: u64) -> [u64; 6] {
        let [a, b, c, d, e, f] = black_box([1, 2, 3, 4, 5, 6].map(|n| n * seed));
        let dropped = AtomicUsize::new(0);
        let depth = recover(|| nested(black_box(9), &dropped)).unwrap_or(0);
        assert_eq!((depth, dropped.into_inner()), (0, 9));
        [a, b, c, d, e, f]
    }
    for seed in 1..50 {
        assert_eq!(work(seed), [1, 2, 3, 4, 5, 6].map(|n| n * seed));
    }
}

/// A step restores what its row says, from where it says.
#[kernel_test]
fn a_step_reads_the_frame() {
    let stack: [usize; 8] = [10, 11, 12, 13, 14, 15, 16, 17];
    let top = (&raw const stack).addr() + size_of_val(&stack);
    let row = Row { base: Base::Rbp, cfa_offset: 16, saved: [3, 2, 0, 0, 0, 4], landing: Landing::None };
    let mut registers = Registers { saved: [1, top - 16, 2, 3, 4, 5], rsp: 0, rip: 0 };
    // SAFETY: the row's frame is `stack`.
    unsafe { registers.step(&row) };
    assert_eq!(registers, Registers { saved: [15, 16, 2, 3, 4, 14], rsp: top, rip: 17 });
}
