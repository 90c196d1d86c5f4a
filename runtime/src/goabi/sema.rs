//! Semaphores and condition variables of Go code (Go: `sema.go`).

use crate::port;
use crate::proc::WaitReason;
use crate::sync::{NotifyList, semacquire, semrelease};
use core::sync::atomic::{AtomicI64, AtomicU32, Ordering};

/// How long goroutines have waited for mutexes, in [`port::cputicks`].
static MUTEX_WAIT: AtomicI64 = AtomicI64::new(0);

pub(super) extern "C" fn acquire(addr: &AtomicU32, lifo: usize, reason: usize) {
    let reason = WaitReason::of_number(reason);
    if !matches!(
        reason,
        WaitReason::SyncMutexLock | WaitReason::SyncRwMutexLock | WaitReason::SyncRwMutexRLock
    ) {
        return semacquire(addr, lifo != 0, reason);
    }
    // SAFETY: the current goroutine, before and after.
    let parked = || unsafe { (*port::getg()).wait_since };
    let before = parked();
    semacquire(addr, lifo != 0, reason);
    let since = parked();
    if since != before {
        MUTEX_WAIT.fetch_add(port::cputicks() - since, Ordering::Relaxed);
    }
}

/// How long goroutines have waited for mutexes, in nanoseconds.
pub(super) fn mutex_wait_ns() -> u64 {
    let ticks = MUTEX_WAIT.load(Ordering::Relaxed);
    (i128::from(ticks) * 1_000_000 / i128::from(port::cputicks_per_ms())) as u64
}

pub(super) extern "C" fn release(addr: &AtomicU32, handoff: usize) {
    semrelease(addr, handoff != 0);
}

pub(super) extern "C" fn notify_wait(l: &NotifyList, ticket: u32) {
    l.sleep(ticket);
}

pub(super) extern "C" fn notify_all(l: &NotifyList) {
    l.broadcast();
}

pub(super) extern "C" fn notify_one(l: &NotifyList) {
    l.signal();
}
