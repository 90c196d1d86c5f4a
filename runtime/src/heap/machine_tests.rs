//! Tests of the heap as the program's allocator, under the scheduler: on the machine and over host threads.

use super::mem_stats;
use super::port::find_object;
use crate::chan::make;
use crate::proc::{acquirem, getp, releasem};
use crate::sync::WaitGroup;
use crate::{go, gomaxprocs, gosched, kernel_test};
use alloc::alloc::{Layout, alloc, alloc_zeroed, dealloc, realloc};
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

/// An object that knows its contents.
struct Filled {
    p: *mut u8,
    layout: Layout,
    tag: u8,
}

// SAFETY: it owns its memory.
unsafe impl Send for Filled {}

impl Filled {
    fn new(size: usize, align: usize, tag: u8) -> Filled {
        let layout = Layout::from_size_align(size, align).expect("a layout");
        // SAFETY: the size is not 0; the object is new.
        let p = unsafe {
            let p = alloc(layout);
            assert!(!p.is_null() && p.addr().is_multiple_of(align));
            p.write_bytes(tag, size);
            p
        };
        let object = find_object(p.addr() + size - 1).expect("an object of the heap");
        assert!(object.base <= p.addr() && object.base + object.size >= p.addr() + size);
        Filled { p, layout, tag }
    }
}

impl Drop for Filled {
    fn drop(&mut self) {
        // SAFETY: the object is its own.
        unsafe {
            let bytes = core::slice::from_raw_parts(self.p, self.layout.size());
            assert!(bytes.iter().all(|&b| b == self.tag), "contents of {:p}", self.p);
            dealloc(self.p, self.layout);
        }
    }
}

/// What one goroutine allocates another frees, on whatever P they run.
#[kernel_test]
fn objects_travel_between_goroutines() {
    const GOROUTINES: usize = 8;
    const ROUNDS: usize = 400;
    let ring: Vec<_> = (0..GOROUTINES).map(|_| make::<Filled>(16)).collect();
    let wg = Arc::new(WaitGroup::new());
    wg.add(GOROUTINES as i32);
    for i in 0..GOROUTINES {
        let (to, from, wg) = (ring[i].clone(), ring[(i + 1) % GOROUTINES].clone(), wg.clone());
        go(move || {
            for round in 0..ROUNDS {
                let size = 1 + (i * 131 + round * round * 17) % [24, 300, 3000, 50_000][round % 4];
                to.send(Filled::new(size, 1 << (round % 7), (i ^ round) as u8));
                drop(from.recv());
            }
            wg.done();
        });
    }
    wg.wait();
}

/// Objects allocated on one P and freed on another come back to the first by the central lists: memory stays bounded.
#[kernel_test]
fn one_p_allocates_what_another_frees() {
    const ROUNDS: usize = 200;
    const BATCH: usize = 300;
    let p_number = || {
        let gp = acquirem();
        // SAFETY: not preempted, so the P stays the M's.
        let id = unsafe { (*getp()).id };
        releasem(gp);
        id
    };
    let before = mem_stats();
    let full = make::<(u32, Vec<Filled>)>(2);
    let to = full.clone();
    go(move || {
        for round in 0..ROUNDS {
            let size = [16, 100, 1024, 9000][round % 4];
            let batch = (0..BATCH).map(|i| Filled::new(size, 8, (round + i) as u8)).collect();
            to.send((p_number(), batch));
        }
        to.close();
    });
    let mut crossed = 0;
    for (from, batch) in full.iter() {
        crossed += usize::from(from != p_number());
        drop(batch);
    }
    // With the sender busy beside the receiver they are on two Ps.
    assert!(gomaxprocs() == 1 || crossed > 0, "all {ROUNDS} batches were freed where they were allocated");
    let after = mem_stats();
    assert!(after.heap_sys < before.heap_sys + (32 << 20), "{before:?} {after:?}");
}

#[kernel_test]
fn every_size_and_alignment_is_served() {
    for shift in 0..=21 {
        let align = 1 << shift;
        let sizes = [1, 8, 24, 100, 1024, 1025, 8192, 32 << 10, (32 << 10) + 1, 100_000, 1 << 20];
        let all: Vec<_> = sizes.iter().map(|&size| Filled::new(size, align, shift as u8)).collect();
        gosched();
        drop(all);
    }
}

#[kernel_test]
fn zeroed_memory_is_zero() {
    for size in [8, 64, 1000, 32 << 10, 1 << 20] {
        let layout = Layout::from_size_align(size, 8).expect("a layout");
        for _ in 0..3 {
            // SAFETY: the size is not 0; the object is freed once.
            unsafe {
                let p = alloc_zeroed(layout);
                assert!(core::slice::from_raw_parts(p, size).iter().all(|&b| b == 0), "{size} bytes");
                p.write_bytes(0xff, size);
                dealloc(p, layout);
            }
        }
    }
}

#[kernel_test]
fn realloc_keeps_the_contents() {
    let mut layout = Layout::from_size_align(1, 1).expect("a layout");
    // SAFETY: each pointer is used with the layout it has.
    unsafe {
        let mut p = alloc(layout);
        p.write(0);
        for size in [7, 100, 5000, 40_000, 70_000, 3 << 20, 200_000, 33_000, 600, 3] {
            let kept = size.min(layout.size());
            p = realloc(p, layout, size);
            layout = Layout::from_size_align(size, 1).expect("a layout");
            let bytes = core::slice::from_raw_parts_mut(p, size);
            assert!(bytes[..kept].iter().enumerate().all(|(i, &b)| b == i as u8), "{size} bytes");
            for (i, b) in bytes.iter_mut().enumerate() {
                *b = i as u8;
            }
        }
        dealloc(p, layout);
    }
}

/// The memory of a burst comes back: a second one of the same size finds it.
#[kernel_test]
fn bursts_reuse_memory() {
    for round in 0..20_u8 {
        let burst: Vec<_> = (0..200).map(|i| vec![round; 1 << (i % 15)]).collect();
        assert!(burst.iter().flatten().all(|&b| b == round));
    }
}
