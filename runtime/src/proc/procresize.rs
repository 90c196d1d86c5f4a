//! GOMAXPROCS at run time: Ps are made, put aside and taken up again (Go: `GOMAXPROCS` in `debug.go`, `procresize` and `p.destroy` in `proc.go`).
//!
//! With the world stopped all Ps are the stopper's. A P that is put aside gives away all that others may want: goroutines, timers, free memory,
//! dead Gs, stacks. It keeps its counters, which are summed over all Ps there ever were, and its range of goroutine numbers. It is never
//! freed: an M in a blocking call remembers the P that it left, and finds on its return that it is in another state.
//!
//! In two steps, for the order of locks: [`prepare`] does what takes other locks, [`deal`] what belongs under `sched.lock`.

use super::p::{GQueue, PStatus};
use super::sched::{self, MAX_PROCS, Sched, acquirep, all_ps, allp, gomaxprocs, publish_gomaxprocs};
use super::stw::stop_the_world;
use super::{M, P};
use crate::heap;
use alloc::boxed::Box;
use core::ptr::null_mut;

/// Sets how many goroutines may run at the same time, and returns how many it was (Go: `GOMAXPROCS`).
///
/// 0 changes nothing; more than 1024 is taken for 1024; more than there are cores is legal. The world is stopped for the change, so a goroutine
/// that never calls the runtime delays it where the port cannot preempt. To be called from a goroutine.
///
/// # Panics
/// Fatal if the caller holds a lock of the runtime.
pub fn set_gomaxprocs(n: usize) -> usize {
    if n == 0 || n == gomaxprocs() {
        return gomaxprocs();
    }
    let mut world = stop_the_world("GOMAXPROCS");
    let old = gomaxprocs();
    world.set_procs(n.min(MAX_PROCS));
    old
}

/// Makes the Ps that are missing from `procs`, gives `mp` one that stays, and takes from those that go what is not under `sched.lock`. Returns when the
/// first timer that was moved is due, 0 if none was.
///
/// # Safety
/// On g0 of the current M `mp`, which holds no lock; the world is stopped, or not started yet and `mp` holds no P.
pub(super) unsafe fn prepare(mp: *mut M, procs: usize) -> i64 {
    let (old, made) = (gomaxprocs(), all_ps().count());
    for pp in (old..procs.min(made)).map(allp) {
        pp.cas_status(PStatus::Dead, PStatus::GcStop);
    }
    for id in made..procs {
        sched::add_p(Box::new(P::new(id as u32)));
    }
    // SAFETY: as the caller promises: all Ps are ours.
    unsafe {
        let pp = (*mp).p;
        if !pp.is_null() && ((*pp).id as usize) < procs {
            (*pp).cas_status(PStatus::GcStop, PStatus::Running);
        } else {
            if !pp.is_null() {
                (*pp).m = null_mut();
            }
            allp(0).cas_status(PStatus::GcStop, PStatus::Idle);
            acquirep(mp, core::ptr::from_ref(allp(0)).cast_mut());
        }
        let mut due = 0;
        for gone in procs..old {
            let gone = core::ptr::from_ref(allp(gone)).cast_mut();
            let first = (*(*mp).p).timers.take(&(*gone).timers);
            if first != 0 && (due == 0 || first < due) {
                due = first;
            }
            heap::flush(&mut (*gone).mcache);
            (*gone).purge_stacks();
        }
        due
    }
}

/// Moves what goroutines those Ps have that go, and deals the others out: the current M keeps its own, those without work are idle, those with work are
/// returned as a list.
///
/// # Safety
/// After [`prepare`], as there, but under `sched.lock`.
pub(super) unsafe fn deal(s: &mut Sched, mp: *mut M, procs: usize) -> *mut P {
    for gone in procs..gomaxprocs() {
        let gone = core::ptr::from_ref(allp(gone)).cast_mut();
        let mut queue = GQueue::new();
        // SAFETY: as the caller promises: all Ps are ours.
        unsafe {
            loop {
                let (gp, _) = (*gone).runq.pop();
                if gp.is_null() {
                    break;
                }
                queue.push_back(gp);
            }
            loop {
                let gp = (*gone).gfree.pop();
                if gp.is_null() {
                    break;
                }
                s.gfree.push(gp);
            }
            (*gone).cas_status(PStatus::GcStop, PStatus::Dead);
        }
        // They were about to run: before those that waited for any P.
        s.runq.prepend(queue);
    }
    s.publish_runq_size();
    publish_gomaxprocs(s, procs);
    let mut with_work = null_mut();
    for i in (0..procs).rev() {
        let pp = core::ptr::from_ref(allp(i)).cast_mut();
        // SAFETY: as above.
        unsafe {
            if pp == (*mp).p {
                continue;
            }
            (*pp).cas_status(PStatus::GcStop, PStatus::Idle);
            if (*pp).runq.is_empty() {
                s.pidle_put(pp);
            } else {
                (*pp).link = with_work;
                with_work = pp;
            }
        }
    }
    with_work
}
