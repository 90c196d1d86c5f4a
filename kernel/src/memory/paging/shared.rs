//! Page tables that several ranges of addresses share: what `stack/window.rs` is built on.
//!
//! A *window* is a range whose highest table, at [`Window::level`], may be reached from several windows. Its owner uses no more of it
//! than [`Window::own`], which is at other offsets for each window of a group: 64 entries of one last-level table. The rest
//! of the window then shows what the others have mapped (aliases), and is not to be touched.
//!
//! With [`Window::unshare`] the window gets tables of its own, which hold its own pages and nothing else, and may be used as a whole.
//!
//! The rule of [`paging`](super) that a table stays for ever has its one exception here: the tables of an unshared window go when it is
//! shared again. Nobody but the window's owner walks them meanwhile; processors may, ahead of their programs, until they are flushed.

use super::{ADDRESS, Error, FRAME_SIZE, TABLE, entry, install, leaf_size, table_frame, walk_making};
use crate::memory::frames::{self, Owner};
use core::ops::Range;
use core::sync::atomic::{AtomicU64, Ordering};
use x86_64::PhysAddr;

/// A range of addresses whose tables may be shared.
pub struct Window {
    /// All of its addresses. It begins and ends at a multiple of what a last-level table maps.
    pub all: Range<usize>,
    /// What its owner maps while the tables are shared: in one last-level table.
    pub own: Range<usize>,
    /// The level of the entry by which it reaches the shared table: 2 for a last-level table, 3 for one above.
    pub level: u32,
}

/// The group's shared table, made if this is the group's first window.
///
/// # Errors
/// [`Error::OutOfMemory`]
#[inline]
fn shared_table(group: &AtomicU64) -> Result<u64, Error> {
    match group.load(Ordering::Acquire) {
        0 => Ok(install(group, table_frame().ok_or(Error::OutOfMemory)?)),
        table => Ok(table),
    }
}

/// The last-level table for `addr` below `table`, which an entry of `level` leads to.
fn last_table(table: u64, addr: usize, level: u32) -> u64 {
    (2..level).rev().fold(table, |table, level| entry(table, addr, level).load(Ordering::Acquire))
}

impl Window {
    /// The entry that leads to the shared table or to the window's own.
    #[inline(always)]
    fn link(&self) -> Result<&'static AtomicU64, Error> {
        walk_making(self.own.start, self.level, table_frame)
    }

    fn own_pages(&self) -> impl Iterator<Item = usize> {
        self.own.clone().step_by(FRAME_SIZE)
    }

    /// Copies the entries of the owner's pages from one last-level table to another.
    fn copy_own(&self, from: u64, to: u64) {
        for page in self.own_pages() {
            let value = entry(from, page, 1).load(Ordering::Relaxed);
            entry(to, page, 1).store(value, Ordering::Relaxed);
        }
    }

    /// Has a window that was never used share the tables of `group`.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`]
    #[inline(always)]
    pub fn share(&self, group: &AtomicU64) -> Result<(), Error> {
        self.link()?.store(shared_table(group)?, Ordering::Release);
        Ok(())
    }

    /// Gives the window tables of its own, and waits until all cores use them (the shootdown is `flush`); then its own pages leave the shared
    /// ones. Some page of the owner's is mapped.
    ///
    /// # Errors
    /// [`Error::OutOfMemory`]; nothing was changed.
    ///
    /// # Safety
    /// The window is the caller's and shared.
    pub unsafe fn unshare(&self, flush: impl FnOnce()) -> Result<(), Error> {
        let link = self.link()?;
        let shared = last_table(link.load(Ordering::Acquire), self.own.start, self.level);
        let top = table_frame().ok_or(Error::OutOfMemory)?;
        let mut last = top;
        for level in (2..self.level).rev() {
            let Some(below) = table_frame() else {
                // SAFETY: the frame has just been allocated and leads nowhere.
                unsafe { frames::free(top, 0, Owner::PageTable) };
                return Err(Error::OutOfMemory);
            };
            entry(last.as_u64(), self.own.start, level).store(below.as_u64() | TABLE, Ordering::Relaxed);
            last = below;
        }
        self.copy_own(shared, last.as_u64());
        link.store(top.as_u64() | TABLE, Ordering::Release);
        flush();
        self.own_pages().for_each(|page| entry(shared, page, 1).store(0, Ordering::Relaxed));
        Ok(())
    }

    /// Has an unshared window share the tables of `group` again, as [`Window::share`] has. Its own tables are handed over: each is to be
    /// freed after all cores have flushed, and until then may be written to where no entry is made present.
    ///
    /// # Safety
    /// The window is the caller's and unshared; outside [`Window::own`] nothing is mapped in it. No address of it is used before all cores
    /// have flushed.
    pub unsafe fn reshare(&self, group: &AtomicU64, mut table: impl FnMut(PhysAddr)) {
        // Both were made before.
        let (Ok(link), shared) = (self.link(), group.load(Ordering::Acquire)) else { return };
        let own = link.load(Ordering::Acquire);
        let last = |top| last_table(top, self.own.start, self.level);
        self.copy_own(last(own), last(shared));
        link.store(shared, Ordering::Release);
        let mut hand_over = |e: u64| {
            if e != 0 {
                table(PhysAddr::new(e & ADDRESS));
            }
        };
        let regions = self.all.clone().step_by(leaf_size(2));
        if self.level == 3 {
            regions.for_each(|addr| hand_over(entry(own, addr, 2).load(Ordering::Acquire)));
        } else {
            // The link is one of these entries, and leads to what is shared again.
            let below = regions.filter(|&addr| addr != self.own.start & !(leaf_size(2) - 1));
            below.filter_map(|addr| walk_making(addr, 2, || None).ok()).for_each(|e| {
                hand_over(e.swap(0, Ordering::AcqRel));
            });
        }
        hand_over(own);
    }
}
