//! Panics: unwinding, `recover`, `defer!` (Go: `panic.go`).
//!
//! A **panic** belongs to a goroutine: it unwinds the stack, running destructors and deferred closures, up to [`recover`] or the goroutine's
//! first frame; there it ends the program with its text, the trace of where it began, and exit status 2. [`goexit`](crate::goexit) unwinds in the
//! same way, but nothing stops it.
//!
//! A **throw** is the runtime finding itself broken: nothing is unwound, the report is printed at once. So is a panic where
//! nothing can be unwound: on g0, with a runtime lock held, while the text of another panic is being made, or out of a destructor that runs because
//! of another panic.
//!
//! # What is unwinding
//! A G has a list of what unwinds it (Go: `g._panic`), innermost first: destructors may panic in their turn, as long as they recover from it
//! themselves. The machine unwinds with an empty mark; what the mark stands for is the head of the list, since of several the innermost is always
//! caught first. That is how deferred work that panics can change what is unwinding already: its panic takes the older one's place.

mod defer;
mod gotraceback;
mod report;
#[cfg(all(feature = "kernel-tests", not(test)))]
mod tests;
mod text;
pub(crate) mod traceback;

pub use defer::Deferred;
pub(crate) use gotraceback::init;
pub use gotraceback::{Error as TracebackError, exit_status};
pub(crate) use report::{deadlock, fatal, throw_after, unrecovered};
pub use report::{report_current, report_others, throw, throw_with};

use crate::proc::G;
use crate::{arch, port};
use alloc::boxed::Box;
use alloc::string::{String, ToString};
use core::any::Any;
use core::fmt;
use core::panic::{Location, PanicInfo};
use core::sync::atomic::Ordering;
use text::PanicText;

/// Exit status of a program that died (Go's).
pub const EXIT_FATAL: i32 = 2;
/// Frames that a traceback shows at most (Go: 50 innermost and 50 outermost).
pub(crate) const MAX_FRAMES: usize = 64;

/// A panic: its text, its value, and where it began.
pub struct PanicPayload {
    /// The message.
    pub message: String,
    /// `file:line:column`.
    pub location: Option<String>,
    /// What [`panic_any`] was called with.
    pub value: Option<Box<dyn Any + Send>>,
    trace: Trace,
    /// It was recovered and [`PanicPayload::resume`]d.
    repanicked: bool,
    /// The panic whose place it took, as deferred work that panicked while that one ran (Go: `_panic.link`).
    replaced: Option<Box<PanicPayload>>,
}

impl fmt::Display for PanicPayload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl fmt::Debug for PanicPayload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "panic: {}", self.message)
    }
}

impl PanicPayload {
    /// Goes on panicking with a panic that was recovered; should it end the program, the trace is that of its beginning.
    pub fn resume(mut self: Box<Self>) -> ! {
        self.repanicked = true;
        unwind(InFlight::panic(self))
    }

    /// The payload as ours; one of the host's own panics (`std`) has text only.
    fn of(payload: Box<dyn Any + Send>) -> Box<PanicPayload> {
        payload.downcast().unwrap_or_else(|value| {
            let text = value.downcast_ref::<&str>().copied();
            let text = text.or_else(|| value.downcast_ref::<String>().map(String::as_str));
            Box::new(PanicPayload {
                message: text.unwrap_or("(a value that is not text)").into(),
                location: None,
                value: Some(value),
                trace: Trace::EMPTY,
                repanicked: false,
                replaced: None,
            })
        })
    }
}

/// Return addresses, innermost first.
struct Trace {
    pcs: [usize; MAX_FRAMES],
    depth: usize,
}

impl Trace {
    const EMPTY: Trace = Trace { pcs: [0; MAX_FRAMES], depth: 0 };
}

/// What unwinds a goroutine: a panic, its end, or its end with a panic that deferred work added.
pub(crate) struct InFlight {
    panic: Option<Box<PanicPayload>>,
    goexit: bool,
    /// What unwound the goroutine when this began, in a destructor.
    outer: *mut InFlight,
}

impl InFlight {
    fn panic(panic: Box<PanicPayload>) -> Box<InFlight> {
        Box::new(InFlight { panic: Some(panic), goexit: false, outer: core::ptr::null_mut() })
    }
}

/// What the machine unwinds with in place of the head of the G's list.
struct Mark;

/// Unwinds the current goroutine.
fn unwind(what: Box<InFlight>) -> ! {
    let gp = port::getg();
    let what = Box::into_raw(what);
    // SAFETY: the current G's list is its own; what it holds lives until `caught` takes it off.
    unsafe {
        (*what).outer = (*gp).unwinding;
        (*gp).unwinding = what;
    }
    port::begin_unwind(Box::new(Mark))
}

/// What [`Port::try_call`](port::Port::try_call) caught, off the list. One of the host's own panics was never on it.
fn caught(payload: Box<dyn Any + Send>) -> Result<Box<InFlight>, Box<dyn Any + Send>> {
    payload.downcast::<Mark>().map(|_| {
        let gp = port::getg();
        // SAFETY: the current G; the mark was raised for the head, which `unwind` made of a box.
        unsafe {
            let what = Box::from_raw((*gp).unwinding);
            (*gp).unwinding = what.outer;
            what
        }
    })
}

/// Calls `f`; if it panics, returns what the panic carries: a [`PanicPayload`], or what a panic of the host's `std` carries.
/// The end of the goroutine ([`goexit`](crate::goexit)) passes through.
///
/// # Errors
/// What `f` panicked with.
pub fn catch_unwind<R>(f: impl FnOnce() -> R) -> Result<R, Box<dyn Any + Send>> {
    let what = match call(f) {
        Ok(r) => return Ok(r),
        Err(payload) => caught(payload)?,
    };
    match what.panic {
        Some(panic) if !what.goexit => Err(panic),
        _ => unwind(what),
    }
}

/// Calls `f`; if it panics, the panic ends here and is returned (Go: a function with a deferred call of `recover`).
///
/// # Errors
/// The panic.
pub fn recover<R>(f: impl FnOnce() -> R) -> Result<R, Box<PanicPayload>> {
    catch_unwind(f).map_err(PanicPayload::of)
}

fn call<R>(f: impl FnOnce() -> R) -> Result<R, Box<dyn Any + Send>> {
    struct Call<F, R>(Option<F>, Option<R>);
    extern "C-unwind" fn run<F: FnOnce() -> R, R>(call: *mut u8) {
        // SAFETY: `call` passed a `Call` of these types that outlives the call.
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
    unsafe { port::try_call(run, (&raw mut call).cast())? };
    match call.1 {
        Some(r) => Ok(r),
        None => throw("a function neither returned nor unwound"),
    }
}

/// Whether the current goroutine is being unwound (by its end or by a panic, not counting those of a host's `std`).
pub fn panicking() -> bool {
    // SAFETY: the current G.
    unsafe { !(*port::getg()).unwinding.is_null() }
}

/// Whether the current goroutine is being unwound by [`goexit`](crate::goexit), not by a panic.
pub(crate) fn goexits() -> bool {
    // SAFETY: the current G; what is on its list lives until it is caught.
    unsafe { (*port::getg()).unwinding.as_ref().is_some_and(|what| what.goexit) }
}

/// Runs a goroutine's function; returns when it has returned or [`goexit`] has unwound it.
///
/// # Safety
/// `f` may be called with `arg`, once.
pub(crate) unsafe fn run_goroutine(f: extern "C-unwind" fn(*mut u8), arg: *mut u8) {
    // SAFETY: as the caller promises.
    let Err(payload) = (unsafe { port::try_call(f, arg) }) else { return };
    let panic = match caught(payload) {
        Ok(what) => what.panic,
        Err(foreign) => Some(PanicPayload::of(foreign)),
    };
    if let Some(panic) = panic {
        unrecovered(&panic);
    }
}

/// Ends the current goroutine: its destructors and deferred closures run, others go on. From the main goroutine: the program goes
/// on without it, and ends in a deadlock report when no goroutine is left.
pub fn goexit() -> ! {
    if let Some(why) = cannot_unwind(port::getg()) {
        throw_with(format_args!("goexit {why}"));
    }
    unwind(Box::new(InFlight { panic: None, goexit: true, outer: core::ptr::null_mut() }))
}

/// Panics with a value, which [`recover`] returns in [`PanicPayload::value`] (Go: `panic(v)`).
#[track_caller]
pub fn panic_any<T: fmt::Display + Send + 'static>(value: T) -> ! {
    let gp = port::getg();
    let location = Location::caller();
    if let Some(why) = cannot_unwind(gp) {
        throw_with(format_args!("panic {why}, at {location}"));
    }
    let mut panic = new_panic(gp, &value, Some(location));
    panic.value = Some(Box::new(value));
    unwind(InFlight::panic(panic))
}

/// Where `core`'s panics arrive: to be called by the machine's panic handler. `can_unwind` is what the information says of itself: false if the
/// compiler ends an unwinding that may not go on.
pub fn begin_panic(info: &PanicInfo<'_>, can_unwind: bool) -> ! {
    if !can_unwind {
        // Such panics are the compiler's and `handle_alloc_error`'s: no text of the program's is made here.
        crate::heap::check_out_of_memory(info);
    }
    let gp = port::getg();
    if let Some(why) = cannot_unwind(gp) {
        if !gp.is_null() {
            // SAFETY: the current G. Making the text may panic, too; then it is left out.
            let nested = unsafe { core::mem::replace(&mut (*gp).printing_panic, true) };
            if nested {
                throw_with(format_args!("panic {why}, at {}", Place(info)));
            }
        }
        throw_with(format_args!("panic {why}: {} at {}", PanicText(info.message()), Place(info)));
    }
    if !can_unwind {
        // SAFETY: the current goroutine's list.
        match unsafe { (*gp).unwinding.as_ref() } {
            Some(what) => report::not_unwindable(info.message(), what),
            None => throw_with(format_args!("{} at {}", PanicText(info.message()), Place(info))),
        }
    }
    unwind(InFlight::panic(new_panic(gp, &info.message(), info.location())))
}

/// Why nothing can be unwound here, if so.
fn cannot_unwind(gp: *mut G) -> Option<&'static str> {
    // SAFETY: the current G, if there is one; its fields are its own.
    unsafe {
        if gp.is_null() {
            Some("outside of any goroutine")
        } else if (*gp).m.is_null() || (*(*gp).m).g0 == gp {
            Some("on a scheduler stack")
        } else if (*gp).locks.load(Ordering::Relaxed) != 0 {
            Some("with a runtime lock held")
        } else if (*gp).printing_panic {
            Some("while printing panic value")
        } else {
            None
        }
    }
}

/// A panic that begins here. Making its text runs code of the program's: should that panic, the flag tells.
fn new_panic(gp: *mut G, text: &dyn fmt::Display, location: Option<&Location<'_>>) -> Box<PanicPayload> {
    // SAFETY: the current goroutine.
    unsafe { (*gp).printing_panic = true };
    let message = text.to_string();
    let mut panic = Box::new(PanicPayload {
        message,
        location: location.map(ToString::to_string),
        value: None,
        trace: Trace::EMPTY,
        repanicked: false,
        replaced: None,
    });
    // SAFETY: as above; the walk stays in the stack that this runs on.
    unsafe {
        (*gp).printing_panic = false;
        (panic.trace.depth, _) = arch::callers(frame_pointer(), (*gp).stack, &mut panic.trace.pcs);
    }
    panic
}

/// The frame pointer of the function that this is inlined into.
#[inline(always)]
pub(crate) fn frame_pointer() -> usize {
    let fp: usize;
    // SAFETY: reads a register.
    unsafe { core::arch::asm!("mov {}, rbp", out(reg) fp, options(nomem, nostack, preserves_flags)) };
    fp
}

/// Where a panic stands in the source.
struct Place<'a, 'b>(&'a PanicInfo<'b>);

impl fmt::Display for Place<'_, '_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.location() {
            Some(location) => location.fmt(f),
            None => f.write_str("an unknown place"),
        }
    }
}
