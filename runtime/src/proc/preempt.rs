//! Time slices and asynchronous preemption (Go: `preempt.go`, `preemptone`, `sysmon`'s `retake`).
//!
//! # Problem
//! A goroutine that runs for 10 ms while others wait must give way, at any instruction, `loop {}` included; yet not inside the
//! runtime, and a core whose goroutine is alone must not be interrupted for nothing.
//!
//! # Rejected
//! Polling a flag in loops and prologues (Rust's compiler does not emit it); Go's sysmon as the only clock (it looks every 10 ms, so a slice
//! lasts 10 to 20 ms, and it needs an M awake); a periodic tick (an idle or lone core would take it, too).
//!
//! # Protocol
//! 1. [`slice_begins`] notes the cycle counter in the P: three instructions a switch.
//! 2. If others wait, the M's one-shot timer is armed for the end of the slice. It stays armed over switches: on expiry the handler computes
//!    from the slice's true beginning and arms it again for the rest. So a busy P arms it once in 10 ms, not once a switch.
//! 3. If nobody waits, it is armed only for the P's next timer, if it has one, and the P is marked `lone`. Who queues a goroutine
//!    on this P ([`work_queued`]), adds a timer to it ([`timer_added`]) or puts one on the global queue ([`signal_lone`], by interrupt)
//!    finds the mark and has the timer armed.
//! 4. [`preempt_signal`] runs in the interrupt. The slice is over, somebody waits, and the interrupted place is safe: the port is told to
//!    push a call to `async_preempt` on the goroutine's own stack, as Go's signal handler does. That saves every register there,
//!    and goes to the scheduler like `gosched`.
//! 5. When the world is being stopped every M with a P is signaled, and the goroutine is preempted whatever its slice and whoever waits (`stw.rs`).
//! 6. An unsafe place: the timer is armed again for [`RETRY_NS`] later, and after some in a row for longer: where an interrupt takes longer than
//!    that, as in an emulator whose host is busy, the place would never be left. Unsafe places are short: they hold runtime locks or stand on g0. On g0 the
//!    request must not be dropped in the belief that the scheduler will look: it may have looked, and be on its way to the goroutine.
//!
//! Safe is: the current G is not the M's g0, its `locks` count is 0, it is running, and the stack pointer lies in its stack with room for the
//! saved registers. During a switch the G is set before the stack pointer (`arch`), so that the last condition refuses.
//!
//! # Order
//! The handler interrupts the code that it races with, on the same core, so compiler barriers suffice between the two: `locks` is
//! raised before and lowered after what it protects, and a goroutine is queued before `lone` is looked at. Marks that other cores set or
//! take (`lone` in [`signal_lone`]) are exchanged, and at worst lead to one interrupt too many.

use super::sched::{RUNQ_SIZE, allp, gcwaiting, gomaxprocs};
use super::status::Status;
use super::{G, M, P, preemptstats, schedseed};
use crate::godebug::TIMESLICE;
use crate::{arch, goabi, port};
use core::sync::atomic::{Ordering, compiler_fence};

/// How long a goroutine may run while others wait, in nanoseconds (Go: `forcePreemptNS`).
fn slice_ns() -> i64 {
    match TIMESLICE.get() {
        0 => 10_000_000,
        ms => i64::from(ms) * 1_000_000,
    }
}
/// How soon a request that met an unsafe place is repeated.
const RETRY_NS: i64 = 100_000;
/// After how many in a row that begins to double, and how often it does; with a seed it begins smaller.
const STEADY_RETRIES: u32 = 8;
const DOUBLINGS: u32 = 3;
const SEEDED_DOUBLINGS: u32 = 7;
/// Room that the saved general registers and the frames of `async_preempt` need, beside the XSAVE area.
const FRAME_BYTES: usize = 1024;

/// Raises the current goroutine's `locks` count: it is not preempted and stays on its M until [`releasem`]. Returns it.
#[inline(always)]
pub fn acquirem() -> *mut G {
    let gp = port::getg();
    // SAFETY: the current G exists, and only its own code and the interrupts on it touch the count.
    unsafe { bump(gp, 1) };
    compiler_fence(Ordering::SeqCst);
    gp
}

/// Lowers the count that [`acquirem`] raised; `gp` is what it returned.
#[inline(always)]
pub fn releasem(gp: *mut G) {
    compiler_fence(Ordering::SeqCst);
    // SAFETY: as in `acquirem`.
    unsafe { bump(gp, u32::MAX) };
}

/// # Safety
/// `gp` is the current G.
#[inline(always)]
unsafe fn bump(gp: *mut G, by: u32) {
    // SAFETY: as the caller promises.
    let locks = unsafe { &(*gp).locks };
    locks.store(locks.load(Ordering::Relaxed).wrapping_add(by), Ordering::Relaxed);
}

/// [`acquirem`] for locks, which also serve before the first G.
#[inline(always)]
pub(crate) fn lock_count_up() {
    let gp = port::getg();
    if !gp.is_null() {
        // SAFETY: the current G.
        unsafe { bump(gp, 1) };
    }
    compiler_fence(Ordering::SeqCst);
}

/// [`releasem`] for locks.
#[inline(always)]
pub(crate) fn lock_count_down() {
    compiler_fence(Ordering::SeqCst);
    let gp = port::getg();
    if !gp.is_null() {
        // SAFETY: the current G.
        unsafe { bump(gp, u32::MAX) };
    }
}

/// Moves the counts of the locks that a parked goroutine still holds to g0, which is about to give them up; its `gopark` keeps one.
///
/// # Safety
/// On g0; `gp` ran on this M and its registers are saved.
pub(super) unsafe fn move_locks(gp: *mut G, g0: *mut G) {
    // SAFETY: as the caller promises.
    unsafe {
        let held = (*gp).locks.load(Ordering::Relaxed) - 1;
        (*gp).locks.store(1, Ordering::Relaxed);
        bump(g0, held);
        #[cfg(debug_assertions)]
        {
            (*g0).held = (*gp).held;
            (*gp).held = [None; 16];
        }
    }
}

#[cfg(debug_assertions)]
pub(crate) fn lock_rank_push(rank: crate::lock::Rank) {
    let gp = port::getg();
    if gp.is_null() {
        return;
    }
    // SAFETY: the current G, which is not preempted: its count is raised.
    let held = unsafe { &mut (*gp).held };
    for h in held.iter().flatten() {
        // Channels are locked several at a time, by address.
        let same = rank == *h && rank == crate::lock::Rank::Hchan;
        assert!(*h < rank || same, "lock order: {rank:?} is taken while {h:?} is held");
    }
    match held.iter_mut().find(|h| h.is_none()) {
        Some(slot) => *slot = Some(rank),
        None => panic!("more than {} runtime locks are held", held.len()),
    }
}

#[cfg(debug_assertions)]
pub(crate) fn lock_rank_pop(rank: crate::lock::Rank) {
    let gp = port::getg();
    if gp.is_null() {
        return;
    }
    // SAFETY: as in `lock_rank_push`.
    let held = unsafe { &mut (*gp).held };
    match held.iter_mut().find(|h| **h == Some(rank)) {
        Some(slot) => *slot = None,
        None => panic!("lock {rank:?} is given up but not held"),
    }
}

/// Whether another goroutine waits for this P.
fn others_wait(pp: &P) -> bool {
    !pp.runq.is_empty() || RUNQ_SIZE.load(Ordering::Relaxed) != 0
}

/// The scheduler runs a goroutine on `mp` and `pp`: see that the slice ends.
///
/// # Safety
/// The current M and its P.
#[inline(always)]
pub(super) unsafe fn slice_begins(mp: *mut M, pp: *mut P) {
    // SAFETY: as the caller promises.
    unsafe {
        if !(*mp).slice_armed.load(Ordering::Relaxed) {
            arm(mp, pp);
        }
    }
}

/// Arms the current M's timer for the end of the slice, or marks the P as lone.
///
/// # Safety
/// The current M and its P.
#[cold]
#[inline(never)]
unsafe fn arm(mp: *mut M, pp: *mut P) {
    // SAFETY: as the caller promises.
    unsafe {
        if schedseed::is_on() && schedseed::perturb(&*mp, &*pp) {
            set_timer(&*mp, port::nanotime() + schedseed::soon_ns(&*mp));
        } else {
            arm_timer(&*mp, &*pp);
        }
    }
}

/// [`arm`] for interrupts, too: leaves the queue alone, which the interrupted code may be changing.
fn arm_timer(mp: &M, pp: &P) {
    mp.refusals.store(0, Ordering::Relaxed);
    // The mark comes first: who queues work from now on finds it, what was queued before is seen below.
    pp.lone.store(true, Ordering::SeqCst);
    let now = port::nanotime();
    if preemptstats::is_on() {
        // Armed for the next sample, whoever waits; what else is due is looked at then.
        pp.lone.store(false, Ordering::Relaxed);
        mp.slice_armed.store(true, Ordering::Relaxed);
        set_timer(mp, now + preemptstats::interval_ns(mp));
        return;
    }
    let seeded = schedseed::is_on();
    let slice_end = if seeded {
        now + schedseed::slice_ns(mp)
    } else {
        let slice = slice_ns();
        now + slice - ran_ns(pp).clamp(0, slice)
    };
    let due = pp.timers.wake_time();
    if others_wait(pp) || (due != 0 && due <= slice_end) {
        // With a seed the marks stay as they are, so that every slice and every goroutine queued comes here.
        if !seeded {
            pp.lone.store(false, Ordering::Relaxed);
            mp.slice_armed.store(true, Ordering::Relaxed);
        }
        set_timer(mp, slice_end);
    } else if due != 0 {
        set_timer(mp, due);
    }
}

/// Arms the timer of the current M, unless it is armed for that moment already.
fn set_timer(mp: &M, when: i64) {
    if when != mp.slice_when.load(Ordering::Relaxed) {
        mp.slice_when.store(when, Ordering::Relaxed);
        port::set_preempt_timer(when);
    }
}

/// The current M gives its P up: its timer has no slice to end, and waiting for goroutine timers is the affair of the M that sleeps for all.
///
/// # Safety
/// The current M.
pub(super) unsafe fn slice_ends(mp: *mut M) {
    // SAFETY: as the caller promises.
    let mp = unsafe { &*mp };
    // A signal may come at any point here and arm the timer again. So the marks come last: at worst they say that it is not armed when it is, which
    // costs an interrupt; the reverse would cost a slice without an end.
    if mp.slice_when.load(Ordering::Relaxed) != i64::MAX {
        port::set_preempt_timer(i64::MAX);
        mp.slice_when.store(i64::MAX, Ordering::Relaxed);
    }
    mp.slice_armed.store(false, Ordering::Relaxed);
    if preemptstats::is_on() {
        preemptstats::honoured(mp, port::nanotime());
    }
}

/// How long the current slice has lasted; where that is hours, less: a division of 128 bits would cost more than all else here.
fn ran_ns(pp: &P) -> i64 {
    let ticks = port::cputicks() - pp.slice_start.load(Ordering::Relaxed);
    ticks.saturating_mul(1_000_000) / port::cputicks_per_ms()
}

/// A goroutine was put on the current P's queue.
///
/// # Safety
/// The current P, and the caller is not preempted.
#[inline(always)]
pub(super) unsafe fn work_queued(pp: *mut P) {
    // SAFETY: as the caller promises.
    unsafe {
        if is_lone(pp) {
            arm((*pp).m, pp);
        }
    }
}

/// Whether whoever has queued a goroutine on the current P has to say so, by [`work_queued`].
///
/// # Safety
/// As [`work_queued`].
#[inline(always)]
pub(super) unsafe fn is_lone(pp: *mut P) -> bool {
    compiler_fence(Ordering::SeqCst);
    // SAFETY: as the caller promises.
    unsafe { (*pp).lone.load(Ordering::Relaxed) }
}

/// A timer was added to the current P that is now its earliest.
pub(crate) fn timer_added() {
    let gp = acquirem();
    // SAFETY: not preempted, so the M and its P stay.
    unsafe {
        let mp = (*gp).m;
        let pp = (*mp).p;
        if !pp.is_null() && (*pp).lone.load(Ordering::Relaxed) {
            arm(mp, pp);
        }
    }
    releasem(gp);
}

/// The global queue has got a goroutine: interrupts one P that runs a lone goroutine with no timer, so that it shares.
pub(super) fn signal_lone() {
    for i in 0..gomaxprocs() {
        let pp = allp(i);
        if pp.lone.load(Ordering::Relaxed)
            && pp.is_running()
            && pp.lone.swap(false, Ordering::SeqCst)
            && signal(pp)
        {
            return;
        }
    }
}

/// Interrupts every M that has a P, so that it stops for the world (Go: `preemptall`).
pub(super) fn preempt_all() {
    for pp in (0..gomaxprocs()).map(allp).filter(|pp| pp.is_running()) {
        signal(pp);
    }
}

/// Interrupts the M that has the P, if one has.
fn signal(pp: &P) -> bool {
    let mp = pp.m;
    if !mp.is_null() {
        // SAFETY: Ms are never freed.
        port::signal_m(unsafe { (*mp).os() });
    }
    !mp.is_null()
}

/// What the port is to do with the code that a preemption signal interrupted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// Let it go on.
    Resume,
    /// Make it call a function, which keeps all registers.
    Call {
        /// The function's address.
        f: usize,
        /// Where the code goes on then: where it stood, or some instructions before.
        back: usize,
    },
    /// Let it go on and call [`super::step`] after each instruction.
    Step,
}

/// The preemption signal: called by the port in an interrupt that met code at `pc` on an M, which was being stepped through or not. Returns what is to be done with that code.
///
/// # Safety
/// Interrupts are off, the interrupted code is the current G's, and `sp` is its stack pointer.
pub unsafe fn preempt_signal(sp: usize, pc: usize, stepping: bool) -> Signal {
    let gp = port::getg();
    if gp.is_null() {
        return Signal::Resume;
    }
    // SAFETY: the current G; a G that is current has its M set, but for the moment between `cas_status` and the switch.
    unsafe {
        let mp = (*gp).m;
        if mp.is_null() {
            return Signal::Resume;
        }
        (*mp).slice_armed.store(false, Ordering::Relaxed);
        (*mp).slice_when.store(i64::MAX, Ordering::Relaxed);
        let pp = (*mp).p;
        if pp.is_null() {
            // The M arms its timer itself when it has got a P and runs a goroutine.
            if preemptstats::is_on() {
                preemptstats::dropped(&*mp);
            }
            return Signal::Resume;
        }
        if gp == (*mp).g0 {
            // The scheduler may have decided already that the goroutine which it is about to run needs no timer.
            retry(mp);
            return sample(mp, pc, stepping);
        }
        let due = (*pp).timers.wake_time();
        let wanted = others_wait(&*pp) || (due != 0 && due <= port::nanotime());
        // The P of who stops the world is stopped, too: that goroutine goes on.
        let world_stops = gcwaiting() && (*pp).is_running();
        if !world_stops && (!wanted || (ran_ns(&*pp) < slice_ns() && !schedseed::is_on())) {
            arm_timer(&*mp, &*pp);
            if !preemptstats::is_on() {
                return Signal::Resume;
            }
            preemptstats::honoured_before(&*mp, port::nanotime() - ran_ns(&*pp));
            return if at_safe_place(&*gp, sp) { Signal::Resume } else { sample(mp, pc, stepping) };
        }
        if is_async_safe_point(gp, sp) {
            if let Some(back) = goabi::may_preempt(gp, pc) {
                (*mp).refusals.store(0, Ordering::Relaxed);
                if preemptstats::is_on() {
                    preemptstats::honoured(&*mp, port::nanotime());
                }
                return Signal::Call { f: arch::async_preempt(), back };
            }
            goabi::refused(gp);
        }
        retry(mp);
        if preemptstats::is_on() {
            preemptstats::refused(&*mp);
        }
        Signal::Resume
    }
}

/// What is to be done with code that stands in an unsafe place at `pc`, while nobody is known to wait for it.
///
/// # Safety
/// The current M, which has a P.
unsafe fn sample(mp: *mut M, pc: usize, stepping: bool) -> Signal {
    // SAFETY: as the caller promises.
    if preemptstats::is_on() && !stepping && preemptstats::unsafe_place(unsafe { &*mp }, pc) {
        Signal::Step
    } else {
        Signal::Resume
    }
}

/// Has the signal come again soon.
///
/// # Safety
/// The current M.
unsafe fn retry(mp: *mut M) {
    // SAFETY: as the caller promises.
    let mp = unsafe { &*mp };
    let refusals = mp.refusals.load(Ordering::Relaxed);
    mp.refusals.store(refusals.saturating_add(1), Ordering::Relaxed);
    let doublings = refusals.saturating_sub(STEADY_RETRIES);
    if schedseed::is_on() {
        set_timer(mp, port::nanotime() + (schedseed::soon_ns(mp) << doublings.min(SEEDED_DOUBLINGS)));
    } else {
        mp.slice_armed.store(true, Ordering::Relaxed);
        set_timer(mp, port::nanotime() + (RETRY_NS << doublings.min(DOUBLINGS)));
    }
}

/// Whether the current goroutine can be preempted where it stands, with stack pointer `sp` (Go: `isAsyncSafePoint`).
///
/// # Safety
/// `gp` is the current G, not a g0.
unsafe fn is_async_safe_point(gp: *mut G, sp: usize) -> bool {
    let need = arch::XSAVE_SIZE.load(Ordering::Relaxed).max(512) as usize + FRAME_BYTES;
    // SAFETY: as the caller promises.
    let gp = unsafe { &*gp };
    at_safe_place(gp, sp) && sp - gp.stack.lo > need && port::stack_back(gp.stack, sp - need, sp)
}

/// [`is_async_safe_point`] but for the room on the stack: nothing of the runtime is under way on `gp`, which is not a g0.
pub(super) fn at_safe_place(gp: &G, sp: usize) -> bool {
    gp.locks.load(Ordering::Relaxed) == 0 && gp.status() == Status::Running && gp.stack.contains(sp)
}

/// Where `async_preempt` goes once all registers are saved.
pub(crate) extern "C" fn async_preempt2() {
    super::gosched();
    goabi::rebind();
}

/// The port has backed a page of the current goroutine's stack at a fault; the page is given back when the goroutine ends.
pub fn stack_grew() {
    let gp = port::getg();
    if !gp.is_null() {
        // SAFETY: the current G.
        unsafe { (*gp).stack_grew.store(true, Ordering::Relaxed) };
    }
}
