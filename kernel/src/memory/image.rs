//! The first page tables of our own: the direct map, and the kernel's image with each section's protection.
//!
//! The image's virtual addresses come from the linker script; where its pages lie in physical memory is asked of the boot protocol's tables,
//! page by page, so that any loader's layout will do. Nothing else of its address space is kept: not its identity map, so page 0 is
//! absent from here on, and not the page below the boot stack.

use super::buddy::FRAME_SIZE;
use super::early::{self, EarlyFrames};
use super::paging::{self, Access, Error};
use super::{direct_map, tlb};
use crate::image::boot_stack;
use bootloader_api::info::{MemoryRegion, MemoryRegionKind};
use core::iter::once;
use core::ops::Range;
use raw_cpuid::CpuId;
use x86_64::registers::control::{Cr3, Cr3Flags};
use x86_64::registers::model_specific::{Efer, EferFlags};
use x86_64::structures::paging::{Page, PageSize, PhysFrame, Size1GiB, Size2MiB, Size4KiB};
use x86_64::{PhysAddr, VirtAddr};

unsafe extern "C" {
    safe static __rodata_start: u8;
    safe static __rodata_end: u8;
    safe static __text_start: u8;
    safe static __text_end: u8;
    safe static __data_start: u8;
    safe static __data_end: u8;
}

/// The image's sections, page-aligned, and what each is for.
fn sections() -> [(Range<usize>, Access); 3] {
    let range = |start: *const u8, end: *const u8| start as usize..end as usize;
    [
        (range(&raw const __rodata_start, &raw const __rodata_end), Access::Read),
        (range(&raw const __text_start, &raw const __text_end), Access::ReadExecute),
        (range(&raw const __data_start, &raw const __data_end), Access::ReadWrite),
    ]
}

/// Builds the tables, with the direct map at `base`, and makes them the boot core's. Returns how many 1 GiB pages the direct map has.
pub fn switch(map: &[MemoryRegion], base: usize, early: &mut EarlyFrames) -> usize {
    let (boot_tables, _) = Cr3::read();
    let root = early.take(1);
    paging::set_root(root, Efer::read().contains(EferFlags::NO_EXECUTE_ENABLE));
    let huge =
        CpuId::new().get_extended_processor_and_feature_identifiers().is_some_and(|f| f.has_1gib_pages());
    let pages = map_memory(map, base, early, huge);
    map_image(boot_tables.start_address(), early);
    direct_map::set_place(base, end_of_memory(map));
    // SAFETY: the new tables map all that is in use: this code, its stack and statics (the image), and the direct map, of which
    // nobody holds an address yet.
    unsafe { Cr3::write(PhysFrame::containing_address(root), Cr3Flags::empty()) };
    pages
}

/// Whether firmware's map means memory here, or at least nothing with side effects. E820 types 3 and 4 and UEFI types 9 and 10 are ACPI's tables
/// and storage; UEFI's other types up to 7 are code and data of loader and firmware.
pub fn is_memory(kind: MemoryRegionKind) -> bool {
    match kind {
        MemoryRegionKind::Usable | MemoryRegionKind::Bootloader => true,
        MemoryRegionKind::UnknownBios(t) => t == 3 || t == 4,
        MemoryRegionKind::UnknownUefi(t) => matches!(t, 1..=7 | 9 | 10),
        _ => false,
    }
}

/// What of firmware's map is mapped: its memory and the first mebibyte.
fn memory(map: &[MemoryRegion]) -> impl Iterator<Item = Range<u64>> {
    map.iter().filter(|r| is_memory(r.kind)).map(|r| r.start..r.end).chain(once(0..1 << 20))
}

/// One past the highest physical address that is mapped.
pub fn end_of_memory(map: &[MemoryRegion]) -> u64 {
    memory(map).map(|region| region.end.next_multiple_of(Size2MiB::SIZE)).max().unwrap_or(0)
}

/// Maps all memory at `base`, in 1 GiB pages where a region fills them, else in 2 MiB pages; those may reach a little over a region's
/// ends, into whatever firmware keeps there. The first 2 MiB with the VGA hole are mapped like the rest: the MTRRs make the hole uncached, and
/// a large page over different fixed MTRRs is allowed below 4 MiB (SDM 3A 12.11.9). Returns the number of 1 GiB pages.
fn map_memory(map: &[MemoryRegion], base: usize, early: &mut EarlyFrames, huge: bool) -> usize {
    let mut pages = 0;
    for region in memory(map) {
        let mut addr = region.start & !(Size2MiB::SIZE - 1);
        while addr < region.end {
            let fits = addr.is_multiple_of(Size1GiB::SIZE) && addr + Size1GiB::SIZE <= region.end;
            if huge && fits && map_direct::<Size1GiB>(base, addr, early) {
                addr += Size1GiB::SIZE;
                pages += 1;
            } else {
                // False means that a neighbouring region's page is there already.
                map_direct::<Size2MiB>(base, addr, early);
                addr += Size2MiB::SIZE;
            }
        }
    }
    pages
}

/// Maps one page of the direct map; false if something is mapped there.
fn map_direct<S: PageSize>(base: usize, phys: u64, early: &mut EarlyFrames) -> bool {
    let page = Page::<S>::containing_address(VirtAddr::new(base as u64 + phys));
    let frame = PhysFrame::<S>::containing_address(PhysAddr::new(phys));
    match paging::map_early(page, frame, Access::ReadWrite, || Some(early.take(1))) {
        Ok(()) => true,
        Err(Error::Mapped) => false,
        Err(error) => panic!("direct map of {phys:#x}: {error}"),
    }
}

/// Maps the image's pages to where the tables below `root` have them.
fn map_image(root: PhysAddr, early: &mut EarlyFrames) {
    let guard = boot_stack().start - FRAME_SIZE;
    for (section, access) in sections() {
        for addr in section.step_by(FRAME_SIZE).filter(|&addr| addr != guard) {
            let mapping =
                paging::translate_from(root, addr).expect("the boot protocol maps the kernel's image");
            let frame = PhysFrame::containing_address(mapping.phys);
            paging::map_early(page(addr), frame, access, || Some(early.take(1)))
                .expect("the image's pages are distinct");
        }
    }
}

/// Maps the image's pages `by` bytes higher, too, in the boot protocol's tables, for any use; the tables come from the end of `map`'s memory. False if
/// there is too little of it, or something is mapped there.
pub fn map_again(map: &[MemoryRegion], image: Range<usize>, by: usize) -> bool {
    let root = Cr3::read().0.start_address();
    // A directory, and a table for each 2 MiB that it begins or ends in.
    let tables = (image.end - image.start).div_ceil(Size2MiB::SIZE as usize) + 2;
    let Some(mut frames) = early::last_frames(map, tables) else { return false };
    image.step_by(FRAME_SIZE).all(|addr| {
        let frame = paging::translate_from(root, addr).map(|at| PhysFrame::containing_address(at.phys));
        frame.is_some_and(|frame| paging::map_beside(root, page(addr + by), frame, || frames.next()).is_ok())
    })
}

fn page(addr: usize) -> Page<Size4KiB> {
    Page::containing_address(VirtAddr::new(addr as u64))
}

/// Makes the frames of code and constants read-only in the direct map too: no address may write what another executes.
pub fn protect_alias() {
    for (section, access) in sections() {
        if access == Access::ReadWrite {
            continue;
        }
        for addr in section.step_by(FRAME_SIZE) {
            let phys = paging::translate(addr).expect("the image is mapped").phys;
            let alias = page(direct_map::phys_to_virt(phys) as usize);
            // SAFETY: nobody writes constants and code.
            let flush = unsafe { paging::protect(Page::range(alias, alias + 1), Access::Read) };
            tlb::flush_local(flush.expect("the direct map has the image's frames").later());
        }
    }
}
