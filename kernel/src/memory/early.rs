//! Frames for what is built before the frame allocator: page tables and the allocator's own state bytes.
//!
//! They come from the start of the largest piece of usable memory that lies above 1 MiB and below 4 GiB: all boot protocols map
//! that, and application processors load the root table's address while they are in 32-bit mode.

use super::buddy::FRAME_SIZE;
use super::direct_map;
use bootloader_api::info::{MemoryRegion, MemoryRegionKind};
use core::ops::Range;
use x86_64::PhysAddr;

/// What the frames from the start need at most before those from the end are used no more: tables for an image, and for 64 GiB in 2 MiB pages.
const APART: u64 = 4 << 20;

/// See the module.
pub struct EarlyFrames {
    taken: Range<u64>,
    end: u64,
}

/// The whole frames in `r`.
pub fn whole_frames(r: &MemoryRegion) -> Range<u64> {
    let (start, end) = (r.start.next_multiple_of(FRAME_SIZE as u64), r.end & !(FRAME_SIZE as u64 - 1));
    start..end.max(start)
}

/// The memory that is chosen.
fn piece(map: &[MemoryRegion]) -> Option<Range<u64>> {
    map.iter()
        .filter(|r| r.kind == MemoryRegionKind::Usable)
        .map(whole_frames)
        .map(|r| r.start.max(0x10_0000)..r.end.min(1 << 32))
        .filter(|r| r.start < r.end)
        .max_by_key(|r| r.end - r.start)
}

/// The last `n` frames of the same memory, zeroed: for tables that are left when [`EarlyFrames`] are used up. None if that memory is small.
pub fn last_frames(map: &[MemoryRegion], n: usize) -> Option<impl Iterator<Item = PhysAddr>> {
    let piece = piece(map)?;
    let start =
        piece.end.checked_sub((n * FRAME_SIZE) as u64).filter(|start| *start >= piece.start + APART)?;
    let frames = (start..piece.end).step_by(FRAME_SIZE).map(PhysAddr::new);
    Some(frames.inspect(|&frame| {
        // SAFETY: the map says the memory is usable, nobody else uses its end, and the boot protocol maps it.
        unsafe { direct_map::phys_to_virt(frame).write_bytes(0, FRAME_SIZE) };
    }))
}

impl EarlyFrames {
    /// Chooses the memory.
    ///
    /// # Panics
    /// If the map has none that is usable between 1 MiB and 4 GiB.
    pub fn new(map: &[MemoryRegion]) -> EarlyFrames {
        let piece = piece(map).expect("no usable memory between 1 MiB and 4 GiB");
        EarlyFrames { taken: piece.start..piece.start, end: piece.end }
    }

    /// Takes `n` frames in a row, zeroed.
    ///
    /// # Panics
    /// If there are not that many.
    pub fn take(&mut self, n: usize) -> PhysAddr {
        let start = PhysAddr::new(self.taken.end);
        self.taken.end += (n * FRAME_SIZE) as u64;
        assert!(self.taken.end <= self.end, "too little memory below 4 GiB for page tables and frame states");
        // SAFETY: the map says the memory is usable, nobody else has been given it, and the boot protocol maps it.
        unsafe { direct_map::phys_to_virt(start).write_bytes(0, n * FRAME_SIZE) };
        start
    }

    /// All that was taken.
    pub fn taken(&self) -> Range<u64> {
        self.taken.clone()
    }
}
