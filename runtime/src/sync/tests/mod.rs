//! `sync` on the machine: Go's tests written anew (`docs/go-tests.md` names each) and our own. Each names the bug that it would show.

mod cond;
mod errgroup;
mod hashtriemap;
mod map;
mod mutex;
mod once;
mod pool;
mod rwmutex;
mod sema;
mod semaphore;
mod singleflight;
mod waitgroup;

use crate::sync::WaitGroup;
use alloc::sync::Arc;

/// Runs `f(i)` on `n` goroutines and waits for all.
fn on_goroutines(n: usize, f: impl Fn(usize) + Send + Sync + 'static) {
    let wg = Arc::new(WaitGroup::new());
    let f = Arc::new(f);
    for i in 0..n {
        let f = f.clone();
        wg.go(move || f(i));
    }
    wg.wait();
}
