//! Go's `m` of each M, and calls of Go code.
//!
//! An M's `m` is made when the M first runs after the program has registered, on its own g0, and is never freed. The assembly of the Go half
//! stores `g.m` and `m.curg` when a goroutine comes back from a call that may have parked it, so a switch costs nothing here.

use super::layout::{Layout, g_word, is_on, layout, word};
use crate::proc::{ALLM, G, GoG, M, getm, systemstack};
use alloc::alloc::{Layout as Bytes, alloc_zeroed, handle_alloc_error};
use core::ptr::null_mut;
use core::sync::atomic::{AtomicUsize, Ordering};

/// Room above the end of a scheduler's stack that Go code leaves free for what it calls.
const G0_ROOM: usize = 4096;

/// Calls a function of Go code, which does not panic. On g0.
///
/// # Safety
/// `f` is the address of a function of the program's with at most three words of arguments.
pub(super) unsafe fn call(f: usize, a: usize, b: usize, c: usize) -> usize {
    // SAFETY: the program registered its own trampoline.
    let callgo = unsafe {
        core::mem::transmute::<usize, extern "C" fn(usize, usize, usize, usize) -> usize>(layout().callgo)
    };
    callgo(f, a, b, c)
}

/// Gives all Ms there are an `m`. Those that come later call [`minit`].
pub(super) fn init_all() {
    systemstack(|| {
        // The current M first: it is the one that runs Go code here.
        let me = getm();
        // SAFETY: Ms are never freed.
        unsafe { prepare(me) };
        ALLM.for_each(|mp| {
            if mp != me {
                // SAFETY: as above.
                unsafe { prepare(mp) };
            }
        });
    });
}

/// A new M runs, on its g0: gives it an `m` if a Go program runs.
pub(crate) fn minit(mp: *mut M) {
    // Either this sees the flag, or `init_all` sees that the M has begun: both are sequentially consistent with the change of the other.
    core::sync::atomic::fence(Ordering::SeqCst);
    if is_on() {
        // SAFETY: the current M.
        unsafe { prepare(mp) };
    }
}

/// Makes the `m` of an M, unless it has one, or has not begun: then it calls [`minit`] itself, once it has a scheduler's stack for Go code to run on.
///
/// # Safety
/// On a g0; Ms are never freed.
unsafe fn prepare(mp: *mut M) {
    // SAFETY: as the caller promises.
    let slot = unsafe { &(*mp).go_m };
    // SAFETY: as the caller promises. Stored once, by the M itself, before it calls `minit`.
    let has_begun = unsafe { AtomicUsize::from_ptr(&raw mut (*(*mp).g0).sched_sp) };
    if !slot.load(Ordering::Acquire).is_null() || has_begun.load(Ordering::Acquire) == 0 {
        return;
    }
    let l = layout();
    // SAFETY: the size is not 0.
    let (bytes, own) = unsafe {
        let bytes = Bytes::from_size_align_unchecked(l.m_size, 16);
        (bytes, alloc_zeroed(bytes))
    };
    if own.is_null() {
        handle_alloc_error(bytes);
    }
    // SAFETY: the M's g0, and memory of the size that the program asked for.
    unsafe {
        let g0 = (*mp).g0;
        adopt_g0(l, g0, own);
        call(l.minit, own as usize, 0, 0);
        if slot.compare_exchange(null_mut(), own, Ordering::AcqRel, Ordering::Acquire).is_err() {
            // The M itself was quicker, or who registers.
            adopt_g0(l, g0, slot.load(Ordering::Acquire));
            alloc::alloc::dealloc(own, bytes);
        }
    }
}

/// Makes a scheduler's G a g0 of Go's.
///
/// # Safety
/// `own` is an `m`, to be that of the M of `g0`.
unsafe fn adopt_g0(l: &Layout, g0: *mut G, own: *mut u8) {
    // SAFETY: as the caller promises; the offsets are the program's own.
    unsafe {
        let stack = (*g0).stack;
        let guard = stack.lo + G0_ROOM;
        g_word::<usize>(g0, l.g_stack_lo).write(stack.lo);
        g_word::<usize>(g0, l.g_stack_hi).write(stack.hi);
        g_word::<usize>(g0, l.g_stackguard0).write(guard);
        g_word::<usize>(g0, l.g_stackguard1).write(guard);
        g_word::<*mut u8>(g0, l.g_m).write(own);
        g_word::<*mut GoG>(g0, l.g_sched + l.gobuf_g).write(G::go(g0));
        g_word::<usize>(g0, l.g_sched + l.gobuf_sp).write((*g0).saved_sp());
        word::<_, *mut GoG>(own, l.m_g0).write(G::go(g0));
    }
}

/// A goroutine was preempted and has come back, perhaps on another M: what the stubs do after a call.
pub(crate) fn rebind() {
    if !is_on() {
        return;
    }
    let l = layout();
    let gp = crate::proc::acquirem();
    // SAFETY: the current goroutine, pinned, and its M's `m`, which is there since the M runs.
    unsafe {
        let own = (*(*gp).m).go_m.load(Ordering::Relaxed);
        if is_go(gp) && !own.is_null() {
            g_word::<*mut u8>(gp, l.g_m).write(own);
            word::<_, *mut GoG>(own, l.m_curg).write(G::go(gp));
        }
    }
    crate::proc::releasem(gp);
}

/// Whether a goroutine runs Go code: it has had an `m`.
///
/// # Safety
/// `gp` is a G; a Go program runs.
pub(super) unsafe fn is_go(gp: *mut G) -> bool {
    // SAFETY: as the caller promises.
    unsafe { (*gp).is_go() }
}

/// All goroutines are asleep: has a Go program say so in Go's words. Returns if none runs. On g0.
pub(crate) fn deadlock() {
    if is_on() {
        super::report::freeze();
        // SAFETY: the function that the program registered for this.
        unsafe { call(layout().deadlock, 0, 0, 0) };
    }
}
