//! `defer!` (Go: the `defer` statement).

use super::{InFlight, PanicPayload, call, caught};
use crate::port;

/// Runs a block when the enclosing scope ends: by its last line, `return`, `?`, a panic, or [`goexit`](crate::goexit). Several run in
/// reverse order.
///
/// Unlike Go's, it is the scope that counts, not the function, and the block borrows what it names until then. It cannot stop a panic:
/// [`recover`](crate::recover) does, round the code that may panic. A panic of the block itself takes the place of the one that is running.
#[macro_export]
macro_rules! defer {
    ($($body:tt)*) => {
        let _deferred = $crate::__private::Deferred::new(|| { $($body)* });
    };
}

/// What [`defer!`](crate::defer) makes: runs a closure when it is dropped.
#[must_use = "dropped at once, it runs at once"]
pub struct Deferred<F: FnOnce()>(Option<F>);

impl<F: FnOnce()> Deferred<F> {
    /// `f` is to run at the end of the value's life.
    pub fn new(f: F) -> Self {
        Deferred(Some(f))
    }
}

impl<F: FnOnce()> Drop for Deferred<F> {
    fn drop(&mut self) {
        let Some(f) = self.0.take() else { return };
        // SAFETY: the current G.
        let running = unsafe { (*port::getg()).unwinding };
        if running.is_null() {
            return f();
        }
        // Nothing can unwind out of a destructor that an unwinding runs: what would is added to that.
        if let Err(payload) = call(f) {
            let what = caught(payload);
            // SAFETY: it was the head of the list before the call, so it is again; nothing else refers to it until it is caught, after
            // this destructor.
            join(unsafe { &mut *running }, what.map(|what| *what).map_err(PanicPayload::of));
        }
    }
}

/// Adds what deferred work unwound with to what was unwinding the goroutine before: a panic takes the place of an older one; the end of
/// the goroutine takes the place of any panic (as in Go, where `Goexit` aborts them).
fn join(running: &mut InFlight, what: Result<InFlight, alloc::boxed::Box<PanicPayload>>) {
    let (panic, goexit) = match what {
        Ok(what) => (what.panic, what.goexit),
        Err(foreign) => (Some(foreign), false),
    };
    if goexit {
        running.goexit = true;
        running.panic = None;
    }
    if let Some(mut panic) = panic {
        panic.replaced = running.panic.take();
        running.panic = Some(panic);
    }
}
