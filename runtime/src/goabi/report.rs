//! All goroutines for Go's tracebacks, and the beginning of a fatal report (Go: `forEachGRace`, `freezetheworld` in `proc.go`).
//!
//! Go's unwinder starts from `g.sched`. A goroutine that does not run has its registers on its stack, below the frames of the Rust functions that parked it:
//! [`describe`] walks those by frame pointers up to the first frame of Go code, and writes that into `g.sched`.

use super::frames::{self, Place};
use super::layout::{Layout, g_word, layout};
use super::pclntab::maps::Stands;
use crate::arch;
use crate::port::{self, Stack};
use crate::proc::{ALLGS, G, GoG, Status};
use core::ptr::null_mut;
use core::sync::atomic::{AtomicBool, Ordering};

/// With the number of a reason to wait: the goroutine blocks durably (`gzdurable` in `proc.go`).
const DURABLE: u8 = 0x80;

static FATAL: AtomicBool = AtomicBool::new(false);

/// Whether a fatal report has begun: nothing else runs any more.
pub(super) fn is_fatal() -> bool {
    FATAL.load(Ordering::Relaxed)
}

/// Begins the program's fatal report: all other cores stop.
pub(super) extern "C" fn freeze() {
    if !FATAL.swap(true, Ordering::Relaxed) {
        port::begin_fatal(format_args!("fatal error"));
    }
}

/// The goroutine of Go code after `after`, or the first, with its `g` filled in; null at the end.
pub(super) unsafe extern "C" fn next_g(after: *mut GoG) -> *mut GoG {
    let mut gp = if after.is_null() { null_mut() } else { G::before(after) };
    loop {
        gp = ALLGS.next_oldest(gp, is_fatal());
        if gp.is_null() {
            return null_mut();
        }
        // SAFETY: Gs that a Go program may know are not freed.
        unsafe {
            if (*gp).is_go() && !matches!((*gp).status(), Status::Idle | Status::Dead) {
                describe(layout(), gp);
                return G::go(gp);
            }
        }
    }
}

/// Writes into the current goroutine's `g` what a trace of it names.
pub(super) unsafe extern "C" fn describe_current(gp: *mut GoG) {
    // SAFETY: the current goroutine.
    unsafe { describe(layout(), G::before(gp)) };
}

/// Writes into a goroutine's `g` what it does and where it stands.
///
/// # Safety
/// `gp` is a goroutine of Go code. If it runs, what is written is of no use.
unsafe fn describe(l: &Layout, gp: *mut G) {
    // SAFETY: as the caller promises; the offsets are the program's.
    unsafe {
        let waited = i128::from((*gp).waited_ticks()) * 1_000_000 / i128::from(port::cputicks_per_ms());
        g_word::<u32>(gp, l.g_atomicstatus).write((*gp).status() as u32);
        let durable = if (*gp).is_durable() { DURABLE } else { 0 };
        g_word::<u8>(gp, l.g_waitreason).write((*gp).wait_reason as u8 | durable);
        g_word::<i64>(gp, l.g_waitsince).write(port::nanotime() - waited as i64);
        g_word::<u64>(gp, l.g_goid).write((*gp).goid);
        g_word::<u64>(gp, l.g_parent_goid).write((*gp).parent_goid);
        g_word::<usize>(gp, l.g_gopc).write((*gp).gopc);
        g_word::<usize>(gp, l.g_syscallsp).write(0);
        if (*gp).status() == Status::Running {
            return;
        }
        if is_fatal() {
            // It will not come back to an M.
            g_word::<usize>(gp, l.g_m).write(0);
        }
        let at = place(l, gp).unwrap_or_else(|| start(l, gp));
        stand(l, gp, &at);
    }
}

/// Writes into a goroutine's `g` where it stands.
///
/// # Safety
/// As [`describe`].
unsafe fn stand(l: &Layout, gp: *mut G, at: &Place) {
    // SAFETY: as the caller promises.
    unsafe {
        g_word::<usize>(gp, l.g_sched + l.gobuf_pc).write(at.pc);
        g_word::<usize>(gp, l.g_sched + l.gobuf_sp).write(at.sp);
        g_word::<usize>(gp, l.g_sched + l.gobuf_bp).write(at.bp);
    }
}

/// The first Go frame on the stack of a goroutine that does not run; none if it has not begun.
///
/// # Safety
/// As said.
unsafe fn place(l: &Layout, gp: *mut G) -> Option<Place> {
    // SAFETY: what the switch saved, in the stack.
    unsafe {
        if (*gp).stack == Stack::NONE {
            return None;
        }
        let (fp, within) = arch::saved_frame((*gp).saved_sp());
        frames::first(l, (*gp).stack, fp, within)
    }
}

/// Writes into the current goroutine's `g` where its Go code stands, which has called the function
/// that runs: for a report from a scheduler's stack. Returns where the stub stands by which it has.
pub(super) fn describe_caller() -> usize {
    let (l, gp) = (layout(), port::getg());
    // SAFETY: the current goroutine, of Go code; the second word is the frame pointer of who called.
    arch::with_saved_registers(|sp| unsafe {
        let fp = (sp as *const usize).add(1).read();
        if let Some(at) = frames::first(l, (*gp).stack, fp, 0) {
            stand(l, gp, &at);
        }
        frames::stub(l, (*gp).stack, fp).unwrap_or(0)
    })
}

/// The place of a goroutine that has not begun: as if `goexit` had called its function.
///
/// # Safety
/// As [`describe`].
unsafe fn start(l: &Layout, gp: *mut G) -> Place {
    // SAFETY: a func value begins with the address of its code; the last words behind a G are free.
    unsafe {
        let pc = *(*gp).startarg.cast::<usize>();
        g_word::<usize>(gp, l.g_startpc).write(pc);
        let sp = g_word::<usize>(gp, super::G_BYTES - 16);
        sp.write(l.goexit + 1);
        Place { pc, sp: sp as usize, bp: 0, stands: Stands::Interrupted }
    }
}
