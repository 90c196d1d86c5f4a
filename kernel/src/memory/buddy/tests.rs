//! The buddy allocator against what a list of the allocations says. On the host, where each test has 8 GiB of physical memory.

use super::*;
use std::boxed::Box;
use std::vec::Vec;

const OWNER: Owner = Owner::Kernel;

/// A firmware's memory map as UEFI leaves it, in frames: reserved pieces of all sizes between usable ones, a hole below 4 GiB, the rest above.
const UEFI: [(usize, usize); 12] = [
    (0x1, 0x86),
    (0x88, 0x18),
    (0x100, 0x700),
    (0x808, 0x3),
    (0x80c, 0x4),
    (0x900, 0x1_5f00),
    (0x1_6a21, 0x6_4d17),
    (0x7_b800, 0x29d),
    (0x7_ba9f, 0x1),
    (0x7_bb00, 0x41ff),
    (0x7_ff00, 0x7d),
    (0x10_0000, 0x8_0000),
];

/// One run of 4 MiB that starts nowhere special.
const ONE: [(usize, usize); 1] = [(0x4_0c00, 1024)];

fn buddy(map: &[(usize, usize)]) -> Buddy {
    let (first, last) = (map[0].0, map[map.len() - 1]);
    let states: Vec<AtomicU8> = (first..last.0 + last.1).map(|_| AtomicU8::new(FOREIGN)).collect();
    let mut buddy = Buddy::new(first, Box::leak(states.into_boxed_slice()));
    for &(frame, n) in map {
        // SAFETY: the test's memory.
        unsafe { buddy.add(frame, n) }.expect("nobody writes to it");
    }
    buddy
}

/// Marsaglia's xorshift64: the same numbers in every run from one seed.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % n as u64) as usize
    }
}

/// Checks what must always hold: lists, states and counts tell the same story.
fn check(buddy: &Buddy) {
    let mut free = 0;
    for order in 0..ORDERS {
        let (mut n, mut prev, mut frame) = (0, NONE, buddy.lists[order]);
        while frame != NONE {
            assert_eq!(frame % (1 << order), 0, "a block of order {order} at {frame:#x}");
            assert_eq!(buddy.state(frame), FREE | order as u8);
            assert!((1..1 << order).all(|i| buddy.state(frame + i) & KIND == INSIDE));
            let pair = frame ^ (1 << order);
            assert_ne!(buddy.state(pair), FREE | order as u8, "{frame:#x} and {pair:#x} should be one");
            // SAFETY: the first frame of a free block.
            let link = unsafe { *link(frame) };
            assert_eq!(link.prev, prev);
            (n, prev, frame) = (n + 1, frame, link.next);
        }
        assert_eq!(buddy.blocks[order], n);
        assert_eq!(buddy.nonempty >> order & 1 != 0, n != 0);
        free += n << order;
    }
    assert!(buddy.open.clone().all(|frame| buddy.state(frame) & KIND == INSIDE));
    assert_eq!(buddy.free, free + buddy.open.len());
}

/// [`check`], and that all has merged to what it was before the first allocation.
fn check_fresh(mut buddy: Buddy, fresh: [usize; ORDERS]) {
    check(&buddy);
    buddy.close().expect("nobody writes to free frames");
    check(&buddy);
    assert_eq!(buddy.blocks, fresh);
}

/// Random allocations, frees in parts, and loans, on `map`, with at most `most` frames at a time.
fn play(map: &[(usize, usize)], seed: u64, steps: usize, most: usize) {
    let mut buddy = buddy(map);
    let fresh = buddy.free_blocks();
    let total: usize = map.iter().map(|piece| piece.1).sum();
    assert_eq!(buddy.free_frames(), total);
    let mut random = Random(seed);
    let mut taken: Vec<(usize, usize, Owner)> = Vec::new();
    let mut lent: Vec<u32> = Vec::new();
    for step in 0..steps {
        let owner = Owner::ALL[1 + random.below(OWNERS - 1)];
        match random.below(8) {
            0..4 => {
                let align = 1 << random.below(12);
                let largest = if random.below(4) == 0 { most } else { 64 };
                let n = 1 + random.below(largest);
                let got = buddy.alloc_contiguous(n, align, owner).expect("nobody writes to free frames");
                if let Some(frame) = got {
                    assert_eq!(frame % align, 0, "seed {seed}, step {step}: {n} frames aligned to {align}");
                    let inside = |&(start, len): &(usize, usize)| start <= frame && frame + n <= start + len;
                    assert!(map.iter().any(inside), "seed {seed}, step {step}: {frame:#x}+{n} is no memory");
                    let apart = |&(f, m, _): &(usize, usize, Owner)| frame + n <= f || f + m <= frame;
                    assert!(taken.iter().all(apart), "seed {seed}, step {step}: {frame:#x}+{n} is in use");
                    assert!(
                        lent.iter().all(|&f| (f as usize) < frame || frame + n <= f as usize),
                        "seed {seed}, step {step}: lent"
                    );
                    taken.push((frame, n, owner));
                }
            }
            4 => {
                let order = random.below(6);
                if let Some(frame) = buddy.lend(order).expect("nobody writes to free frames") {
                    lent.extend(frame as u32..(frame + (1 << order)) as u32);
                }
            }
            5 if !lent.is_empty() => {
                // Some that follow each other, upwards or downwards, or none that do.
                let first = random.below(lent.len());
                let n = 1 + random.below((lent.len() - first).min(40));
                let mut back: Vec<u32> = lent.drain(first..first + n).collect();
                match random.below(3) {
                    0 => back.reverse(),
                    1 => back.sort_by_key(|&f| f.wrapping_mul(0x9e37_79b9)),
                    _ => {}
                }
                buddy.take_back(&back).expect("lent");
            }
            _ if !taken.is_empty() => {
                let (frame, n, owner) = taken.swap_remove(random.below(taken.len()));
                let part = random.below(n + 1);
                // SAFETY: the frames were allocated above and are not used.
                unsafe { buddy.free(frame + part, n - part, owner) }.expect("allocated");
                if part > 0 {
                    taken.push((frame, part, owner));
                }
            }
            _ => {}
        }
        let used: usize = taken.iter().map(|t| t.1).sum();
        assert_eq!(buddy.free_frames(), total - used - lent.len(), "seed {seed}, step {step}");
    }
    check(&buddy);
    let counted = Buddy::count_owners(buddy.states);
    for owner in Owner::ALL {
        let frames: usize = taken.iter().filter(|t| t.2 == owner).map(|t| t.1).sum();
        assert_eq!(counted[owner as usize], frames, "seed {seed}: {owner}");
    }
    for (frame, n, owner) in taken {
        // SAFETY: as above.
        unsafe { buddy.free(frame, n, owner) }.expect("allocated");
    }
    buddy.take_back(&lent).expect("lent");
    check_fresh(buddy, fresh);
}

#[test]
fn blocks_do_not_overlap_and_merge_back() {
    for seed in 1..=40 {
        play(&ONE, seed, 1000, 300);
    }
}

#[test]
fn a_fragmented_map_serves_as_well() {
    for seed in 1..=6 {
        play(&UEFI, seed, 1500, 100_000);
    }
}

#[test]
fn every_frame_of_a_fragmented_map_can_be_had() {
    let mut buddy = buddy(&UEFI);
    let fresh = buddy.free_blocks();
    let mut frames: Vec<usize> =
        core::iter::from_fn(|| buddy.alloc(0, OWNER).expect("nobody writes to free frames")).collect();
    frames.sort_unstable();
    assert!(frames.iter().copied().eq(UEFI.iter().flat_map(|&(start, n)| start..start + n)));
    // Frees of frames that no region has, at both ends of each.
    for &(start, n) in &UEFI {
        for frame in [start - 1, start + n] {
            if !UEFI.iter().any(|&(s, n)| (s..s + n).contains(&frame)) {
                let foreign = Misuse::Foreign { addr: address(frame), by: OWNER };
                // SAFETY: the wrong free is what is tested.
                assert_eq!(unsafe { buddy.free(frame, 1, OWNER) }, Err(foreign));
            }
        }
    }
    for frame in frames {
        // SAFETY: allocated above and not used.
        unsafe { buddy.free(frame, 1, OWNER) }.expect("allocated");
    }
    check_fresh(buddy, fresh);
}

#[test]
fn runs_that_no_block_holds_are_found() {
    let mut buddy = buddy(&ONE);
    let (first, n) = ONE[0];
    let fresh = buddy.free_blocks();
    assert_eq!(buddy.alloc_contiguous(n, 1, OWNER), Ok(Some(first)));
    // SAFETY: all frames are allocated and unused.
    unsafe { buddy.free(first + 200, 600, OWNER) }.expect("allocated");
    assert_eq!(buddy.alloc(9, OWNER), Ok(None), "no aligned block of 512");
    let run = buddy.alloc_contiguous(590, 2, OWNER).expect("intact").expect("600 are free in a row");
    assert!(run.is_multiple_of(2) && run >= first + 200 && run + 590 <= first + 800);
    assert_eq!(buddy.free_frames(), 10);
    // SAFETY: as above.
    unsafe {
        buddy.free(first, 200, OWNER).expect("allocated");
        buddy.free(run, 590, OWNER).expect("allocated");
        buddy.free(first + 800, n - 800, OWNER).expect("allocated");
    }
    check_fresh(buddy, fresh);
}

#[test]
fn misuse_names_the_frame_and_both_owners() {
    let mut buddy = buddy(&ONE);
    let (first, n) = ONE[0];
    let by = Owner::Heap;
    let frame = buddy.alloc(3, Owner::PageTable).expect("intact").expect("all is free");
    let foreign = |frame| Err(Misuse::Foreign { addr: address(frame), by });
    let again = |frame, first| Err(Misuse::DoubleFree { addr: address(frame), first, by });
    // SAFETY: nobody uses any of these frames; the wrong frees are what is tested.
    unsafe {
        let theirs = Misuse::NotOwner { addr: address(frame), owner: Owner::PageTable, by };
        assert_eq!(buddy.free(frame, 1, by), Err(theirs));
        assert_eq!(
            theirs.to_string(),
            format!("physical frame {:#x} is in use by the page tables, but freed by the heap", frame << 12)
        );
        assert_eq!(buddy.free(first + n, 1, by), foreign(first + n));
        assert_eq!(buddy.free(first - 1, 1, by), foreign(first - 1));
        assert_eq!(buddy.free(frame, 8, Owner::PageTable), Ok(()));
        // The first frame of a free block and one inside, whoever had them last.
        for i in 0..8 {
            assert_eq!(buddy.free(frame + i, 1, by), again(frame + i, Owner::PageTable));
        }
        assert_eq!(buddy.free(first + n - 1, 1, by), again(first + n - 1, Owner::Nobody));
    }
    let lent = buddy.lend(0).expect("intact").expect("all is free");
    // SAFETY: as above.
    assert!(matches!(unsafe { buddy.free(lent, 1, by) }, Err(Misuse::DoubleFree { .. })));
    buddy.take_back(&[lent as u32]).expect("lent");
    check(&buddy);
}

#[test]
fn a_write_after_free_is_found() {
    let mut buddy = buddy(&ONE);
    let frame = buddy.alloc(1, OWNER).expect("intact").expect("all is free");
    let neighbour = frame + 1;
    // SAFETY: allocated and not used.
    unsafe { buddy.free(neighbour, 1, OWNER) }.expect("allocated");
    // SAFETY: the frame is free, which makes this write the mistake that is to be found; the links are put right again.
    let links = unsafe { link(neighbour).read() };
    // SAFETY: as above.
    unsafe { (*link(neighbour)).next = frame + 77 };
    assert_eq!(buddy.alloc(0, OWNER), Err(Misuse::WrittenAfterFree { addr: address(neighbour) }));
    // SAFETY: as above.
    unsafe {
        link(neighbour).write(links);
        buddy.free(frame, 1, OWNER).expect("allocated");
    }
    check(&buddy);
}

/// Which frames a host would have to back for what the allocator itself writes: none but the first
/// frames of the map's own blocks, until memory that was used comes back.
#[test]
fn fresh_memory_is_given_out_untouched() {
    const N: usize = 1 << 16;
    const UNTOUCHED: u64 = 0x5a5a_5a5a_5a5a_5a5a;
    let word = |frame: usize| link(frame).cast::<u64>();
    // SAFETY: the test's memory, which nobody else uses.
    (N..2 * N).for_each(|frame| unsafe { word(frame).write(UNTOUCHED) });
    let mut buddy = buddy(&[(N, N)]);
    let batches: Vec<usize> =
        (0..N >> 5).map(|_| buddy.lend(5).expect("intact").expect("not all is lent")).collect();
    // SAFETY: as above.
    let touched = (N..2 * N).filter(|&frame| unsafe { word(frame).read() } != UNTOUCHED);
    assert!(touched.eq([N]), "nothing but the first frame's link");
    for first in batches {
        let frames: Vec<u32> = (first as u32..).take(32).collect();
        buddy.take_back(&frames).expect("lent");
    }
    check(&buddy);
}

/// Memory that was used is used again, however much fresh memory there is.
#[test]
fn used_memory_comes_before_fresh() {
    let mut buddy = buddy(&[(1 << 16, 1 << 16)]);
    let mut seen: Vec<usize> = Vec::new();
    for _ in 0..100 {
        let block = buddy.alloc_contiguous(3000, 1, OWNER).expect("intact").expect("enough is free");
        seen.push(block);
        // SAFETY: allocated and not used.
        unsafe { buddy.free(block, 3000, OWNER) }.expect("allocated");
    }
    seen.sort_unstable();
    seen.dedup();
    assert!(seen.len() <= 2, "{seen:x?}");
}
