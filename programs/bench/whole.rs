//! Small programs that put the primitives together.

use super::B;
use alloc::format;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::hint::black_box;
use core::sync::atomic::{AtomicU64, Ordering};
use runtime::chan::{self, Chan};
use runtime::sync::WaitGroup;
use runtime::time::{self, Duration};
use runtime::{go, set_gomaxprocs};

fn fib(n: u64) -> u64 {
    if n < 2 {
        return n;
    }
    let c = chan::make(1);
    let left = c.clone();
    go(move || left.send(fib(n - 1)));
    let y = fib(n - 2);
    c.recv().expect("one result") + y
}

/// fib(25), a goroutine for each left branch, no cut-off; op = one goroutine.
pub fn parfib(_: &mut B) {
    assert_eq!(fib(25), 75_025);
}

fn skynet_node(c: &Chan<u64>, num: u64, size: u64, div: u64) {
    if size == 1 {
        c.send(num);
        return;
    }
    let rc = chan::make(0);
    for i in 0..div {
        let up = rc.clone();
        go(move || skynet_node(&up, num + i * (size / div), size / div, div));
    }
    c.send(rc.iter().take(div as usize).sum());
}

/// A million leaves in a tree of ten branches a node; op = one goroutine.
pub fn skynet(_: &mut B) {
    let c = chan::make(0);
    let root = c.clone();
    go(move || skynet_node(&root, 0, 1_000_000, 10));
    assert_eq!(c.recv(), Some(499_999_500_000));
}

/// The concurrent sieve to the 1000th prime; op = one prime. The chain of blocked goroutines is left behind, as in Go's program.
pub fn prime_sieve(b: &mut B) {
    let mut ch = chan::make(0);
    let out = ch.clone();
    go(move || {
        for i in 2_u64.. {
            out.send(i);
        }
    });
    let mut prime = 0;
    for _ in 0..b.n {
        prime = ch.recv().expect("numbers do not end");
        let (input, next) = (ch, chan::make(0));
        let out = next.clone();
        go(move || {
            for v in input {
                if v % prime != 0 {
                    out.send(v);
                }
            }
        });
        ch = next;
    }
    b.stop();
    assert_eq!(prime, 7919);
}

/// Rows and columns of the matrices.
pub const DIM: usize = 512;

type Rows = Vec<[f64; DIM]>;

/// 512 × 512, 64 goroutines of 8 rows, i-k-j order; op = one multiply-add.
pub fn matmul(b: &mut B) {
    let row = |f: &dyn Fn(usize) -> f64| core::array::from_fn(f);
    let x: Arc<Rows> = Arc::new((0..DIM).map(|i| row(&|j| ((i * 3 + j) % 7) as f64 + 0.1)).collect());
    let y: Arc<Rows> = Arc::new((0..DIM).map(|i| row(&|j| ((i + j * 5) % 11) as f64 + 0.3)).collect());
    let outs: Vec<Rows> = (0..DIM / 8).map(|_| vec![[0.0; DIM]; 8]).collect();
    let wg = Arc::new(WaitGroup::new());
    b.start();
    for (r, mut out) in outs.into_iter().enumerate() {
        let (x, y) = (x.clone(), y.clone());
        wg.go(move || {
            for (sums, factors) in out.iter_mut().zip(&x[r * 8..]) {
                for (factor, row) in factors.iter().zip(y.iter()) {
                    for (sum, v) in sums.iter_mut().zip(row) {
                        *sum += factor * v;
                    }
                }
            }
            black_box(&out);
        });
    }
    wg.wait();
    b.stop();
}

static TASK_SINK: AtomicU64 = AtomicU64::new(0);

fn task() {
    let mut v = 1_u64;
    for _ in 0..40_000 {
        v = black_box(v.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
    }
    TASK_SINK.fetch_add(v & 1, Ordering::Relaxed);
}

/// `n` equal tasks, all started by one goroutine; how long they take together.
fn tasks(n: u64) -> Duration {
    let wg = Arc::new(WaitGroup::new());
    wg.add(n as i32);
    let wg2 = wg.clone();
    let start = time::now();
    go(move || {
        for _ in 0..n {
            let wg = wg2.clone();
            go(move || {
                task();
                wg.done();
            });
        }
    });
    wg.wait();
    start.elapsed()
}

/// 1000 equal tasks for the processor from one goroutine, on 1 P and on 2, 4, … in the same run; op = one task on one P. `speedup_pN` is how many times
/// as fast N Ps are.
pub fn steal_balance(b: &mut B) {
    let all = set_gomaxprocs(1);
    let one = tasks(b.n);
    b.set_total(one);
    let mut procs = 2;
    while procs <= all {
        set_gomaxprocs(procs);
        b.extra(&format!("speedup_p{procs}"), one.as_secs_f64() / tasks(b.n).as_secs_f64());
        procs *= 2;
    }
    set_gomaxprocs(all);
}
