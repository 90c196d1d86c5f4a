//! Where allocation code outside this crate finds a P's runs: Go's half allocates in assembly of its own.

use super::run::{Run, Runs};
use crate::heap::size_class::class_of;
use core::mem::offset_of;

/// Bytes of a run; those of a size class with and without pointers lie behind each other.
pub const RUN_BYTES: usize = size_of::<Run>();
/// In a run: the next slot, the end, the bitmap of pointers, bytes of a slot.
pub const RUN: [usize; 4] =
    [offset_of!(Run, next), offset_of!(Run, end), offset_of!(Run, bitmap), offset_of!(Run, size)];
/// In a P's runs: the block of tiny objects, how much of it is taken, how many objects found room in one.
pub const TINY: [usize; 3] =
    [offset_of!(Runs, tiny), offset_of!(Runs, tiny_offset), offset_of!(Runs, tiny_allocs)];
/// Entries of a table of classes by `(size + 7) / 8`, for all sizes up to 512 B.
pub const CLASSES: usize = super::span::MAX_BITMAP_OBJECT / 8 + 1;

/// What that table holds for an index: where the class's runs begin, counted from the first run.
pub fn class_entry(i: usize) -> usize {
    class_of(i * 8, 8) * 2 * RUN_BYTES
}
