//! A slot of the table of rows: written once, and never half seen; `cache.rs` has the protocol.

use super::atomic::{AtomicU64, AtomicUsize, Ordering};

/// `pc` of a slot that is being written. No return address: the kernel is linked in the highest 2 GiB.
const CLAIMED: usize = 1;

/// Half a cache line. All zeros: free.
#[repr(align(32))]
pub struct Slot {
    /// 0, [`CLAIMED`], or the return address whose row it is.
    pub(super) pc: AtomicUsize,
    /// The row, packed.
    pub(super) row: [AtomicU64; 3],
}

/// What a slot has for somebody who looks for a return address.
#[derive(Debug, PartialEq, Eq)]
pub enum Found {
    /// Its row.
    Row([u64; 3]),
    /// Nothing, and nothing for anybody else.
    Free,
    /// Another's row, or one that is being written.
    Other,
}

impl Slot {
    /// Looks for the row of `pc`.
    #[inline]
    pub fn look(&self, pc: usize) -> Found {
        match self.pc.load(Ordering::Acquire) {
            found if found == pc => {
                let [a, b, c] = &self.row;
                Found::Row([a.load(Ordering::Relaxed), b.load(Ordering::Relaxed), c.load(Ordering::Relaxed)])
            }
            0 => Found::Free,
            _ => Found::Other,
        }
    }

    /// Keeps `row` for `pc` for ever, if the slot is free; returns whether it was.
    pub fn insert(&self, pc: usize, row: [u64; 3]) -> bool {
        let free = self.pc.compare_exchange(0, CLAIMED, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        if free {
            self.row.iter().zip(row).for_each(|(word, value)| word.store(value, Ordering::Relaxed));
            self.pc.store(pc, Ordering::Release);
        }
        free
    }
}
