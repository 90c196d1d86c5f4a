//! The frame allocator of the running machine.

use super::*;
use crate::memory::tests::on_backed_stack;
use ::alloc::string::ToString;
use ::alloc::vec::Vec;

const OWNER: Owner = Owner::Kernel;

#[runtime::kernel_test]
fn single_frames_are_distinct() {
    on_backed_stack(|| {
        // More than a cache holds, so that it is refilled and drained.
        let mut frames: Vec<PhysAddr> =
            (0..3 * CACHE).map(|_| alloc(0, OWNER).expect("memory is left")).collect();
        frames.sort();
        frames.dedup();
        assert_eq!(frames.len(), 3 * CACHE);
        for frame in frames {
            assert!(frame.is_aligned(FRAME_SIZE as u64) && frame.as_u64() != 0);
            assert_ne!(Some(frame), trampoline_page());
            // SAFETY: allocated above.
            unsafe { free(frame, 0, OWNER) };
        }
    });
}

#[runtime::kernel_test]
fn misuse_is_told() {
    on_backed_stack(|| {
        let frame = alloc(1, OWNER).expect("memory is left");
        let misaligned = |offset| Err(Misuse::Misaligned { addr: frame + offset, by: OWNER });
        let foreign = |addr| Err(Misuse::Foreign { addr, by: OWNER });
        // SAFETY: nobody uses the frames; the wrong frees are what is tested.
        unsafe {
            assert_eq!(try_free_frame(frame + 8, OWNER), misaligned(8));
            assert_eq!(try_free(frame + FRAME_SIZE as u64, 2, OWNER), misaligned(FRAME_SIZE as u64));
            assert_eq!(try_free_run(frame + 1, 1, OWNER), misaligned(1));
            let nowhere = PhysAddr::new(1 << 50);
            assert_eq!(try_free_frame(nowhere, OWNER), foreign(nowhere));
            assert_eq!(try_free_frame(PhysAddr::zero(), OWNER), foreign(PhysAddr::zero()));
            let theirs = Err(Misuse::NotOwner { addr: frame, owner: OWNER, by: Owner::Heap });
            assert_eq!(try_free_frame(frame, Owner::Heap), theirs);
            assert_eq!(try_free(frame, 2, Owner::Heap), theirs);
            assert_eq!(try_free(frame, 2, OWNER), Ok(()));
            let again = |by| Err(Misuse::DoubleFree { addr: frame, first: OWNER, by });
            assert_eq!(try_free_frame(frame, Owner::Stack), again(Owner::Stack));
            assert_eq!(try_free(frame, 2, OWNER), again(OWNER));
        }
    });
}

#[runtime::kernel_test]
fn a_cached_frame_is_free() {
    on_backed_stack(|| {
        let addr = alloc(0, OWNER).expect("memory is left");
        // SAFETY: nobody uses the frame; the second free is what is tested.
        unsafe {
            assert_eq!(try_free_frame(addr, OWNER), Ok(()));
            let again = Misuse::DoubleFree { addr, first: OWNER, by: Owner::PageTable };
            assert_eq!(try_free_frame(addr, Owner::PageTable), Err(again));
            let text = again.to_string();
            assert!(text.contains("freed by the kernel, now again by the page tables"), "{text}");
        }
    });
}

#[runtime::kernel_test]
fn owners_are_counted() {
    on_backed_stack(|| {
        let before = stats().owners[OWNER as usize];
        let run = alloc_contiguous(33, 1, OWNER).expect("memory is left");
        assert!(stats().owners[OWNER as usize] >= before + 33);
        // SAFETY: allocated above.
        unsafe { free_contiguous(run, 33, OWNER) };
        let all = stats();
        assert!(all.owners[Owner::Stack as usize] > 0 && all.owners[Owner::Heap as usize] > 0);
        assert_eq!(all.owners[Owner::Nobody as usize], 0);
    });
}

#[runtime::kernel_test]
fn pieces_avoid_what_is_reserved() {
    let reserved = [0x1000..0x2000, 0x5800..0x6001, 0x9000..0xffff];
    let next = |start| next_free(start..0x1_0000, reserved.iter().cloned());
    assert_eq!(next(0), 0..0x1000);
    assert_eq!(next(0x1000), 0x2000..0x5000);
    assert_eq!(next(0x5000), 0x7000..0x9000);
    assert_eq!(next(0x9000), 0x1_0000..0x1_0000);
}
