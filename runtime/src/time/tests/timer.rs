//! Timers of both kinds: once, stopped, reset.

use super::{HOUR, KINDS, MILLISECOND, with_channel, with_function};
use crate::chan::{self, TryRecvError};
use crate::rand::Rand;
use crate::sync::WaitGroup;
use crate::time::{Duration, Timer, after, after_func, now, sleep};
use crate::{go, gosched, kernel_test};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, Ordering};

/// Go: `TestAfter`. A timer that goes off early, or sends another time than that it was set for.
#[kernel_test]
fn after_is_not_early() {
    let d = 10 * MILLISECOND;
    let start = now();
    let end = after(d).recv().expect("a timer's channel is never closed");
    assert!(start.elapsed() >= d);
    assert!(end >= start + d && end <= now(), "{end:?}");
}

/// Go: `TestAfterTick`. A timer that goes off at once if another of the same kind went off just before.
#[kernel_test]
fn one_after_the_other() {
    let start = now();
    for _ in 0..10 {
        after(2 * MILLISECOND).recv();
    }
    assert!(start.elapsed() >= 20 * MILLISECOND);
}

/// Go: `TestAfterStop`. A stopped timer that goes off, or says so twice.
#[kernel_test]
fn stopped_timers_do_not_go_off() {
    for kind in KINDS {
        // Others about them, so that they are somewhere in the heap.
        let others = [after_func(5 * MILLISECOND, || {}), after_func(HOUR, || {})];
        let timers: Vec<_> = (0..20).map(|i| kind((1000 + i) * MILLISECOND)).collect();
        let last = after((1000 + 20) * MILLISECOND);
        // The machine may be so slow that they have gone off.
        let stopped: Vec<_> = timers.iter().filter(|t| t.timer.stop()).collect();
        last.recv();
        for t in &stopped {
            assert_eq!(t.c.try_recv(), Err(TryRecvError::Empty));
            assert!(!t.timer.stop(), "stopped twice");
        }
        others.iter().for_each(|t| _ = t.stop());
    }
}

/// Go: `TestAfterQueuing`. Waiters who are served in another order than that of their times. A machine that stops for a while mixes them, too: as
/// in Go, one attempt of five must do.
#[kernel_test]
fn times_keep_their_order() {
    const SLOTS: [u32; 13] = [5, 3, 6, 6, 6, 1, 1, 2, 7, 9, 4, 8, 0];
    for kind in KINDS {
        let in_order = (0..5).any(|attempt| {
            let delta = 2 * MILLISECOND * 2_u32.pow(attempt);
            let start = now();
            let result = chan::make(SLOTS.len());
            for slot in SLOTS {
                let (t, result) = (kind(slot * delta), result.clone());
                go(move || result.send((slot, t.c.recv().expect("not closed"))));
            }
            let times: Vec<_> = (0..SLOTS.len()).map(|_| result.recv().expect("not closed")).collect();
            assert!(times.iter().all(|(slot, t)| *t >= start + *slot * delta));
            times.is_sorted_by_key(|(slot, _)| slot)
        });
        assert!(in_order);
    }
}

/// Go: `TestTimerStopStress`. Timers set and stopped from many goroutines at once: one goes off all the same.
#[kernel_test]
fn many_are_stopped_at_once() {
    let wg = Arc::new(WaitGroup::new());
    let went_off = Arc::new(AtomicBool::new(false));
    for i in 0..100 {
        let went_off = went_off.clone();
        wg.go(move || {
            let t = after_func(HOUR + i * MILLISECOND, move || went_off.store(true, Ordering::SeqCst));
            sleep(i % 7 * MILLISECOND);
            assert!(t.stop());
        });
    }
    wg.wait();
    sleep(5 * MILLISECOND);
    assert!(!went_off.load(Ordering::SeqCst));
}

/// Go: `TestReset`. A reset that goes off at the former time, or not at all.
#[kernel_test]
fn reset_moves_the_time() {
    for kind in KINDS {
        let t = kind(HOUR);
        assert!(t.timer.reset(2 * HOUR), "it was to go off");
        let start = now();
        assert!(t.timer.reset(3 * MILLISECOND), "it was to go off");
        t.c.recv();
        assert!(start.elapsed() >= 3 * MILLISECOND);
        assert!(!t.timer.reset(HOUR), "it has gone off");
        assert_eq!(t.c.try_recv(), Err(TryRecvError::Empty));
        assert!(t.timer.stop());
        assert!(!t.timer.reset(Duration::ZERO), "it was stopped");
        t.c.recv();
        assert!(!t.timer.stop());
    }
}

/// Go: `TestOverflowSleep`. A time beyond the end of the clock that passes, or one at once that does not.
#[kernel_test]
fn the_longest_time_does_not_pass() {
    let far = after(Duration::MAX);
    go(|| {
        sleep(Duration::MAX);
        panic!("the longest sleep is over");
    });
    after(10 * MILLISECOND).recv();
    assert_eq!(far.try_recv(), Err(TryRecvError::Empty));
    after(Duration::ZERO).recv();
    sleep(Duration::ZERO);
}

/// Go: `TestZeroTimer`. A timer that is due at once and is missed by the scheduler.
#[kernel_test]
fn zero_timers_are_not_missed() {
    for kind in KINDS {
        for _ in 0..5000 {
            kind(Duration::ZERO).c.recv();
        }
    }
    let t = with_function(HOUR);
    for _ in 0..5000 {
        t.timer.reset(Duration::ZERO);
        t.c.recv();
    }
}

/// Go: `TestTimerModifiedEarlier`. A timer in a heap that is moved to an earlier time again and again, and is forgotten.
#[kernel_test]
fn moved_earlier_again_and_again() {
    for _ in 0..200 {
        let t = with_function(HOUR);
        for _ in 0..10 {
            if !t.timer.stop() {
                t.c.recv();
            }
            t.timer.reset(Duration::ZERO);
        }
        t.c.recv();
    }
}

/// Go: `TestAdjustTimers`. Timers of many goroutines' making that are moved earlier and later at random: one is lost, or goes off twice.
#[kernel_test]
fn moved_to_and_fro() {
    for seed in 1..=10 {
        let rand = Rand::new(seed);
        let mut timers: Vec<_> = (0..100).map(|_| (with_function(Duration::ZERO), 1)).collect();
        while !timers.is_empty() {
            let i = rand.below(timers.len() as u32) as usize;
            let (t, state) = &mut timers[i];
            match *state {
                1 | 9 => _ = t.c.recv(),
                2 | 4 | 6 => assert!(!t.timer.reset((5 - *state % 5) * HOUR), "seed {seed} state {state}"),
                3 | 5 | 7 => assert!(t.timer.stop(), "seed {seed} state {state}"),
                8 => assert!(!t.timer.reset(Duration::ZERO), "seed {seed}"),
                _ => {
                    assert_eq!(t.c.try_recv().err(), Some(TryRecvError::Empty), "seed {seed}");
                    timers.swap_remove(i);
                    continue;
                }
            }
            *state += 1;
        }
    }
}

/// Stop and reset against the timer's going off on another core: a value that nobody took back and that `stop` denies, or one that it
/// promised and that came.
#[kernel_test]
fn stop_says_the_truth() {
    for seed in 1..=300u32 {
        for kind in KINDS {
            let t = kind(Duration::from_micros(u64::from(seed % 30)));
            for _ in 0..seed % 50 {
                core::hint::spin_loop();
            }
            if seed % 3 == 0 {
                gosched();
            }
            if t.timer.stop() {
                sleep(Duration::from_micros(20));
                assert_eq!(t.c.try_recv(), Err(TryRecvError::Empty), "seed {seed}: stopped");
            } else {
                t.c.recv();
            }
        }
    }
}

/// Two goroutines that stop and reset one timer: a count of its states that goes wrong shows as a timer that never goes off, or a fault.
#[kernel_test]
fn shared_by_goroutines() {
    for kind in KINDS {
        let t = Arc::new(kind(HOUR));
        let wg = Arc::new(WaitGroup::new());
        for seed in 1..=4 {
            let t = t.clone();
            wg.go(move || {
                let rand = Rand::new(seed);
                for _ in 0..2000 {
                    match rand.below(4) {
                        0 => _ = t.timer.stop(),
                        1 => _ = t.timer.reset(HOUR),
                        2 => _ = t.timer.reset(Duration::from_micros(u64::from(rand.below(40)))),
                        _ => _ = t.c.try_recv(),
                    }
                    if rand.below(20) == 0 {
                        gosched();
                    }
                }
            });
        }
        // Functions that were started block on their channel of one place: as many as there may be are received.
        let done = Arc::new(AtomicBool::new(false));
        let (t2, done2) = (t.clone(), done.clone());
        let drained = Arc::new(WaitGroup::new());
        drained.go(move || {
            while !done2.load(Ordering::SeqCst) {
                _ = t2.c.try_recv();
                gosched();
            }
        });
        wg.wait();
        done.store(true, Ordering::SeqCst);
        drained.wait();
        t.timer.reset(Duration::ZERO);
        t.c.recv();
    }
}

/// A timer with a channel that waits in one P's heap and is reset by another goroutine: the receiver sleeps on.
#[kernel_test]
fn a_waiting_receiver_sees_the_reset() {
    let t = Arc::new(Timer::new(HOUR));
    for _ in 0..100 {
        let (t2, got) = (t.clone(), chan::make(1));
        let end = got.clone();
        go(move || end.send(t2.c.recv()));
        gosched();
        t.reset(Duration::from_micros(50));
        assert!(got.recv().flatten().is_some());
        t.reset(HOUR);
    }
    assert!(with_channel(Duration::ZERO).c.recv().is_some());
}
