//! The scheduler that channels and semaphores see: each of loom's threads is a goroutine, parked on a condition variable.

use super::lock::Lock;
use loom::sync::atomic::AtomicU32;
use loom::sync::{Condvar, Mutex};
use loom::thread;
use std::cell::Cell;

#[derive(Clone, Copy)]
pub enum WaitReason {
    ChanReceiveNilChan,
    ChanSendNilChan,
    ChanReceive,
    ChanSend,
    Select,
    SelectNoCases,
    SyncMutexLock,
    SyncRwMutexLock,
    SyncRwMutexRLock,
    SyncWaitGroupWait,
}

pub struct G {
    ready: Mutex<bool>,
    woken: Condvar,
    pub select_done: AtomicU32,
    pub param: *mut (),
    random: Cell<u32>,
}

loom::thread_local! {
    static CURRENT: G = G {
        ready: Mutex::new(false),
        woken: Condvar::new(),
        select_done: AtomicU32::new(0),
        param: std::ptr::null_mut(),
        random: Cell::new(0),
    };
}

/// The current thread's G. It is used by others only while its thread waits, so that it outlives them.
pub fn getg() -> *mut G {
    CURRENT.with(|g| core::ptr::from_ref(g).cast_mut())
}

pub fn acquirem() -> *mut G {
    getg()
}

pub fn releasem(me: *mut G) {
    assert_eq!(me, getg());
}

pub fn gopark(_: Option<fn()>, _: *mut (), _: WaitReason) {
    panic!("a goroutine waits for ever");
}

pub unsafe fn park_pinned(me: *mut G, lock: &Lock, _: WaitReason) {
    assert_eq!(me, getg());
    lock.unlock();
    park();
}

pub unsafe fn park_pinned_locks(
    me: *mut G,
    unlockf: unsafe fn(*mut G, *mut ()) -> bool,
    locks: *mut (),
    _: WaitReason,
) {
    assert_eq!(me, getg());
    // SAFETY: as the caller promises.
    assert!(unsafe { unlockf(me, locks) });
    park();
}

fn park() {
    CURRENT.with(|g| {
        let mut ready = g.ready.lock().unwrap();
        while !*ready {
            ready = g.woken.wait(ready).unwrap();
        }
        *ready = false;
    });
}

/// What [`cheaprandn`] gives the current goroutine.
pub fn set_random(n: u32) {
    CURRENT.with(|g| g.random.set(n));
}

pub unsafe fn cheaprandn(me: *mut G, n: u32) -> u32 {
    // SAFETY: the current G.
    unsafe { (*me).random.get() % n }
}

pub fn goparkunlock(lock: &Lock, reason: WaitReason) {
    // SAFETY: the current goroutine.
    unsafe { park_pinned(getg(), lock, reason) };
}

pub unsafe fn goready(gp: *mut G) {
    // SAFETY: it waits, or is about to, until `ready` is set.
    let g = unsafe { &*gp };
    let mut ready = g.ready.lock().unwrap();
    assert!(!*ready, "readied twice");
    *ready = true;
    g.woken.notify_one();
}

pub unsafe fn ready_pinned(_: *mut G, gp: *mut G) {
    // SAFETY: as the caller promises.
    unsafe { goready(gp) };
}

/// Starts a goroutine.
pub fn go<R: 'static>(f: impl FnOnce() -> R + 'static) -> thread::JoinHandle<R> {
    thread::spawn(f)
}

pub fn goyield() {
    thread::yield_now();
}

/// Whether a waiter for a lock may spin: once, while another runs, and before it has waited for the first time (it has not asked for the time). It would come
/// to wait for the second time but seldom.
pub fn can_spin(round: u32) -> bool {
    round == 0 && NOW.with(Cell::get) == 0
}

pub fn do_spin() {
    thread::yield_now();
}

loom::thread_local! {
    static NOW: Cell<i64> = Cell::new(0);
}

/// A clock on which more than a millisecond passes between two looks.
pub fn nanotime() -> i64 {
    NOW.with(|now| now.replace(now.get() + 2_000_000))
}
