//! Stopping the world: no goroutine runs but the one that asked (Go: `stopTheWorld`, `stopTheWorldWithSema`, `startTheWorldWithSema`, `gcstopm`).
//!
//! # Problem
//! To change what all Ps read without a lock, or to see all goroutines at one moment, every other M has to let go of its P at a place where the
//! scheduler's and the heap's structures are whole. An M runs a goroutine that may never call the runtime, or looks for work, or is
//! in a blocking call, or is just about to go from one of these to another.
//!
//! # Rejected
//! Halting the cores (one may hold any of the runtime's locks, which the stopper then waits for for ever); a flag that only goroutines that call the
//! runtime look at (a loop never does); a lock taken round every goroutine switch (all would pay for what happens seldom).
//!
//! # Protocol
//! A P is stopped when its state is gcstop; `stopwait` counts those that are not yet.
//! 1. The stopper takes `WORLDSEMA`, for which a goroutine waits parked: one world is stopped by one goroutine at a time. Its `locks` count is raised
//!    until the world runs again, so that it stays on its M.
//! 2. On g0, under `sched.lock`: `stopwait` is the number of Ps; [`GCWAITING`] is set (*sequentially consistent*); its own P stops; Ps in state
//!    syscall are stopped by exchanging that state; all idle Ps are taken off their list and stopped.
//! 3. It signals every M that runs on a P, sleeps on its note, and signals again after [`RETRY_NS`], then twice that, and so on: one that was signaled may have been on
//!    g0, on its way to a goroutine. The signal preempts a goroutine at once, even one that is alone on its P, or tries again soon where `locks`
//!    forbids it (`preempt.rs`). A P is asked again and again, so every step from here on must only be taken in a bounded time.
//! 4. An M that has a P and comes to the scheduler sees the mark, gives up its P in state gcstop, and sleeps as an idle M ([`gcstopm`]). Who stops the
//!    last P wakes the stopper.
//!
//! To start it again, under `sched.lock`: the Ps are dealt out ([`procresize`](super::procresize)), then the mark is cleared; then Ps with work get Ms, and
//! one M more is woken to look for the rest, timers included.
//!
//! # Who can have a P, or come by one
//! - `find_runnable` looks at the mark at its beginning, to which all of its ways lead back. Before an M makes its P idle it looks again, under the
//!   lock (`spinning.rs`): so the P is idle before step 2, or the M stops.
//! - The short ways from one goroutine to the next, `schedule_after_park` and `schedule_after_gosched`, look at [`ATTENTION`](super::sched::ATTENTION).
//! - A new or idle M that was given a P before step 2 goes to `find_runnable` first.
//! - A blocking call returns: it exchanges its P's state back before step 2 sees it (then it runs goroutine code, and is signaled), or finds it
//!   taken; idle Ps there are none, so the goroutine goes to the global queue and the M sleeps.
//! - A blocking call begins: state syscall, *then* a look at the mark; step 2 is the mark, *then* a look at the state. All four are sequentially
//!   consistent, so one of the two sees the other, and either the stopper or [`stop_left_behind`] exchanges the state.
//! - `handoffp` holds a P of which nobody knows: it gives it to an M, which stops it, or stops it itself under the lock.
//! - `wakep`, the M that waits for timers and `exit0` take Ps off the idle list, which is empty.
//!
//! A signal that comes late finds no mark and does no harm. A note of what an M must do later never lies in a P that it gives up: timers
//! stay in their P, and whoever starts the world has somebody look at them.

use super::durations::Durations;
use super::p::PStatus;
use super::preempt::{acquirem, preempt_all, releasem, slice_begins};
use super::procresize;
use super::sched::{self, ATTENTION, GCWAITING, Sched, allp, gomaxprocs, releasep};
use super::schedule::wake_net_poller;
use super::spinning::{self, wakep};
use super::status::Status;
use super::threads::{end_idle_ms, startm, stopm, systemstack};
use super::{G, M, P, WaitReason};
use crate::sync::{semacquire, semrelease};
use crate::{arch, port};
use core::ptr::null_mut;
use core::sync::atomic::{AtomicU32, Ordering};

/// How long the stopper waits before it signals those that have not stopped once more: at first, and at most.
const RETRY_NS: i64 = 100_000;
const RETRY_MAX_NS: i64 = 3_200_000;

/// Taken by who stops the world.
static WORLDSEMA: AtomicU32 = AtomicU32::new(1);

/// How long stopping the world took, and how long it was until it ran again: first for the collector, then for all others.
pub(crate) static PAUSES: [[Durations; 2]; 2] = [const { [const { Durations::new() }; 2] }; 2];

/// Why the collector stops the world.
pub(crate) const FOR_GC: &str = "GC";

/// The world stands while this lives; it belongs to the goroutine that stopped it, which must not block.
pub(crate) struct StoppedWorld {
    stopper: *mut G,
    procs: usize,
    /// When it was to stop, and when it stood ([`port::nanotime`]).
    begun: i64,
    stood: i64,
    for_gc: bool,
}

/// Stops all Ms that run goroutines; the world runs again when the result is dropped. Others that want to stop it wait parked.
///
/// The caller is a goroutine that holds no lock of the runtime: whoever waits for that could not stop. `why` is for the report if it does.
pub(crate) fn stop_the_world(why: &'static str) -> StoppedWorld {
    semacquire(&WORLDSEMA, false, WaitReason::StoppingTheWorld);
    let begun = port::nanotime();
    let gp = acquirem();
    // SAFETY: the current goroutine, not preempted.
    unsafe {
        if (*gp).locks.load(Ordering::Relaxed) != 1 || gp == (*(*gp).m).g0 {
            crate::panic::throw_with(format_args!(
                "stopTheWorld ({why}): on a scheduler stack or holding locks"
            ));
        }
        (*gp).wait_reason = WaitReason::StoppingTheWorld;
        (*gp).wait_since = port::cputicks();
        arch::mcall(gp, stop_m);
    }
    StoppedWorld { stopper: gp, procs: gomaxprocs(), begun, stood: port::nanotime(), for_gc: why == FOR_GC }
}

impl StoppedWorld {
    /// Has the world go on with `n` Ps, from 1 to [`MAX_PROCS`](sched::MAX_PROCS).
    pub(super) fn set_procs(&mut self, n: usize) {
        self.procs = n;
    }
}

impl Drop for StoppedWorld {
    fn drop(&mut self) {
        // SAFETY: on the stopper's goroutine, which is not preempted.
        systemstack(|| unsafe { start((*self.stopper).m, self.procs) });
        let [stopping, total] = &PAUSES[usize::from(!self.for_gc)];
        stopping.record(self.stood - self.begun);
        total.record(port::nanotime() - self.begun);
        releasem(self.stopper);
        // To who waits, in turn: else one that stops the world in a loop keeps all others from it.
        semrelease(&WORLDSEMA, true);
    }
}

/// On g0: stops the world for `gp`, which meanwhile waits with its registers saved, so that its stack can be looked at; then runs it on.
extern "C" fn stop_m(gp: *mut G) -> ! {
    // SAFETY: on g0 of the M that ran `gp` and will run it on: nobody else readies it.
    unsafe {
        (*gp).cas_status(Status::Running, Status::Waiting);
        stop((*gp).m);
        (*gp).cas_status(Status::Waiting, Status::Running);
        arch::gogo(gp)
    }
}

/// Steps 2 and 3 (Go: `stopTheWorldWithSema`).
///
/// # Safety
/// On g0 of the current M `mp`, which holds a P; the goroutine that it runs holds `WORLDSEMA`.
unsafe fn stop(mp: *mut M) {
    let mut s = sched::lock();
    s.stopper = mp;
    s.stopwait = gomaxprocs();
    ATTENTION.fetch_or(GCWAITING, Ordering::SeqCst);
    // SAFETY: the current M's P. It only says so: the goroutine goes on with it.
    unsafe { (*(*mp).p).cas_status(PStatus::Running, PStatus::GcStop) };
    s.stopwait -= 1;
    for i in 0..gomaxprocs() {
        if allp(i).try_take_from_syscall(PStatus::GcStop) {
            s.stopwait -= 1;
        }
    }
    loop {
        let pp = s.pidle_get();
        if pp.is_null() {
            break;
        }
        // SAFETY: off the list, it is the stopper's.
        unsafe { (*pp).cas_status(PStatus::Idle, PStatus::GcStop) };
        s.stopwait -= 1;
    }
    let wait = s.stopwait != 0;
    drop(s);
    if wait {
        let begin = port::cputicks();
        // SAFETY: the current M, which is not idle: nobody else uses its note.
        let note = unsafe { &(*mp).park };
        let mut retry = RETRY_NS;
        loop {
            preempt_all();
            if note.tsleep(retry) {
                break;
            }
            retry = (2 * retry).min(RETRY_MAX_NS);
        }
        note.clear();
        // The stopper's time slice is for what it does, not for how long the others take.
        // SAFETY: the current M's P.
        unsafe { (*(*mp).p).slice_start.fetch_add(port::cputicks() - begin, Ordering::Relaxed) };
    }
    if (0..gomaxprocs()).any(|i| allp(i).status_number() != PStatus::GcStop as u32) {
        crate::panic::throw("stopTheWorld: not stopped");
    }
}

/// Deals out the Ps, `procs` of them from here on, and lets the world run (Go: `startTheWorldWithSema`).
///
/// # Safety
/// On g0 of the current M `mp`, which has stopped the world.
unsafe fn start(mp: *mut M, procs: usize) {
    // SAFETY: as the caller promises.
    unsafe {
        let old = (*mp).p;
        let due = procresize::prepare(mp, procs);
        let mut s = sched::lock();
        let mut with_work = procresize::deal(&mut s, mp, procs);
        s.stopper = null_mut();
        ATTENTION.fetch_and(!GCWAITING, Ordering::SeqCst);
        drop(s);
        while !with_work.is_null() {
            let pp = with_work;
            with_work = (*pp).link;
            startm(pp, false);
        }
        let pp = (*mp).p;
        if pp != old {
            (*pp).slice_start.store((*old).slice_start.load(Ordering::Relaxed), Ordering::Relaxed);
        }
        // Whoever had work for this P while the world stood found nobody to tell.
        slice_begins(mp, pp);
        if due != 0 {
            wake_net_poller(due);
        }
        wakep();
        end_idle_ms();
    }
}

/// Stops the current M for the world: it gives up its P and sleeps until it is given another one.
///
/// # Safety
/// On g0 of the current M `mp`, which holds a P, no goroutine and no lock; the world is being stopped.
pub(super) unsafe fn gcstopm(mp: *mut M) {
    // SAFETY: as the caller promises. This P is not stopped, so the world cannot be started before it is.
    unsafe {
        if (*mp).spinning {
            spinning::world_stops(mp);
        }
        let pp = releasep(mp);
        sched::lock().stop_p(pp);
        stopm(mp);
    }
}

/// Stops a P that the current M has left behind for a blocking call, unless another has taken it (Go: `entersyscall_gcwait`).
///
/// # Safety
/// The caller is not preempted; `pp` is a P.
#[cold]
pub(super) unsafe fn stop_left_behind(pp: *mut P) {
    let mut s = sched::lock();
    // SAFETY: Ps are never freed. In state syscall under the mark, it is one that is waited for, whoever left it.
    if sched::gcwaiting() && unsafe { (*pp).try_take_from_syscall(PStatus::GcStop) } {
        s.one_stopped();
    }
}

impl Sched {
    /// Stops an idle P that belongs to the caller.
    ///
    /// # Safety
    /// As said; the world is being stopped.
    pub(super) unsafe fn stop_p(&mut self, pp: *mut P) {
        // SAFETY: as the caller promises.
        unsafe { (*pp).cas_status(PStatus::Idle, PStatus::GcStop) };
        self.one_stopped();
    }

    fn one_stopped(&mut self) {
        self.stopwait -= 1;
        if self.stopwait == 0 {
            // SAFETY: Ms are never freed, and this one sleeps until it is woken here.
            unsafe { (*self.stopper).park.wakeup() };
        }
    }
}
