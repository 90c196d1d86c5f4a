//! Several cores: work finds one that is idle.

use super::super::super::{go, gomaxprocs, gosched, syscall};
use super::{Going, MS, Moment, compute, compute_until};
use crate::chan::make;
use crate::port;
use crate::time::{after_func, sleep};
use alloc::sync::Arc;
use core::sync::atomic::{AtomicUsize, Ordering};
use core::time::Duration;

/// Long for a core to be woken and to look, short against a slice.
const SOON: i64 = 4 * MS;

/// Sleeps, then computes for as long as the other Ms need to find nothing and go to sleep: one is woken when this goroutine is.
fn let_others_sleep() {
    sleep(Duration::from_millis(1));
    compute(MS);
}

/// Computes for at most 8 ms until it has happened, which must be soon.
#[track_caller]
fn expect_soon(what: &str, happens: &Moment) {
    let start = port::nanotime();
    compute_until(8 * MS, || happens.has_been());
    let waited = happens.after(start);
    assert!(waited < SOON, "{what}: {waited} ns");
}

/// A goroutine that is started, or readied, or queued beside a P that is given up waits for the slice's end beside an idle P.
pub(super) fn an_idle_p_is_found() {
    for _ in 0..10 {
        let_others_sleep();
        let started = Moment::default();
        let s = started.clone();
        go(move || s.is_now());
        expect_soon("go", &started);

        let (gate, readied) = (make(1), Moment::default());
        let (g, r) = (gate.clone(), readied.clone());
        go(move || {
            g.recv();
            r.is_now();
        });
        let_others_sleep();
        gate.send(());
        expect_soon("ready", &readied);
    }
    for _ in 0..10 {
        let_others_sleep();
        let (going, inside) = (Going::new(), Moment::default());
        let (flag, i) = (going.flag(), inside.clone());
        go(move || {
            i.is_now();
            compute_until(20 * MS, || !flag.load(Ordering::Relaxed));
            syscall::nanosleep(Duration::from_millis(20));
        });
        expect_soon("go", &inside);
        gosched();
        let queued = Moment::default();
        let q = queued.clone();
        go(move || q.is_now());
        drop(going);
        expect_soon("the P of a blocking call", &queued);
        sleep(Duration::from_millis(30));
    }
}

/// A timer of a P whose goroutine does not stop waits for the slice's end, though a core is idle; or for the M that sleeps until a later one.
pub(super) fn a_timer_fires_beside_a_hog() {
    for _ in 0..10 {
        let later = after_func(Duration::from_millis(100), || ());
        // An M has begun to wait for that,
        compute(2 * MS);
        // a slice has begun, and the M that was woken then has found nothing: it would tell the one that waits.
        gosched();
        compute(MS);
        let fired = Moment::default();
        let f = fired.clone();
        let _timer = after_func(Duration::from_millis(1), move || f.is_now());
        expect_soon("timer", &fired);
        later.stop();
    }
}

/// Of several goroutines that are started at once one finds a core, and the others wait beside idle ones.
pub(super) fn every_idle_p_is_woken() {
    for _ in 0..10 {
        let_others_sleep();
        let running = Arc::new(AtomicUsize::new(1));
        let all = Moment::default();
        for _ in 1..gomaxprocs() {
            let (running, all) = (running.clone(), all.clone());
            go(move || {
                if running.fetch_add(1, Ordering::SeqCst) + 1 == gomaxprocs() {
                    all.is_now();
                }
                compute_until(8 * MS, || all.has_been());
            });
        }
        expect_soon("the last of them", &all);
    }
}
