//! Ms as host threads.
//!
//! The current G is a thread-local that is read in functions that are never inlined: the compiler may keep a thread-local's address over a
//! stack switch, and a goroutine continues on another thread (LLVM issue 98479).

use runtime::machine::{G, M, OsThread, PortError, Stack};
use std::cell::Cell;
use std::convert::Infallible;
use std::ptr::null_mut;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Bytes of an M's stack that the scheduler may use, and of the part above, in use by what called it.
const STACK: usize = 512 << 10;
const ABOVE: usize = 32 << 10;

struct Sema {
    posted: Mutex<bool>,
    changed: Condvar,
}

thread_local! {
    static CURRENT_G: Cell<*mut G> = const { Cell::new(null_mut()) };
    static SEMA: Cell<Option<&'static Sema>> = const { Cell::new(None) };
}

#[inline(never)]
pub(crate) fn getg() -> *mut G {
    CURRENT_G.get()
}

#[inline(never)]
pub(crate) fn setg(g: *mut G) {
    CURRENT_G.set(g);
}

fn lock(s: &Sema) -> MutexGuard<'_, bool> {
    s.posted.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Makes the current thread an M's: calls `f` with its name and the part of its stack that is free.
pub(crate) fn adopt(f: impl FnOnce(OsThread, Stack) -> Infallible) -> ! {
    let sema: &'static Sema =
        Box::leak(Box::new(Sema { posted: Mutex::new(false), changed: Condvar::new() }));
    SEMA.set(Some(sema));
    let here = 0u8;
    let hi = (&raw const here as usize - ABOVE) & !15;
    match f(OsThread(std::ptr::from_ref(sema) as usize), Stack { lo: hi - STACK, hi }) {}
}

struct SendPtr(*mut M);
// SAFETY: the M is handed to the thread that is to be it.
unsafe impl Send for SendPtr {}

pub(crate) fn new_os_proc(mp: *mut M, entry: extern "C" fn(*mut M) -> !) -> Result<(), PortError> {
    let mp = SendPtr(mp);
    std::thread::Builder::new()
        .stack_size(STACK + ABOVE + (256 << 10))
        .spawn(move || {
            let mp = { mp }.0;
            adopt(|thread, stack| {
                // SAFETY: the M and its g0 are this thread's now.
                unsafe {
                    (*mp).set_os(thread);
                    (*(*mp).g0).stack = stack;
                    setg((*mp).g0);
                }
                entry(mp)
            })
        })
        .map(|_| ())
        .map_err(|_| PortError::OutOfMemory)
}

pub(crate) fn semasleep(ns: i64) -> bool {
    let sema = SEMA.get().expect("an M's thread");
    let mut posted = lock(sema);
    let end = u64::try_from(ns).ok().map(|ns| Instant::now() + Duration::from_nanos(ns));
    while !*posted {
        posted = match end {
            None => sema.changed.wait(posted).unwrap_or_else(PoisonError::into_inner),
            Some(end) => {
                let left = end.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return false;
                }
                sema.changed.wait_timeout(posted, left).unwrap_or_else(PoisonError::into_inner).0
            }
        };
    }
    *posted = false;
    true
}

pub(crate) fn semawakeup(t: OsThread) {
    // SAFETY: `adopt` made the name of a semaphore that is never freed.
    let sema = unsafe { &*(t.0 as *const Sema) };
    *lock(sema) = true;
    sema.changed.notify_one();
}
