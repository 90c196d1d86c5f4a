//! The birth and death of goroutines (Go: `newproc`, `goexit`, `gfget`, `gfput`).
//!
//! A G is taken from the P's list of dead ones, then from the global list, then made. It gets a stack only when it is first run
//! ([`go_on`]) and returns it when it ends, so that a thousand goroutines that run one after the other use one stack, still warm.

use super::allgs::{ALLGS, RESERVE};
use super::g::INLINE_WORDS;
use super::p::{GFREE_MAX, GList};
use super::preempt::{acquirem, releasem};
use super::sched::{self, GOIDGEN, all_ps};
use super::schedule::{queue_next_and_release, schedule_after_end};
use super::status::Status;
use super::{G, P, lockosthread};
use crate::port::{self, Stack};
use crate::{arch, panic};
use alloc::boxed::Box;
use core::num::NonZeroUsize;
use core::panic::Location;
use core::ptr::null_mut;
use core::sync::atomic::{AtomicUsize, Ordering};

/// How large the stack of a goroutine without a limit of its own may grow, in bytes (Go: `maxstacksize`).
static MAX_STACK: AtomicUsize = AtomicUsize::new(1_000_000_000);
/// How many goroutine numbers a P takes at a time (Go: `_GoidCacheBatch`).
const GOID_BATCH: u64 = 16;

/// Starts a goroutine that runs `f` (Go: the `go` statement).
#[track_caller]
#[inline(always)]
pub fn go<F: FnOnce() + Send + 'static>(f: F) {
    spawn(f, None, Origin { pc: arch::here(), at: Location::caller() });
}

/// Starts a goroutine whose stack may grow to `limit` bytes, whatever [`set_max_stack`] says; rounded up, so that with the guard
/// area it fills a power of two.
#[track_caller]
#[inline(always)]
pub fn go_with_stack<F: FnOnce() + Send + 'static>(limit: usize, f: F) {
    spawn(f, NonZeroUsize::new(limit.max(1)), Origin { pc: arch::here(), at: Location::caller() });
}

/// Sets how many bytes the stacks of goroutines may grow to that have no limit of their own; returns what it was (Go: `debug.SetMaxStack`).
///
/// It starts as 1,000,000,000 and is looked at when a stack grows, in whole pages. A stack that is to grow beyond ends the program, with
/// `runtime: goroutine stack exceeds 1000000000-byte limit`. A limit above what an address range has room for does nothing: 1 GB for
/// 65,536 goroutines at a time, 30 MiB for the next million, 192 KiB for any beyond; the report names the limit that applied.
///
/// # Examples
/// ```no_run
/// # use runtime::debug;
/// let before = debug::set_max_stack(64 << 20);
/// assert_eq!(before, 1_000_000_000);
/// ```
pub fn set_max_stack(bytes: usize) -> usize {
    MAX_STACK.swap(bytes, Ordering::Relaxed)
}

/// How many bytes of stack the code that runs may use, as far as that depends on its goroutine: for the port's page fault handler.
pub fn stack_limit() -> usize {
    let gp = port::getg();
    // SAFETY: the current G, or null.
    let own = unsafe { gp.as_ref() }.and_then(|gp| gp.stack_limit);
    // Go code looks at its limit itself.
    if own.is_some() || crate::goabi::is_on() { usize::MAX } else { MAX_STACK.load(Ordering::Relaxed) }
}

/// Where a `go` stands: an address in the function that calls it, for reports, and its place in the source.
#[derive(Clone, Copy)]
struct Origin {
    pc: usize,
    at: &'static Location<'static>,
}

#[inline]
fn spawn<F: FnOnce() + Send + 'static>(f: F, limit: Option<NonZeroUsize>, origin: Origin) {
    if size_of::<F>() <= INLINE_WORDS * size_of::<usize>() && align_of::<F>() <= align_of::<usize>() {
        let gp = acquirem();
        // SAFETY: not preempted; the new G is ours until it is queued, and the closure fits into it.
        unsafe {
            let newg = new_g((*(*gp).m).p);
            let arg = (&raw mut (*newg).inline).cast::<F>();
            arg.write(f);
            newproc(gp, newg, run_inline::<F>, arg.cast(), limit, origin);
        }
    } else {
        let arg = Box::into_raw(Box::new(f));
        let gp = acquirem();
        // SAFETY: not preempted; the new G is ours until it is queued.
        unsafe {
            let newg = new_g((*(*gp).m).p);
            newproc(gp, newg, run_boxed::<F>, arg.cast(), limit, origin);
        }
    }
}

extern "C-unwind" fn run_inline<F: FnOnce()>(arg: *mut u8) {
    // SAFETY: `spawn` put the closure there, to be taken once.
    let f = unsafe { arg.cast::<F>().read() };
    f();
}

extern "C-unwind" fn run_boxed<F: FnOnce()>(arg: *mut u8) {
    // SAFETY: `spawn` boxed the closure, to be taken once.
    let f = unsafe { Box::from_raw(arg.cast::<F>()) };
    f();
}

/// Starts `newg`, and ends what [`acquirem`] began.
///
/// # Safety
/// `gp` is the current G, after [`acquirem`]; `newg` is dead and the caller's.
#[inline]
unsafe fn newproc(
    gp: *mut G,
    newg: *mut G,
    startfn: extern "C-unwind" fn(*mut u8),
    arg: *mut u8,
    limit: Option<NonZeroUsize>,
    origin: Origin,
) {
    // SAFETY: as the caller promises.
    unsafe {
        let mp = (*gp).m;
        let pp = (*mp).p;
        (*newg).startfn = startfn;
        (*newg).startarg = arg;
        (*newg).stack_limit = limit;
        (*newg).created_at = Some(origin.at);
        (*newg).gopc = origin.pc;
        (*newg).parent_goid = (*gp).goid;
        (*newg).goid = next_goid(pp);
        (*newg).cas_status(Status::Dead, Status::Runnable);
        count(pp, 1);
        queue_next_and_release(gp, mp, newg);
    }
}

/// # Safety
/// The current P, not preempted.
#[inline]
unsafe fn next_goid(pp: *mut P) -> u64 {
    // SAFETY: as the caller promises.
    unsafe {
        if (*pp).next_goid == (*pp).end_goid {
            (*pp).next_goid = GOIDGEN.fetch_add(GOID_BATCH, Ordering::Relaxed);
            (*pp).end_goid = (*pp).next_goid + GOID_BATCH;
        }
        let id = (*pp).next_goid;
        (*pp).next_goid = id + 1;
        id
    }
}

/// # Safety
/// The current P, not preempted.
#[inline]
unsafe fn count(pp: *mut P, by: i64) {
    // SAFETY: as the caller promises; only the P's holder writes.
    let n = unsafe { &(*pp).goroutines };
    n.store(n.load(Ordering::Relaxed) + by, Ordering::Relaxed);
}

/// How many goroutines there are (Go: `NumGoroutine`); a moment's figure.
pub fn num_goroutine() -> usize {
    all_ps().map(|p| p.goroutines.load(Ordering::Relaxed)).sum::<i64>().max(0) as usize
}

/// A dead G for the caller (Go: `gfget`).
///
/// # Safety
/// The current P, not preempted.
#[inline]
unsafe fn new_g(pp: *mut P) -> *mut G {
    // SAFETY: as the caller promises.
    let gp = unsafe { (*pp).gfree.pop() };
    if gp.is_null() { new_g_slow(pp) } else { gp }
}

#[cold]
#[inline(never)]
fn new_g_slow(pp: *mut P) -> *mut G {
    let mut s = sched::lock();
    for _ in 0..GFREE_MAX / 2 {
        let gp = s.gfree.pop();
        if gp.is_null() {
            break;
        }
        // SAFETY: the current P, not preempted.
        unsafe { (*pp).gfree.push(gp) };
    }
    drop(s);
    // SAFETY: the current P, not preempted.
    let gp = unsafe { (*pp).gfree.pop() };
    if !gp.is_null() {
        return gp;
    }
    let gp = G::allocate();
    // SAFETY: new and ours.
    unsafe { (*gp).cas_status(Status::Idle, Status::Dead) };
    // SAFETY: new and ours.
    unsafe { ALLGS.add(gp) };
    gp
}

/// Continues a goroutine where it left off; one that has not run gets a stack, and begins.
///
/// # Safety
/// On g0 of the current M, which holds `pp` and owns `gp`, in state running.
#[inline(always)]
pub(super) unsafe fn go_on(pp: *mut P, gp: *mut G) -> ! {
    // SAFETY: as the caller promises.
    unsafe {
        if (*gp).sched_sp != 0 {
            arch::gogo(gp)
        }
        let cached = if (*gp).stack_limit.is_none() { (*pp).stack_get() } else { None };
        (*gp).stack = match cached {
            Some(s) => s,
            None => new_stack((*gp).stack_limit),
        };
        arch::begin(gp, (*gp).first)
    }
}

#[cold]
#[inline(never)]
fn new_stack(limit: Option<NonZeroUsize>) -> Stack {
    match port::stack_alloc(limit.map(NonZeroUsize::get)) {
        Ok(s) => s,
        Err(e) => panic::throw_with(format_args!("cannot allocate a goroutine stack: {e}")),
    }
}

/// The first frame of every goroutine but those of Go code.
pub(super) extern "C" fn goroutine_entry() -> ! {
    let gp = port::getg();
    // SAFETY: the current goroutine; `newproc` set the entry.
    let (f, arg) = unsafe { ((*gp).startfn, (*gp).startarg) };
    // SAFETY: the entry and its argument, for this one call.
    unsafe { panic::run_goroutine(f, arg) };
    acquirem();
    // SAFETY: the goroutine is done with its stack.
    unsafe { arch::leave(gp, goexit0) }
}

/// On g0: buries the goroutine that ran, and runs another.
extern "C" fn goexit0(gp: *mut G) -> ! {
    // SAFETY: on g0 of the M that ran `gp`, which nobody else refers to: it was running.
    unsafe {
        let mp = (*gp).m;
        if reap(gp) {
            lockosthread::end_locked_m(mp);
        }
        schedule_after_end(mp)
    }
}

/// Buries the goroutine that ran; whether it was locked to its M, which has to end then.
///
/// # Safety
/// On g0 of the M that ran `gp`, which nobody else refers to.
#[inline(always)]
pub(super) unsafe fn reap(gp: *mut G) -> bool {
    // SAFETY: as the caller promises.
    unsafe {
        let mp = (*gp).m;
        let pp = (*mp).p;
        (*gp).cas_status(Status::Running, Status::Dead);
        (*gp).m = null_mut();
        (*mp).curg = null_mut();
        (*gp).locks.store(0, Ordering::Relaxed);
        let locked = !(*mp).lockedg.is_null();
        if locked {
            lockosthread::unlock(mp);
        }
        let stack = core::mem::replace(&mut (*gp).stack, Stack::NONE);
        (*gp).sched_sp = 0;
        // A stack that grew goes to the port: it gathers what is to be unmapped, so that many share one TLB shootdown.
        if (*gp).stack_limit.is_none() && !(*gp).stack_grew.load(Ordering::Relaxed) {
            (*pp).stack_put(stack);
        } else {
            (*gp).stack_grew.store(false, Ordering::Relaxed);
            (*gp).stack_limit = None;
            port::stack_free(stack);
        }
        count(pp, -1);
        (*pp).gfree.push(gp);
        if (*pp).gfree.len() >= GFREE_MAX {
            spill_gfree(pp);
        }
        locked
    }
}

#[cold]
#[inline(never)]
fn spill_gfree(pp: *mut P) {
    let mut s = sched::lock();
    for _ in 0..GFREE_MAX / 2 {
        // SAFETY: the current P, on g0.
        s.gfree.push(unsafe { (*pp).gfree.pop() });
    }
    // See `allgs.rs`. A Go program may know its Gs by address.
    if !crate::goabi::is_on() && s.gfree.len() > RESERVE && s.gfree.len() > num_goroutine() {
        let mut surplus = GList::new();
        for _ in 0..GFREE_MAX {
            surplus.push(s.gfree.pop());
        }
        drop(s);
        // SAFETY: dead, and off the list of dead ones.
        unsafe { ALLGS.free(surplus) };
    }
}

/// Starts a goroutine of Go code: `first` is entered on its stack, finds `arg` in the G, and does not return. `pc` is where
/// the `go` statement stands. `prepare` gets the current G, and the new one before anybody else.
///
/// # Safety
/// `first` is such code.
#[inline]
pub(crate) unsafe fn go_foreign(first: usize, arg: *mut u8, pc: usize, prepare: impl FnOnce(*mut G, *mut G)) {
    let gp = acquirem();
    // SAFETY: not preempted; the new G is ours until it is queued.
    unsafe {
        let newg = (*(*(*gp).m).p).gfree.pop();
        if newg.is_null() {
            // At the end, like all that is rare here: so no registers are saved for it.
            return go_foreign_slow(gp, first, arg, pc, prepare);
        }
        start_foreign(gp, newg, first, arg, pc, prepare);
    }
}

#[cold]
#[inline(never)]
unsafe fn go_foreign_slow(
    gp: *mut G,
    first: usize,
    arg: *mut u8,
    pc: usize,
    prepare: impl FnOnce(*mut G, *mut G),
) {
    // SAFETY: as in `go_foreign`.
    unsafe {
        let newg = new_g_slow((*(*gp).m).p);
        start_foreign(gp, newg, first, arg, pc, prepare);
    }
}

/// # Safety
/// As [`newproc`] and [`go_foreign`].
#[inline(always)]
unsafe fn start_foreign(
    gp: *mut G,
    newg: *mut G,
    first: usize,
    arg: *mut u8,
    pc: usize,
    prepare: impl FnOnce(*mut G, *mut G),
) {
    // SAFETY: as the caller promises.
    unsafe {
        let mp = (*gp).m;
        make_foreign((*mp).p, gp, newg, first, arg, pc);
        prepare(gp, newg);
        (*newg).cas_status(Status::Dead, Status::Runnable);
        queue_next_and_release(gp, mp, newg);
    }
}

/// A goroutine of Go code that is to be switched to ([`super::switch_to`]).
///
/// # Safety
/// As [`go_foreign`].
pub(crate) unsafe fn new_foreign_parked(
    first: usize,
    arg: *mut u8,
    pc: usize,
    prepare: impl FnOnce(*mut G, *mut G),
) -> *mut G {
    let gp = acquirem();
    // SAFETY: as in `go_foreign`. Dead to waiting leads over the states between.
    let newg = unsafe {
        let pp = (*(*gp).m).p;
        let newg = new_g(pp);
        make_foreign(pp, gp, newg, first, arg, pc);
        prepare(gp, newg);
        (*newg).wait_reason = super::WaitReason::Coroutine;
        (*newg).cas_status(Status::Dead, Status::Runnable);
        (*newg).cas_status(Status::Runnable, Status::Running);
        (*newg).cas_status(Status::Running, Status::Waiting);
        newg
    };
    releasem(gp);
    newg
}

/// Makes a dead G one of Go code.
///
/// # Safety
/// As [`go_foreign`]; the current P, not preempted, and the caller's G, `gp`.
#[inline(always)]
unsafe fn make_foreign(pp: *mut P, gp: *mut G, newg: *mut G, first: usize, arg: *mut u8, pc: usize) {
    // SAFETY: as the caller promises.
    unsafe {
        (*newg).first = core::mem::transmute::<usize, extern "C" fn() -> !>(first);
        (*newg).startarg = arg;
        (*newg).gopc = pc;
        (*newg).parent_goid = (*gp).goid;
        (*newg).created_at = None;
        (*newg).goid = next_goid(pp);
        count(pp, 1);
    }
}

/// Ends the current goroutine, which is one of Go code and done with its stack.
///
/// # Safety
/// As said.
pub(crate) unsafe fn end_foreign() -> ! {
    let gp = acquirem();
    // SAFETY: as the caller promises; the G is the next one's without Go code.
    unsafe {
        (*gp).first = goroutine_entry;
        arch::leave(gp, goexit0)
    }
}

/// The current goroutine, of Rust code, goes over to Go code, for good.
pub(crate) fn become_foreign() {
    extern "C" fn began() -> ! {
        panic::throw("the main goroutine of a Go program began again")
    }
    let gp = port::getg();
    // SAFETY: the current goroutine, which has taken its argument: one that has it has not begun.
    unsafe {
        (*gp).first = began;
        (*gp).startarg = null_mut();
    }
}
