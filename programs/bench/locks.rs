//! Locks and what else makes goroutines wait for each other.

use super::B;
use alloc::sync::Arc;
use core::hint::black_box;
use runtime::sync::{Mutex, Once, RwMutex, WaitGroup};

/// Runs `f` on four goroutines.
fn four(f: impl Fn() + Send + Sync + 'static) {
    let (wg, f) = (Arc::new(WaitGroup::new()), Arc::new(f));
    for _ in 0..4 {
        let f = f.clone();
        wg.go(move || f());
    }
    wg.wait();
}

/// Lock and unlock.
pub fn mutex_uncontended(b: &mut B) {
    let mu = Mutex::new(());
    for _ in 0..b.n {
        drop(black_box(&mu).lock());
    }
}

/// Four goroutines; op = one lock, increment, unlock.
pub fn mutex_contended(b: &mut B) {
    let n = b.n / 4;
    let counter = Arc::new(Mutex::new(0_u64));
    let shared = counter.clone();
    four(move || {
        for _ in 0..n {
            *shared.lock() += 1;
        }
    });
    assert_eq!(*counter.lock(), 4 * n);
}

/// Read-lock and unlock.
pub fn rwmutex_read(b: &mut B) {
    let mu = RwMutex::new(());
    for _ in 0..b.n {
        drop(black_box(&mu).read());
    }
}

/// The same by four goroutines.
pub fn rwmutex_read4(b: &mut B) {
    let n = b.n / 4;
    let mu = RwMutex::new(());
    four(move || {
        for _ in 0..n {
            drop(black_box(&mu).read());
        }
    });
}

/// One call after the first.
pub fn once(b: &mut B) {
    let once = Once::new();
    for _ in 0..b.n {
        once.call_once(|| _ = black_box(0));
    }
}
