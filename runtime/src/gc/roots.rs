//! What the collector asks of whoever owns memory outside it: where pointers into it may be.

use super::TypeDesc;

/// Who knows the roots.
///
/// # Safety
/// All memory outside the collected heap from which objects may be reached is named, and what is named is
/// readable while the world stands.
pub unsafe trait Roots {
    /// Names the roots to `sink`.
    fn scan(&self, sink: &mut dyn Sink);
}

/// What takes roots: the marker.
pub trait Sink {
    /// Every aligned word in `lo..hi` may be a pointer, to anywhere into an object, or none at all: data,
    /// saved registers, stacks.
    ///
    /// # Safety
    /// The range is readable.
    unsafe fn conservative(&mut self, lo: usize, hi: usize);

    /// Words from `base` on are pointers or null where `mask`, as in
    /// [`TypeDesc`](super::TypeDesc), has a bit; `words` of them.
    ///
    /// # Safety
    /// Words and mask are readable.
    unsafe fn masked(&mut self, base: usize, words: usize, mask: *const u8);

    /// An object of a type, outside the heap.
    ///
    /// # Safety
    /// It is readable.
    unsafe fn typed(&mut self, base: usize, desc: &TypeDesc);

    /// A pointer that somebody holds.
    fn pointer(&mut self, addr: usize);

    /// So many bytes of roots of which nothing is to be looked at but what else is named. The pacer counts them with the others.
    fn passed_over(&mut self, bytes: usize);
}
