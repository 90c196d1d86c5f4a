//! A table of rows by return address, for all cores at once.
//!
//! # Protocol
//! A slot is written once and never changes again, so no reader can see half of a row, and nobody waits:
//!
//! 1. A slot's `pc` is 0 (free), 1 (claimed), or the return address whose row it has.
//! 2. Who inserts claims the first free slot of its neighbourhood by a compare-exchange, writes the row, and publishes it by a release-store of `pc`.
//! 3. A reader that finds its `pc` by an acquire-load therefore sees the row. It passes by slots of others and claimed ones.
//!
//! Two cores may insert one row twice, which wastes a slot. A row that finds no free slot in its neighbourhood is decoded anew each time.
//!
//! # Rejected
//! Replacing old rows, under a sequence lock: who is preempted while it writes would make readers of that slot wait for its next turn, or fall back. A program
//! has fewer return addresses that panics pass than the table has slots.

use super::row::{Base, Landing, Row};
use super::slot::{Found, Slot};
use core::sync::atomic::{AtomicU64, AtomicUsize};

/// How many slots from its first one a row may be in.
const NEIGHBOURHOOD: usize = 8;

/// A table of `N` slots, a power of two.
pub struct Cache<const N: usize> {
    slots: [Slot; N],
}

impl<const N: usize> Cache<N> {
    /// An empty table.
    pub const fn new() -> Self {
        assert!(N.is_power_of_two() && N > 1);
        Cache {
            slots: [const { Slot { pc: AtomicUsize::new(0), row: [const { AtomicU64::new(0) }; 3] } }; N],
        }
    }

    /// The row of the call that returns to `pc`, if it has been inserted.
    #[inline]
    pub fn get(&self, pc: usize) -> Option<Row> {
        for slot in self.neighbourhood(pc) {
            match slot.look(pc) {
                Found::Row(row) => return Some(unpack(row)),
                Found::Free => return None,
                Found::Other => {}
            }
        }
        None
    }

    /// Keeps `row` for `pc`, unless its neighbourhood is full.
    #[cold]
    pub fn insert(&self, pc: usize, row: Row) {
        let row = pack(row);
        // Where all are full nothing is kept, which costs time only.
        _ = self.neighbourhood(pc).any(|slot| slot.insert(pc, row));
    }

    #[inline]
    fn neighbourhood(&self, pc: usize) -> impl Iterator<Item = &Slot> {
        // Fibonacci hashing: the highest bits of a product with 2^64 divided by the golden ratio.
        let first = pc.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (usize::BITS - N.trailing_zeros());
        (first..first + NEIGHBOURHOOD).map(|index| &self.slots[index % N])
    }
}

/// CFA and landing's kind; places of the saved registers; landing pad.
fn pack(row: Row) -> [u64; 3] {
    let (kind, pad) = match row.landing {
        Landing::None => (0, 0),
        Landing::Cleanup(pad) => (1, pad),
        Landing::Catch(pad) => (2, pad),
        Landing::Forbidden => (3, 0),
    };
    let base = u64::from(row.base == Base::Rbp);
    let [a, b, c, d, e, f] = row.saved;
    let cfa = u64::from(row.cfa_offset.cast_unsigned());
    [cfa << 32 | kind << 1 | base, u64::from_le_bytes([a, b, c, d, e, f, 0, 0]), pad as u64]
}

#[inline]
fn unpack([cfa, saved, pad]: [u64; 3]) -> Row {
    let pad = pad as usize;
    let [a, b, c, d, e, f, _, _] = saved.to_le_bytes();
    Row {
        base: if cfa & 1 == 0 { Base::Rsp } else { Base::Rbp },
        cfa_offset: ((cfa >> 32) as u32).cast_signed(),
        saved: [a, b, c, d, e, f],
        landing: match cfa >> 1 & 3 {
            0 => Landing::None,
            1 => Landing::Cleanup(pad),
            2 => Landing::Catch(pad),
            _ => Landing::Forbidden,
        },
    }
}
