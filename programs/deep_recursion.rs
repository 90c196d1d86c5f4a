//! Touches 200 MiB of stack on a goroutine, a million calls deep, and shows where the memory goes and that it comes back.

use core::hint::black_box;
use runtime::machine::sys_stats;
use runtime::{chan, go, println, program};

const MIB: usize = 1 << 20;
const DEPTH: usize = 200 * MIB;

/// Calls itself until the stack is `DEPTH` bytes below `top`; what is backed of stacks then.
fn descend(top: usize, calls: u64) -> (usize, u64) {
    let frame = black_box([calls; 16]);
    let (stacks, deepest) = match top - frame.as_ptr() as usize {
        depth if depth >= DEPTH => (sys_stats().stacks, calls),
        _ => descend(top, calls + 1),
    };
    // Every frame on the way up is what it was.
    assert!(black_box(&frame).iter().all(|&word| word == calls));
    (stacks, deepest)
}

#[program]
fn main() -> i32 {
    let before = sys_stats();
    let done = chan::make(0);
    let result = done.clone();
    go(move || {
        let top = 0_u8;
        result.send(descend(black_box(&top) as *const u8 as usize, 1));
    });
    let (stacks, calls) = done.recv().expect("one result");
    // The goroutine ends after it has sent.
    while runtime::num_goroutine() > 1 {
        runtime::gosched();
    }
    let after = sys_stats();
    println!("{calls} calls deep");
    println!("stacks before: {} MiB", before.stacks / MIB);
    println!("stacks at the bottom: {} MiB", stacks / MIB);
    println!("stacks after: {} MiB", after.stacks / MIB);
    println!("not given back: {} KiB", before.free.saturating_sub(after.free) / 1024);
    // What rests until a TLB shootdown is due, page tables, and the heap's own.
    let came_back = after.free + 4 * MIB > before.free && stacks >= before.stacks + DEPTH;
    i32::from(!came_back)
}
