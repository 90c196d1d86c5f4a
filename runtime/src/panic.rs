//! Panics, fatal errors and goroutine tracebacks (Go: `panic.go`, `throw`, `traceback.go`).
//!
//! A **panic** belongs to a goroutine: it unwinds the stack, running destructors, up to [`catch_unwind`] or the goroutine's first frame; there
//! it ends the program with its text, the trace of where it began, and exit status 2. A **throw** is the runtime finding itself
//! broken: nothing is unwound, the report is printed at once. So is a panic where nothing may be unwound: on g0, with a runtime lock held,
//! or while the same goroutine unwinds already.

use crate::proc::{ALLGS, G, Status};
use crate::{arch, port};
use alloc::boxed::Box;
use alloc::string::{String, ToString};
use core::any::Any;
use core::fmt::{self, Write};
use core::panic::PanicInfo;
use core::sync::atomic::Ordering;

/// Exit status of a program that died (Go's).
pub const EXIT_FATAL: i32 = 2;
/// Frames that a traceback shows at most (Go: 50 innermost and 50 outermost).
const MAX_FRAMES: usize = 64;

/// What a panic unwinds with: its text and where it began.
pub struct PanicPayload {
    /// The message.
    pub message: String,
    /// `file:line:column`.
    pub location: Option<String>,
    pcs: [usize; MAX_FRAMES],
    depth: usize,
}

/// Calls `f`; if it panics, returns what the panic carries: a [`PanicPayload`], or what [`core::panic`]'s hosted twin carries.
pub fn catch_unwind<R>(f: impl FnOnce() -> R) -> Result<R, Box<dyn Any + Send>> {
    struct Call<F, R>(Option<F>, Option<R>);
    extern "C-unwind" fn run<F: FnOnce() -> R, R>(call: *mut u8) {
        // SAFETY: `catch_unwind` passed a `Call` that outlives the call.
        let call = unsafe { &mut *call.cast::<Call<F, R>>() };
        if let Some(f) = call.0.take() {
            call.1 = Some(f());
        }
    }
    fn runner<F: FnOnce() -> R, R>(_: &Call<F, R>) -> extern "C-unwind" fn(*mut u8) {
        run::<F, R>
    }
    let mut call = Call(Some(f), None);
    let run = runner(&call);
    // SAFETY: `run` takes what it is called with.
    let caught = unsafe { port::try_call(run, (&raw mut call).cast()) };
    let gp = port::getg();
    // SAFETY: the current G.
    unsafe { (*gp).panicking = false };
    caught?;
    match call.1 {
        Some(r) => Ok(r),
        None => throw("a function neither returned nor unwound"),
    }
}

/// Where `core`'s panics arrive: to be called by the machine's panic handler.
pub fn begin_panic(info: &PanicInfo<'_>) -> ! {
    crate::heap::check_out_of_memory(info);
    let gp = port::getg();
    // SAFETY: the current G, if there is one; its fields are its own.
    let why = unsafe {
        if gp.is_null() {
            Some("outside of any goroutine")
        } else if (*gp).m.is_null() || (*(*gp).m).g0 == gp {
            Some("on a scheduler stack")
        } else if (*gp).locks.load(Ordering::Relaxed) != 0 {
            Some("with a runtime lock held")
        } else if (*gp).panicking {
            Some("in a destructor while panicking")
        } else {
            None
        }
    };
    if let Some(why) = why {
        throw_with(format_args!("panic {why}: {info}"));
    }
    let mut payload = Box::new(PanicPayload {
        message: info.message().to_string(),
        location: info.location().map(ToString::to_string),
        pcs: [0; MAX_FRAMES],
        depth: 0,
    });
    // SAFETY: the current goroutine.
    unsafe {
        (*gp).panicking = true;
        payload.depth = arch::callers(frame_pointer(), (*gp).stack.lo, (*gp).stack.hi, &mut payload.pcs);
    }
    port::begin_unwind(payload)
}

/// The frame pointer of the function that this is inlined into.
#[inline(always)]
pub(crate) fn frame_pointer() -> usize {
    let fp: usize;
    // SAFETY: reads a register.
    unsafe { core::arch::asm!("mov {}, rbp", out(reg) fp, options(nomem, nostack, preserves_flags)) };
    fp
}

/// Ends the program: a panic reached the goroutine's first frame.
pub(crate) fn unrecovered(payload: &(dyn Any + Send)) -> ! {
    port::begin_fatal(format_args!("a panic that nothing recovered"));
    let gp = port::getg();
    let mut w = Stderr;
    if let Some(p) = payload.downcast_ref::<PanicPayload>() {
        _ = writeln!(w, "panic: {}\n", p.message);
        // SAFETY: the current goroutine.
        unsafe { header(&mut w, gp, "running") };
        if let Some(l) = &p.location {
            _ = writeln!(w, "\tat {l}");
        }
        frames(&mut w, &p.pcs[..p.depth]);
    } else {
        let text = payload
            .downcast_ref::<&str>()
            .copied()
            .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
            .unwrap_or("(a value that is not text)");
        _ = writeln!(w, "panic: {text}\n");
    }
    port::exit(EXIT_FATAL)
}

/// Ends the program: the runtime found itself broken (Go: `throw`).
#[cold]
#[inline(never)]
pub fn throw(message: &str) -> ! {
    throw_with(format_args!("{message}"))
}

/// [`throw`] with a formatted message.
#[cold]
#[inline(never)]
pub fn throw_with(message: fmt::Arguments<'_>) -> ! {
    port::begin_fatal(message);
    let mut w = Stderr;
    _ = writeln!(w, "fatal error: {message}\n");
    let gp = port::getg();
    if !gp.is_null() {
        // SAFETY: the current G, on its own stack; the g0's M is the current one.
        unsafe {
            header(&mut w, gp, "running");
            let mut pcs = [0; MAX_FRAMES];
            let n = arch::callers(frame_pointer(), (*gp).stack.lo, (*gp).stack.hi, &mut pcs);
            frames(&mut w, &pcs[..n]);
            let mp = (*gp).m;
            if !mp.is_null() && (*mp).g0 == gp && !(*mp).curg.is_null() {
                _ = writeln!(w);
                goroutine(&mut w, (*mp).curg);
            }
        }
    }
    port::exit(EXIT_FATAL)
}

/// Ends the program: no goroutine can ever run again (S13). On g0, every M asleep or about to.
pub(crate) fn deadlock() -> ! {
    port::begin_fatal(format_args!("deadlock"));
    let mut w = Stderr;
    _ = writeln!(w, "fatal error: all goroutines are asleep - deadlock!");
    // Oldest first: the list has the newest first, and nothing may be allocated here.
    let mut after = 0;
    loop {
        let mut next: *mut G = core::ptr::null_mut();
        ALLGS.for_each(|gp| {
            // SAFETY: Gs are never freed, and no M runs any.
            unsafe {
                if (*gp).status() != Status::Dead
                    && (*gp).goid > after
                    && (next.is_null() || (*gp).goid < (*next).goid)
                {
                    next = gp;
                }
            }
        });
        if next.is_null() {
            break;
        }
        _ = writeln!(w);
        // SAFETY: as above.
        unsafe {
            goroutine(&mut w, next);
            after = (*next).goid;
        }
    }
    port::exit(EXIT_FATAL)
}

/// Prints a goroutine that does not run: state, wait reason, wait time, trace.
///
/// # Safety
/// Nobody runs or frees `gp`.
unsafe fn goroutine(w: &mut Stderr, gp: *mut G) {
    // SAFETY: as the caller promises; `sched_sp` points to six saved registers, rbp the last.
    unsafe {
        let status = (*gp).status();
        let text = if status == Status::Waiting { (*gp).wait_reason.text() } else { status.text() };
        header(w, gp, text);
        let sp = (*gp).sched_sp;
        if sp != 0 {
            let saved = (sp + 5 * 8) as *const usize;
            let mut pcs = [0; MAX_FRAMES];
            pcs[0] = *saved.add(1);
            let n = arch::callers(*saved, (*gp).stack.lo, (*gp).stack.hi, &mut pcs[1..]);
            frames(w, &pcs[..n + 1]);
        }
        if let Some(at) = (*gp).created_by {
            _ = writeln!(w, "created at {at}");
        }
    }
}

/// # Safety
/// `gp` exists.
unsafe fn header(w: &mut Stderr, gp: *mut G, state: &str) {
    // SAFETY: as the caller promises.
    unsafe {
        let wait = (*gp).wait_since;
        let minutes =
            if state == "running" || wait == 0 { 0 } else { (port::nanotime() - wait) / 60_000_000_000 };
        _ = match minutes {
            0 => writeln!(w, "goroutine {} [{state}]:", (*gp).goid),
            m => writeln!(w, "goroutine {} [{state}, {m} minutes]:", (*gp).goid),
        };
    }
}

fn frames(w: &mut Stderr, pcs: &[usize]) {
    for &pc in pcs {
        // A return address names the call before it.
        _ = match port::symbol(pc - 1) {
            Some((name, offset)) => writeln!(w, "{name}\n\t{pc:#x} +{:#x}", offset + 1),
            None => writeln!(w, "\t{pc:#x}"),
        };
    }
}

/// Prints the line that names the current goroutine in a report of the machine's own (an exception, say).
pub fn report_current(w: &mut dyn fmt::Write) {
    let gp = port::getg();
    // The console does not fail.
    // SAFETY: the current G, if there is one.
    _ = unsafe {
        if gp.is_null() {
            writeln!(w, "no goroutine")
        } else if !(*gp).m.is_null() && (*(*gp).m).g0 == gp {
            writeln!(w, "goroutine 0 [scheduler of M{}]:", (*(*gp).m).id)
        } else {
            writeln!(w, "goroutine {} [running]:", (*gp).goid)
        }
    };
}

/// The console, as fatal reports write to it.
struct Stderr;

impl fmt::Write for Stderr {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        port::write_err(s.as_bytes());
        Ok(())
    }
}
