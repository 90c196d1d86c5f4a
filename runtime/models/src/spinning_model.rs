//! `spinning.rs`: no goroutine stays queued while a P is idle and every M sleeps.
//!
//! An M that takes a goroutine runs it for ever: what is queued beside it must find another M. So a lost wake-up is a deadlock, or shows when all Ms
//! have a goroutine or are gone and one is left.
//!
//! The Ms' loop is the model's ([`Ms::run`]): `find_runnable` without timers, with one round of stealing in order.

use loom::sync::{Condvar, Mutex, MutexGuard, atomic};
use loom::thread;
use std::cell::UnsafeCell;
use std::ptr::null_mut;

/// A goroutine: its address is its number.
type G = u8;
const RUNQ_LEN: u32 = 4;

#[path = "../../src/proc/runq.rs"]
mod runq;
#[path = "../../src/proc/spinning.rs"]
mod spinning;

use runq::RunQueue;
use spinning::{LastLook, begin, found_work, give_up, may_spin, wakep};

pub struct P {
    runq: RunQueue,
}

pub struct M {
    p: *mut P,
    spinning: bool,
    /// Given when it is woken.
    nextp: Mutex<*mut P>,
    woken: Condvar,
}

/// As many as the models need: one for each P, and two that are about to sleep when others are started.
pub struct Ms(UnsafeCell<[M; 6]>);

// SAFETY: an M belongs to its thread, or while it is idle to the holder of the scheduler's lock, which is what the model checks.
unsafe impl Sync for Ms {}
// SAFETY: as above.
unsafe impl Send for Ms {}

impl Ms {
    fn get(&self, i: usize) -> *mut M {
        // SAFETY: no reference is made.
        unsafe { &raw mut (*self.0.get())[i] }
    }

    /// An M that holds a P, until it has a goroutine.
    fn run(&self, i: usize) {
        let mp = self.get(i);
        // SAFETY: this thread is the M.
        unsafe {
            loop {
                let gp = find(mp);
                if !gp.is_null() {
                    if (*mp).spinning {
                        found_work(mp);
                    }
                    return sched::lock().ran();
                }
                match give_up(mp) {
                    LastLook::Found(_) => unreachable!("the global queue is empty"),
                    LastLook::SearchAgain => {}
                    LastLook::Nothing => {
                        if !threads::stopm(i) {
                            return;
                        }
                    }
                }
            }
        }
    }
}

/// A goroutine from the M's own P, or a stolen one.
unsafe fn find(mp: *mut M) -> *mut G {
    // SAFETY: the current M and its P.
    unsafe {
        let own = &(*(*mp).p).runq;
        let gp = own.pop().0;
        if gp.is_null() && ((*mp).spinning || may_spin()) {
            if !(*mp).spinning {
                begin(mp);
            }
            let others = sched::ps().iter().filter(|p| !std::ptr::eq(*p, (*mp).p));
            return others
                .map(|p| p.runq.steal_into(own, false))
                .find(|gp| !gp.is_null())
                .unwrap_or(null_mut());
        }
        gp
    }
}

/// The current M submits a goroutine.
unsafe fn submit(mp: *mut M, n: usize) {
    // SAFETY: the current M's P.
    unsafe { assert!((*(*mp).p).runq.push(n as *mut G)) };
    wakep();
}

mod sched {
    use super::*;
    use atomic::{AtomicI32, AtomicU32, AtomicUsize, Ordering};

    pub struct Sched {
        pub pidle: Vec<*mut P>,
        pub midle: Vec<usize>,
        pub nms: usize,
        /// Goroutines that no M has yet.
        pub left: usize,
        pub threads: Vec<thread::JoinHandle<()>>,
    }

    // SAFETY: under the lock.
    unsafe impl Send for Sched {}

    loom::lazy_static! {
        pub static ref NMSPINNING: AtomicI32 = AtomicI32::new(0);
        pub static ref NEEDSPINNING: AtomicU32 = AtomicU32::new(0);
        pub static ref NPIDLE: AtomicI32 = AtomicI32::new(0);
        pub static ref RUNQ_SIZE: AtomicUsize = AtomicUsize::new(0);
        static ref SCHED: Mutex<Sched> = Mutex::new(Sched { pidle: Vec::new(), midle: Vec::new(), nms: 0, left: 0, threads: Vec::new() });
        /// No part of what is modelled: it does not change.
        static ref GOMAXPROCS: std::sync::atomic::AtomicUsize = std::sync::atomic::AtomicUsize::new(0);
        static ref PS: Vec<P> = (0..4).map(|_| P { runq: RunQueue::new() }).collect();
        pub static ref MS: Ms = Ms(UnsafeCell::new(std::array::from_fn(|_| M {
            p: null_mut(),
            spinning: false,
            nextp: Mutex::new(null_mut()),
            woken: Condvar::new(),
        })));
    }

    /// Starts a world of `n` Ps, of which the first `running` are held by an M each.
    pub fn start(n: usize, running: usize, goroutines: usize) {
        GOMAXPROCS.store(n, Ordering::Relaxed);
        let mut s = lock();
        s.nms = running;
        s.left = goroutines;
        for (i, p) in PS[..n].iter().enumerate() {
            let p = std::ptr::from_ref(p).cast_mut();
            if i < running {
                // SAFETY: no other thread runs yet.
                unsafe { (*MS.get(i)).p = p };
            } else {
                s.pidle_put(p);
            }
        }
    }

    pub fn gomaxprocs() -> usize {
        GOMAXPROCS.load(Ordering::Relaxed)
    }

    /// The world does not stop.
    pub fn gcwaiting() -> bool {
        false
    }

    pub fn lock() -> MutexGuard<'static, Sched> {
        SCHED.lock().unwrap()
    }

    pub fn ps() -> &'static [P] {
        &PS[..gomaxprocs()]
    }

    pub unsafe fn acquirep(mp: *mut M, pp: *mut P) {
        // SAFETY: the current M.
        unsafe { (*mp).p = pp };
    }

    pub unsafe fn releasep(mp: *mut M) -> *mut P {
        // SAFETY: the current M.
        unsafe { std::mem::replace(&mut (*mp).p, null_mut()) }
    }

    impl Sched {
        pub unsafe fn globrunq_get(&mut self, _: *mut P, _: usize) -> *mut G {
            null_mut()
        }

        pub fn pidle_put(&mut self, pp: *mut P) {
            self.pidle.push(pp);
            NPIDLE.fetch_add(1, Ordering::SeqCst);
        }

        pub fn pidle_get(&mut self) -> *mut P {
            let Some(pp) = self.pidle.pop() else { return null_mut() };
            NPIDLE.fetch_sub(1, Ordering::SeqCst);
            pp
        }

        pub fn pidle_get_spinning(&mut self) -> *mut P {
            let pp = self.pidle_get();
            if pp.is_null() {
                NEEDSPINNING.store(1, Ordering::SeqCst);
            }
            pp
        }

        /// An M has taken a goroutine. When all have one, the Ms that sleep may end.
        pub fn ran(&mut self) {
            self.left -= 1;
            if self.left == 0 {
                self.midle.drain(..).for_each(|i| super::threads::wake(i, null_mut()));
            }
        }
    }
}

mod threads {
    use super::sched::{MS, lock};
    use super::*;

    /// Has an M run `pp`: an idle one, else a new one.
    pub fn startm(pp: *mut P, spinning: bool) {
        let mut s = lock();
        let idle = s.midle.pop();
        let i = idle.unwrap_or_else(|| {
            s.nms += 1;
            s.nms - 1
        });
        // SAFETY: idle or new, the M is the caller's.
        unsafe { (*MS.get(i)).spinning = spinning };
        if idle.is_some() {
            wake(i, pp);
        } else {
            // SAFETY: as above.
            unsafe { (*MS.get(i)).p = pp };
            s.threads.push(thread::spawn(move || MS.run(i)));
        }
    }

    /// Wakes M `i` for `pp`, or for its end if that is null.
    pub fn wake(i: usize, pp: *mut P) {
        // SAFETY: the M sleeps, or is about to; these two are shared.
        let (nextp, woken) = unsafe { (&(*MS.get(i)).nextp, &(*MS.get(i)).woken) };
        *nextp.lock().unwrap() = if pp.is_null() { END } else { pp };
        woken.notify_one();
    }

    const END: *mut P = std::ptr::without_provenance_mut(1);

    /// Sleeps until the M is given a P; false if all goroutines have an M.
    pub fn stopm(i: usize) -> bool {
        let mut s = lock();
        if s.left == 0 {
            return false;
        }
        s.midle.push(i);
        drop(s);
        // SAFETY: the current M.
        let mp = unsafe { &mut *MS.get(i) };
        let mut nextp = mp.nextp.lock().unwrap();
        while nextp.is_null() {
            nextp = mp.woken.wait(nextp).unwrap();
        }
        let pp = std::mem::replace(&mut *nextp, null_mut());
        drop(nextp);
        mp.p = pp;
        pp != END
    }

    /// Starts M `i`, which holds a P.
    pub fn go(i: usize) {
        let t = thread::spawn(move || MS.run(i));
        lock().threads.push(t);
    }

    /// M `i` submits goroutine `n`.
    pub fn submit_on(i: usize, n: usize) {
        // SAFETY: the thread is M `i`.
        let t = thread::spawn(move || unsafe { submit(MS.get(i), n) });
        lock().threads.push(t);
    }

    /// M `i` comes back from a blocking call, and takes an idle P if there is one.
    pub fn come_back(i: usize) {
        let t = thread::spawn(move || {
            let pp = lock().pidle_get();
            if !pp.is_null() {
                // SAFETY: this thread is M `i`.
                unsafe { super::sched::acquirep(MS.get(i), pp) };
                MS.run(i);
            }
        });
        lock().threads.push(t);
    }

    pub fn join_all() {
        loop {
            let Some(t) = lock().threads.pop() else { break };
            t.join().unwrap();
        }
        assert_eq!(lock().left, 0, "a goroutine is queued, and no M comes for it");
    }
}

mod preempt {
    use super::*;

    pub fn acquirem() -> *mut G {
        null_mut()
    }

    pub fn releasem(_: *mut G) {}
}

mod steal {
    pub fn any_runq() -> bool {
        super::sched::ps().iter().any(|p| !p.runq.is_empty())
    }
}

fn model(preemptions: usize, f: impl Fn() + Sync + Send + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(preemptions);
    model.check(move || {
        f();
        threads::join_all();
    });
}

/// A goroutine is queued while the last spinning M gives up. Finds a barrier that is missing on either side, and a missing second look: the
/// goroutine stays where it is, beside an idle P.
#[test]
fn submit_against_the_last_look() {
    model(3, || {
        sched::start(2, 2, 1);
        let mp = sched::MS.get(0);
        // SAFETY: this thread is M 0; M 1 has no thread yet.
        unsafe {
            begin(sched::MS.get(1));
            threads::go(1);
            submit(mp, 1);
        }
    });
}

/// Two goroutines are queued, and one M is woken, which never comes back. Finds a spinning M that does not wake the next when it has found work.
#[test]
fn each_finder_wakes_the_next() {
    model(2, || {
        sched::start(3, 1, 2);
        // SAFETY: this thread is M 0.
        unsafe {
            submit(sched::MS.get(0), 1);
            submit(sched::MS.get(0), 2);
        }
    });
}

/// An M that comes back from a blocking call takes the idle P for which a submitter was about to wake an M, and then gives it up without having
/// spun: the submitter was counted as the one that does. Finds `NEEDSPINNING` not set or not looked at.
#[test]
fn the_idle_p_is_gone() {
    model(3, || {
        sched::start(2, 1, 1);
        sched::lock().nms = 2;
        threads::come_back(1);
        // SAFETY: this thread is M 0.
        unsafe { submit(sched::MS.get(0), 1) };
    });
}

/// All Ps are busy when the last spinning M looks once more: the P that it gave up was taken by an M that comes back from a blocking call, which does
/// not spin since the other is still counted. Finds a last look that leaves no mark when it finds work and no P.
#[test]
fn all_ps_are_busy_at_the_last_look() {
    model(3, || {
        sched::start(2, 2, 1);
        sched::lock().nms = 3;
        let mp = sched::MS.get(0);
        // SAFETY: this thread is M 0; M 1 and M 2 have no thread yet.
        unsafe {
            begin(sched::MS.get(1));
            threads::go(1);
            threads::come_back(2);
            submit(mp, 1);
        }
    });
}

/// All Ps are busy and the mark is there from before when a goroutine is queued, and another M begins to spin: it clears the mark on which the
/// submitter relies. Finds an M that clears the mark and takes no last look.
#[test]
fn submit_against_the_clearing_of_the_mark() {
    model(3, || {
        sched::start(2, 2, 1);
        sched::NEEDSPINNING.store(1, atomic::Ordering::SeqCst);
        threads::go(1);
        // SAFETY: this thread is M 0.
        unsafe { submit(sched::MS.get(0), 1) };
    });
}

/// All Ps are busy when an M is to be woken, and another submitter sees its count and leaves the waking to it. Finds a submitter that has found no P and
/// counts itself out after it has unlocked: a third M gives up its P in between, and nobody looks for the other's goroutine.
#[test]
fn submit_against_a_count_without_a_p() {
    model(3, || {
        sched::start(3, 3, 1);
        threads::go(2);
        threads::submit_on(1, 1);
        wakep();
    });
}

/// All four Ps are busy: two Ms spin, so a third may not and is about to give up its P, and three goroutines are queued. One spinning M takes two
/// of them, the other the third, and the `wakep` of the last finds no idle P. Finds a `wakep` that leaves nothing behind then: the third M sleeps
/// beside a queued goroutine.
#[test]
fn a_p_is_given_up_beside_found_work() {
    model(2, || {
        sched::start(4, 4, 3);
        let mp = sched::MS.get(0);
        // SAFETY: this thread is M 0; M 1 and M 2 have no thread yet.
        unsafe {
            for n in 1..=3 {
                assert!((*(*mp).p).runq.push(n as *mut G));
            }
            begin(sched::MS.get(1));
            begin(sched::MS.get(2));
            for i in 1..=3 {
                threads::go(i);
            }
            wakep();
        }
    });
}
