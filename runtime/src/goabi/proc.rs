//! Goroutines of Go code (Go: `newproc`, `goexit1`, `Gosched` in `proc.go`).

use super::layout::{g_word, layout};
use crate::lock::Lock;
use crate::port;
use crate::proc::{self, G, StoppedWorld, WaitReason};
use core::cell::UnsafeCell;
use core::ptr::null_mut;

/// Starts a goroutine that runs a func value; `pc` is where the `go` statement stands.
pub(super) unsafe extern "C" fn newproc(funcval: *mut u8, pc: usize) {
    // SAFETY: the program registered where its goroutines begin, and the func value is the new goroutine's.
    unsafe { proc::go_foreign(layout().gostart, funcval, pc, |me, gp| inherit_labels(me, gp)) };
}

/// Gives a new goroutine the labels of the current one, `me`, for profiles.
///
/// # Safety
/// Both are of Go code, and nobody else knows the new one.
pub(super) unsafe fn inherit_labels(me: *mut G, gp: *mut G) {
    let at = layout().g_labels;
    // SAFETY: as the caller promises.
    unsafe { g_word::<usize>(gp, at).write(g_word::<usize>(me, at).read()) };
}

pub(super) extern "C" fn goexit() -> ! {
    // SAFETY: called by a goroutine of Go code that has run its deferred functions.
    unsafe { proc::end_foreign() }
}

pub(super) extern "C" fn gosched() {
    proc::gosched();
}

/// Parks for good.
pub(super) extern "C" fn park(reason: usize) {
    proc::gopark(None, null_mut(), WaitReason::of_number(reason));
}

pub(super) extern "C" fn procid() -> usize {
    // SAFETY: a goroutine has a P, and the caller is not preempted.
    unsafe { (*proc::getp()).id as usize }
}

pub(super) extern "C" fn gomaxprocs(n: usize) -> usize {
    if n == 0 { proc::gomaxprocs() } else { proc::set_gomaxprocs(n) }
}

pub(super) extern "C" fn numgoroutine() -> usize {
    proc::num_goroutine()
}

pub(super) extern "C" fn ncpu() -> usize {
    port::ncpu()
}

/// How many Ms there may be; returns how many there might have been.
pub(super) extern "C" fn set_max_threads(n: usize) -> usize {
    proc::set_max_threads(n)
}

pub(super) extern "C" fn lock_os_thread(lock: usize) {
    if lock != 0 { proc::lock_os_thread() } else { proc::unlock_os_thread() }
}

/// The world that Go code has stopped; touched by who stopped it only.
struct Stopped(UnsafeCell<Option<StoppedWorld>>);

// SAFETY: one goroutine at a time stops the world.
unsafe impl Sync for Stopped {}

static STOPPED: Stopped = Stopped(UnsafeCell::new(None));

/// Stops all other goroutines, or lets them go on. The caller does not park in between.
pub(super) extern "C" fn stop_the_world(stop: usize) {
    let world = if stop != 0 { Some(proc::stop_the_world("runtime.Stack")) } else { None };
    // SAFETY: the world stands for this goroutine, before or from here on.
    let before = unsafe { core::mem::replace(&mut *STOPPED.0.get(), world) };
    drop(before);
}

/// `mutex.key` of Go's is a lock of the runtime's.
pub(super) extern "C" fn lock(l: &Lock) {
    l.lock();
}

pub(super) extern "C" fn unlock(l: &Lock) {
    l.unlock();
}

pub(super) extern "C" fn osyield() {
    port::os_yield();
}

pub(super) extern "C" fn can_spin(i: usize) -> usize {
    usize::from(proc::can_spin(i as u32))
}

pub(super) extern "C" fn do_spin() {
    proc::do_spin();
}

pub(super) extern "C" fn random() -> u64 {
    proc::random()
}
