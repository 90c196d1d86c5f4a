//! Allocation and freeing by size.

use super::B;
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::hint::black_box;
use core::mem::MaybeUninit;
use runtime::gomaxprocs;
use runtime::sync::WaitGroup;
use runtime::{chan, go_with_stack};

/// One allocation of `WORDS` zeroed words, and its freeing.
pub fn alloc_words<const WORDS: usize>(b: &mut B) {
    for _ in 0..b.n {
        drop(black_box(Box::new([0_u64; WORDS])));
    }
}

/// [`alloc_words`] in batches of 100 objects, by a goroutine for each P at once; op = one allocation and its freeing. Under `-icount` the
/// time is the instructions of all cores, so that what the Ps cost each other shows.
pub fn alloc_parallel(b: &mut B) {
    let wg = Arc::new(WaitGroup::new());
    let ps = gomaxprocs();
    let rounds = b.n / 100 / ps as u64;
    b.start();
    for _ in 0..ps {
        wg.go(move || {
            let mut batch = Vec::with_capacity(100);
            for _ in 0..rounds {
                batch.extend((0..100).map(|_| black_box(Box::<[u64; 8]>::new_uninit())));
                batch.clear();
            }
        });
    }
    wg.wait();
    b.stop();
}

/// One allocation of `WORDS` words as they come, and its freeing. (Go zeroes; BASELINE compares without that.)
pub fn alloc_uninit<const WORDS: usize>(b: &mut B) {
    for _ in 0..b.n {
        drop(black_box(Box::<[u64; WORDS]>::new_uninit()));
    }
}

const PAGE: usize = 4096;

/// Descends in steps of about a page; where it ended.
fn descend(steps: u64) -> usize {
    let mut frame = MaybeUninit::<[u8; PAGE - 256]>::uninit();
    let here = black_box(&mut frame).as_ptr() as usize;
    if steps == 0 { here } else { black_box(descend(steps - 1)) }
}

/// A goroutine that descends N pages and comes back; op = a page of stack that is touched for the first time, by page fault.
pub fn stack_growth(b: &mut B) {
    let done = chan::make(1);
    let (result, steps) = (done.clone(), b.n);
    b.start();
    go_with_stack(b.n as usize * 2 * PAGE, move || {
        let top = descend(0);
        result.send(top - descend(steps));
    });
    b.n = done.recv().expect("one result") as u64 / PAGE as u64;
    b.stop();
}
