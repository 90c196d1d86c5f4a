//! The frame allocator of the running machine.

use super::*;
use crate::memory::tests::on_backed_stack;
use alloc::vec::Vec;

#[runtime::kernel_test]
fn single_frames_are_distinct() {
    on_backed_stack(|| {
        // More than a cache holds, so that it is refilled and drained.
        let mut frames: Vec<PhysAddr> = (0..3 * CACHE).map(|_| alloc(0).expect("memory is left")).collect();
        frames.sort();
        frames.dedup();
        assert_eq!(frames.len(), 3 * CACHE);
        for frame in frames {
            assert!(frame.is_aligned(FRAME_SIZE as u64) && frame.as_u64() != 0);
            assert_ne!(Some(frame), trampoline_page());
            // SAFETY: allocated above.
            unsafe { free(frame, 0) };
        }
    });
}

#[runtime::kernel_test]
fn misuse_is_told() {
    on_backed_stack(|| {
        let frame = alloc(1).expect("memory is left");
        // SAFETY: nobody uses the frames; the wrong frees are what is tested.
        unsafe {
            assert_eq!(try_free_frame(frame + 8), Err(Misuse::Misaligned(frame + 8)));
            assert_eq!(
                try_free(frame + FRAME_SIZE as u64, 2),
                Err(Misuse::Misaligned(frame + FRAME_SIZE as u64))
            );
            assert_eq!(try_free_run(frame + 1, 1), Err(Misuse::Misaligned(frame + 1)));
            let nowhere = PhysAddr::new(1 << 50);
            assert_eq!(try_free_frame(nowhere), Err(Misuse::Foreign(nowhere)));
            assert_eq!(try_free_frame(PhysAddr::zero()), Err(Misuse::Foreign(PhysAddr::zero())));
            assert_eq!(try_free(frame, 2), Ok(()));
            assert_eq!(try_free_frame(frame), Err(Misuse::DoubleFree(frame)));
            assert_eq!(try_free(frame, 2), Err(Misuse::DoubleFree(frame)));
        }
    });
}

#[runtime::kernel_test]
fn a_cached_frame_is_free() {
    on_backed_stack(|| {
        let frame = alloc(0).expect("memory is left");
        // SAFETY: nobody uses the frame; the second free is what is tested.
        unsafe {
            assert_eq!(try_free_frame(frame), Ok(()));
            assert_eq!(try_free_frame(frame), Err(Misuse::DoubleFree(frame)));
        }
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
