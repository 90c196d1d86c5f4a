//! The page bitmap and the tree of summaries against a vector of booleans.

use super::Rng;
use crate::heap::page_alloc::{PageAlloc, Sum};
use crate::heap::page_bits::{CHUNK_PAGES, PageBits};
use std::alloc::{Layout, alloc};
use std::vec;
use std::vec::Vec;

/// The lowest run of `n` trues.
fn find(free: &[bool], n: usize) -> Option<usize> {
    let mut run = 0;
    for (i, &f) in free.iter().enumerate() {
        run = if f { run + 1 } else { 0 };
        if run == n {
            return Some(i + 1 - n);
        }
    }
    None
}

fn summarize(free: &[bool]) -> Sum {
    let longest = free.split(|f| !f).map(<[bool]>::len).max().unwrap();
    Sum {
        start: free.iter().take_while(|&&f| f).count() as u32,
        max: longest as u32,
        end: free.iter().rev().take_while(|&&f| f).count() as u32,
    }
}

#[test]
fn bits_of_a_chunk() {
    let mut rng = Rng::new(11);
    for round in 0..3000 {
        // SAFETY: all zeroes are a valid bitmap.
        let mut bits: PageBits = unsafe { core::mem::zeroed() };
        let mut free = vec![false; CHUNK_PAGES];
        for _ in 0..rng.below(12) {
            let start = rng.below(CHUNK_PAGES);
            let end = start + 1 + rng.below((CHUNK_PAGES - start).min(1 << (1 + round % 9)));
            if rng.below(3) > 0 {
                bits.set(start..end);
                free[start..end].fill(true);
            } else {
                bits.clear(start..end);
                free[start..end].fill(false);
            }
            assert_eq!(bits.all(start..end), free[start..end].iter().all(|&f| f));
            assert_eq!(bits.any(start..end), free[start..end].iter().any(|&f| f));
        }
        assert_eq!(bits.summarize(), summarize(&free));
        for n in [1, 2, 3, 7, 16, 63, 64, 65, 100, 128, 300, CHUNK_PAGES] {
            assert_eq!(bits.find(n), find(&free, n), "{n} pages");
        }
        let highest = bits.highest_run().inspect(|r| {
            assert!(free[r.clone()].iter().all(|&f| f) && (r.start == 0 || !free[r.start - 1]));
        });
        assert_eq!(
            highest.map_or(0, |r| r.end),
            CHUNK_PAGES - free.iter().rev().take_while(|&&f| !f).count()
        );
    }
}

fn tree(pages: usize) -> PageAlloc {
    let mut tree = PageAlloc::new();
    let layout = Layout::from_size_align(PageAlloc::metadata_bytes(pages), 16).unwrap();
    // SAFETY: the memory is as large as asked for, and leaked.
    unsafe { tree.init(alloc(layout), pages) };
    tree
}

fn run(seed: u64, chunks: usize, steps: usize) {
    let mut rng = Rng::new(seed);
    let pages = chunks * CHUNK_PAGES - rng.below(CHUNK_PAGES);
    let mut tree = tree(pages);
    let mut free = vec![false; pages];
    let mut taken: Vec<(usize, usize)> = vec![(0, pages / 3), (pages / 3, pages - pages / 3)];
    for step in 0..steps {
        match rng.below(8) {
            0..=2 if !taken.is_empty() => {
                // A part of what is taken.
                let (start, len) = taken.swap_remove(rng.below(taken.len()));
                let (a, n) = if rng.below(2) == 0 { (0, len) } else { (rng.below(len), 1) };
                tree.free(start + a, n);
                free[start + a..start + a + n].fill(true);
                taken.extend([(start, a), (start + a + n, len - a - n)].iter().filter(|t| t.1 > 0));
            }
            3 => {
                let (start, n) = (rng.below(pages), 1 + rng.below(100));
                let fits = start + n <= pages && free[start..start + n].iter().all(|&f| f);
                if start + n <= pages {
                    assert_eq!(tree.alloc_at(start, n), fits, "step {step}: {n} at {start}");
                    if fits {
                        free[start..start + n].fill(false);
                        taken.push((start, n));
                    }
                }
            }
            4 => {
                let n = rng.size(7);
                let got = tree.take_highest(n);
                assert_eq!(got.is_some(), free.contains(&true), "step {step}");
                if let Some(r) = got {
                    assert!(r.len() <= n && free[r.end..].iter().all(|&f| !f));
                    assert!(free[r.clone()].iter().all(|&f| f));
                    free[r.clone()].fill(false);
                    taken.push((r.start, r.len()));
                }
            }
            _ => {
                let n = rng.size(13);
                let got = tree.alloc(n);
                assert_eq!(got, find(&free, n), "step {step}: {n} pages");
                if let Some(start) = got {
                    free[start..start + n].fill(false);
                    taken.push((start, n));
                }
            }
        }
        assert_eq!(tree.free_pages(), free.iter().filter(|&&f| f).count());
    }
}

#[test]
fn tree_of_one_level() {
    run(21, 1, 3000);
    run(22, 7, 3000);
}

#[test]
fn tree_of_several_levels() {
    run(23, 9, 2000);
    run(24, 70, 1500);
    run(25, 530, 300);
}
