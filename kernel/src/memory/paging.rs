//! Page tables: one address space of four levels, which all cores share.
//!
//! # Concurrency
//! There is no lock. An entry goes from 0 to a table or a leaf, from a leaf to a table that maps the same memory in smaller
//! pages ([`split`]), and from a leaf to 0, each by one compare-exchange or exchange; a table, once in place, stays for ever, but for
//! those of [windows](Window).
//! So a walker may hold the address of any table. Who loses a race to install a table frees its own and uses the winner's.
//! Two owners of different pages never disturb each other; one page has one owner, who orders his own calls.
//!
//! Leaves are made with the accessed and dirty bits set: no core ever writes to an entry.
//!
//! # TLB
//! A core does not remember that a page was absent, so [`map`] flushes nothing. [`unmap`] and [`protect`] return a [`Flush`], which
//! the caller settles.

mod shared;

use super::buddy::FRAME_SIZE;
use super::frames::Owner;
use super::tlb::Flush;
use super::{direct_map, frames};
use core::fmt;
use core::ops::Range;
use core::sync::atomic::{AtomicU64, Ordering};
pub use shared::Window;
use x86_64::structures::paging::page::PageRange;
use x86_64::structures::paging::{
    Page, PageSize, PageTableFlags as Bits, PhysFrame, Size1GiB, Size2MiB, Size4KiB,
};
use x86_64::{PhysAddr, VirtAddr};

/// What may be done with a page. Nothing is both writable and executable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Data that stays as it is.
    Read,
    /// Data.
    ReadWrite,
    /// Code.
    ReadExecute,
    /// Device registers: readable, writable, not cached.
    Device,
}

/// Why a page could not be mapped, unmapped or protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// There is a mapping already, of this page or of a larger one round it.
    Mapped,
    /// There is none.
    NotMapped,
    /// The page is mapped, by smaller pages.
    SmallerPages,
    /// No frame is left for a table.
    OutOfMemory,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Error::Mapped => "already mapped",
            Error::NotMapped => "not mapped",
            Error::SmallerPages => "mapped by smaller pages",
            Error::OutOfMemory => "out of physical memory for page tables",
        })
    }
}

/// What [`translate`] finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// The physical address that the virtual one means.
    pub phys: PhysAddr,
    /// What may be done there.
    pub access: Access,
    /// Bytes of the page: 4 KiB, 2 MiB or 1 GiB.
    pub size: usize,
}

/// A table's address in an entry, or a leaf's.
const ADDRESS: u64 = 0x000f_ffff_ffff_f000;
const PRESENT: u64 = Bits::PRESENT.bits();
/// At levels 3 and 2: the entry is a leaf.
const HUGE: u64 = Bits::HUGE_PAGE.bits();
/// Entries that lead to tables allow everything; the leaves decide.
const TABLE: u64 = Bits::PRESENT.bits() | Bits::WRITABLE.bits() | Bits::ACCESSED.bits();

/// The physical address of the top table.
static ROOT: AtomicU64 = AtomicU64::new(0);
/// The execute-disable bit, or 0 if the CPU has none.
static NO_EXECUTE: AtomicU64 = AtomicU64::new(0);

/// The physical address of the top table, below 4 GiB: what goes into CR3.
pub fn root() -> PhysAddr {
    PhysAddr::new(ROOT.load(Ordering::Relaxed))
}

/// Makes `table` (a zeroed frame) the top table of everything below from now on; `no_execute` says whether EFER.NXE is on.
pub(super) fn set_root(table: PhysAddr, no_execute: bool) {
    ROOT.store(table.as_u64(), Ordering::Relaxed);
    NO_EXECUTE.store(if no_execute { Bits::NO_EXECUTE.bits() } else { 0 }, Ordering::Relaxed);
}

impl Access {
    #[inline]
    fn bits(self) -> u64 {
        let data = Bits::PRESENT.bits() | Bits::ACCESSED.bits() | Bits::DIRTY.bits();
        match self {
            Access::Read => data | NO_EXECUTE.load(Ordering::Relaxed),
            Access::ReadWrite => data | Bits::WRITABLE.bits() | NO_EXECUTE.load(Ordering::Relaxed),
            Access::ReadExecute => data,
            // PCD and PWT choose PAT entry 3, which is uncached after reset and in every operating system.
            Access::Device => Access::ReadWrite.bits() | Bits::NO_CACHE.bits() | Bits::WRITE_THROUGH.bits(),
        }
    }

    fn of(entry: u64) -> Access {
        let bits = Bits::from_bits_truncate(entry);
        match (bits.contains(Bits::NO_CACHE), bits.contains(Bits::WRITABLE), bits.contains(Bits::NO_EXECUTE))
        {
            (true, ..) => Access::Device,
            (false, true, _) => Access::ReadWrite,
            (false, false, true) => Access::Read,
            // Without the execute-disable bit, `Read` pages are executable as well.
            (false, false, false) => Access::ReadExecute,
        }
    }
}

/// The level whose leaves have size `S`: 1, 2 or 3.
const fn level<S: PageSize>() -> u32 {
    (S::SIZE.trailing_zeros() - 12) / 9 + 1
}

/// Bytes of a leaf at `level`.
const fn leaf_size(level: u32) -> usize {
    FRAME_SIZE << (9 * (level - 1))
}

/// The entry for `addr` in the table of `level` at `table`.
#[inline(always)]
fn entry(table: u64, addr: usize, level: u32) -> &'static AtomicU64 {
    entry_in(direct_map::base(), table, addr, level)
}

/// As [`entry`], by the direct map that begins at `map`.
#[inline(always)]
fn entry_in(map: usize, table: u64, addr: usize, level: u32) -> &'static AtomicU64 {
    let index = (addr >> (12 + 9 * (level - 1))) & 511;
    let entries = map.wrapping_add((table & ADDRESS) as usize) as *const AtomicU64;
    // SAFETY: `table` came from the root or from a present entry that is no leaf, so it is a table, which stays for ever.
    unsafe { &*entries.add(index) }
}

/// A zeroed frame for a table.
fn table_frame() -> Option<PhysAddr> {
    let frame = frames::alloc(0, Owner::PageTable)?;
    // SAFETY: the frame is ours alone.
    unsafe { direct_map::phys_to_virt(frame).write_bytes(0, FRAME_SIZE) };
    Some(frame)
}

/// The entry for `addr` at level `to`, with tables made on the way by `new_table`.
#[inline(always)]
fn walk_making(
    addr: usize,
    to: u32,
    new_table: impl FnMut() -> Option<PhysAddr>,
) -> Result<&'static AtomicU64, Error> {
    walk_making_from(ROOT.load(Ordering::Relaxed), addr, to, new_table)
}

#[inline(always)]
fn walk_making_from(
    mut table: u64,
    addr: usize,
    to: u32,
    mut new_table: impl FnMut() -> Option<PhysAddr>,
) -> Result<&'static AtomicU64, Error> {
    let map = direct_map::base();
    let mut level = 4;
    // A loop over a range is not unrolled, which costs twice the instructions.
    while level > to {
        let e = entry_in(map, table, addr, level);
        table = e.load(Ordering::Acquire);
        if table & (PRESENT | HUGE) != PRESENT {
            table = make_table(e, table, &mut new_table)?;
        }
        level -= 1;
    }
    Ok(entry_in(map, table, addr, to))
}

/// Puts a table into an empty entry; what the entry then holds.
#[cold]
fn make_table(
    e: &AtomicU64,
    value: u64,
    new_table: &mut impl FnMut() -> Option<PhysAddr>,
) -> Result<u64, Error> {
    if value == 0 { Ok(install(e, new_table().ok_or(Error::OutOfMemory)?)) } else { Err(Error::Mapped) }
}

/// Puts an empty table into an empty entry, unless another core is quicker; what the entry then holds.
#[cold]
fn install(e: &AtomicU64, new: PhysAddr) -> u64 {
    let value = new.as_u64() | TABLE;
    match e.compare_exchange(0, value, Ordering::AcqRel, Ordering::Acquire) {
        Ok(_) => value,
        Err(theirs) => {
            // SAFETY: the frame came from `table_frame`: at boot, where early frames are used, nobody is quicker.
            unsafe { frames::free(new, 0, Owner::PageTable) };
            theirs
        }
    }
}

/// The leaf that maps `addr`: its entry, the value seen there, its level.
#[inline]
fn leaf(addr: usize) -> Option<(&'static AtomicU64, u64, u32)> {
    leaf_from(ROOT.load(Ordering::Relaxed), addr)
}

#[inline]
fn leaf_from(mut table: u64, addr: usize) -> Option<(&'static AtomicU64, u64, u32)> {
    let (map, mut level) = (direct_map::base(), 4);
    loop {
        let e = entry_in(map, table, addr, level);
        let value = e.load(Ordering::Acquire);
        if value & PRESENT == 0 {
            return None;
        }
        if level == 1 || value & HUGE != 0 {
            return Some((e, value, level));
        }
        table = value;
        level -= 1;
    }
}

/// The entry of the leaf of exactly `to` that maps `addr`; larger leaves are split.
fn leaf_at(addr: usize, to: u32) -> Result<&'static AtomicU64, Error> {
    loop {
        let (e, value, level) = leaf(addr).ok_or(Error::NotMapped)?;
        match level {
            _ if level == to => return Ok(e),
            _ if level < to => return Err(Error::SmallerPages),
            _ => split(e, value, level)?,
        }
    }
}

/// Replaces a leaf of level 2 or 3 by a table of smaller ones that say the same. Nothing need be flushed: a core may go on with
/// the large translation until one of the small ones changes, and flushing any address in it flushes it (SDM 3A 4.10.2.3, 4.10.4.1).
fn split(e: &AtomicU64, value: u64, level: u32) -> Result<(), Error> {
    let table = table_frame().ok_or(Error::OutOfMemory)?;
    let bits = if level == 2 { value & !HUGE } else { value };
    for i in 0..512 {
        let small = bits + (i * leaf_size(level - 1)) as u64;
        entry(table.as_u64(), i * leaf_size(level - 1), level - 1).store(small, Ordering::Relaxed);
    }
    if e.compare_exchange(value, table.as_u64() | TABLE, Ordering::AcqRel, Ordering::Relaxed).is_err() {
        // SAFETY: the table was not installed. Whoever changed the entry did the caller's work or made it void; the caller looks again.
        unsafe { frames::free(table, 0, Owner::PageTable) };
    }
    Ok(())
}

#[inline]
fn map_with<S: PageSize>(
    page: Page<S>,
    frame: PhysFrame<S>,
    access: Access,
    new_table: impl FnMut() -> Option<PhysAddr>,
) -> Result<(), Error> {
    let e = walk_making(page.start_address().as_u64() as usize, level::<S>(), new_table)?;
    let huge = if S::SIZE > FRAME_SIZE as u64 { HUGE } else { 0 };
    let value = frame.start_address().as_u64() | access.bits() | huge;
    e.compare_exchange(0, value, Ordering::AcqRel, Ordering::Relaxed).map_err(|_| Error::Mapped)?;
    Ok(())
}

/// Maps `page` to `frame`.
///
/// # Errors
/// [`Error::Mapped`], [`Error::OutOfMemory`]
///
/// # Safety
/// Who uses the page uses the frame: it must be nobody else's, or shared on purpose.
#[inline]
pub unsafe fn map<S: PageSize>(page: Page<S>, frame: PhysFrame<S>, access: Access) -> Result<(), Error> {
    map_with(page, frame, access, table_frame)
}

/// As [`map`], before there is a frame allocator.
pub(super) fn map_early<S: PageSize>(
    page: Page<S>,
    frame: PhysFrame<S>,
    access: Access,
    new_table: impl FnMut() -> Option<PhysAddr>,
) -> Result<(), Error> {
    map_with(page, frame, access, new_table)
}

/// Maps `page` to `frame` in the tables of a boot protocol, whose top one is `root`: it may be read, written to and executed until they are left.
pub(super) fn map_beside(
    root: PhysAddr,
    page: Page<Size4KiB>,
    frame: PhysFrame<Size4KiB>,
    new_table: impl FnMut() -> Option<PhysAddr>,
) -> Result<(), Error> {
    let e = walk_making_from(root.as_u64(), page.start_address().as_u64() as usize, 1, new_table)?;
    let value = frame.start_address().as_u64() | TABLE | Bits::DIRTY.bits();
    e.compare_exchange(0, value, Ordering::AcqRel, Ordering::Relaxed).map_err(|_| Error::Mapped)?;
    Ok(())
}

/// Takes a page's mapping away and returns what it was mapped to. A larger page round it is split.
///
/// # Errors
/// [`Error::NotMapped`], [`Error::SmallerPages`], [`Error::OutOfMemory`]
///
/// # Safety
/// Nobody uses the page. The frame may be used otherwise only after the flush.
pub unsafe fn unmap<S: PageSize>(page: Page<S>) -> Result<(PhysFrame<S>, Flush), Error> {
    let addr = page.start_address().as_u64() as usize;
    let old = leaf_at(addr, level::<S>())?.swap(0, Ordering::AcqRel);
    if old == 0 {
        return Err(Error::NotMapped);
    }
    let frame = PhysFrame::containing_address(PhysAddr::new(old & ADDRESS));
    Ok((frame, Flush::range(addr..addr + S::SIZE as usize)))
}

/// Takes the mappings of all 4-KiB pages of `addrs` away and hands over the frames that they were mapped to. Pages that are not mapped,
/// or lie in larger ones, are passed over. Much faster than [`unmap`] for each: 512 pages have one walk.
///
/// # Safety
/// Nobody uses the pages. Their addresses may be used again only after the flush.
pub unsafe fn unmap_pages(addrs: Range<usize>, mut frame: impl FnMut(PhysAddr)) -> Flush {
    let map = direct_map::base();
    let mut start = addrs.start;
    while start < addrs.end {
        let end = addrs.end.min((start | (leaf_size(2) - 1)) + 1);
        if let Some(table) = table_of(start) {
            for page in (start..end).step_by(FRAME_SIZE) {
                let e = entry_in(map, table, page, 1);
                if e.load(Ordering::Relaxed) != 0 {
                    frame(PhysAddr::new_truncate(e.swap(0, Ordering::AcqRel) & ADDRESS));
                }
            }
        }
        start = end;
    }
    Flush::range(addrs)
}

/// The last-level table for `addr`, if there is one.
#[inline]
fn table_of(addr: usize) -> Option<u64> {
    let (map, mut table) = (direct_map::base(), ROOT.load(Ordering::Relaxed));
    for level in [4, 3, 2] {
        table = entry_in(map, table, addr, level).load(Ordering::Acquire);
        if table & (PRESENT | HUGE) != PRESENT {
            return None;
        }
    }
    Some(table)
}

/// Changes what may be done with pages that are mapped. Larger pages round them are split.
///
/// # Errors
/// Those of [`unmap`], at the first page they are met; the pages before it are changed then, and all cores' TLBs are flushed.
///
/// # Safety
/// Who uses the pages gets by with the new access.
pub unsafe fn protect<S: PageSize>(pages: PageRange<S>, access: Access) -> Result<Flush, Error> {
    let (start, end) =
        (pages.start.start_address().as_u64() as usize, pages.end.start_address().as_u64() as usize);
    for page in pages {
        let addr = page.start_address().as_u64() as usize;
        let e = leaf_at(addr, level::<S>()).inspect_err(|_| Flush::range(start..addr).everywhere())?;
        let old = e.load(Ordering::Relaxed);
        e.store(old & (ADDRESS | HUGE) | access.bits(), Ordering::Release);
    }
    Ok(Flush::range(start..end))
}

/// Whether `addr`, which is canonical, is mapped. Much faster than [`translate`].
pub fn is_mapped(addr: usize) -> bool {
    let (map, mut table) = (direct_map::base(), ROOT.load(Ordering::Relaxed));
    for level in [4, 3, 2] {
        table = entry_in(map, table, addr, level).load(Ordering::Acquire);
        if table & (PRESENT | HUGE) != PRESENT {
            return table & PRESENT != 0;
        }
    }
    entry_in(map, table, addr, 1).load(Ordering::Acquire) & PRESENT != 0
}

/// What `addr` means, if it is mapped.
pub fn translate(addr: usize) -> Option<Mapping> {
    translate_from(root(), addr)
}

/// As [`translate`], by the tables whose top one is `root`.
#[inline]
pub fn translate_from(root: PhysAddr, addr: usize) -> Option<Mapping> {
    let canonical = VirtAddr::try_new(addr as u64).is_ok();
    let (_, value, level) = leaf_from(root.as_u64(), addr).filter(|_| canonical)?;
    let size = leaf_size(level);
    let phys = PhysAddr::new((value & ADDRESS & !(size as u64 - 1)) + (addr & (size - 1)) as u64);
    Some(Mapping { phys, access: Access::of(value), size })
}

const _: () = assert!(level::<Size4KiB>() == 1 && level::<Size2MiB>() == 2 && level::<Size1GiB>() == 3);

#[cfg(feature = "kernel-tests")]
mod tests;
