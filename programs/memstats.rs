//! What the heap says of itself before, during and after a burst of allocations.

use alloc::vec;
use alloc::vec::Vec;
use runtime::{MemStats, debug, mem_stats, println, program};

fn print(when: &str, m: &MemStats) {
    println!("{when}:");
    println!("  Alloc {:>10}  TotalAlloc {:>10}  Sys {:>10}", m.alloc, m.total_alloc, m.sys);
    println!("  Mallocs {:>8}  Frees {:>8}  HeapObjects {:>8}", m.mallocs, m.frees, m.heap_objects);
    println!("  HeapSys {:>10}  HeapInuse {:>10}  HeapIdle {:>10}", m.heap_sys, m.heap_inuse, m.heap_idle);
    println!("  HeapReleased {}", m.heap_released);
    println!("  StackInuse {}  StackSys {}", m.stack_inuse, m.stack_sys);
    println!("  MSpanInuse {}  MSpanSys {}  MCacheInuse {}", m.mspan_inuse, m.mspan_sys, m.mcache_inuse);
}

#[program]
fn main() {
    let before = mem_stats();
    print("before", &before);
    let small: Vec<Vec<u8>> = (0..10_000).map(|i| vec![0; 1 + i % 1000]).collect();
    let large: Vec<Vec<u8>> = (0..16).map(|_| vec![0; 1 << 20]).collect();
    let during = mem_stats();
    print("10000 small objects and 16 of 1 MiB", &during);
    println!("  most used size classes:");
    let mut classes: Vec<_> = during.by_size.iter().filter(|b| b.mallocs > b.frees).collect();
    classes.sort_by_key(|b| core::cmp::Reverse(u64::from(b.size) * (b.mallocs - b.frees)));
    for b in classes.iter().take(3) {
        println!("    {:>5} B: {} allocated, {} freed", b.size, b.mallocs, b.frees);
    }
    drop((small, large));
    println!("FreeOSMemory gave {} KiB back", debug::free_os_memory() >> 10);
    let after = mem_stats();
    print("after", &after);
    let sound = during.heap_objects >= before.heap_objects + 10_016
        && during.alloc >= before.alloc + (16 << 20)
        && after.heap_objects < before.heap_objects + 100
        && after.heap_sys < during.heap_sys / 4
        && [before, during, after].iter().all(|m| m.mallocs - m.frees == m.heap_objects);
    println!("{}", if sound { "the figures agree" } else { "the figures do not agree" });
}
