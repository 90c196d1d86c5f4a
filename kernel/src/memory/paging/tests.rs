//! The page tables of the running machine, at addresses that nothing else uses.

use super::*;
use crate::memory::tests::on_backed_stack;
use crate::memory::tlb;

/// In the lower half, which the kernel leaves empty. A different GiB for each test.
const SCRATCH: usize = 0x10_0000_0000;

fn page<S: PageSize>(addr: usize) -> Page<S> {
    Page::containing_address(VirtAddr::new(addr as u64))
}

#[runtime::kernel_test]
fn map_translate_unmap() {
    on_backed_stack(|| {
        let addr = SCRATCH;
        let frame = PhysFrame::<Size4KiB>::containing_address(
            frames::alloc(0, Owner::Kernel).expect("memory is left"),
        );
        assert_eq!(translate(addr), None);
        // SAFETY: the frame and the page are the test's.
        unsafe {
            assert_eq!(map(page(addr), frame, Access::ReadWrite), Ok(()));
            assert_eq!(map(page(addr), frame, Access::Read), Err(Error::Mapped));
            let mapping =
                Mapping { phys: frame.start_address() + 5, access: Access::ReadWrite, size: FRAME_SIZE };
            assert_eq!(translate(addr + 5), Some(mapping));
            (addr as *mut u64).write_volatile(42);
            assert_eq!(*direct_map::phys_to_virt(frame.start_address()).cast::<u64>(), 42);
            let (old, flush) = unmap(page::<Size4KiB>(addr)).expect("mapped above");
            flush.everywhere();
            assert_eq!(old, frame);
            assert_eq!(translate(addr), None);
            assert!(matches!(unmap(page::<Size4KiB>(addr)), Err(Error::NotMapped)));
            frames::free(frame.start_address(), 0, Owner::Kernel);
        }
    });
}

/// Pages of several tables, with holes between them and a table that is not there.
#[runtime::kernel_test]
fn a_range_is_unmapped() {
    on_backed_stack(|| {
        const TABLE: usize = Size2MiB::SIZE as usize;
        let start = SCRATCH + (5 << 30);
        let first = TABLE - 3 * FRAME_SIZE;
        // One before the range, four in it, one behind it.
        let offsets =
            [first - FRAME_SIZE, first, TABLE - FRAME_SIZE, TABLE, 3 * TABLE, 3 * TABLE + FRAME_SIZE];
        let frames = offsets.map(|offset| {
            let frame = frames::alloc(0, Owner::Kernel).expect("memory is left");
            let small = page::<Size4KiB>(start + offset);
            // SAFETY: the frame and the page are the test's.
            let mapped = unsafe { map(small, PhysFrame::containing_address(frame), Access::ReadWrite) };
            assert_eq!(mapped, Ok(()));
            frame
        });
        let mut unmapped = ::alloc::vec::Vec::new();
        let range = start + first..start + 3 * TABLE + FRAME_SIZE;
        // SAFETY: nobody uses the pages.
        unsafe { unmap_pages(range, |frame| unmapped.push(frame)) }.everywhere();
        assert_eq!(unmapped, frames[1..5]);
        for (offset, left) in offsets.into_iter().zip([true, false, false, false, false, true]) {
            assert_eq!((is_mapped(start + offset), translate(start + offset).is_some()), (left, left));
        }
        // SAFETY: as above.
        unsafe { unmap_pages(start..start + 4 * TABLE, |frame| unmapped.push(frame)) }.everywhere();
        assert_eq!(unmapped.len(), frames.len());
        for frame in frames {
            // SAFETY: it is mapped no more.
            unsafe { frames::free(frame, 0, Owner::Kernel) };
        }
    });
}

/// In leaves of all sizes and where nothing is.
#[runtime::kernel_test]
fn what_is_mapped_is_translated() {
    let map = direct_map::range();
    let text = what_is_mapped_is_translated as fn() as usize;
    for addr in [0, 0x1000, SCRATCH, text, map.start, map.end - 1, map.end + (1 << 40), usize::MAX] {
        assert_eq!(is_mapped(addr), translate(addr).is_some(), "{addr:#x}");
    }
}

#[runtime::kernel_test]
fn huge_leaves_split() {
    on_backed_stack(|| {
        const HALF: usize = Size2MiB::SIZE as usize / 2;
        let addr = SCRATCH + (1 << 30);
        let frame = PhysFrame::<Size2MiB>::containing_address(
            frames::alloc(9, Owner::Kernel).expect("2 MiB in a row"),
        );
        let small = page::<Size4KiB>(addr + HALF);
        // SAFETY: the frames and the pages are the test's.
        unsafe {
            assert_eq!(map(page(addr), frame, Access::ReadWrite), Ok(()));
            assert_eq!(translate(addr + HALF).map(|m| m.size), Some(2 * HALF));
            ((addr + HALF) as *mut u64).write_volatile(7);
            protect(Page::range(small, small + 1), Access::Read).expect("mapped above").everywhere();
            let mapping =
                Mapping { phys: frame.start_address() + HALF as u64, access: Access::Read, size: FRAME_SIZE };
            assert_eq!(translate(addr + HALF), Some(mapping));
            assert_eq!(((addr + HALF) as *const u64).read_volatile(), 7);
            // The neighbours are as they were.
            for neighbour in
                [addr, addr + HALF - FRAME_SIZE, addr + HALF + FRAME_SIZE, addr + 2 * HALF - FRAME_SIZE]
            {
                let phys = frame.start_address() + (neighbour - addr) as u64;
                assert_eq!(
                    translate(neighbour),
                    Some(Mapping { phys, access: Access::ReadWrite, size: FRAME_SIZE })
                );
            }
            assert!(matches!(unmap(page::<Size2MiB>(addr)), Err(Error::SmallerPages)));
            for offset in (0..2 * HALF).step_by(FRAME_SIZE) {
                let (_, flush) = unmap(page::<Size4KiB>(addr + offset)).expect("mapped by the split");
                flush.later();
            }
            tlb::shootdown(addr..addr + 2 * HALF);
            frames::free(frame.start_address(), 9, Owner::Kernel);
        }
    });
}

#[runtime::kernel_test]
fn sections_are_protected() {
    static mut DATA: u64 = 1;
    assert_eq!(
        translate(sections_are_protected as fn() as usize).map(|m| m.access),
        Some(Access::ReadExecute)
    );
    assert_eq!(translate("text".as_ptr() as usize).map(|m| m.access), Some(Access::Read));
    assert_eq!(translate(&raw const DATA as usize).map(|m| m.access), Some(Access::ReadWrite));
    assert_eq!(translate(0), None, "page 0");
    assert_eq!(translate(crate::image::boot_stack().start - 1), None, "below the boot stack");
    // What is code or constant is not writable through the direct map either.
    for addr in [sections_are_protected as fn() as usize, "text".as_ptr() as usize] {
        let phys = translate(addr).expect("mapped").phys;
        assert_eq!(translate(direct_map::phys_to_virt(phys) as usize).map(|m| m.access), Some(Access::Read));
    }
}

#[runtime::kernel_test]
fn addresses_that_are_not_canonical_mean_nothing() {
    assert_eq!(translate(0x0000_8000_0000_0000), None);
}

/// Calls `f` with every leaf's entry below `table`, whose level is `level`.
fn for_each_leaf(table: u64, level: u32, f: &mut impl FnMut(u64)) {
    for i in 0..512 {
        let value = entry(table, i * leaf_size(level), level).load(Ordering::Acquire);
        match value & PRESENT != 0 {
            true if level == 1 || value & HUGE != 0 => f(value),
            true => for_each_leaf(value, level - 1, f),
            false => assert_eq!(value, 0, "an absent entry says nothing"),
        }
    }
}

/// No page of the address space is both writable and executable, and no kind of access is: so none will be.
#[runtime::kernel_test]
fn nothing_is_writable_and_executable() {
    let breaks = |value: u64| value & Bits::WRITABLE.bits() != 0 && value & Bits::NO_EXECUTE.bits() == 0;
    for access in [Access::Read, Access::ReadWrite, Access::ReadExecute, Access::Device] {
        // Whoever adds a kind is asked here.
        match access {
            Access::Read | Access::ReadWrite | Access::ReadExecute | Access::Device => {
                assert!(!breaks(access.bits()), "{access:?}")
            }
        }
        assert_eq!(Access::of(access.bits()), access);
    }
    on_backed_stack(|| {
        let mut leaves = 0;
        for_each_leaf(root().as_u64(), 4, &mut |value| {
            assert!(!breaks(value), "entry {value:#x}");
            leaves += 1;
        });
        assert!(leaves > 100, "{leaves} leaves");
    });
}

#[runtime::kernel_test]
fn gigabyte_leaves_split_twice() {
    const PDPE1GB: u32 = 1 << 26;
    if core::arch::x86_64::__cpuid(0x8000_0001).edx & PDPE1GB == 0 {
        return;
    }
    on_backed_stack(|| {
        let addr = SCRATCH + (2 << 30);
        let (mib2, gib) = (Size2MiB::SIZE as usize, Size1GiB::SIZE as usize);
        let small = page::<Size4KiB>(addr + 5 * mib2 + FRAME_SIZE);
        // SAFETY: the page is the test's; nothing is done with the memory that it maps.
        unsafe {
            let frame = PhysFrame::<Size1GiB>::containing_address(PhysAddr::zero());
            assert_eq!(map(page(addr), frame, Access::Read), Ok(()));
            assert_eq!(
                translate(addr + gib - 1).map(|m| (m.phys.as_u64(), m.size)),
                Some((gib as u64 - 1, gib))
            );
            let (old, flush) = unmap(small).expect("in the leaf");
            flush.everywhere();
            assert_eq!(old.start_address().as_u64() as usize, 5 * mib2 + FRAME_SIZE);
            for (offset, size) in [
                (0, mib2),
                (4 * mib2 + 77, mib2),
                (5 * mib2, FRAME_SIZE),
                (5 * mib2 + 2 * FRAME_SIZE, FRAME_SIZE),
                (6 * mib2, mib2),
                (gib - 1, mib2),
            ] {
                let phys = PhysAddr::new(offset as u64);
                assert_eq!(translate(addr + offset), Some(Mapping { phys, access: Access::Read, size }));
            }
            assert_eq!(translate(addr + 5 * mib2 + FRAME_SIZE), None);
            for at in (addr..addr + gib).step_by(mib2).filter(|&at| at != addr + 5 * mib2) {
                unmap(page::<Size2MiB>(at)).expect("mapped by the split").1.later();
            }
            for at in (addr + 5 * mib2..addr + 6 * mib2).step_by(FRAME_SIZE).map(page::<Size4KiB>) {
                assert_eq!(unmap(at).map(|(_, flush)| flush.later()).is_err(), at == small);
            }
        }
        tlb::shootdown(addr..addr + gib);
    });
}
