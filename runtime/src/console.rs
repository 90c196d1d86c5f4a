//! Whole writes to the console.
//!
//! # Problem
//! What one call writes must not mix with what others write, and may be a mebibyte, of which the machine takes some bytes at a time. A lock of the machine
//! that is held for all of it would stop other goroutines, even those that do not write.
//!
//! # Protocol
//! 1. Goroutines take turns by a mutex of theirs, one for each stream: those that wait are parked. A goroutine that writes is an ordinary one,
//!    whose slice may end between two pieces.
//! 2. Whoever writes sets the stream's mark, `busy`. It keeps out sysmon, which is no goroutine and may not wait for one: it writes if the mark is
//!    free, else later. A goroutine that meets sysmon's mark lets its thread run, and keeps its P: what sysmon
//!    writes is a line, and who gives a P away where all have work comes back after all of it.
//! 3. While the machine takes no more, the goroutine waits in [`syscall::block`], which gives its P away.
//! 4. A write is over when the machine has delivered all of it. So order is kept between the streams, and nothing is lost if the program ends.
//!
//! Fatal reports take none of this part: they write by [`port::write_err`] whatever others do.

use crate::port::{self, Stream};
use crate::proc::{syscall, systemstack};
use crate::sync::Mutex;
use core::sync::atomic::{AtomicBool, Ordering};

/// Who writes to a stream.
struct Writers {
    goroutines: Mutex<()>,
    busy: AtomicBool,
}

static OUT: Writers = Writers::new();
static ERR: Writers = Writers::new();

/// The mark of the one that writes.
struct Busy<'a>(&'a AtomicBool);

impl Writers {
    const fn new() -> Writers {
        Writers { goroutines: Mutex::new(()), busy: AtomicBool::new(false) }
    }

    /// Where both streams are one device, so are their writers.
    fn of(stream: Stream) -> &'static Writers {
        if stream == Stream::Out && !port::one_stream() { &OUT } else { &ERR }
    }

    fn try_begin(&self) -> Option<Busy<'_>> {
        // Made only if the mark was free: a guard that is dropped again would take another's mark away.
        (!self.busy.swap(true, Ordering::Acquire)).then(|| Busy(&self.busy))
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

/// Writes all of `bytes` from a goroutine, and waits until they are delivered.
pub(crate) fn write(stream: Stream, mut bytes: &[u8]) {
    let writers = Writers::of(stream);
    let _turn = writers.goroutines.lock();
    let _busy = loop {
        match writers.try_begin() {
            Some(busy) => break busy,
            None => systemstack(port::os_yield),
        }
    };
    loop {
        let written = port::write(stream, bytes);
        bytes = &bytes[written.taken..];
        if written.pending {
            syscall::block(port::flush);
        } else if bytes.is_empty() {
            return;
        }
    }
}

/// Writes all of `bytes` to standard error, from a thread that runs no goroutine; false, and nothing is written, if somebody else writes.
pub(crate) fn try_write_err(mut bytes: &[u8]) -> bool {
    let Some(_busy) = ERR.try_begin() else { return false };
    while !bytes.is_empty() {
        bytes = &bytes[port::write(Stream::Err, bytes).taken..];
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_writer_leaves_the_mark() {
        let writers = Writers::new();
        let first = writers.try_begin();
        assert!(first.is_some());
        assert!(writers.try_begin().is_none());
        assert!(writers.try_begin().is_none(), "the one that was refused has taken the mark away");
        drop(first);
        assert!(writers.try_begin().is_some());
    }
}
