//! Out of memory: the report that ends the program (Go: `throw("out of memory")` in `mheap.go`).
//!
//! The heap itself answers null. Who can do without the memory goes on (`try_reserve`); everything else calls `handle_alloc_error`,
//! which in a program without `std` panics with a text of its own ([`failed_bytes`] knows it). It must not become a panic of ours: that allocates.
//!
//! The report takes no lock and allocates nothing, since the allocation may have been any: one made by a panic, on a scheduler
//! stack, with a lock of the runtime held. The other cores are stopped when it looks at what the locks guard.

use super::mcache::MCache;
use super::size_class::{CLASS_TO_SIZE, NUM_SIZE_CLASSES, PAGE_SIZE};
use super::system::System;
use super::{Heap, port};
use crate::panic::throw_with;
use core::fmt::{self, Write};
use core::panic::PanicInfo;

/// Size classes that the report names.
const TOP: usize = 10;

/// Ends the program with the report if a panic is `handle_alloc_error`'s.
pub(crate) fn check(info: &PanicInfo<'_>) {
    if let Some(bytes) = failed_bytes(&info.message()) {
        throw_with(format_args!("runtime: out of memory: cannot allocate {bytes}-byte block{}", port::Usage));
    }
}

/// How many bytes were asked for, if that is the message of `alloc`'s default handler (`library/alloc/src/alloc.rs`,
/// `__rdl_alloc_error_handler`).
fn failed_bytes(message: &dyn fmt::Display) -> Option<usize> {
    let mut text = Text { bytes: [0; 64], n: 0 };
    write!(text, "{message}").ok()?;
    let text = core::str::from_utf8(&text.bytes[..text.n]).ok()?;
    text.strip_prefix("memory allocation of ")?.strip_suffix(" bytes failed")?.parse().ok()
}

/// A text that is short, or is given up.
struct Text {
    bytes: [u8; 64],
    n: usize,
}

impl Write for Text {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        let to = self.bytes.get_mut(self.n..self.n + s.len()).ok_or(fmt::Error)?;
        to.copy_from_slice(s.as_bytes());
        self.n += s.len();
        Ok(())
    }
}

impl<S: System> Heap<S> {
    /// Prints what the heap holds and which size classes hold most of it, for a report that ends the program.
    ///
    /// # Errors
    /// Those of `w`.
    ///
    /// # Safety
    /// No other core runs; what the locks guard is whole, or changed by the caller in the heap itself, which reports nothing there.
    pub(super) unsafe fn print_usage<'a>(
        &self,
        w: &mut fmt::Formatter<'_>,
        caches: impl Iterator<Item = &'a MCache>,
    ) -> fmt::Result {
        let mut classes = [(0, 0); NUM_SIZE_CLASSES];
        // SAFETY: as the caller promises.
        let heap = unsafe { &*self.mheap.peek() };
        for (class, (bytes, objects)) in classes.iter_mut().enumerate().skip(1) {
            // SAFETY: as above.
            *objects = unsafe { (*self.central[class].peek()).out };
            *bytes = *objects * usize::from(CLASS_TO_SIZE[class]);
        }
        for cache in caches {
            for (class, (bytes, objects)) in classes.iter_mut().enumerate().skip(1) {
                let cached = cache.counts(class).0.min(*objects);
                *objects -= cached;
                *bytes -= cached * usize::from(CLASS_TO_SIZE[class]);
            }
        }
        let stats = heap.stats;
        let large = (stats.large_alloc_bytes - stats.large_free_bytes) as usize;
        classes[0] = (large, (stats.large_allocs - stats.large_frees) as usize);
        let in_use = stats.in_use * PAGE_SIZE;
        write!(w, " ({in_use} bytes in use, {} free", heap.free_pages() * PAGE_SIZE)?;
        match heap.limit() {
            usize::MAX => writeln!(w, ")")?,
            limit => writeln!(w, ", memory limit {limit})")?,
        }
        writeln!(w, "\nlive objects by size class:")?;
        for _ in 0..TOP {
            let most = (0..NUM_SIZE_CLASSES).max_by_key(|&c| classes[c].0).unwrap_or(0);
            let (bytes, objects) = core::mem::take(&mut classes[most]);
            match most {
                _ if bytes == 0 => break,
                0 => writeln!(w, "\t    large  {objects:>9} objects {bytes:>12} bytes")?,
                _ => writeln!(w, "\t{:>7} B  {objects:>9} objects {bytes:>12} bytes", CLASS_TO_SIZE[most])?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::failed_bytes;

    #[test]
    fn the_default_handlers_text_is_known() {
        assert_eq!(failed_bytes(&"memory allocation of 4096 bytes failed"), Some(4096));
        assert_eq!(failed_bytes(&"memory allocation of nothing bytes failed"), None);
        assert_eq!(failed_bytes(&"index out of bounds"), None);
        assert_eq!(failed_bytes(&std::string::String::from_utf8(std::vec![b'x'; 100]).unwrap()), None);
    }
}
