//! Where the kernel's ranges of addresses are.
//!
//! | from, unless drawn | bytes | |
//! |---|---|---|
//! | `0x1000_0000_0000` | 64 TiB | [stacks](super::stack) that may grow to 1 GB |
//! | `0x5000_0000_0000` | 32 TiB | those that may grow to 30 MiB |
//! | `0xffff_8000_0000_0000` | to the end of memory | [direct map](super::direct_map), and in it the heap |
//! | `0xffff_c000_0000_0000` | 28 TiB | [stacks](super::stack) with a limit of their own, and the kernel's |
//! | `0xffff_e000_0000_0000` | 1 TiB | [device registers](super::region) |
//! | `0xffff_e800_0000_0000` | 1 TiB | [demand-zero data](super::demand_zero), the stacks' records among it |
//! | `0xffff_ffff_8020_0000` | to the end of the image | the kernel, which [moves itself](crate::entry::relocate) |
//!
//! # Drawing
//! Each half of the address space has its ranges in this order. What no range needs is cut at random into the gaps before, between and behind them
//! ([`place`]), so that each range may begin at some ten thousands of places and none tells where the next one is. All begin at multiples of 1 GiB: the direct map keeps its 1 GiB
//! pages, and the windows of stacks their page tables.
//!
//! # What it costs
//! Each base is a static that is written once, before anything lies in its range. An address is computed from it by one addition with a memory operand,
//! where a constant of 64 bits took two instructions.
//!
//! # Rejected
//! - *Bases at multiples of 4 KiB*: the direct map would need 4 KiB pages, 2 MiB of tables for each GiB, and stacks twice as many tables.
//! - *A random order of the ranges*: three bits more.
//! - *A random order of the frames*, so that the heap lies elsewhere in the direct map, too: large runs are what the buddy allocator is for.

use super::{demand_zero, direct_map, region, stack};
use crate::cpu::entropy;
use crate::image;
use core::ops::Range;

/// What every range begins at a multiple of.
const GRAIN: usize = 1 << 30;

const TIB: usize = 1 << 40;

/// Of the lower half what may be drawn from: application processors start below 1 MiB, and low addresses are what wrong pointers have.
const LOWER: Range<usize> = TIB..(1 << 47) - GRAIN;

/// Of the upper half: all but the last 512 GiB, which have the image.
const UPPER: Range<usize> = 0xffff_8000_0000_0000..0xffff_ff80_0000_0000;

/// The first addresses of the ranges, in their order.
pub struct Layout {
    lower: [usize; 2],
    upper: [usize; 4],
}

impl Layout {
    /// Unless drawn.
    const FIXED: Layout = Layout {
        lower: [0x1000_0000_0000, 0x5000_0000_0000],
        upper: [UPPER.start, 0xffff_c000_0000_0000, 0xffff_e000_0000_0000, 0xffff_e800_0000_0000],
    };

    /// The layout of this boot, whose memory ends at the physical address `memory`.
    ///
    /// # Panics
    /// If there is more memory than addresses.
    pub fn choose(drawn: bool, memory: usize) -> Layout {
        let fixed = Layout::FIXED;
        if drawn {
            let lower = place(LOWER, stack::WINDOW_RANGES, entropy::below);
            let upper = [memory, stack::RANGE, region::DEVICES_RANGE, demand_zero::RANGE];
            let upper = place(UPPER, upper, entropy::below);
            return Layout { lower, upper };
        }
        assert!(memory <= fixed.upper[1] - fixed.upper[0], "memory up to {memory:#x}: too much to be mapped");
        fixed
    }

    /// The direct map's first address.
    pub fn direct_map(&self) -> usize {
        self.upper[0]
    }

    /// Tells the ranges' owners where they are, before anything lies there. The direct map is moved when it is mapped.
    pub fn announce(&self) {
        let [_, stacks, devices, zero] = self.upper;
        stack::set_base(self.lower, stacks);
        region::set_base(devices);
        demand_zero::set_base(zero);
        let [huge, large] = self.lower;
        crate::log!(
            "memory: direct map at {:#x}, stacks at {huge:#x}, {large:#x}, {stacks:#x}, devices at {devices:#x}, tables at {zero:#x}, image at {:#x}",
            direct_map::range().start,
            image::addresses().start,
        );
    }
}

/// Where ranges of `sizes` bytes begin that lie in `area`, in order and apart, if `below(n)` draws a number below `n`.
///
/// The gaps come of as many numbers as there are ranges: in order of size each is what all gaps up to its range have in sum.
///
/// # Panics
/// If the area is too small.
fn place<const N: usize>(area: Range<usize>, sizes: [usize; N], below: impl Fn(u64) -> u64) -> [usize; N] {
    let grains = |bytes: usize| bytes.div_ceil(GRAIN);
    let needed: usize = sizes.iter().map(|&size| grains(size)).sum();
    let free = (grains(area.end - area.start)).checked_sub(needed).expect("address space for all ranges");
    let mut gaps = [0; N].map(|_: usize| below(free as u64 + 1) as usize);
    gaps.sort_unstable();
    let mut before = 0;
    core::array::from_fn(|i| {
        let start = area.start + (gaps[i] + before) * GRAIN;
        before += grains(sizes[i]);
        start
    })
}

#[cfg(feature = "kernel-tests")]
mod tests {
    use super::*;
    use crate::memory::paging;

    const SIZES: [usize; 3] = [5 * GRAIN, GRAIN + 1, 1];

    /// In order, apart, whole grains, inside; and the first and the last place of each are reached.
    #[runtime::kernel_test]
    fn ranges_lie_apart() {
        let area = 7 * GRAIN..20 * GRAIN;
        let (mut first, mut last) = ([usize::MAX; 3], [0; 3]);
        for _ in 0..2000 {
            let starts = place(area.clone(), SIZES, entropy::below);
            assert!(starts.iter().all(|start| start.is_multiple_of(GRAIN) && area.contains(start)));
            assert!(starts[0] + 5 * GRAIN <= starts[1] && starts[1] + 2 * GRAIN <= starts[2], "{starts:x?}");
            assert!(starts[2] + GRAIN <= area.end);
            first = core::array::from_fn(|i| first[i].min(starts[i] / GRAIN));
            last = core::array::from_fn(|i| last[i].max(starts[i] / GRAIN));
        }
        assert_eq!((first, last), ([7, 12, 14], [12, 17, 19]));
    }

    #[runtime::kernel_test]
    fn the_ends_are_reached() {
        let area = 0..20 * GRAIN;
        assert_eq!(place(area.clone(), SIZES, |_| 0), [0, 5 * GRAIN, 7 * GRAIN]);
        assert_eq!(place(area, SIZES, |n| n - 1), [12 * GRAIN, 17 * GRAIN, 19 * GRAIN]);
        assert_eq!(place(0..8 * GRAIN, SIZES, |n| n - 1), [0, 5 * GRAIN, 7 * GRAIN], "no room for gaps");
    }

    /// Whatever is drawn, all of the largest machine's memory fits beside the other ranges, and each range has 15 bits.
    #[runtime::kernel_test]
    fn there_is_room_for_much_memory() {
        let free = |area: &Range<usize>, used: usize| (area.end - area.start - used) / GRAIN;
        let upper = stack::RANGE + region::DEVICES_RANGE + demand_zero::RANGE + 32 * TIB;
        assert!(free(&UPPER, upper) > 1 << 15, "{}", free(&UPPER, upper));
        let lower = stack::WINDOW_RANGES.iter().sum();
        assert!(free(&LOWER, lower) > 30_000, "{}", free(&LOWER, lower));
    }

    /// What is mapped lies where this boot's layout says: nothing is left at the fixed places if they were drawn.
    #[runtime::kernel_test]
    fn nothing_is_mapped_elsewhere() {
        let old = Layout::FIXED.direct_map();
        let there = direct_map::range().start == old;
        assert_eq!(paging::translate(old + 0x20_0000).is_some(), there);
        assert!(there || image::is_drawn());
    }
}
