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
    assert_eq!(translate(crate::entry::boot_stack().start - 1), None, "below the boot stack");
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
