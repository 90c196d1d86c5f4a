//! Slices are as long as they are said to be, and begin and end for all. On one core.

use super::super::super::preempt::{acquirem, releasem};
use super::super::super::{go, go_with_stack, gosched, syscall};
use super::{Going, MS, Moment, compute, compute_until, work};
use crate::chan::make;
use crate::port;
use crate::sync::WaitGroup;
use crate::time::{after_func, sleep};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::hint::black_box;
use core::sync::atomic::Ordering;
use core::time::Duration;

/// Computes until `end` and returns how long each of its stretches was, but for the last.
fn stretches(end: i64) -> Vec<i64> {
    let mut all = Vec::new();
    let mut begin = port::nanotime();
    let mut last = begin;
    while last < end {
        work();
        let now = port::nanotime();
        if now - last > MS {
            all.push(last - begin);
            begin = now;
        }
        last = now;
    }
    all
}

/// Computes until the interrupt that an earlier slice has left armed has come, and armed none, as nobody waits.
fn let_armed_slice_end() {
    compute(12 * MS);
}

/// A slice that another goroutine has begun, or the timer that it has left armed, ends somebody's turn too early; or a slice begins with each interrupt.
pub(super) fn hogs_take_turns_of_a_slice() {
    // Else that interrupt comes while what runs first does: preempted, it leaves a new slice to each hog.
    let_armed_slice_end();
    gosched();
    let end = port::nanotime() + 48 * MS;
    let result = make(2);
    for _ in 0..2 {
        let result = result.clone();
        go(move || result.send(stretches(end)));
    }
    // Runs first, in what is left of this slice.
    go(|| compute(3 * MS));
    for hog in result.iter().take(2) {
        assert!(
            !hog.is_empty() && hog.iter().all(|ns| (9 * MS..11 * MS).contains(ns)),
            "stretches: {hog:?} ns"
        );
    }
}

/// Who is queued beside a goroutine that ran alone waits for ever, or for a whole slice from then on.
pub(super) fn a_slice_counts_from_its_beginning() {
    gosched();
    let start = port::nanotime();
    compute(6 * MS);
    let ran = Moment::default();
    let r = ran.clone();
    go(move || r.is_now());
    compute_until(30 * MS, || ran.has_been());
    let waited = ran.after(start);
    assert!((9 * MS..11 * MS).contains(&waited), "the slice lasted {waited} ns");
}

/// A timer that a goroutine adds that runs alone never fires, as nothing interrupts it.
pub(super) fn a_timer_ends_a_lone_slice() {
    gosched();
    let_armed_slice_end();
    let fired = Moment::default();
    let (f, start) = (fired.clone(), port::nanotime());
    let _timer = after_func(Duration::from_millis(1), move || f.is_now());
    compute_until(30 * MS, || fired.has_been());
    let waited = fired.after(start);
    assert!(waited < 2 * MS, "the timer fired after {waited} ns");
}

/// A goroutine that comes back from a blocking call waits for ever for the P, which has gone to one that runs alone.
pub(super) fn a_call_returns_beside_a_lone_hog() {
    let going = Going::new();
    let flag = going.flag();
    go(move || _ = compute_until(40 * MS, || !flag.load(Ordering::Relaxed)));
    let start = port::nanotime();
    syscall::nanosleep(Duration::from_micros(100));
    let waited = port::nanotime() - start;
    assert!(waited < 12 * MS, "back after {waited} ns");
}

/// Starts two goroutines that do nothing but ready each other, one of which then queues a third; returns how long that waits.
fn beside_a_pair() -> i64 {
    gosched();
    let (ping, pong) = (make(0), make(0));
    let (to, from, queued, ran) = (ping.clone(), pong.clone(), Moment::default(), Moment::default());
    let (q, r) = (queued.clone(), ran.clone());
    let ended = Arc::new(WaitGroup::new());
    ended.go(move || {
        let end = port::nanotime() + 30 * MS;
        for round in 0.. {
            if round == 10 {
                let r = r.clone();
                q.is_now();
                go(move || r.is_now());
            }
            to.send(());
            from.recv();
            if r.has_been() || port::nanotime() > end {
                break;
            }
        }
        to.close();
    });
    ended.go(move || {
        while ping.recv().is_some() {
            pong.send(());
        }
    });
    ended.wait();
    ran.after(queued.after(0))
}

/// Two goroutines that ready each other have a slice each, again and again, and nobody else has one.
pub(super) fn a_pair_shares_a_slice() {
    let waited = beside_a_pair();
    assert!(waited < 11 * MS, "{waited} ns beside a pair");
}

/// The same where there are timers, by the scheduler's long way.
pub(super) fn a_pair_shares_a_slice_beside_timers() {
    let timer = after_func(Duration::from_secs(60), || ());
    let waited = beside_a_pair();
    timer.stop();
    assert!(waited < 11 * MS, "{waited} ns beside a pair");
}

/// Who is readied by a timer at the end of a slice inherits it, and is preempted at once.
pub(super) fn who_is_woken_at_the_end_of_a_slice_has_a_whole_one() {
    let took = make(1);
    let t = took.clone();
    go(move || {
        sleep(Duration::from_millis(5));
        let start = port::nanotime();
        compute(3 * MS);
        t.send(port::nanotime() - start);
    });
    gosched();
    compute(25 * MS);
    let took = took.recv().expect("it sends one");
    assert!(took < 4 * MS, "3 ms took {took} ns");
}

/// A slice that ends while the goroutine cannot be preempted has no end.
pub(super) fn a_refused_preemption_is_repeated() {
    gosched();
    let ran = Moment::default();
    let (r, start) = (ran.clone(), port::nanotime());
    go(move || r.is_now());
    let gp = acquirem();
    compute(12 * MS);
    releasem(gp);
    compute_until(20 * MS, || ran.has_been());
    let waited = ran.after(start);
    assert!((12 * MS..13 * MS).contains(&waited), "preempted after {waited} ns");
}

/// A preemption that is refused for long is tried as often as at first: on a core that is slower than that, for ever.
pub(super) fn a_refused_preemption_comes_less_often() {
    const LONG: i64 = 10 * MS + 16 * MS;
    gosched();
    go(|| {});
    let gp = acquirem();
    compute(LONG);
    // SAFETY: the current goroutine's M, which it keeps.
    let refusals = unsafe { (*(*gp).m).refusals.load(Ordering::Relaxed) };
    releasem(gp);
    // Eight at 100 µs, then at 200, 400, and 800 to the end: some 30, where there would be 160.
    assert!((20..40).contains(&refusals), "refused {refusals} times in 16 ms");
}

/// A preemption saves registers where the stack has no room for them: the program dies of an overflow that it did not cause.
pub(super) fn no_preemption_without_room() {
    #[inline(never)]
    fn descend(lo: usize, room: usize, at_the_end: &mut dyn FnMut()) {
        let frame = black_box([0u8; 128]);
        if frame.as_ptr() as usize - lo > room {
            descend(lo, room, at_the_end);
        } else {
            at_the_end();
        }
        black_box(frame);
    }
    let (done, ran) = (make(0), Moment::default());
    let (d, r) = (done.clone(), ran.clone());
    go_with_stack(64 << 10, move || {
        let mut beside = None;
        // SAFETY: the current G is there as long as it runs.
        let lo = unsafe { (*port::getg()).stack.lo };
        descend(lo, 1100, &mut || {
            let r2 = r.clone();
            go(move || r2.is_now());
            compute(15 * MS);
            beside = Some(r.has_been());
        });
        d.send(beside);
    });
    assert_eq!(done.recv().flatten(), Some(false), "preempted without room, or not at all");
    gosched();
    assert!(ran.has_been());
}
