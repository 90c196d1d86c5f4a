//! Demand-zero memory: kernel data at an address of its own, of which only what is touched takes frames.
//!
//! [`reserve`] hands out addresses and nothing else; the page fault handler ([`back`]) puts a zeroed frame under a page when it is first touched.
//! It is never taken away. For tables with room for the largest machine, most of which no machine uses; a reader needs no
//! test for absence, and a writer no call.
//!
//! The handler takes the frame allocator's locks, so nobody touches a page for the first time with one of them held. Any other lock is no matter.

use super::buddy::FRAME_SIZE;
use super::direct_map;
use super::frames::{self, Owner};
use super::paging::{self, Access, Error};
use core::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use x86_64::VirtAddr;
use x86_64::structures::paging::{Page, PhysFrame, Size4KiB};

/// Bytes of addresses for all reservations.
pub(super) const RANGE: usize = 1 << 40;

/// Where reservations begin.
static START: AtomicUsize = AtomicUsize::new(0);
/// Reserved up to here.
static NEXT: AtomicUsize = AtomicUsize::new(0);

/// Says where reservations begin, before the first.
pub(super) fn set_base(start: usize) {
    START.store(start, Relaxed);
    NEXT.store(start, Relaxed);
}

/// Reserves `bytes` bytes, rounded up to whole pages, for good: zero until they are written to.
///
/// # Panics
/// If the 1 TiB for all reservations are used up.
pub fn reserve(bytes: usize) -> *mut u8 {
    let bytes = bytes.next_multiple_of(FRAME_SIZE);
    let fits = |next: usize| next.checked_add(bytes).filter(|&end| end <= START.load(Relaxed) + RANGE);
    let start = NEXT.fetch_update(Relaxed, Relaxed, fits);
    start.expect("address space for the kernel's data") as *mut u8
}

/// Deals with a fault at `addr`, an absent page: backs it if it is reserved, and says whether it is. Runs on a fully backed stack.
///
/// # Errors
/// [`Error::OutOfMemory`]
pub fn back(addr: usize) -> Result<bool, Error> {
    if !(START.load(Relaxed)..NEXT.load(Relaxed)).contains(&addr) {
        return Ok(false);
    }
    let frame = frames::alloc(0, Owner::Kernel).ok_or(Error::OutOfMemory)?;
    // SAFETY: the frame is ours alone.
    unsafe { direct_map::phys_to_virt(frame).write_bytes(0, FRAME_SIZE) };
    let page = Page::<Size4KiB>::containing_address(VirtAddr::new_truncate(addr as u64));
    // SAFETY: the page is reserved for data whose owner wants a zeroed frame there.
    match unsafe { paging::map(page, PhysFrame::containing_address(frame), Access::ReadWrite) } {
        Ok(()) => Ok(true),
        Err(e) => {
            // SAFETY: the frame was not mapped.
            unsafe { frames::free(frame, 0, Owner::Kernel) };
            // Another core was quicker, or there is no memory for a table.
            if e == Error::Mapped { Ok(true) } else { Err(e) }
        }
    }
}

#[cfg(feature = "kernel-tests")]
mod tests;
