//! What Go code asks of the machine: console, arguments, clocks, end (Go: `os_linux.go`, `sys_linux_amd64.s`).

use crate::port::{self, Stream};
use crate::{arch, console, io};
use alloc::vec::Vec;
use core::slice;
use core::sync::atomic::{AtomicI64, Ordering};

/// How often somebody who writes to standard error and may not wait looks whether another is done.
const TRIES: u32 = 1000;

/// Writes all of `n` bytes at `p` to standard output or error; returns `n`. On a goroutine, which may be parked.
pub(super) unsafe extern "C" fn write(fd: usize, p: *const u8, n: usize) -> usize {
    let stream = if fd == 1 { Stream::Out } else { Stream::Err };
    if n != 0 {
        // SAFETY: Go's bytes.
        standing(p, || console::write(stream, unsafe { slice::from_raw_parts(p, n) }));
    }
    n
}

/// Writes to standard error from anywhere: `print`, panics and throws, with locks held and on scheduler stacks.
pub(super) unsafe extern "C" fn write1(_fd: usize, p: *const u8, n: u32) -> i32 {
    if n != 0 {
        // SAFETY: Go's bytes.
        let bytes = unsafe { slice::from_raw_parts(p, n as usize) };
        let written = !super::report::is_fatal()
            && (0..TRIES).any(|_| {
                let done = console::try_write_err(bytes);
                if !done {
                    port::os_yield();
                }
                done
            });
        if !written {
            port::write_err(bytes);
        }
    }
    n as i32
}

/// Reads what has come on standard input; 0 at its end. On a goroutine, which may be parked.
pub(super) unsafe extern "C" fn read(p: *mut u8, n: usize) -> usize {
    // SAFETY: Go's room.
    standing(p, || io::stdin().read(unsafe { slice::from_raw_parts_mut(p, n) }))
}

/// Calls `f`, which may be a blocking call of the machine: a collection meanwhile finds on the stack what the goroutine
/// holds, `p` too.
fn standing<R>(p: *const u8, f: impl FnOnce() -> R) -> R {
    let held = [p];
    let r = arch::with_saved_registers(|sp| {
        // SAFETY: the current goroutine, which is not switched away from here.
        unsafe { (*port::getg()).sched_sp = sp };
        f()
    });
    core::hint::black_box(&held);
    r
}

pub(super) extern "C" fn exit(status: i32) -> ! {
    port::exit(status & 0xff)
}

pub(super) extern "C" fn nanotime() -> i64 {
    port::nanotime()
}

/// Seconds since 1970 and nanoseconds.
#[repr(C)]
pub(super) struct Wall(i64, usize);

const SECOND: i64 = 1_000_000_000;

impl Wall {
    /// Of nanoseconds since 1970.
    pub(super) fn of(ns: i64) -> Wall {
        Wall((ns as u64 / SECOND as u64) as i64, (ns as u64 % SECOND as u64) as usize)
    }
}

/// Wall time at the clock's start, in nanoseconds.
static STARTED_AT: AtomicI64 = AtomicI64::new(0);

/// Reads wall time once: from here on it follows the clock.
pub(super) fn init() {
    let ((seconds, ns), now) = (port::walltime(), port::nanotime());
    STARTED_AT.store(seconds * SECOND + i64::from(ns) - now, Ordering::Relaxed);
}

/// Nanoseconds from 1970 to the clock's start.
pub(super) fn started_at() -> u64 {
    STARTED_AT.load(Ordering::Relaxed) as u64
}

/// Where Go code reads the clock, and in `started_at` what [`now`] adds to it.
pub(super) extern "C" fn clock(started_at: &mut i64) -> *const u64 {
    *started_at = STARTED_AT.load(Ordering::Relaxed);
    port::clock_words()
}

/// Wall time, and the clock's of the same moment.
pub(super) extern "C" fn now(mono: &mut i64) -> Wall {
    *mono = port::nanotime();
    Wall::of(STARTED_AT.load(Ordering::Relaxed) + *mono)
}

/// The `i`th word after the kernel's name of the program: its address, null if there is none; the length goes to `len`.
pub(super) extern "C" fn arg(i: usize, len: &mut usize) -> *const u8 {
    word(port::args().get(i + 1).copied(), len)
}

/// The `i`th setting of the environment, `NAME=VALUE`.
pub(super) extern "C" fn environ(i: usize, len: &mut usize) -> *const u8 {
    let setting = port::environ().get(i).map(|(name, value)| {
        let mut setting = Vec::from(name.as_bytes());
        setting.push(b'=');
        setting.extend_from_slice(value);
        // Go keeps it.
        &*setting.leak()
    });
    word(setting, len)
}

fn word(bytes: Option<&'static [u8]>, len: &mut usize) -> *const u8 {
    match bytes {
        // An empty word has an address, too.
        Some(bytes) => {
            *len = bytes.len();
            bytes.as_ptr()
        }
        None => core::ptr::null(),
    }
}
