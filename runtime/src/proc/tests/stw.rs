//! Stopping the world. Goroutines here call the runtime now and then; those that never do are the machine's tests.

use super::super::stw::stop_the_world;
use super::super::{Goroutine, go, gosched, syscall};
use super::fan_out;
use crate::chan::make;
use crate::sync::WaitGroup;
use crate::time::sleep;
use crate::{kernel_test, port};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::hint::black_box;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use core::time::Duration;

/// Goroutines of every kind that come back to the runtime, each counting its turns, until they are dropped.
pub(super) struct Crowd {
    turns: Arc<Vec<AtomicUsize>>,
    stop: Arc<AtomicBool>,
    ended: Arc<WaitGroup>,
}

impl Crowd {
    /// `each` goroutines of each kind: they yield, park at channels, sleep, block in calls that keep and that give up their P, allocate and spawn.
    pub(super) fn start(each: usize) -> Crowd {
        let kinds: [fn(); 6] = [
            || (),
            || {
                let (a, b) = (make(0), make(1));
                let (a2, b2) = (a.clone(), b.clone());
                go(move || b2.send(a2.recv()));
                a.send(());
                b.recv();
            },
            || sleep(Duration::from_micros(100)),
            || syscall::call(|| _ = black_box(port::semasleep(50_000))),
            || syscall::nanosleep(Duration::from_micros(50)),
            || {
                let blocks: Vec<Vec<u8>> = (1..20).map(|i| black_box(Vec::with_capacity(i * 100))).collect();
                drop(black_box(blocks));
            },
        ];
        let crowd = Crowd {
            turns: Arc::new((0..each * kinds.len()).map(|_| AtomicUsize::new(0)).collect()),
            stop: Arc::new(AtomicBool::new(false)),
            ended: Arc::new(WaitGroup::new()),
        };
        crowd.ended.add((each * kinds.len()) as i32);
        for i in 0..each * kinds.len() {
            let turn = kinds[i % kinds.len()];
            let (turns, stop, ended) = (crowd.turns.clone(), crowd.stop.clone(), crowd.ended.clone());
            go(move || {
                while !stop.load(Ordering::Relaxed) {
                    turn();
                    // Goroutines that ready each other go on in one slice, which nothing ends where there is no preemption.
                    gosched();
                    turns[i].fetch_add(1, Ordering::Relaxed);
                }
                ended.done();
            });
        }
        crowd
    }

    /// Whether a goroutine is one of any crowd, or was made by one.
    pub(super) fn has(g: &Goroutine) -> bool {
        g.created_at.is_some_and(|at| at.file() == file!())
    }

    fn turns(&self) -> Vec<usize> {
        self.turns.iter().map(|n| n.load(Ordering::SeqCst)).collect()
    }

    /// Waits until each goroutine has had another turn.
    pub(super) fn everybody_gets_on(&self) {
        let before = self.turns();
        while self.turns().iter().zip(&before).any(|(now, then)| now == then) {
            sleep(Duration::from_micros(200));
        }
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        self.ended.wait();
    }
}

/// An M that was not stopped, or went on too early: a goroutine gets on while the world stands. Or one that is not started again: it gets
/// on no more.
#[kernel_test]
fn nobody_runs_while_the_world_stands() {
    let crowd = Crowd::start(2);
    for _ in 0..20 {
        crowd.everybody_gets_on();
        let world = stop_the_world("test");
        let before = crowd.turns();
        let until = port::nanotime() + 300_000;
        while port::nanotime() < until {
            core::hint::spin_loop();
        }
        let after = crowd.turns();
        drop(world);
        assert_eq!(before, after);
    }
}

/// Two that stop the world at once: each waits for the other to stop, or both have it.
#[kernel_test]
fn one_stops_the_world_at_a_time() {
    static INSIDE: AtomicUsize = AtomicUsize::new(0);
    let crowd = Crowd::start(1);
    fan_out(6, |_| {
        for _ in 0..20 {
            let world = stop_the_world("test");
            assert_eq!(INSIDE.fetch_add(1, Ordering::SeqCst), 0);
            for _ in 0..100 {
                core::hint::spin_loop();
            }
            assert_eq!(INSIDE.fetch_sub(1, Ordering::SeqCst), 1);
            drop(world);
        }
    });
    crowd.everybody_gets_on();
}

/// What the stopper queues while the world stands, and what comes back from blocking calls then, is found by nobody when it runs again: the
/// stopper computes on, alone on its P, and others' Ps are idle.
#[kernel_test]
fn work_from_while_the_world_stood_is_found() {
    let (ran, back) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    for round in 1..=20 {
        let (inside, b) = (Arc::new(AtomicBool::new(false)), back.clone());
        let i = inside.clone();
        go(move || {
            syscall::block(|| {
                i.store(true, Ordering::SeqCst);
                port::semasleep(200_000)
            });
            b.fetch_add(1, Ordering::SeqCst);
        });
        while !inside.load(Ordering::SeqCst) {
            gosched();
        }
        let world = stop_the_world("test");
        let r = ran.clone();
        go(move || {
            r.fetch_add(1, Ordering::SeqCst);
        });
        let until = port::nanotime() + 400_000;
        while port::nanotime() < until {
            core::hint::spin_loop();
        }
        drop(world);
        // On one P the others run when this one waits; with more they must run beside it.
        while (ran.load(Ordering::SeqCst), back.load(Ordering::SeqCst)) != (round, round) {
            if super::super::gomaxprocs() == 1 {
                gosched();
            }
            core::hint::spin_loop();
        }
    }
}

/// A timer that falls due while the world stands is lost: the M that waited for it found no P, and nobody waits for it then.
#[kernel_test]
fn timers_that_are_due_while_the_world_stands_fire() {
    for _ in 0..10 {
        let woken = make(8);
        for us in 1..=8 {
            let woken = woken.clone();
            go(move || {
                sleep(Duration::from_micros(100 * us));
                woken.send(());
            });
        }
        gosched();
        let world = stop_the_world("test");
        let until = port::nanotime() + 500_000;
        while port::nanotime() < until {
            core::hint::spin_loop();
        }
        drop(world);
        for _ in 0..8 {
            woken.recv();
        }
    }
}
