//! Matrix multiplication on all Ps, checked bit for bit against a serial one, with a goroutine ticking in between: floating-point
//! registers survive preemption.

use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::ops::Range;
use core::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use runtime::time::{Duration, now, sleep};
use runtime::{chan, exit, go, gomaxprocs, println, program};

const DIM: usize = 512;

type Matrix = Vec<[f64; DIM]>;

/// Rows `rows` of a × b.
fn multiply(a: &Matrix, b: &Matrix, rows: Range<usize>) -> Matrix {
    let mut c = vec![[0.0; DIM]; rows.len()];
    for (a_row, c_row) in a[rows].iter().zip(&mut c) {
        for (x, b_row) in a_row.iter().zip(b) {
            for (sum, y) in c_row.iter_mut().zip(b_row) {
                *sum += x * y;
            }
        }
    }
    c
}

/// a × b by `n` goroutines, each with its share of the rows.
fn multiply_by(n: usize, a: &Arc<Matrix>, b: &Arc<Matrix>) -> Matrix {
    let results = chan::make(n);
    for i in 0..n {
        let (a, b, results) = (a.clone(), b.clone(), results.clone());
        go(move || results.send((i, multiply(&a, &b, i * DIM / n..(i + 1) * DIM / n))));
    }
    let mut parts: Vec<_> = results.iter().take(n).collect();
    parts.sort_by_key(|(i, _)| *i);
    parts.into_iter().flat_map(|(_, rows)| rows).collect()
}

fn timed<R>(f: impl FnOnce() -> R) -> (R, f64) {
    let t = now();
    let r = f();
    (r, t.elapsed().as_secs_f64() * 1e3)
}

fn same_bits(a: &Matrix, b: &Matrix) -> bool {
    let bits = |m: &Matrix| m.iter().flatten().map(|x| x.to_bits()).collect::<Vec<_>>();
    bits(a) == bits(b)
}

#[program]
fn main() {
    let row = |f: &dyn Fn(usize) -> f64| core::array::from_fn(f);
    let a: Arc<Matrix> = Arc::new((0..DIM).map(|i| row(&|j| ((i * 3 + j) % 7) as f64 + 0.1)).collect());
    let b: Arc<Matrix> = Arc::new((0..DIM).map(|i| row(&|j| ((i + j * 5) % 11) as f64 + 0.3)).collect());
    let serial = multiply(&a, &b, 0..DIM);

    let (ticks, stop) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicBool::new(false)));
    let (ticks2, stop2) = (ticks.clone(), stop.clone());
    go(move || {
        while !stop2.load(Ordering::Relaxed) {
            sleep(Duration::from_millis(1));
            ticks2.fetch_add(1, Ordering::Relaxed);
        }
    });
    let procs = gomaxprocs();
    let (by_one, one_ms) = timed(|| multiply_by(1, &a, &b));
    let (by_all, all_ms) = timed(|| multiply_by(procs, &a, &b));
    stop.store(true, Ordering::Relaxed);

    println!(
        "{DIM} x {DIM}: 1 goroutine {one_ms:.1} ms, {procs} goroutines {all_ms:.1} ms, ratio {:.2}",
        all_ms / one_ms
    );
    println!("{} ticks meanwhile", ticks.load(Ordering::Relaxed));
    if !same_bits(&serial, &by_one) || !same_bits(&serial, &by_all) {
        println!("matmul: a result differs from the serial one");
        exit(1);
    }
    println!("all results are the same, bit for bit");
}
