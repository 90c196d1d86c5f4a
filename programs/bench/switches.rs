//! What it costs to change goroutines, by choice and by force.
#![allow(unsafe_code, reason = "the runtime's own calls are measured")]

use super::B;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ptr::null_mut;
use core::sync::atomic::{AtomicPtr, AtomicU64, AtomicUsize, Ordering};
use runtime::machine::{
    G, OsThread, WaitReason, block, getg, getm, getp, gopark, goready, nanotime, semasleep, semawakeup,
};
use runtime::sync::WaitGroup;
use runtime::time::Duration;
use runtime::{gomaxprocs, gosched};

/// Two goroutines that wake each other by the runtime's own calls, without a channel; op = one parks and readies the other.
pub fn park_ready(b: &mut B) {
    let n = b.n / 2;
    let sleeper = Arc::new(AtomicPtr::<G>::new(null_mut()));
    let wg = Arc::new(WaitGroup::new());
    let up = sleeper.clone();
    wg.go(move || {
        // Its G is published once it is parked.
        // SAFETY: `publish` gets the place, which this goroutine keeps alive.
        unsafe { gopark(Some(publish), Arc::as_ptr(&up).cast_mut().cast(), WaitReason::Sleep) };
        let other = up.load(Ordering::Acquire);
        for _ in 0..n {
            park_for(other);
        }
    });
    while sleeper.load(Ordering::Acquire).is_null() {
        gosched();
    }
    let other = sleeper.swap(getg(), Ordering::AcqRel);
    b.start();
    for _ in 0..n {
        park_for(other);
    }
    b.stop();
    // SAFETY: it parked before it readied this goroutine for the last time.
    unsafe { goready(other) };
    wg.wait();
}

/// Parks, and readies `other`, which is parked here or by [`publish`].
fn park_for(other: *mut G) {
    // SAFETY: of the two one is parked, and only the one that runs readies it.
    unsafe { gopark(Some(ready), other.cast(), WaitReason::Sleep) };
}

/// # Safety
/// As `gopark` calls it; `place` is an `AtomicPtr<G>`.
unsafe fn publish(gp: *mut G, place: *mut ()) -> bool {
    // SAFETY: as the caller promises; the goroutine that waits keeps the place alive.
    unsafe { (*place.cast::<AtomicPtr<G>>()).store(gp, Ordering::Release) };
    true
}

/// # Safety
/// As `gopark` calls it; `other` is a goroutine that is parked here.
unsafe fn ready(_: *mut G, other: *mut ()) -> bool {
    // SAFETY: of the two one is parked, and only the one that runs readies it.
    unsafe { goready(other.cast()) };
    true
}

/// Two Ms that wake each other by the machine's semaphores, their goroutines in a blocking call; op = one sleeps and the other wakes, a switch of kernel
/// threads where there is one core.
pub fn m_switch(b: &mut B) {
    let n = b.n / 2;
    // A word is 0 until there is a thread to name.
    let other = Arc::new(AtomicUsize::new(0));
    let wg = Arc::new(WaitGroup::new());
    let (me, named) = (Arc::new(AtomicUsize::new(0)), other.clone());
    let back = me.clone();
    wg.go(move || {
        let sleep_first = || {
            named.store(this_thread().0, Ordering::Release);
            for _ in 0..n {
                // SAFETY: in `block`; the other goroutine's thread sleeps there, or will.
                unsafe {
                    semasleep(-1);
                    semawakeup(OsThread(back.load(Ordering::Acquire)));
                }
            }
        };
        // SAFETY: it uses nothing of the runtime but the semaphores.
        unsafe { block(sleep_first) };
    });
    while other.load(Ordering::Acquire) == 0 {
        gosched();
    }
    let wake_first = || {
        me.store(this_thread().0, Ordering::Release);
        let other = OsThread(other.load(Ordering::Acquire));
        b.start();
        for _ in 0..n {
            // SAFETY: as there.
            unsafe {
                semawakeup(other);
                semasleep(-1);
            }
        }
        b.stop();
    };
    // SAFETY: it uses nothing of the runtime but the semaphores and the clock.
    unsafe { block(wake_first) };
    wg.wait();
}

/// The current M's thread; stable on g0.
fn this_thread() -> OsThread {
    // SAFETY: the current M, and Ms are never freed.
    unsafe { (*getm()).os() }
}

/// Goroutines that spin, one more than there are Ps; op = one is preempted at the end of its slice, to the next one's first look at the clock
/// on that P: interrupt, saving all registers, the scheduler, restoring all registers.
pub fn async_preempt(b: &mut B) {
    let spinners = gomaxprocs() as u64 + 1;
    // Who looked at the clock last on each P, and when: one word, so that a preemption between two stores spoils nothing.
    let last: Arc<[AtomicU64]> = (0..gomaxprocs()).map(|_| AtomicU64::new(0)).collect();
    let (left, wg) = (Arc::new(AtomicU64::new(b.n)), Arc::new(WaitGroup::new()));
    let costs: Arc<[AtomicU64]> = (0..b.n).map(|_| AtomicU64::new(0)).collect();
    for i in 0..spinners {
        let (last, left, costs) = (last.clone(), left.clone(), costs.clone());
        wg.go(move || {
            while left.load(Ordering::Relaxed) > 0 {
                // SAFETY: a goroutine has a P, and Ps are never freed.
                let p = unsafe { (*getp()).id } as usize;
                let mut now = nanotime() as u64;
                let before = last[p].swap(now << 8 | i, Ordering::Relaxed);
                if before != 0 && before & 0xff != i {
                    if now <= before >> 8 {
                        // Preempted between the look and the swap: under `-icount` perhaps each time.
                        now = nanotime() as u64;
                    }
                    let taken = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| n.checked_sub(1));
                    if let Ok(n) = taken {
                        costs[n as usize - 1].store(now - (before >> 8), Ordering::Relaxed);
                    }
                }
            }
        });
    }
    wg.wait();
    let costs: Vec<i64> = costs.iter().map(|ns| ns.load(Ordering::Relaxed) as i64).collect();
    b.set_total(Duration::from_nanos(costs.iter().sum::<i64>() as u64));
    super::primitives::percentiles(b, ["p50_us", "p99_us", "max_us"], costs);
}
