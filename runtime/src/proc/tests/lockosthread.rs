//! Goroutines that are bound to their M.

use super::super::{
    M, getm, go, gosched, lock_os_thread, sched, set_gomaxprocs, syscall, systemstack, unlock_os_thread,
};
use super::stw::Crowd;
use crate::chan::{Chan, make};
use crate::kernel_test;
use crate::sync::WaitGroup;
use crate::time::sleep;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ptr::null_mut;
use core::sync::atomic::{AtomicPtr, Ordering};
use core::time::Duration;

/// Gives way in every way there is, on a goroutine that is locked to `mp`, and checks that it comes back there.
fn stays_on(mp: *mut M, partner: &Chan<()>) {
    let ways: [&dyn Fn(); 5] = [
        &gosched,
        &|| sleep(Duration::from_micros(50)),
        &|| syscall::nanosleep(Duration::from_micros(50)),
        &|| syscall::call(|| ()),
        &|| _ = partner.recv(),
    ];
    for way in ways {
        way();
        assert_eq!(getm(), mp);
    }
}

/// A channel on which somebody always sends, until it is told to stop by a closed `stop`.
fn endless_sender() -> (Chan<()>, Chan<()>) {
    let (out, stop) = (make(0), make::<()>(1));
    let (o, s) = (out.clone(), stop.clone());
    go(move || {
        while s.is_empty() {
            o.send(());
        }
        o.close();
    });
    (out, stop)
}

/// A locked goroutine that another M runs after it has parked, was on a queue, or was in a call; a lock that the first of two unlocks ends.
#[kernel_test]
fn locked_goroutines_stay_on_their_m() {
    let crowd = Crowd::start(1);
    let wg = Arc::new(WaitGroup::new());
    for _ in 0..3 {
        wg.go(|| {
            let (partner, stop) = endless_sender();
            lock_os_thread();
            let mp = getm();
            for _ in 0..10 {
                stays_on(mp, &partner);
            }
            lock_os_thread();
            unlock_os_thread();
            for _ in 0..10 {
                stays_on(mp, &partner);
            }
            unlock_os_thread();
            // One too many is no matter.
            unlock_os_thread();
            stop.send(());
            while partner.recv().is_some() {}
        });
    }
    wg.wait();
    crowd.everybody_gets_on();
}

/// Another goroutine that runs on the M of a locked one.
#[kernel_test]
fn a_locked_m_runs_nobody_else() {
    let mine: Arc<AtomicPtr<M>> = Arc::new(AtomicPtr::new(null_mut()));
    let (wg, others) = (Arc::new(WaitGroup::new()), Arc::new(WaitGroup::new()));
    let m = mine.clone();
    wg.go(move || {
        lock_os_thread();
        m.store(getm(), Ordering::SeqCst);
        for _ in 0..200 {
            gosched();
            sleep(Duration::from_micros(20));
        }
        m.store(null_mut(), Ordering::SeqCst);
        unlock_os_thread();
    });
    while mine.load(Ordering::SeqCst).is_null() {
        gosched();
    }
    for _ in 0..4 {
        let mine = mine.clone();
        others.go(move || {
            loop {
                // One's own M cannot become the locked one's between the two looks and back: it is locked until it ends.
                let locked = mine.load(Ordering::SeqCst);
                if locked.is_null() {
                    break;
                }
                assert!(getm() != locked || mine.load(Ordering::SeqCst).is_null());
                gosched();
            }
        });
    }
    wg.wait();
    others.wait();
}

/// Two locked goroutines hand the P to each other's M, thousands of times, with nobody else to run: a wake-up that is lost ends in a hang or in the
/// report of a deadlock.
#[kernel_test]
fn locked_goroutines_play_ping_pong() {
    for procs in [1, 2] {
        let old = set_gomaxprocs(procs);
        let (ping, pong) = (make(0), make(0));
        let (a, b) = (ping.clone(), pong.clone());
        let wg = Arc::new(WaitGroup::new());
        wg.go(move || {
            lock_os_thread();
            for i in a {
                b.send(i + 1);
            }
            b.close();
            unlock_os_thread();
        });
        lock_os_thread();
        let mp = getm();
        for i in 0..1000u32 {
            ping.send(i);
            assert_eq!(pong.recv(), Some(i + 1));
            assert_eq!(getm(), mp);
        }
        ping.close();
        wg.wait();
        unlock_os_thread();
        set_gomaxprocs(old);
    }
}

/// A goroutine that ends locked leaves its M in whatever state it is, for others to run on; or the M's end is not counted.
#[kernel_test]
fn a_goroutine_that_ends_locked_ends_its_m() {
    for _ in 0..20 {
        let (of, done) = (make(1), make(1));
        let d = done.clone();
        go(move || {
            lock_os_thread();
            let mp = getm();
            // SAFETY: the current M.
            of.send((mp as usize, unsafe { (*mp).id }));
            d.send(of.recv());
        });
        let (mp, id) = done.recv().flatten().expect("it sends one");
        let mp = mp as *mut M;
        // An M is used again under another number.
        loop {
            // SAFETY: Ms are never freed, and the number of one that is used again is set before its thread runs.
            if unsafe { !(*mp).live.load(Ordering::Relaxed) || (*mp).id != id } {
                break;
            }
            gosched();
        }
    }
    assert!(
        systemstack(|| sched::lock().nmidlelocked) == 0,
        "an M that has ended is counted as one that waits"
    );
}

/// The world stops and GOMAXPROCS changes while locked goroutines run, wait and are in calls, and one of them is who stops it.
#[kernel_test]
fn the_world_stops_with_locked_goroutines() {
    let crowd = Crowd::start(1);
    let wg = Arc::new(WaitGroup::new());
    let stops: Vec<Chan<()>> = (0..3).map(|_| make(1)).collect();
    for stop in &stops {
        let stop = stop.clone();
        wg.go(move || {
            let (partner, end) = endless_sender();
            lock_os_thread();
            let mp = getm();
            while stop.is_empty() {
                stays_on(mp, &partner);
            }
            unlock_os_thread();
            end.send(());
            while partner.recv().is_some() {}
        });
    }
    lock_os_thread();
    let mp = getm();
    let old = set_gomaxprocs(2);
    for n in [4, 1, 3, 1, 8, 2] {
        set_gomaxprocs(n);
        assert_eq!(getm(), mp);
        crowd.everybody_gets_on();
    }
    set_gomaxprocs(old);
    unlock_os_thread();
    for stop in &stops {
        stop.send(());
    }
    wg.wait();
}
