//! The timer that runs a function (Go: `AfterFunc`, `goFunc`).

use super::timer::{TimerCore, TimerOps};
use crate::go;
use alloc::boxed::Box;
use core::mem::needs_drop;
use core::ops::Deref;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicUsize, Ordering, fence};

/// A timer with its function.
///
/// The function is dropped when the last reference goes: handles have one, a timer that is to go off has one, and so has each
/// goroutine that runs the function. That is always on a goroutine, since destructors may do anything. The memory stays until no heap
/// has the timer.
#[repr(C)]
struct FuncTimer<F> {
    head: Head,
    f: F,
}

/// The part that does not depend on the function.
#[repr(C)]
pub(super) struct Head {
    /// The first field: a timer's address is its object's.
    core: TimerCore,
    refs: AtomicUsize,
}

/// What depends on the function.
#[repr(C)]
struct FuncOps {
    /// The first field: what [`TimerCore::ops`] says is this.
    timer: TimerOps,
    call: unsafe fn(*const Head),
    /// Drops the function, if that does anything.
    drop: Option<unsafe fn(*mut Head)>,
}

impl Head {
    #[inline]
    fn ops(&self) -> &'static FuncOps {
        // SAFETY: `FuncRef::start` made it with the first field of a static `FuncOps`, by a reference to all of that.
        unsafe { &*core::ptr::from_ref(self.core.ops()).cast() }
    }
}

/// A reference to a timer with a function.
pub(super) struct FuncRef(NonNull<Head>);

// SAFETY: the function is `Sync` and `Send`, as `FuncRef::new` demands; the rest is under the timer's lock or atomic.
unsafe impl Send for FuncRef {}
// SAFETY: as above.
unsafe impl Sync for FuncRef {}

impl FuncRef {
    /// Starts a timer that calls `f` on a goroutine of its own at `when` (nanotime, not 0).
    pub(super) fn start<F: Fn() + Send + Sync + 'static>(when: i64, f: F) -> FuncRef {
        let head = Head {
            core: TimerCore::new(FuncTimer::<F>::timer_ops(), 1, when, 0),
            // The handle's and, since it is to go off, the timer's own.
            refs: AtomicUsize::new(2),
        };
        let t = FuncRef(NonNull::from(Box::leak(Box::new(FuncTimer { head, f }))).cast());
        // SAFETY: it stays in place until nobody has a reference, and then until no heap has it.
        unsafe { t.core.add_new() };
        t
    }

    /// Has it go off at `when` (nanotime, not 0); whether it was to go off anyway.
    #[inline]
    pub(super) fn reset(&self, when: i64) -> bool {
        self.core.modify(when, 0, || {
            self.refs.fetch_add(1, Ordering::Relaxed);
        })
    }

    /// Stops it; whether it was to go off.
    #[inline]
    pub(super) fn stop(&self) -> bool {
        self.core.stop(|| {
            // Not the last: `self` is one.
            self.refs.fetch_sub(1, Ordering::Release);
        })
    }
}

impl Deref for FuncRef {
    type Target = Head;
    #[inline]
    fn deref(&self) -> &Head {
        // SAFETY: a reference keeps it alive.
        unsafe { self.0.as_ref() }
    }
}

impl Drop for FuncRef {
    #[inline]
    fn drop(&mut self) {
        // Release: what was done through this reference comes before the end; the fence is the acquiring side.
        if self.refs.fetch_sub(1, Ordering::Release) == 1 {
            fence(Ordering::Acquire);
            let _abandon = Abandon(self.0);
            if let Some(drop) = self.ops().drop {
                // SAFETY: this was the last reference.
                unsafe { drop(self.0.as_ptr()) };
            }
        }
    }
}

/// Gives the memory up also if the function's destructor panics.
struct Abandon(NonNull<Head>);

impl Drop for Abandon {
    #[inline]
    fn drop(&mut self) {
        // SAFETY: nobody has a reference, so it is not to go off: that would be one.
        unsafe { TimerCore::abandon(self.0.as_ptr().cast()) };
    }
}

impl<F: Fn() + Send + Sync + 'static> FuncTimer<F> {
    const OPS: &'static FuncOps = &FuncOps {
        timer: TimerOps { due, run, free: free::<F>, moment, bubble: None },
        call: call::<F>,
        drop: if needs_drop::<F>() { Some(drop_function::<F>) } else { None },
    };

    /// [`FuncTimer::OPS`] by its first field.
    #[inline]
    fn timer_ops() -> &'static TimerOps {
        // SAFETY: the pointer is to all of `OPS`, whose first field is this.
        unsafe { &*core::ptr::from_ref(Self::OPS).cast() }
    }
}

/// # Safety
/// See [`TimerOps`].
unsafe fn due(t: *const TimerCore) {
    // SAFETY: as the caller promises. Its own reference is `run`'s now.
    unsafe { (*t).expire() };
}

/// # Safety
/// See [`TimerOps`].
unsafe fn run(t: *const TimerCore) {
    // SAFETY: the reference that the timer had while it was to go off.
    let t = FuncRef(unsafe { NonNull::new_unchecked(t.cast_mut().cast()) });
    // SAFETY: the reference is dropped after the call.
    go(move || unsafe { (t.ops().call)(t.0.as_ptr()) });
}

/// # Safety
/// `head` is part of a `FuncTimer<F>` to which the caller has a reference.
unsafe fn call<F: Fn()>(head: *const Head) {
    // SAFETY: as the caller promises.
    unsafe { ((*head.cast::<FuncTimer<F>>()).f)() };
}

/// # Safety
/// `head` is part of a `FuncTimer<F>` to which nobody has a reference.
unsafe fn drop_function<F>(head: *mut Head) {
    // SAFETY: as the caller promises.
    unsafe { (&raw mut (*head.cast::<FuncTimer<F>>()).f).drop_in_place() };
}

/// # Safety
/// See [`TimerOps`].
unsafe fn free<F>(t: *const TimerCore) {
    // SAFETY: it was boxed; its function has been dropped.
    drop(unsafe { Box::from_raw(t.cast_mut().cast::<core::mem::ManuallyDrop<FuncTimer<F>>>()) });
}

/// # Safety
/// See [`TimerOps`].
unsafe fn moment(_: *const TimerCore, _: i64, _: *mut u8) {
    crate::panic::throw("a timer without a channel has a receiver")
}
