//! GOMAXPROCS at run time.

use super::super::p::GQueue;
use super::super::{G, go, gomaxprocs, gosched, set_gomaxprocs};
use super::stw::Crowd;
use super::{check_count, wait_for_end};
use crate::chan::make;
use crate::kernel_test;
use crate::time::{now, sleep};
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::time::Duration;

/// Sets GOMAXPROCS back when it is dropped.
struct Procs(usize);

impl Procs {
    fn set(n: usize) -> Procs {
        Procs(set_gomaxprocs(n))
    }
}

impl Drop for Procs {
    fn drop(&mut self) {
        set_gomaxprocs(self.0);
    }
}

/// The number returned is the former one; 0 asks and changes nothing.
#[kernel_test]
fn set_gomaxprocs_returns_the_former_number() {
    let procs = Procs::set(3);
    assert_eq!(gomaxprocs(), 3);
    assert_eq!(set_gomaxprocs(0), 3);
    assert_eq!(set_gomaxprocs(7), 3);
    assert_eq!(set_gomaxprocs(1), 7);
    assert_eq!(gomaxprocs(), 1);
    let old = procs.0;
    drop(procs);
    assert_eq!(gomaxprocs(), old);
}

/// A goroutine, a timer or a count that stays behind in a P that is put aside; an M that goes on with one; a P that comes back and nobody uses.
#[kernel_test]
fn gomaxprocs_goes_up_and_down_under_load() {
    let crowd = Crowd::start(4);
    let procs = Procs::set(2);
    for n in [1, 4, 2, 16, 3, 1, 8, 1, 2, 5] {
        set_gomaxprocs(n);
        crowd.everybody_gets_on();
        assert_eq!(gomaxprocs(), n);
    }
    drop(crowd);
    drop(procs);
    wait_for_end(Crowd::has);
    check_count();
}

/// Parked goroutines are readied on Ps that there were not when they parked, and timers of Ps that are gone fire in time.
#[kernel_test]
fn sleepers_survive_their_p() {
    for n in [1, 2, 6] {
        let procs = Procs::set(6);
        let woken = make(0);
        for i in 0..60u64 {
            let woken = woken.clone();
            go(move || {
                let d = Duration::from_micros(500 + 50 * i);
                let t = now();
                sleep(d);
                assert!(t.elapsed() >= d);
                woken.send(i);
            });
        }
        gosched();
        set_gomaxprocs(n);
        let mut got: Vec<u64> = woken.iter().take(60).collect();
        got.sort_unstable();
        assert!(got.into_iter().eq(0..60));
        drop(procs);
    }
}

/// Queues of Ps that go are put in front in a wrong order, or an end is lost when one of the two is empty.
#[kernel_test]
fn queues_are_put_in_front_in_order() {
    let mut gs: Vec<Box<G>> = (0..6).map(|_| Box::new(G::new())).collect();
    let gs: Vec<*mut G> = gs.iter_mut().map(|g| &raw mut **g).collect();
    for split in 0..=gs.len() {
        let (mut first, mut all) = (GQueue::new(), GQueue::new());
        gs[..split].iter().for_each(|&g| first.push_back(g));
        gs[split..].iter().for_each(|&g| all.push_back(g));
        all.prepend(first);
        assert_eq!(all.len(), gs.len());
        let order: Vec<*mut G> =
            core::iter::from_fn(|| Some(all.pop_front()).filter(|g| !g.is_null())).collect();
        assert_eq!(order, gs);
    }
}

/// An exchange with a queue that is empty, or has one G, loses a G or an end.
#[kernel_test]
fn exchange_puts_one_last_and_takes_the_first() {
    let mut gs: Vec<Box<G>> = (0..4).map(|_| Box::new(G::new())).collect();
    let gs: Vec<*mut G> = gs.iter_mut().map(|g| &raw mut **g).collect();
    for n in 0..gs.len() - 1 {
        let mut queue = GQueue::new();
        gs[..n].iter().for_each(|&g| queue.push_back(g));
        assert_eq!(queue.exchange(gs[n]), gs[0]);
        assert_eq!(queue.len(), n);
        queue.push_back(gs[n + 1]);
        let order: Vec<*mut G> =
            core::iter::from_fn(|| Some(queue.pop_front()).filter(|g| !g.is_null())).collect();
        assert_eq!(order, gs[1..n + 2]);
    }
}
