//! Whether what has been written ends a line, so that a report can begin on one of its own.
//!
//! Standard output and standard error count as one: both are usually seen on one terminal. Where two cores write at once the answer may be that of either;
//! then a report begins behind another line's end, or after an empty line.

use core::sync::atomic::{AtomicBool, Ordering};

static FRESH: AtomicBool = AtomicBool::new(true);

/// Writes `bytes` by `write`. Whoever interrupts that finds a line that has not ended.
pub fn writing(bytes: &[u8], write: impl FnOnce(&[u8])) {
    let Some(last) = bytes.last() else { return };
    FRESH.store(false, Ordering::Relaxed);
    write(bytes);
    FRESH.store(*last == b'\n', Ordering::Relaxed);
}

/// Whether the last line that was written has ended.
pub fn is_fresh() -> bool {
    FRESH.load(Ordering::Relaxed)
}
