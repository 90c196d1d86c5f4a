//! The buddy allocator over 4 MiB of its own, against what a list of the allocations says.

use super::*;
use crate::memory::frames;
use crate::memory::tests::{Random, on_backed_stack};
use alloc::boxed::Box;
use alloc::vec::Vec;

/// Frames of a test's allocator.
const FRAMES: usize = 1024;

/// Runs `test` with an allocator for [`FRAMES`] frames that nobody else uses.
fn with_buddy(test: impl FnOnce(&mut Buddy, usize)) {
    on_backed_stack(|| {
        let block = frames::alloc(FRAMES.trailing_zeros()).expect("4 MiB in a row");
        let first = block.as_u64() as usize / FRAME_SIZE;
        let states: Vec<AtomicU8> = (0..FRAMES).map(|_| AtomicU8::new(FOREIGN)).collect();
        let mut buddy = Buddy::new(first, Box::leak(states.into_boxed_slice()));
        // SAFETY: the frames were just allocated.
        unsafe { buddy.add(first, FRAMES) }.expect("nobody writes to them");
        test(&mut buddy, first);
        // SAFETY: the tests keep no frame.
        unsafe { frames::free(block, FRAMES.trailing_zeros()) };
    });
}

#[runtime::kernel_test]
fn blocks_do_not_overlap_and_merge_back() {
    with_buddy(|buddy, _| {
        let fresh = buddy.free_blocks();
        let mut random = Random::new(1);
        for _ in 0..50 {
            let mut taken: Vec<(usize, usize)> = Vec::new();
            loop {
                let (n, align) = match random.below(3) {
                    0 => (1 + random.below(40), 1 << random.below(7)),
                    _ => (1 << random.below(6), 1),
                };
                let align = if n.is_power_of_two() { align.max(n) } else { align };
                let Some(frame) = buddy.alloc_contiguous(n, align).expect("nobody writes to free frames")
                else {
                    break;
                };
                assert_eq!(frame % align, 0, "{n} frames aligned to {align}");
                assert!(
                    taken.iter().all(|&(f, m)| frame + n <= f || f + m <= frame),
                    "{frame}+{n} is in use"
                );
                taken.push((frame, n));
            }
            assert_eq!(buddy.free_frames(), FRAMES - taken.iter().map(|t| t.1).sum::<usize>());
            while !taken.is_empty() {
                let (frame, n) = taken.swap_remove(random.below(taken.len()));
                // Allocations may be freed in parts.
                let part = random.below(n + 1);
                // SAFETY: the frames were allocated above and are not used.
                unsafe {
                    buddy.free(frame + part, n - part).expect("allocated");
                    buddy.free(frame, part).expect("allocated");
                }
            }
            assert_eq!(buddy.free_blocks(), fresh);
        }
    });
}

#[runtime::kernel_test]
fn runs_that_no_block_holds_are_found() {
    with_buddy(|buddy, first| {
        let fresh = buddy.free_blocks();
        let all = buddy.alloc(10).expect("intact").expect("all is free");
        assert_eq!(all, first);
        // SAFETY: all frames are allocated and unused.
        unsafe { buddy.free(first + 200, 600) }.expect("allocated");
        assert_eq!(buddy.alloc(9), Ok(None), "no aligned block of 512");
        let run = buddy.alloc_contiguous(590, 2).expect("intact").expect("600 are free in a row");
        assert!(run.is_multiple_of(2) && run >= first + 200 && run + 590 <= first + 800);
        assert_eq!(buddy.free_frames(), 10);
        // SAFETY: as above.
        unsafe {
            buddy.free(first, 200).expect("allocated");
            buddy.free(run, 590).expect("allocated");
            buddy.free(first + 800, FRAMES - 800).expect("allocated");
        }
        assert_eq!(buddy.free_blocks(), fresh);
    });
}

#[runtime::kernel_test]
fn misuse_is_found() {
    with_buddy(|buddy, first| {
        let frame = buddy.alloc(3).expect("intact").expect("all is free");
        // SAFETY: nobody uses any of these frames; the ones that are not allocated are what is tested.
        unsafe {
            assert_eq!(buddy.free(frame, 9), Err(Misuse::DoubleFree(address(frame + 8))));
            assert_eq!(buddy.free(first + FRAMES, 1), Err(Misuse::Foreign(address(first + FRAMES))));
            assert_eq!(buddy.free(first - 1, 1), Err(Misuse::Foreign(address(first - 1))));
            assert_eq!(buddy.free(frame, 8), Ok(()));
            assert_eq!(buddy.free(frame + 2, 1), Err(Misuse::DoubleFree(address(frame + 2))));
        }
    });
}

#[runtime::kernel_test]
fn a_write_after_free_is_found() {
    with_buddy(|buddy, first| {
        let frame = buddy.alloc(0).expect("intact").expect("all is free");
        let neighbour = frame ^ 1;
        // SAFETY: the frame is free, which makes this write the mistake that is to be found; the links are put right again.
        let links = unsafe { link(neighbour).read() };
        // SAFETY: as above.
        unsafe { link(neighbour).write(Link { next: first + 77, prev: NONE }) };
        assert_eq!(buddy.alloc(0), Err(Misuse::WrittenAfterFree(address(neighbour))));
        // SAFETY: as above.
        unsafe {
            link(neighbour).write(links);
            buddy.free(frame, 1).expect("allocated");
        }
        assert_eq!(buddy.free_frames(), FRAMES);
    });
}
