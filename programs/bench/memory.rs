//! Allocation and freeing by size.

use super::B;
use alloc::boxed::Box;
use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::hint::black_box;
use core::mem::MaybeUninit;
use runtime::sync::WaitGroup;
use runtime::time::{self, Duration};
use runtime::{chan, go_with_stack, gomaxprocs, set_gomaxprocs};

/// One allocation of `WORDS` zeroed words, and its freeing.
pub fn alloc_words<const WORDS: usize>(b: &mut B) {
    for _ in 0..b.n {
        drop(black_box(Box::new([0_u64; WORDS])));
    }
}

/// [`alloc_words`] in batches of 100 objects, by a goroutine for each P at once; op = one allocation and its freeing, in the best of ten parts. Under `-icount` the
/// time is the instructions of all cores, so that what the Ps cost each other shows. `speedup_pN` is how many times as fast N Ps are as
/// one: each part is done by both in turn, so that what else the host does hits both alike.
pub fn alloc_parallel(b: &mut B) {
    const PARTS: u32 = 10;
    let all = gomaxprocs();
    let mut best = [Duration::MAX; 2];
    for _ in 0..PARTS {
        for (ps, best) in [1, all].into_iter().zip(&mut best) {
            set_gomaxprocs(ps);
            *best = alloc_part(b.n / u64::from(PARTS), ps).min(*best);
        }
    }
    let [one, all_ps] = best;
    b.set_total(all_ps * PARTS);
    if all > 1 {
        b.extra(&format!("speedup_p{all}"), one.as_secs_f64() / all_ps.as_secs_f64());
    }
}

/// How long `ps` goroutines take for `n` allocations together.
fn alloc_part(n: u64, ps: usize) -> Duration {
    let wg = Arc::new(WaitGroup::new());
    let rounds = n / 100 / ps as u64;
    let start = time::now();
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
    start.elapsed()
}

/// One allocation of `WORDS` words as they come, and its freeing. (Go zeroes, too.)
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
