//! The free pages of one chunk (4 MiB) as a bitmap (Go: `mpallocbits.go`; there a set bit is a page in use, here a free one).

use super::page_alloc::Sum;
use core::ops::Range;

/// Pages of a chunk (Go: `pallocChunkPages`).
pub(super) const CHUNK_PAGES: usize = 512;
const WORDS: usize = CHUNK_PAGES / 64;

/// Bit `i` is set if page `i` of the chunk belongs to the heap and is free.
#[derive(Clone)]
pub(super) struct PageBits([u64; WORDS]);

/// The words that a non-empty range of pages lies in, and of each the bits.
#[inline(always)]
fn masks(pages: &Range<usize>) -> impl Iterator<Item = (usize, u64)> {
    let (first, last) = (pages.start / 64, (pages.end - 1) / 64);
    let (start, end) = (u64::MAX << (pages.start % 64), u64::MAX >> (63 - (pages.end - 1) % 64));
    (first..=last)
        .map(move |w| (w, if w == first { start } else { u64::MAX } & if w == last { end } else { u64::MAX }))
}

/// The lowest place of `n` (1 to 64) set bits in a row, by and-ing the word with itself shifted, twice as far each time
/// (Go: `findBitRange64`).
fn find_in_word(mut word: u64, n: usize) -> Option<usize> {
    let (mut left, mut shift) = (n - 1, 1);
    while left > 0 && word != 0 {
        let by = shift.min(left);
        word &= word >> by;
        left -= by;
        shift *= 2;
    }
    (word != 0).then(|| word.trailing_zeros() as usize)
}

impl PageBits {
    /// Marks a non-empty range free.
    pub(super) fn set(&mut self, pages: Range<usize>) {
        masks(&pages).for_each(|(w, mask)| self.0[w] |= mask);
    }

    /// Marks a non-empty range used.
    pub(super) fn clear(&mut self, pages: Range<usize>) {
        masks(&pages).for_each(|(w, mask)| self.0[w] &= !mask);
    }

    /// Whether no page is free.
    pub(super) fn is_empty(&self) -> bool {
        self.0.iter().all(|&word| word == 0)
    }

    /// Whether all of a non-empty range is free.
    pub(super) fn all(&self, pages: Range<usize>) -> bool {
        masks(&pages).all(|(w, mask)| self.0[w] & mask == mask)
    }

    /// Whether any of a non-empty range is free.
    pub(super) fn any(&self, pages: Range<usize>) -> bool {
        masks(&pages).any(|(w, mask)| self.0[w] & mask != 0)
    }

    /// The lowest place of `n` free pages in a row.
    pub(super) fn find(&self, n: usize) -> Option<usize> {
        // Free pages in a row that end where the word begins.
        let mut run = 0;
        for (i, &word) in self.0.iter().enumerate() {
            let here = i * 64;
            let low = word.trailing_ones() as usize;
            if run + low >= n {
                return Some(here - run);
            }
            if low == 64 {
                run += 64;
                continue;
            }
            if n <= 64
                && let Some(bit) = find_in_word(word, n)
            {
                return Some(here + bit);
            }
            run = word.leading_ones() as usize;
        }
        None
    }

    /// The highest run of free pages.
    pub(super) fn highest_run(&self) -> Option<Range<usize>> {
        let w = self.0.iter().rposition(|&word| word != 0)?;
        let zeros = self.0[w].leading_zeros();
        let end = w * 64 + 64 - zeros as usize;
        let mut start = end - (self.0[w] << zeros).leading_ones() as usize;
        while start > 0 && start.is_multiple_of(64) {
            let ones = self.0[start / 64 - 1].leading_ones() as usize;
            start -= ones;
            if ones == 0 {
                break;
            }
        }
        Some(start..end)
    }

    /// Free pages in a row at the start, anywhere and at the end.
    pub(super) fn summarize(&self) -> Sum {
        let (mut start, mut max, mut run) = (None, 0, 0);
        for &word in &self.0 {
            let low = word.trailing_ones();
            if low == 64 {
                run += 64;
                continue;
            }
            run += low;
            start.get_or_insert(run);
            max = max.max(run);
            run = word.leading_ones();
            // Runs inside the word count only if one is longer than the longest so far.
            while max < 62
                && let Some(bit) = find_in_word(word, max as usize + 1)
            {
                max = (word >> bit).trailing_ones();
            }
        }
        Sum { start: start.unwrap_or(run), max: max.max(run), end: run }
    }
}
