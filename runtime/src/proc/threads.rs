//! Starting, parking and waking Ms (Go: `startm`, `newm`, `stopm`, `mstart`, `systemstack` in `proc.go`).

use super::preempt::{acquirem, releasem};
use super::sched::{self, ALLM, Sched, acquirep, gomaxprocs};
use super::schedule::schedule;
use super::steal::earliest_timer;
use super::{G, M, P, schedseed};
use crate::lock::Guard;
use crate::{arch, port};
use alloc::boxed::Box;
use core::ptr::null_mut;
use core::sync::atomic::Ordering;

/// The current M. Stable only on g0 or between `acquirem` and `releasem`: a goroutine may change Ms at any instruction.
#[inline(always)]
pub fn getm() -> *mut M {
    // SAFETY: the caller runs on an M, so there is a current G.
    unsafe { (*port::getg()).m }
}

/// The current P, or null; stable as [`getm`].
#[inline(always)]
pub fn getp() -> *mut P {
    // SAFETY: as in `getm`.
    unsafe { (*getm()).p }
}

/// Runs `f` on the M's own stack, which is fully backed: for what may take long, hold locks, or call the port for memory. On g0, and
/// before there is an M, just calls it. The goroutine is not preempted meanwhile.
pub fn systemstack<R>(f: impl FnOnce() -> R) -> R {
    if port::getg().is_null() {
        return f();
    }
    let gp = acquirem();
    // SAFETY: not preempted, so the M stays; g0's stack below `sched_sp` is free while a goroutine runs.
    let r = unsafe {
        let g0 = (*(*gp).m).g0;
        if gp == g0 {
            f()
        } else {
            port::setg(g0);
            let r = arch::on_stack((*g0).sched_sp, f);
            port::setg(gp);
            r
        }
    };
    releasem(gp);
    r
}

/// Has an M run `pp`: an idle one, else a new one. With `spinning` the caller has counted it in `NMSPINNING`.
///
/// The caller is not preempted and holds no lock; `pp` is idle and the caller's.
pub(super) fn startm(pp: *mut P, spinning: bool) {
    let mut s = sched::lock();
    let mp = s.midle_get();
    if mp.is_null() {
        let (id, ended) = s.m_get();
        let exceeded = s.exceeded_threads();
        drop(s);
        sched::thread_exhaustion(exceeded);
        systemstack(|| {
            let mp = if ended.is_null() { allocm(id) } else { ended };
            // SAFETY: new or ended, the M is the caller's until its thread runs.
            unsafe {
                (*mp).id = id;
                (*mp).nextp = pp;
                (*mp).spinning = spinning;
                // A timer that was armed went with the former thread.
                (*mp).slice_armed.store(false, Ordering::Relaxed);
                (*mp).slice_when.store(i64::MAX, Ordering::Relaxed);
            }
            newm(mp, mstart);
        });
        return;
    }
    drop(s);
    // SAFETY: the M was idle and is now the caller's until it wakes.
    unsafe {
        (*mp).spinning = spinning;
        (*mp).nextp = pp;
        (*mp).park.wakeup();
    }
}

/// Makes an M with its g0. On g0, or before there is one.
pub(super) fn allocm(id: u64) -> *mut M {
    let g0 = G::allocate();
    let mp = Box::into_raw(Box::new(M::new(id, g0, schedseed::of_m(id))));
    // SAFETY: new, and Ms are never freed.
    unsafe {
        (*g0).m = mp;
        ALLM.add(mp);
    }
    mp
}

/// Starts an M's thread. On g0.
pub(super) fn newm(mp: *mut M, entry: extern "C" fn(*mut M) -> !) {
    // SAFETY: Ms are never freed, and this one has no thread.
    if let Err(e) = unsafe { port::new_os_proc(mp, entry) } {
        crate::panic::throw_with(format_args!("cannot start an M: {e}"));
    }
}

/// Where a new M begins, on its g0.
extern "C" fn mstart(mp: *mut M) -> ! {
    // SAFETY: the current M, which `newm` gave a P.
    unsafe {
        init_g0((*mp).g0);
        crate::goabi::minit(mp);
        acquirep(mp, core::mem::replace(&mut (*mp).nextp, null_mut()));
    }
    schedule()
}

/// Sets where scheduler frames start on a g0, whose stack the port has filled in. What is above is never returned to.
///
/// # Safety
/// `g0` is the current G.
pub(super) unsafe fn init_g0(g0: *mut G) {
    // SAFETY: as the caller promises.
    unsafe { (*g0).sched_sp = ((*g0).stack.hi - 64) & !15 };
}

/// Idle Ms that are kept beside one for each P; more end (Go keeps all it ever had).
pub(super) const MAX_IDLE_MS: u64 = 2;

/// Puts the current M to sleep until it is given a P, or ends it if enough others sleep.
///
/// # Safety
/// On g0 of the current M `mp`, which holds no P, no lock, and is not spinning.
pub(super) unsafe fn stopm(mp: *mut M) {
    // SAFETY: as the caller promises.
    unsafe {
        // Woken without a P, it looks whether it is still wanted.
        while (*mp).nextp.is_null() {
            let mut s = sched::lock();
            // The last busy M stays: it is the one that finds a deadlock.
            if s.ms_idle() >= max_idle_ms() && s.ms_busy() > 1 {
                end_m(mp, s);
            }
            s.midle_put(mp);
            let asleep = s.ms_busy() == 0;
            drop(s);
            if asleep && earliest_timer(0) == 0 {
                crate::panic::deadlock();
            }
            (*mp).park.sleep();
            (*mp).park.clear();
        }
        acquirep(mp, core::mem::replace(&mut (*mp).nextp, null_mut()));
    }
}

fn max_idle_ms() -> u64 {
    MAX_IDLE_MS + gomaxprocs() as u64
}

/// Has idle Ms end that are too many since there are fewer Ps.
pub(super) fn end_idle_ms() {
    loop {
        let mut s = sched::lock();
        if s.ms_idle() <= max_idle_ms() {
            return;
        }
        let mp = s.midle_get();
        drop(s);
        // SAFETY: it was idle, and is the caller's until it wakes.
        unsafe { (*mp).park.wakeup() };
    }
}

/// Ends the current M.
///
/// # Safety
/// On g0 of the current M `mp`, which holds no P and is on no list.
pub(super) unsafe fn end_m(mp: *mut M, mut s: Guard<'_, Sched>) -> ! {
    // SAFETY: as the caller promises.
    unsafe {
        s.m_put(mp);
        // From the unlock on the M may be another thread's: an interrupt here must not take it for this one's and note timers in it.
        #[cfg(debug_assertions)]
        {
            (*(*mp).g0).held = [None; 16];
        }
        port::setg(null_mut());
    }
    drop(s);
    port::exit_thread()
}
