//! Semaphores and condition variables of Go code (Go: `sema.go`).

use crate::proc::WaitReason;
use crate::sync::{NotifyList, semacquire, semrelease};
use core::sync::atomic::AtomicU32;

pub(super) extern "C" fn acquire(addr: &AtomicU32, lifo: usize, reason: usize) {
    semacquire(addr, lifo != 0, WaitReason::of_number(reason));
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
