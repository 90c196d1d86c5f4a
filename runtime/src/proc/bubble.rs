//! Bubbles: goroutines of Go code with a clock of their own, for `testing/synctest` (Go:
//! `synctest.go`).
//!
//! # Problem
//! A bubble's time goes on when each of its goroutines is *durably blocked*: waits for what only
//! the bubble can bring about. So it has to be known at once when the last one blocks, and programs
//! without bubbles must not pay for it, in the few instructions of a park.
//!
//! # Protocol
//! 1. The state of a goroutine in a bubble has a bit more (`status.rs`): every exchange of states
//!    fails the first time, and the slow way comes here ([`Change`]). A second bit is set by the
//!    goroutine itself while it is in a call that blocks durably.
//! 2. `running` counts those that do not block durably. It is raised *before* a goroutine becomes
//!    runnable. It is lowered only when what the goroutine waits for has been told of it, its timer
//!    is in the heap and its locks are free: the parking M notes the bubble ([`M::left`](super::M))
//!    and comes to [`settle`] at the start of its next `schedule`, where a mark in `ATTENTION`
//!    sends it. So 0 is never seen too early: who raises the count runs in the bubble, or holds its
//!    token.
//! 3. Whoever lowers `running` to 0, with no token out, hands the *token* on, under the lock, and
//!    readies whom it went to: the root goroutine if a timer is due, else the goroutine in `Wait`,
//!    else the root.
//! 4. The root, which made the bubble and is not counted, runs due timers, those of one moment in a
//!    random order, and parks, which gives the token back. If nothing became runnable it advances
//!    the clock to the next timer, and begins again. Without a timer, or once the main goroutine
//!    has ended, the bubble has ended.
//!
//! # Rejected
//! A look at the bubble in each park, ready and `go` (Go's way; some instructions each). Counting
//! where Go code calls the runtime: there nobody knows whether the goroutine will park.

use super::sched::ATTENTION;
use super::status::{Status, StatusWord};
use super::threads::{getm, systemstack};
use super::{G, M, WaitReason, cheaprandn, gopark, goready};
use crate::goabi;
use crate::lock::{Lock, Rank};
use crate::time::Timers;
use core::cell::UnsafeCell;
use core::ptr::null_mut;
use core::sync::atomic::{AtomicI64, AtomicPtr, Ordering};

/// In [`ATTENTION`], once for each M that has something to [`settle`].
const BUBBLE_LEFT: u32 = 1 << 24;

/// A bubble's clock at its start: 2000-01-01 UTC, in nanoseconds.
const START: i64 = 946_684_800_000_000_000;

/// What the Go program allocates for a bubble; it begins with the bubble's number.
#[repr(C)]
pub(crate) struct Bubble {
    id: u64,
    /// Goroutines that do not block durably, and all, the root not counted.
    running: AtomicI64,
    total: AtomicI64,
    now: AtomicI64,
    /// The first goroutine, until it has ended.
    main: AtomicPtr<G>,
    pub(crate) timers: Timers,
    lock: Lock,
    own: UnsafeCell<Own>,
    /// The next one that has not ended. Under [`LIVE`]'s lock.
    next: UnsafeCell<*mut Bubble>,
}

/// What belongs to the holder of the lock.
struct Own {
    /// The token, if it is out, and references of others that keep the bubble from being idle.
    held: i64,
    root: *mut G,
    root_parked: bool,
    /// Who is parked in [`Bubble::wait`], and whether somebody is in that.
    waiter: *mut G,
    waiting: bool,
    done: bool,
}

// SAFETY: see the fields.
unsafe impl Sync for Bubble {}

/// Bubbles that have not ended.
struct Live {
    lock: Lock,
    first: UnsafeCell<*mut Bubble>,
}

// SAFETY: used under the lock, or while the world stands.
unsafe impl Sync for Live {}

static LIVE: Live = Live { lock: Lock::new(Rank::Bubble), first: UnsafeCell::new(null_mut()) };

/// How a bubble ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// All its goroutines have.
    Whole = 0,
    /// Goroutines remain that block for good.
    Deadlock,
    /// So they do, and the main goroutine has ended.
    DeadlockAfterMain,
}

impl Bubble {
    /// Makes the bubble at `this`, whose root is the current goroutine. The next goroutine in it is
    /// its first.
    ///
    /// # Safety
    /// Memory of the Go program's for a bubble, which begins with its number, and which its
    /// goroutines keep.
    pub(crate) unsafe fn begin(this: *mut Bubble) {
        // SAFETY: as the caller promises.
        unsafe {
            let own = Own {
                held: 1,
                root: crate::port::getg(),
                root_parked: false,
                waiter: null_mut(),
                waiting: false,
                done: false,
            };
            let id = (*this).id;
            this.write(Bubble {
                id,
                running: AtomicI64::new(0),
                total: AtomicI64::new(0),
                now: AtomicI64::new(START),
                main: AtomicPtr::new(null_mut()),
                timers: Timers::new(),
                lock: Lock::new(Rank::Bubble),
                own: UnsafeCell::new(own),
                next: UnsafeCell::new(null_mut()),
            });
            LIVE.lock.lock();
            *(*this).next.get() = *LIVE.first.get();
            *LIVE.first.get() = this;
            LIVE.lock.unlock();
        }
    }

    /// The bubble's time, in nanoseconds since 1970.
    pub(crate) fn now(&self) -> i64 {
        self.now.load(Ordering::Relaxed)
    }

    /// Calls `f` under the lock.
    fn locked<R>(&self, f: impl FnOnce(&mut Own) -> R) -> R {
        self.lock.lock();
        // SAFETY: the lock is held.
        let r = f(unsafe { &mut *self.own.get() });
        self.lock.unlock();
        r
    }

    /// Keeps the bubble from being idle (1), or does so no longer (-1).
    pub(crate) fn hold(&self, by: i64) {
        self.locked(|own| own.held += by);
        self.check();
    }

    /// Hands the token on if the bubble is idle.
    fn check(&self) {
        let gp = self.locked(|own| self.to_wake(own));
        if !gp.is_null() {
            // SAFETY: it is parked for the token, which is its from here on.
            unsafe { goready(gp) };
        }
    }

    /// Step 3: who gets the token; null: nobody.
    fn to_wake(&self, own: &mut Own) -> *mut G {
        if self.running.load(Ordering::SeqCst) > 0 || own.held > 0 {
            return null_mut();
        }
        let next = self.timers.wake_time_before_sleep();
        let due = next != 0 && next <= self.now();
        let to = if !due && !own.waiter.is_null() {
            core::mem::replace(&mut own.waiter, null_mut())
        } else if own.root_parked {
            own.root_parked = false;
            own.root
        } else {
            return null_mut();
        };
        own.held += 1;
        to
    }

    /// Step 4. On the root goroutine.
    pub(crate) fn run(&self) -> Ended {
        let this = core::ptr::from_ref(self).cast_mut();
        let done = loop {
            systemstack(|| {
                // SAFETY: g0, which is not preempted.
                self.timers.shuffle(|n| unsafe { cheaprandn(crate::port::getg(), n) });
                // SAFETY: on g0.
                unsafe { goabi::with_bubble(this, || self.timers.check(self.now())) };
            });
            gopark(Some(root_parks), this.cast(), WaitReason::SynctestRun);
            let done = self.locked(|own| own.done);
            let next = self.timers.wake_time_before_sleep();
            if next == 0 || done {
                break done;
            }
            self.now.fetch_max(next, Ordering::Relaxed);
        };
        self.end();
        match (self.total.load(Ordering::SeqCst), done) {
            (0, _) => Ended::Whole,
            (_, false) => Ended::Deadlock,
            (_, true) => Ended::DeadlockAfterMain,
        }
    }

    /// Takes it off the list. What its timers' heap has of the machine is freed.
    fn end(&self) {
        LIVE.lock.lock();
        // SAFETY: under the lock; the list's bubbles are alive.
        unsafe {
            let mut link = LIVE.first.get();
            while !core::ptr::eq(*link, self) {
                link = (**link).next.get();
            }
            *link = *self.next.get();
        }
        LIVE.lock.unlock();
        self.timers.forget_all();
    }

    /// Waits until all other goroutines of the bubble block durably. False if somebody does
    /// already.
    ///
    /// On a goroutine of the bubble, in a call that blocks durably.
    pub(crate) fn wait(&self) -> bool {
        if self.locked(|own| core::mem::replace(&mut own.waiting, true)) {
            return false;
        }
        let this = core::ptr::from_ref(self).cast_mut();
        gopark(Some(waiter_parks), this.cast(), WaitReason::SynctestWait);
        self.locked(|own| {
            own.held -= 1;
            own.waiting = false;
        });
        true
    }
}

/// The root parks, which gives the token back, unless it is to go on.
///
/// # Safety
/// As `gopark` calls it.
unsafe fn root_parks(_: *mut G, bubble: *mut ()) -> bool {
    // SAFETY: the root's bubble.
    let b = unsafe { &*bubble.cast::<Bubble>() };
    let (parks, waiter) = b.locked(|own| {
        if b.running.load(Ordering::SeqCst) > 0 || own.held > 1 {
            own.held -= 1;
            own.root_parked = true;
            return (true, null_mut());
        }
        let waiter = core::mem::replace(&mut own.waiter, null_mut());
        // The token goes on to the waiter.
        own.root_parked = !waiter.is_null();
        (own.root_parked, waiter)
    });
    if !waiter.is_null() {
        // SAFETY: as in `check`.
        unsafe { goready(waiter) };
    }
    parks
}

/// # Safety
/// As `gopark` calls it.
unsafe fn waiter_parks(gp: *mut G, bubble: *mut ()) -> bool {
    // SAFETY: the bubble of the goroutine.
    unsafe { (*bubble.cast::<Bubble>()).locked(|own| own.waiter = gp) };
    true
}

/// Calls `f` with the address of each timer of a bubble.
///
/// # Safety
/// The world stands.
pub(super) unsafe fn each_timer(mut f: impl FnMut(usize)) {
    // SAFETY: as the caller promises; the list's bubbles are alive.
    unsafe {
        let mut next = *LIVE.first.get();
        while let Some(b) = next.as_ref() {
            b.timers.for_each(&mut f);
            next = *b.next.get();
        }
    }
}

/// Step 2: a change of the state of a goroutine in a bubble.
pub(super) struct Change {
    /// The bubble in which it does not run any more, or null.
    left: *mut Bubble,
    /// It is in a call that blocks durably.
    pub(super) durable: bool,
}

impl Change {
    /// Before the exchange.
    pub(super) fn begin(word: &StatusWord, old: Status, new: Status, durable: bool) -> Change {
        let gp = G::of(word);
        // SAFETY: the G is the caller's, and its bubble lives as long as it is in it.
        let b = unsafe { &*goabi::bubble_of(gp) };
        let left = core::ptr::from_ref(b).cast_mut();
        match (old, new) {
            (Status::Dead, Status::Runnable) => {
                if b.total.fetch_add(1, Ordering::SeqCst) == 0 && b.main.load(Ordering::Relaxed).is_null() {
                    b.main.store(gp, Ordering::Relaxed);
                }
                b.running.fetch_add(1, Ordering::SeqCst);
                Change { left: null_mut(), durable }
            }
            (Status::Waiting, _) if durable => {
                b.running.fetch_add(1, Ordering::SeqCst);
                // A coroutine begins; the call was its maker's.
                // SAFETY: the G is the caller's.
                Change { left: null_mut(), durable: unsafe { (*gp).saved_sp() } != 0 }
            }
            (Status::Running, Status::Waiting) if durable => Change { left, durable },
            (Status::Running, Status::Dead) => {
                b.total.fetch_sub(1, Ordering::SeqCst);
                if b.main.load(Ordering::Relaxed) == gp {
                    b.locked(|own| own.done = true);
                }
                // SAFETY: as above.
                unsafe { goabi::set_bubble(gp, null_mut()) };
                Change { left, durable: false }
            }
            _ => Change { left: null_mut(), durable },
        }
    }

    /// After it: the goroutine may be another's.
    pub(super) fn end(self) {
        if !self.left.is_null() {
            // SAFETY: on g0 of the current M, whose goroutine has parked or ended.
            unsafe { (*getm()).left = self.left };
            ATTENTION.fetch_add(BUBBLE_LEFT, Ordering::Relaxed);
        }
    }
}

/// The last goroutine of the current M `mp` has parked in its bubble, or ended, and holds no lock
/// any more.
///
/// # Safety
/// On g0 of `mp`, with a P and no lock held.
pub(super) unsafe fn settle(mp: *mut M) {
    // SAFETY: as the caller promises. No collection begins before this, so the bubble is there.
    unsafe {
        if let Some(b) = core::mem::replace(&mut (*mp).left, null_mut()).as_ref() {
            ATTENTION.fetch_sub(BUBBLE_LEFT, Ordering::Relaxed);
            b.running.fetch_sub(1, Ordering::SeqCst);
            b.check();
        }
    }
}

/// Puts a new goroutine, which is the caller's, into a bubble.
///
/// # Safety
/// As said; its state is dead.
pub(crate) unsafe fn enter_bubble(gp: *mut G, bubble: *mut Bubble) {
    // SAFETY: as the caller promises.
    unsafe {
        goabi::set_bubble(gp, bubble);
        (*gp).watch();
    }
}

/// Puts a goroutine that is to be switched to, and waits, into a bubble.
///
/// # Safety
/// As said; `bubble` is the current goroutine's.
pub(crate) unsafe fn enter_bubble_parked(gp: *mut G, bubble: *mut Bubble) {
    // SAFETY: as the caller promises.
    unsafe {
        (*bubble).total.fetch_add(1, Ordering::SeqCst);
        enter_bubble(gp, bubble);
        (*gp).set_durable(true);
    }
}

/// Calls `f`, which blocks durably if `durable`. On a goroutine.
pub(crate) fn durably<R>(durable: bool, f: impl FnOnce() -> R) -> R {
    if !durable {
        return f();
    }
    let gp = crate::port::getg();
    // SAFETY: the current goroutine, before and after.
    unsafe {
        (*gp).set_durable(true);
        let r = f();
        (*gp).set_durable(false);
        r
    }
}

/// Parks the current goroutine, which is in a call that blocks durably, for `ns` nanoseconds of the
/// bubble.
pub(crate) fn sleep_in_bubble(bubble: &Bubble, ns: i64) {
    let mut entry = (bubble, bubble.now().saturating_add(ns));
    gopark(Some(sleeper_parks), (&raw mut entry).cast(), WaitReason::Sleep);
}

/// # Safety
/// As `gopark` calls it.
unsafe fn sleeper_parks(gp: *mut G, entry: *mut ()) -> bool {
    // SAFETY: the goroutine waits, so its stack stays; nothing else readies it.
    unsafe {
        let (bubble, when) = entry.cast::<(&Bubble, i64)>().read();
        bubble.timers.add_sleeper(when, gp);
    }
    true
}
