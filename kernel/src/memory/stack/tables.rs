//! Page tables that are to be freed when all cores have flushed.

use crate::memory::direct_map;
use crate::memory::frames::{self, Owner};
use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use x86_64::PhysAddr;

/// A list of tables, linked by their first entries: a frame's address has the present bit clear, so a processor that walks one of
/// them, by what it remembers, finds nothing there.
pub(super) struct Tables {
    /// The first table's address, or 0.
    first: u64,
    len: usize,
}

impl Tables {
    pub(super) const fn new() -> Tables {
        Tables { first: 0, len: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    fn link(table: u64) -> &'static AtomicU64 {
        let entry = direct_map::phys_to_virt(PhysAddr::new_truncate(table)).cast::<AtomicU64>();
        // SAFETY: a table on the list, or about to be, is memory of the list's owner; processors only read it.
        unsafe { &*entry }
    }

    /// Adds a table that nothing leads to any more.
    pub(super) fn push(&mut self, table: PhysAddr) {
        Tables::link(table.as_u64()).store(self.first, Relaxed);
        self.first = table.as_u64();
        self.len += 1;
    }

    /// Takes over the tables of another list.
    pub(super) fn append(&mut self, mut other: Tables) {
        while let Some(table) = other.pop() {
            self.push(table);
        }
    }

    fn pop(&mut self) -> Option<PhysAddr> {
        let table = self.first;
        if table == 0 {
            return None;
        }
        self.first = Tables::link(table).load(Relaxed);
        self.len -= 1;
        Some(PhysAddr::new(table))
    }

    /// Frees the tables.
    ///
    /// # Safety
    /// All cores have flushed since the last one was added.
    pub(super) unsafe fn free(mut self) {
        while let Some(table) = self.pop() {
            // SAFETY: nothing leads to the table, and no core remembers it.
            unsafe { frames::free(table, 0, Owner::PageTable) };
        }
    }
}
