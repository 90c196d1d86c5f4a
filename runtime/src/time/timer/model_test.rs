//! Timers against a simple model: whatever is done to them in whatever order, what is due goes off once and in order, and nothing is left.

use super::{HEAPED, TimerCore, TimerOps};
use crate::kernel_test;
use crate::proc::{acquirem, releasem};
use crate::rand::Rand;
use crate::time::Timers;
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicUsize, Ordering};

/// The addresses of the timers that have gone off, and how many they are.
static RAN: ([AtomicUsize; 256], AtomicUsize) = ([const { AtomicUsize::new(0) }; 256], AtomicUsize::new(0));
static FREED: AtomicUsize = AtomicUsize::new(0);

static OPS: TimerOps = TimerOps { due, run, free, moment: |_, _, _| (), bubble: None };

unsafe fn due(t: *const TimerCore) {
    // SAFETY: one of the test's.
    unsafe { (*t).expire() };
}

unsafe fn run(t: *const TimerCore) {
    RAN.0[RAN.1.fetch_add(1, Ordering::SeqCst)].store(t.addr(), Ordering::SeqCst);
}

unsafe fn free(t: *const TimerCore) {
    // SAFETY: boxed by the test, and given up.
    drop(unsafe { Box::from_raw(t.cast_mut()) });
    FREED.fetch_add(1, Ordering::SeqCst);
}

/// A timer, and when the model has it go off; 0: it is stopped.
struct Known {
    t: &'static TimerCore,
    when: i64,
}

impl Known {
    fn new() -> Known {
        Known { t: Box::leak(Box::new(TimerCore::new(&OPS, 1, 0, 0))), when: 0 }
    }

    /// Sets it in the heap of `ts`; whether it was to go off.
    fn set(&mut self, ts: &Timers, when: i64) -> bool {
        self.when = when;
        if self.t.state() & HEAPED != 0 {
            return self.t.modify(when, 0, || {});
        }
        let me = acquirem();
        ts.lock.lock_pinned();
        self.t.when.set(when);
        self.t.enter(ts);
        ts.lock.unlock_pinned();
        releasem(me);
        false
    }

    fn give_up(self) {
        self.t.stop(|| {});
        // SAFETY: stopped, and nobody has it any more.
        unsafe { TimerCore::abandon(self.t) };
    }
}

/// What goes off at `now`, in order.
fn check(ts: &Timers, now: i64) -> Vec<usize> {
    let me = acquirem();
    ts.check(now);
    releasem(me);
    let n = RAN.1.swap(0, Ordering::SeqCst);
    RAN.0[..n].iter().map(|t| t.load(Ordering::SeqCst)).collect()
}

/// A timer lost, run twice, early, or out of order; a heap that wakes too late; zombies that pile up; a timer leaked or freed twice.
#[kernel_test]
fn timers_do_as_the_model_does() {
    for seed in 1..=40 {
        let rand = Rand::new(seed);
        let ts = Timers::new();
        let (mut known, mut now, mut made) = (Vec::<Known>::new(), 1, 0);
        FREED.store(0, Ordering::SeqCst);
        for step in 0..1000 {
            let when = now + 1 + i64::from(rand.below(400));
            let any = rand.below(known.len().max(1) as u32) as usize;
            match rand.below(if known.len() < 150 { 10 } else { 7 }) {
                0 if !known.is_empty() => {
                    let k = &mut known[any];
                    assert_eq!(k.t.stop(|| {}), k.when != 0, "seed {seed} step {step}: stop");
                    k.when = 0;
                }
                1..=3 if !known.is_empty() => {
                    let k = &mut known[any];
                    let was = k.when != 0;
                    assert_eq!(k.set(&ts, when), was, "seed {seed} step {step}: set");
                }
                4 if !known.is_empty() => known.swap_remove(any).give_up(),
                5 | 6 => {
                    now += i64::from(rand.below(60));
                    let first = known.iter().map(|k| k.when).filter(|w| *w != 0).min();
                    let wake = ts.wake_time();
                    assert!(
                        first.is_none_or(|w| wake != 0 && wake <= w),
                        "seed {seed} step {step}: wakes too late"
                    );
                    let mut ran = check(&ts, now);
                    let when_of = |t: &usize| {
                        known.iter().find(|k| core::ptr::from_ref(k.t).addr() == *t).map(|k| k.when)
                    };
                    assert!(ran.iter().map(when_of).is_sorted(), "seed {seed} step {step}: out of order");
                    let mut due = Vec::new();
                    for k in known.iter_mut().filter(|k| k.when != 0 && k.when <= now) {
                        k.when = 0;
                        due.push(core::ptr::from_ref(k.t).addr());
                    }
                    ran.sort_unstable();
                    due.sort_unstable();
                    assert_eq!(ran, due, "seed {seed} step {step}: at {now}");
                }
                _ => {
                    let mut k = Known::new();
                    made += 1;
                    k.set(&ts, when);
                    known.push(k);
                }
            }
            assert!(ts.len() <= known.len() * 4 / 3 + 64, "seed {seed} step {step}: {} entries", ts.len());
        }
        known.into_iter().for_each(Known::give_up);
        let me = acquirem();
        let wake = ts.wake_time_before_sleep();
        releasem(me);
        assert_eq!(
            (wake, ts.len(), FREED.load(Ordering::SeqCst)),
            (0, 0, made),
            "seed {seed}: something is left"
        );
    }
}
