//! Reports with which a program ends (Go: `fatalpanic`, `printpanics`, `throw`, `checkdead`).
//!
//! A report is printed with the other cores stopped, in whatever they did: nothing here allocates or takes a lock.

use super::gotraceback::{exit_status, shows_failed, shows_others};
use super::text::PanicText;
use super::traceback::{Stderr, all_goroutines, current, frames, goroutine, header};
use super::{InFlight, PanicPayload, frame_pointer};
use crate::port;
use crate::proc::{G, report_seed};
use core::fmt::{self, Write};

/// Ends the program: a panic reached the goroutine's first frame.
pub(crate) fn unrecovered(panic: &PanicPayload) -> ! {
    port::begin_fatal(format_args!("panic: {}", PanicText(panic)));
    let mut w = Stderr;
    print_panic(&mut w, panic);
    panic_trace(&mut w, panic);
    end(&mut w, false)
}

/// Ends the program: `what` unwinds code that cannot be unwound, says `why`: a destructor that runs because of an older panic, or a
/// function that is called by another language.
pub(super) fn not_unwindable(why: impl fmt::Display, what: &InFlight) -> ! {
    port::begin_fatal(format_args!("{why}"));
    let mut w = Stderr;
    print_panics(&mut w, what);
    _ = writeln!(w, "fatal error: {why}");
    match &what.panic {
        Some(panic) => panic_trace(&mut w, panic),
        None => current_trace(&mut w, frame_pointer()),
    }
    end(&mut w, false)
}

/// Oldest first, the later ones indented, as Go does.
fn print_panics(w: &mut Stderr, what: &InFlight) {
    // SAFETY: what is on the list lives until it is caught, and this goroutine catches nothing any more.
    if let Some(outer) = unsafe { what.outer.as_ref() } {
        print_panics(w, outer);
        _ = w.write_char('\t');
    }
    match &what.panic {
        Some(panic) => print_panic(w, panic),
        None => _ = writeln!(w, "goexit"),
    }
}

fn print_panic(w: &mut Stderr, panic: &PanicPayload) {
    if let Some(older) = &panic.replaced {
        print_panic(w, older);
        _ = w.write_char('\t');
    }
    let repanicked = if panic.repanicked { " [recovered, repanicked]" } else { "" };
    _ = writeln!(w, "panic: {}{repanicked}", PanicText(panic));
}

/// The goroutine's trace from where the panic began.
fn panic_trace(w: &mut Stderr, panic: &PanicPayload) {
    if !shows_failed() {
        return;
    }
    _ = writeln!(w);
    // SAFETY: the current goroutine.
    unsafe { header(w, port::getg(), "running") };
    if let Some(location) = &panic.location {
        _ = writeln!(w, "\tat {location}");
    }
    frames(w, &panic.trace.pcs[..panic.trace.depth]);
    // SAFETY: as above.
    unsafe { super::traceback::created(w, port::getg()) };
}

/// The current G's trace from the frame at `fp` of its stack, if there is one.
fn current_trace(w: &mut Stderr, fp: usize) {
    let gp = port::getg();
    if shows_failed() && !gp.is_null() {
        _ = writeln!(w);
        // SAFETY: the current G, on its own stack.
        unsafe { current(w, gp, fp) };
    }
}

/// Ends the program: it did what the runtime cannot go on after, an unlock of an unlocked mutex for example (Go: `fatal`).
#[cold]
#[inline(never)]
pub(crate) fn fatal(message: fmt::Arguments<'_>) -> ! {
    port::begin_fatal(message);
    die(None, message, false, frame_pointer())
}

/// Ends the program: the runtime found itself broken (Go: `throw`).
#[cold]
#[inline(never)]
pub fn throw(message: &str) -> ! {
    throw_with(format_args!("{message}"))
}

/// `throw` with a formatted message.
#[cold]
#[inline(never)]
pub fn throw_with(message: fmt::Arguments<'_>) -> ! {
    port::begin_fatal(message);
    die(None, message, true, frame_pointer())
}

/// [`throw`] with a line before it.
#[cold]
#[inline(never)]
pub(crate) fn throw_after(first: fmt::Arguments<'_>, message: &str) -> ! {
    port::begin_fatal(format_args!("{message}"));
    die(Some(first), format_args!("{message}"), true, frame_pointer())
}

fn die(first: Option<fmt::Arguments<'_>>, message: fmt::Arguments<'_>, internal: bool, fp: usize) -> ! {
    let mut w = Stderr;
    if let Some(first) = first {
        _ = writeln!(w, "{first}");
    }
    _ = writeln!(w, "fatal error: {message}");
    current_trace(&mut w, fp);
    end(&mut w, internal)
}

/// The other goroutines, if they are asked for; then the end.
fn end(w: &mut Stderr, internal: bool) -> ! {
    others(w, internal);
    _ = report_seed(w);
    port::exit(exit_status())
}

/// The other goroutines, in a report of the machine's own, if they are asked for.
///
/// # Safety
/// The other cores have been stopped.
pub unsafe fn report_others() {
    others(&mut Stderr, false);
}

fn others(w: &mut Stderr, internal: bool) {
    if shows_others(internal) {
        let me = port::getg();
        // SAFETY: `begin_fatal` stopped the other cores. On a host, whose threads go on, a trace may be of a moment that is over.
        unsafe {
            all_goroutines(|gp| {
                let mine = gp == me || (!me.is_null() && !(*me).m.is_null() && (*(*me).m).curg == gp);
                if !mine {
                    _ = writeln!(w);
                    goroutine(w, gp);
                }
            });
        }
    }
}

/// Ends the program: no goroutine can ever run again. On g0, every M asleep or about to.
pub(crate) fn deadlock() -> ! {
    crate::goabi::deadlock();
    port::begin_fatal(format_args!("deadlock"));
    let mut w = Stderr;
    let mut first: *mut G = core::ptr::null_mut();
    // SAFETY: no goroutine runs.
    unsafe {
        all_goroutines(|gp| {
            if first.is_null() {
                first = gp;
                _ = writeln!(w, "fatal error: all goroutines are asleep - deadlock!");
            }
            if shows_others(true) {
                _ = writeln!(w);
                goroutine(&mut w, gp);
            }
        });
    }
    if first.is_null() {
        _ = writeln!(w, "fatal error: no goroutines (main called runtime::goexit) - deadlock!");
    }
    _ = report_seed(&mut w);
    port::exit(exit_status())
}

/// Prints the line that names the current goroutine in a report of the machine's own (an exception, say). Whether its frames are to follow.
pub fn report_current(w: &mut dyn fmt::Write) -> bool {
    let gp = port::getg();
    _ = report_seed(w);
    if !shows_failed() {
        return false;
    }
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
    true
}
