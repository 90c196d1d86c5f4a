//! Tests of the scheduler that need no preemption: they run on the machine and over host threads.

mod allgs;
mod gomaxprocs;
mod goroutines;
mod lockosthread;
pub(crate) mod prompt;
mod stw;

use super::stw::stop_the_world;
use super::threads::MAX_IDLE_MS;
use super::{
    Goroutine, getm, go, go_with_stack, gomaxprocs, gosched, num_goroutine, sched, syscall, systemstack,
};
use crate::chan::{Chan, make};
use crate::panic::{catch_unwind, goexit};
use crate::sync::WaitGroup;
use crate::time::sleep;
use crate::{kernel_test, port};
use alloc::sync::Arc;
use core::hint::black_box;
use core::sync::atomic::{AtomicUsize, Ordering};
use core::time::Duration;

/// As in Go, a blocking call counts twice: when the P is given up for it, and when it ends.
#[kernel_test]
fn syscalltick_counts_calls() {
    const CALLS: u32 = 50;
    let ticks = || sched::all_ps().map(|p| p.syscalltick.load(Ordering::Relaxed)).sum::<u32>();
    let before = ticks();
    for _ in 0..CALLS {
        syscall::block(|| ());
    }
    let counted = ticks() - before;
    assert!(counted >= 2 * CALLS, "{CALLS} calls, {counted} ticks");
}

/// A P that was left behind for a blocking call is its M's to `schedtrace`, until somebody takes it.
#[kernel_test]
fn a_p_in_a_blocking_call_is_wired_to_its_m() {
    let wired = || {
        // SAFETY: the current M, which is never freed; the closure runs on its g0.
        let m = unsafe { &*getm() };
        m.p.is_null() && m.wired_p().is_some_and(|p| p.in_syscall())
    };
    // On a busy host sysmon may be faster.
    assert!((0..100).any(|_| syscall::call(wired)));
}

/// Runs `f(i)` for `i < n` on a goroutine each and waits for all.
fn fan_out(n: usize, f: impl Fn(usize) + Send + Sync + 'static) {
    let (f, wg) = (Arc::new(f), Arc::new(WaitGroup::new()));
    wg.add(n as i32);
    for i in 0..n {
        let (f, wg) = (f.clone(), wg.clone());
        go(move || {
            f(i);
            wg.done();
        });
    }
    wg.wait();
}

/// The goroutines that were made at that place.
fn made_at(file: &'static str, line: u32) -> impl Fn(&Goroutine) -> bool {
    move |g| g.created_at.is_some_and(|at| (at.file(), at.line()) == (file, line))
}

/// Waits until none of those goroutines is left. The last statement of one is not its end, and how many there are does not say which: those of
/// an earlier test may have been ending when that was looked at.
fn wait_for_end(of: impl Fn(&Goroutine) -> bool) {
    while super::goroutines().iter().any(&of) {
        gosched();
    }
}

/// Checks that as many goroutines are counted as there are. The world stands meanwhile: none is between its state and the count.
fn check_count() {
    let world = stop_the_world("test");
    let (counted, listed) = (num_goroutine(), super::goroutines().len());
    drop(world);
    assert_eq!(counted, listed);
}

/// More goroutines than the local ring holds: the overflow to the global queue loses and doubles none.
#[kernel_test]
fn every_goroutine_runs_once() {
    const N: usize = 5000;
    static RAN: [AtomicUsize; N] = [const { AtomicUsize::new(0) }; N];
    for r in &RAN {
        r.store(0, Ordering::Relaxed);
    }
    fan_out(N, |i| {
        if i % 3 == 0 {
            gosched();
        }
        RAN[i].fetch_add(1, Ordering::Relaxed);
    });
    for (i, r) in RAN.iter().enumerate() {
        assert_eq!(r.load(Ordering::Relaxed), 1, "goroutine {i}");
    }
}

/// A goroutine that yields for ever does not keep another from running (the global queue is looked at in time).
#[kernel_test]
fn yielders_do_not_starve_others() {
    let stop = Arc::new(AtomicUsize::new(0));
    let yielders = super::gomaxprocs() * 2;
    for _ in 0..yielders {
        let stop = stop.clone();
        go(move || {
            while stop.load(Ordering::Relaxed) == 0 {
                gosched();
            }
        });
    }
    fan_out(100, |_| gosched());
    stop.store(1, Ordering::Relaxed);
}

/// A closure too large for the G is boxed, and either kind is dropped once.
#[kernel_test]
fn closures_are_dropped_once() {
    struct Count(Arc<AtomicUsize>);
    impl Drop for Count {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    let drops = Arc::new(AtomicUsize::new(0));
    let wg = Arc::new(WaitGroup::new());
    wg.add(2);
    let (small, large) = (Count(drops.clone()), (Count(drops.clone()), [7u64; 40]));
    let (w1, w2) = (wg.clone(), wg.clone());
    go(move || {
        drop(small);
        w1.done();
    });
    go(move || {
        assert_eq!(black_box(&large.1)[39], 7);
        drop(large);
        w2.done();
    });
    wg.wait();
    assert_eq!(drops.load(Ordering::Relaxed), 2);
}

/// Touches about `depth` KiB of stack and computes something from all of it.
#[inline(never)]
fn recurse(depth: usize) -> usize {
    let mut page = [depth as u8; 1024];
    black_box(&mut page);
    let below = if depth == 0 { 0 } else { recurse(depth - 1) };
    below + black_box(&page).iter().map(|&b| usize::from(b)).sum::<usize>()
}

/// Stacks grow at page faults, on many goroutines at once, and what was written stays.
#[kernel_test]
fn stacks_grow() {
    let want: usize = (0..=150usize).map(|d| 1024 * usize::from(d as u8)).sum();
    fan_out(40, move |_| {
        assert_eq!(recurse(150), want);
        gosched();
        assert_eq!(recurse(150), want);
    });
}

/// The limit can be set for one goroutine.
#[kernel_test]
fn stack_limit_can_be_raised() {
    let done: Chan<usize> = make(0);
    let d = done.clone();
    go_with_stack(8 << 20, move || d.send(recurse(4000)));
    assert_eq!(done.recv(), Some((0..=4000usize).map(|d| 1024 * usize::from(d as u8)).sum()));
}

/// `goexit` runs the destructors of the frames that it leaves, and nothing after it.
#[kernel_test]
fn goexit_runs_destructors() {
    struct Done(Arc<WaitGroup>);
    impl Drop for Done {
        fn drop(&mut self) {
            self.0.done();
        }
    }
    let wg = Arc::new(WaitGroup::new());
    wg.add(1);
    let done = Done(wg.clone());
    go(move || {
        let _done = done;
        goexit();
    });
    wg.wait();
}

/// A panic is caught with its text, the frames between are cleaned up, and the goroutine goes on.
#[kernel_test]
fn panics_are_caught() {
    let dropped = Arc::new(AtomicUsize::new(0));
    struct Count(Arc<AtomicUsize>);
    impl Drop for Count {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
    for round in 1..=3 {
        let count = Count(dropped.clone());
        let r = catch_unwind(move || {
            let _count = count;
            assert!(black_box(round) == 0, "round {round}");
        });
        assert!(r.is_err());
        assert_eq!(dropped.load(Ordering::Relaxed), round);
    }
}

/// The system stack is the M's: nesting works, and results come back.
#[kernel_test]
fn systemstack_returns_values() {
    let here = 0u8;
    let there = systemstack(|| {
        let x = 0u8;
        (&raw const x as usize, systemstack(|| 41) + 1)
    });
    assert!(there.0.abs_diff(&raw const here as usize) > 4096, "not on another stack");
    assert_eq!(there.1, 42);
}

/// Goroutines are counted, and dead ones counted out.
#[kernel_test]
fn goroutines_are_counted() {
    const N: usize = 50;
    let gate: Chan<()> = make(0);
    let mine = made_at(file!(), line!() + 3);
    for _ in 0..N {
        let gate = gate.clone();
        go(move || _ = gate.recv());
    }
    assert_eq!(super::goroutines().iter().filter(|g| mine(g)).count(), N);
    check_count();
    gate.close();
    wait_for_end(mine);
    check_count();
}

/// Blocking calls hold Ms, not Ps: many at once, more than there are Ps, and others run meanwhile.
#[kernel_test]
fn blocking_calls_leave_the_ps_to_others() {
    const CALLS: usize = 40;
    let (inside, most, worked) =
        (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let wg = Arc::new(WaitGroup::new());
    wg.add(CALLS as i32);
    for _ in 0..CALLS {
        let (inside, most, wg) = (inside.clone(), most.clone(), wg.clone());
        go(move || {
            most.fetch_max(inside.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            // Inside until all have been: with the Ps held there would be room for `gomaxprocs` of them.
            while most.load(Ordering::SeqCst) < CALLS {
                syscall::nanosleep(Duration::from_millis(1));
            }
            wg.done();
        });
    }
    let w = worked.clone();
    fan_out(50, move |_| {
        w.fetch_add(1, Ordering::Relaxed);
    });
    assert_eq!(worked.load(Ordering::Relaxed), 50);
    wg.wait();
    assert_eq!(most.load(Ordering::Relaxed), CALLS);
}

/// Blocked calls make Ms, one each; when the calls have returned the Ms end, but for the few that are kept idle. Go would keep all.
#[kernel_test]
fn ms_grow_with_blocking_calls_and_end_after_them() {
    const CALLS: usize = 100;
    let ms = || systemstack(|| sched::lock().nms as usize);
    let kept = 2 * gomaxprocs() + MAX_IDLE_MS as usize;
    let (inside, released) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let wg = Arc::new(WaitGroup::new());
    for _ in 0..CALLS {
        let (inside, released) = (inside.clone(), released.clone());
        wg.go(move || {
            inside.fetch_add(1, Ordering::SeqCst);
            while released.load(Ordering::SeqCst) == 0 {
                syscall::nanosleep(Duration::from_millis(20));
            }
        });
    }
    while inside.load(Ordering::SeqCst) < CALLS || ms() < CALLS {
        gosched();
    }
    released.store(1, Ordering::SeqCst);
    wg.wait();
    // Ms end when they find no work, and this goroutine's is the only one that has any.
    while ms() > kept {
        sleep(Duration::from_millis(1));
    }
}

/// A call that turns out to block has its P taken by sysmon: what is queued on that P runs before the call returns.
#[kernel_test]
fn sysmon_takes_ps_from_blocking_calls() {
    let ran = Arc::new(AtomicUsize::new(0));
    for round in 1..=5 {
        let r = ran.clone();
        go(move || {
            r.fetch_add(1, Ordering::SeqCst);
        });
        // On one P the new goroutine is queued behind this one, which leaves only by the call.
        while ran.load(Ordering::SeqCst) < round {
            syscall::call(|| port::semasleep(300_000));
        }
    }
}

/// A short call comes back to its P, and nothing is lost by thousands of them on all Ps while sysmon looks.
#[kernel_test]
fn short_calls_come_back() {
    let sum = Arc::new(AtomicUsize::new(0));
    let s = sum.clone();
    fan_out(8, move |i| {
        for k in 0..500 {
            let x = syscall::call(|| black_box(i + k));
            s.fetch_add(x, Ordering::Relaxed);
            if k % 64 == 0 {
                gosched();
            }
        }
    });
    let want: usize = (0..8).map(|i| (0..500).map(|k| i + k).sum::<usize>()).sum();
    assert_eq!(sum.load(Ordering::Relaxed), want);
}
