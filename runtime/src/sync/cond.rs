//! `Cond`: waiting for a condition on what a lock guards (Go: `sync/cond.go`, `notifyList` in `runtime/sema.go`).
//!
//! # Problem
//! A signal must wake one of those that began to wait before it, and none that began after, though a waiter must give up its lock before it can sleep.
//!
//! # Protocol (Go's)
//! Waiters draw tickets: `wait` is the next one, `notify` the next to be woken; both only grow, and wrap.
//! 1. *Wait*: draw a ticket, with the caller's lock held; give that lock up; take the list's lock. If the ticket has been woken meanwhile (it is below
//!    `notify`), go on; else queue and park, which gives up the list's lock.
//! 2. *Signal*: if `notify` is `wait`, nobody waits. Else, under the list's lock, look for the ticket `notify` in the list, add 1 to it, and ready
//!    that waiter. If it is not in the list it has not come so far, and finds in 1 that it was woken.
//! 3. *Broadcast*: under the list's lock set `notify` to `wait` and take the whole list.
//!
//! The looks of 2 and 3 without the list's lock may miss a waiter that draws its ticket at that moment. Whoever changes the condition does so under the
//! waiters' lock, and so either finds their tickets drawn, or they find the condition changed.

use crate::lock::{Lock, Rank};
use crate::port::getg;
use crate::proc::{G, WaitReason, goparkunlock, goready};
use core::cell::UnsafeCell;
use core::fmt;
use core::ptr::null_mut;
use core::sync::atomic::{AtomicU32, Ordering};

/// Where goroutines wait for a condition, and others tell them that it may have changed. To share one, put it beside the lock.
///
/// ```no_run
/// use runtime::sync::{Cond, Mutex};
/// static QUEUE: Mutex<Vec<u32>> = Mutex::new(Vec::new());
/// static NOT_EMPTY: Cond = Cond::new();
/// fn take() -> u32 {
///     let mut queue = QUEUE.lock();
///     loop {
///         match queue.pop() {
///             Some(item) => return item,
///             None => NOT_EMPTY.wait(&mut queue),
///         }
///     }
/// }
/// fn put(item: u32) {
///     QUEUE.lock().push(item);
///     NOT_EMPTY.signal();
/// }
/// ```
///
/// Unlike Go's it does not name its lock: [`Cond::wait`] is given the guard. The value cannot be used while it waits:
/// ```compile_fail,E0499
/// use runtime::sync::{Cond, Mutex};
/// let (mutex, cond) = (Mutex::new(1), Cond::new());
/// let mut guard = mutex.lock();
/// let value = &mut *guard;
/// cond.wait(&mut guard);
/// *value += 1;
/// ```
#[repr(C)]
pub struct Cond {
    wait: AtomicU32,
    /// Written under `lock`.
    notify: AtomicU32,
    lock: Lock,
    list: UnsafeCell<List>,
}

// SAFETY: `list` is used under `lock` only; it owns nothing.
unsafe impl Sync for Cond {}
// SAFETY: as above. It is not moved while somebody waits, who borrows it.
unsafe impl Send for Cond {}

/// A guard whose lock can be given up and taken again.
pub trait Relock {
    /// Gives the lock up.
    fn unlock(&mut self);
    /// Takes it again.
    fn lock(&mut self);
}

/// Those that wait, the oldest in front but for some disorder among those that came at once.
#[repr(C)]
struct List {
    head: *mut Waiter,
    tail: *mut Waiter,
}

/// One that waits, on its stack.
struct Waiter {
    g: *mut G,
    ticket: u32,
    next: *mut Waiter,
}

impl Cond {
    /// One that nobody waits for.
    pub const fn new() -> Cond {
        Cond {
            wait: AtomicU32::new(0),
            notify: AtomicU32::new(0),
            lock: Lock::new(Rank::Sema),
            list: UnsafeCell::new(List { head: null_mut(), tail: null_mut() }),
        }
    }

    /// Gives the guard's lock up and waits for [`Cond::signal`] or [`Cond::broadcast`]; then takes the lock again. It never returns without one of these,
    /// but another goroutine may have had the lock in between: the condition must be looked at again.
    pub fn wait<G: Relock>(&self, guard: &mut G) {
        let ticket = self.wait.fetch_add(1, Ordering::SeqCst);
        guard.unlock();
        self.sleep(ticket);
        guard.lock();
    }

    /// Waits for the ticket's turn. Go code draws it itself, from the first word.
    pub(crate) fn sleep(&self, ticket: u32) {
        let mut waiter = Waiter { g: getg(), ticket, next: null_mut() };
        self.lock.lock();
        if is_before(ticket, self.notify.load(Ordering::Relaxed)) {
            self.lock.unlock();
            return;
        }
        // SAFETY: under the lock; the waiter stays in place until it is readied, when it is off the list.
        unsafe { (*self.list.get()).push(&raw mut waiter) };
        goparkunlock(&self.lock, WaitReason::SyncCondWait);
    }

    /// Wakes the goroutine that has waited longest, if one waits. The caller may hold the lock, but need not.
    pub fn signal(&self) {
        if self.nobody_waits() {
            return;
        }
        self.lock.lock();
        let ticket = self.notify.load(Ordering::Relaxed);
        if ticket == self.wait.load(Ordering::SeqCst) {
            self.lock.unlock();
            return;
        }
        self.notify.store(ticket.wrapping_add(1), Ordering::SeqCst);
        // SAFETY: under the lock; who is on the list waits.
        let waiter = unsafe { (*self.list.get()).take(ticket) };
        self.lock.unlock();
        if !waiter.is_null() {
            // SAFETY: it was parked when the lock was free, and only this goroutine took it off.
            unsafe { goready((*waiter).g) };
        }
    }

    /// Wakes all that wait. The caller may hold the lock, but need not.
    pub fn broadcast(&self) {
        if self.nobody_waits() {
            return;
        }
        self.lock.lock();
        // SAFETY: under the lock.
        let list = unsafe { &mut *self.list.get() };
        let mut waiter = core::mem::replace(&mut list.head, null_mut());
        list.tail = null_mut();
        self.notify.store(self.wait.load(Ordering::SeqCst), Ordering::SeqCst);
        self.lock.unlock();
        while !waiter.is_null() {
            // SAFETY: all were parked when the lock was free, and only this goroutine took them off; each is in place until it is readied.
            unsafe {
                let (g, next) = ((*waiter).g, (*waiter).next);
                goready(g);
                waiter = next;
            }
        }
    }

    /// Whether `f` says so of a goroutine that a signal, or with `all` a broadcast, would wake now.
    pub(crate) fn would_wake(&self, all: bool, f: impl Fn(*mut G) -> bool) -> bool {
        if self.nobody_waits() {
            return false;
        }
        self.lock.lock();
        let next = self.notify.load(Ordering::Relaxed);
        // SAFETY: under the lock, who is on the list waits, and stays in place.
        let found = unsafe {
            let first = (*self.list.get()).head;
            core::iter::successors(first.as_ref(), |w| w.next.as_ref())
                .any(|w| (all || w.ticket == next) && f(w.g))
        };
        self.lock.unlock();
        found
    }

    /// As seen at one moment.
    #[inline]
    fn nobody_waits(&self) -> bool {
        self.wait.load(Ordering::SeqCst) == self.notify.load(Ordering::SeqCst)
    }
}

impl Default for Cond {
    fn default() -> Cond {
        Cond::new()
    }
}

impl fmt::Debug for Cond {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cond")
    }
}

impl List {
    /// # Safety
    /// All that are on the list, and `waiter`, stay in place.
    unsafe fn push(&mut self, waiter: *mut Waiter) {
        if self.tail.is_null() {
            self.head = waiter;
        } else {
            // SAFETY: as the caller promises.
            unsafe { (*self.tail).next = waiter };
        }
        self.tail = waiter;
    }

    /// Takes the waiter with this ticket off; null if it is not there. It is near the front.
    ///
    /// # Safety
    /// All that are on the list stay in place.
    unsafe fn take(&mut self, ticket: u32) -> *mut Waiter {
        let mut before: *mut Waiter = null_mut();
        let mut waiter = self.head;
        // SAFETY: as the caller promises.
        unsafe {
            while !waiter.is_null() && (*waiter).ticket != ticket {
                before = waiter;
                waiter = (*waiter).next;
            }
            if !waiter.is_null() {
                let next = (*waiter).next;
                if before.is_null() {
                    self.head = next;
                } else {
                    (*before).next = next;
                }
                if next.is_null() {
                    self.tail = before;
                }
            }
        }
        waiter
    }
}

/// Whether ticket `a` was drawn before `b`; fewer than 2³¹ goroutines wait.
fn is_before(a: u32, b: u32) -> bool {
    (a.wrapping_sub(b) as i32) < 0
}
