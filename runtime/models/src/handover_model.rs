//! `handover.rs` and `status.rs`: a goroutine is not run before its registers are saved, not on two Ms, and not lost.
//!
//! M 0 runs the goroutine, which parks; M 1 readies it, and either may find it on the queue of M 1. To run it is to write its registers, so
//! loom reports whoever looks at them too early or too late.

use crate::lock::{Lock, Rank};
use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::sync::atomic::{self, AtomicUsize, Ordering};
use loom::{hint, thread};
use std::ptr::{from_ref, null_mut};

#[path = "../../src/proc/handover.rs"]
mod handover;
#[path = "../../src/proc/runq.rs"]
mod runq;
#[path = "../../src/proc/status.rs"]
mod status;

use handover::{let_go_and_unlock, let_go_or_keep, ready, take};
use runq::RunQueue;
use status::{Status, StatusWord};

const RUNQ_LEN: u32 = 4;

struct G {
    status: StatusWord,
    m: *mut M,
    registers: UnsafeCell<u32>,
}

impl G {
    fn cas_status(&self, old: Status, new: Status) {
        self.status.cas(old, new);
    }
}

struct M {
    curg: *mut G,
    g0: *mut G,
    p: *const RunQueue,
    waitlock: *mut (),
    waitunlockf: Option<unsafe fn(*mut G, *mut ()) -> bool>,
}

/// No goroutine here is in a bubble.
mod bubble {
    pub struct Change {
        pub durable: bool,
    }

    impl Change {
        pub fn begin(_: &super::StatusWord, _: super::Status, _: super::Status, _: bool) -> Change {
            unreachable!()
        }

        pub fn end(self) {}
    }
}

mod preempt {
    pub unsafe fn move_locks(_: *mut super::G, _: *mut super::G) {}
}

mod schedule {
    pub unsafe fn queue_and_wake(mp: *mut super::M, gp: *mut super::G, _: bool) {
        // SAFETY: the current M's P.
        assert!(unsafe { (*(*mp).p).push(gp) });
    }
}

struct World {
    g: *mut G,
    ms: [*mut M; 2],
    queues: [RunQueue; 2],
    /// Guards the two that follow.
    lock: Lock,
    waiter: UnsafeCell<*mut G>,
    sent: UnsafeCell<bool>,
    /// 0, or the goroutine that waits, or [`READY`].
    word: AtomicUsize,
    runs: AtomicUsize,
}

const READY: usize = 1;

// SAFETY: who may touch what of it is what the model checks.
unsafe impl Send for World {}
// SAFETY: as above.
unsafe impl Sync for World {}

/// M 0 runs the goroutine. Gs and Ms are leaked: as in the runtime, they are never freed.
fn world() -> Arc<World> {
    let g = Box::into_raw(Box::new(G {
        status: StatusWord::new(),
        m: null_mut(),
        registers: UnsafeCell::new(0),
    }));
    let m = || M { curg: null_mut(), g0: null_mut(), p: null_mut(), waitlock: null_mut(), waitunlockf: None };
    let w = Arc::new(World {
        g,
        ms: [Box::into_raw(Box::new(m())), Box::into_raw(Box::new(m()))],
        queues: [RunQueue::new(), RunQueue::new()],
        lock: Lock::new(Rank::Hchan),
        waiter: UnsafeCell::new(null_mut()),
        sent: UnsafeCell::new(false),
        word: AtomicUsize::new(0),
        runs: AtomicUsize::new(0),
    });
    // SAFETY: nobody else has them yet.
    unsafe {
        (*w.ms[0]).p = from_ref(&w.queues[0]);
        (*w.ms[1]).p = from_ref(&w.queues[1]);
        (*g).cas_status(Status::Idle, Status::Dead);
        (*g).cas_status(Status::Dead, Status::Runnable);
        take(w.ms[0], g);
    }
    w
}

impl World {
    /// M 0: the goroutine waits for M 1 under the lock, unless that was quicker.
    fn park(&self) {
        self.lock.lock();
        // SAFETY: under the lock; M 0 runs the goroutine, until it has let go of it.
        unsafe {
            if self.sent.with(|sent| *sent) {
                self.lock.unlock();
                self.goes_on(0);
                return;
            }
            self.waiter.with_mut(|waiter| *waiter = self.g);
            (*self.ms[0]).waitlock = from_ref(&self.lock).cast_mut().cast();
            self.lock.forget();
            self.save_registers();
            let_go_and_unlock(self.g);
        }
    }

    /// M 0: the goroutine waits for M 1 by [`World::word`], unless that was quicker.
    fn park_by_word(&self) {
        unsafe fn commit(gp: *mut G, word: *mut ()) -> bool {
            // SAFETY: the word of the world.
            let word = unsafe { &*word.cast::<AtomicUsize>() };
            word.compare_exchange(0, gp.expose_provenance(), Ordering::AcqRel, Ordering::Acquire).is_ok()
        }
        // SAFETY: M 0 runs the goroutine, until it has let go of it.
        unsafe {
            (*self.ms[0]).waitlock = from_ref(&self.word).cast_mut().cast();
            (*self.ms[0]).waitunlockf = Some(commit);
            self.save_registers();
            let_go_or_keep(self.g);
        }
    }

    fn save_registers(&self) {
        // SAFETY: M 0 runs the goroutine.
        unsafe { (*self.g).registers.with_mut(|r| *r += 1) };
    }

    /// M 1: readies the goroutine if it waits, else says that it need not.
    fn send(&self) {
        self.lock.lock();
        // SAFETY: under the lock; what was on the wait list is this M's to ready.
        unsafe {
            let gp = self.waiter.with_mut(|waiter| std::mem::replace(&mut *waiter, null_mut()));
            if gp.is_null() {
                self.sent.with_mut(|sent| *sent = true);
            }
            self.lock.unlock();
            if !gp.is_null() {
                ready(self.ms[1], gp);
            }
        }
    }

    /// M 1, the same by [`World::word`].
    fn send_by_word(&self) {
        if self.word.swap(READY, Ordering::AcqRel) != 0 {
            // SAFETY: who takes it out of the word readies it.
            unsafe { ready(self.ms[1], self.g) };
        }
    }

    /// M `i` runs the goroutine if it finds it on its own queue, or on M 1's.
    fn find(&self, i: usize) {
        let own = &self.queues[i];
        let mut gp = own.pop().0;
        if gp.is_null() && i == 0 {
            gp = self.queues[1].steal_into(own, false);
        }
        if !gp.is_null() {
            // SAFETY: this M has taken it off a queue.
            unsafe { take(self.ms[i], gp) };
            self.goes_on(i);
        }
    }

    /// The goroutine goes on, on M `i`.
    fn goes_on(&self, i: usize) {
        // SAFETY: this M runs the goroutine, which is what the model checks.
        unsafe { (*self.g).registers.with_mut(|r| *r += 1) };
        self.runs.fetch_add(1, Ordering::Relaxed);
        // SAFETY: as above.
        assert_eq!(unsafe { (*self.g).m }, self.ms[i], "another M has let go of the goroutine");
    }

    /// Whoever is left looks once more; the goroutine has gone on once.
    fn end(&self) {
        self.find(0);
        assert_eq!(self.runs.load(Ordering::Relaxed), 1);
    }
}

/// Two Ms at a time: the one on which the goroutine parks and the one that readies it. Finds one that is run before its registers are saved or before its
/// M has let go of it, or by both, or by neither.
#[test]
fn park_against_ready() {
    loom::model(|| {
        let w = world();
        let sender = w.clone();
        let t = thread::spawn(move || {
            sender.send();
            sender.find(1);
        });
        w.park();
        w.find(0);
        t.join().unwrap();
        w.end();
    });
}

/// Parking that may be called off on g0. Finds a goroutine that goes on although it waits, and a waker that comes between.
#[test]
fn commit_against_ready() {
    loom::model(|| {
        let w = world();
        let sender = w.clone();
        let t = thread::spawn(move || {
            sender.send_by_word();
            sender.find(1);
        });
        w.park_by_word();
        w.find(0);
        t.join().unwrap();
        w.end();
    });
}

/// Somebody looks at the stack of a goroutine that waits, and it is readied meanwhile. Finds one who sees registers that are not saved yet, and a goroutine
/// that goes on under his eyes.
#[test]
fn scan_against_ready() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(|| {
        let w = world();
        let (sender, scanner) = (w.clone(), w.clone());
        let others = [
            thread::spawn(move || {
                sender.send();
                sender.find(1);
            }),
            thread::spawn(move || {
                // SAFETY: Gs are never freed.
                let g = unsafe { &*scanner.g };
                if g.status.begin_scan(Status::Waiting) {
                    g.registers.with(|_| ());
                    g.status.end_scan();
                }
            }),
        ];
        w.park();
        others.into_iter().for_each(|t| t.join().unwrap());
        w.end();
    });
}
