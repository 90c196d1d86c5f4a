//! The page allocator: which pages of the arena belong to the heap and are free (Go: `mpagealloc.go`).
//!
//! # Problem
//! Find the lowest run of `n` free pages among millions, and give runs back, in about constant time; with little memory, since
//! the arena is all of the machine's RAM and the heap may own any part of it.
//!
//! # Mechanism
//! A bitmap tells the free pages of each chunk of 512 (4 MiB). Above it lies a radix tree of fan-out 8 of summaries: for each node how
//! many pages are free in a row at its start, at most anywhere, and at its end. From the summaries of eight children that of
//! the parent follows, so a change costs one chunk's summary and at most a group of eight per level; and a search walks from the root to the first
//! child that holds a run, or stops between two children across whose border a run is long enough.
//! Most changes hit one chunk again and again (the lowest with anything free), so the tree lags behind by one chunk: its summaries are computed when
//! another chunk changes or a search needs the tree.
//!
//! First fit by address keeps the top of the arena free, from where pages go back to the machine.
//!
//! Go's tree has five fixed levels for 48 bits of address space and lives in reserved, lazily backed memory. Here the arena's extent is known
//! at start and there is no demand paging for the kernel: the tree has as many levels as the arena needs, 76 bytes for each 4 MiB.

use super::page_bits::{CHUNK_PAGES, PageBits};
use core::ops::Range;

/// Free pages in a row of a node of the tree.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Sum {
    pub(super) start: u32,
    pub(super) max: u32,
    pub(super) end: u32,
}

const FANOUT: usize = 8;
/// Enough for an arena of 8 TiB.
const MAX_LEVELS: usize = 8;

/// Nodes under one parent.
type Group = [Sum; FANOUT];

/// The summary of a group whose members span `width` pages each.
fn merge(group: &Group, width: u32) -> Sum {
    let mut sum = group[0];
    let mut total = width;
    for c in &group[1..] {
        sum.max = sum.max.max(c.max).max(sum.end + c.start);
        if sum.start == total {
            sum.start += c.start;
        }
        sum.end = if c.end == width { sum.end + width } else { c.end };
        total += width;
    }
    sum
}

/// See the module's text. Pages are numbered from the arena's start.
pub(super) struct PageAlloc {
    chunks: &'static mut [PageBits],
    /// Level 0 has a node for each chunk, each further level one for each group of the level below. The last has one group.
    levels: [&'static mut [Group]; MAX_LEVELS],
    nlevels: usize,
    /// No chunk below this one has a free page.
    low: usize,
    /// No chunk from this one on has a free page.
    high: usize,
    free: usize,
    /// The chunk whose summaries are out of date, or [`NO_CHUNK`].
    stale: usize,
}

const NO_CHUNK: usize = usize::MAX;

impl PageAlloc {
    /// An allocator of no pages.
    pub(super) const fn new() -> PageAlloc {
        PageAlloc {
            chunks: &mut [],
            levels: [&mut [], &mut [], &mut [], &mut [], &mut [], &mut [], &mut [], &mut []],
            nlevels: 0,
            low: 0,
            high: 0,
            free: 0,
            stale: NO_CHUNK,
        }
    }

    /// Groups of each level for an arena of `chunks` chunks, and the number of levels.
    fn shape(chunks: usize) -> ([usize; MAX_LEVELS], usize) {
        let mut groups = [0; MAX_LEVELS];
        let mut n = chunks;
        for level in 0..MAX_LEVELS {
            groups[level] = n.div_ceil(FANOUT);
            n = groups[level];
            if n == 1 {
                return (groups, level + 1);
            }
        }
        panic!("the heap's arena is larger than 8 TiB");
    }

    /// Bytes that [`PageAlloc::init`] needs for an arena of `pages` pages.
    pub(super) fn metadata_bytes(pages: usize) -> usize {
        let chunks = pages.div_ceil(CHUNK_PAGES);
        let (groups, _) = Self::shape(chunks);
        chunks * size_of::<PageBits>() + groups.iter().sum::<usize>() * size_of::<Group>()
    }

    /// Sets up for an arena of `pages` pages, at least one, none of which belongs to the heap yet.
    ///
    /// # Safety
    /// `memory` is [`PageAlloc::metadata_bytes`] of memory aligned to 8 that is this allocator's for ever.
    pub(super) unsafe fn init(&mut self, memory: *mut u8, pages: usize) {
        let nchunks = pages.div_ceil(CHUNK_PAGES);
        let (groups, nlevels) = Self::shape(nchunks);
        let chunks = memory.cast::<PageBits>();
        // SAFETY: the memory holds this many chunks and groups one behind the other, as `metadata_bytes` counts them; all bits zero are a
        // valid bitmap and group (nothing free).
        unsafe {
            memory.write_bytes(0, Self::metadata_bytes(pages));
            self.chunks = core::slice::from_raw_parts_mut(chunks, nchunks);
            let mut next = chunks.add(nchunks).cast::<Group>();
            for (level, &n) in self.levels.iter_mut().zip(&groups[..nlevels]) {
                *level = core::slice::from_raw_parts_mut(next, n);
                next = next.add(n);
            }
        }
        self.nlevels = nlevels;
        self.low = nchunks;
    }

    /// How many pages are free.
    pub(super) fn free_pages(&self) -> usize {
        self.free
    }

    /// Takes the lowest run of `n` free pages.
    pub(super) fn alloc(&mut self, n: usize) -> Option<usize> {
        let page = self.find(n)?;
        self.take(page, n);
        Some(page)
    }

    /// Takes the `n` pages from `page` on if all are free.
    pub(super) fn alloc_at(&mut self, page: usize, n: usize) -> bool {
        let ok = page + n <= self.chunks.len() * CHUNK_PAGES
            && pieces(page, n).all(|(chunk, pages)| self.chunks[chunk].all(pages));
        if ok {
            self.take(page, n);
        }
        ok
    }

    /// Adds `n` pages from `page` on, none of which is free already.
    pub(super) fn free(&mut self, page: usize, n: usize) {
        debug_assert!(pieces(page, n).all(|(chunk, pages)| !self.chunks[chunk].any(pages)));
        for (chunk, pages) in pieces(page, n) {
            self.chunks[chunk].set(pages);
        }
        self.free += n;
        self.low = self.low.min(page / CHUNK_PAGES);
        self.high = self.high.max((page + n).div_ceil(CHUNK_PAGES));
        self.update(page, n);
    }

    /// Takes the highest run of free pages within one chunk, at most `n` of them.
    pub(super) fn take_highest(&mut self, n: usize) -> Option<Range<usize>> {
        while self.high > self.low {
            let chunk = self.high - 1;
            if let Some(run) = self.chunks[chunk].highest_run() {
                let start = run.start.max(run.end.saturating_sub(n)) + chunk * CHUNK_PAGES;
                let end = run.end + chunk * CHUNK_PAGES;
                self.take(start, end - start);
                return Some(start..end);
            }
            self.high = chunk;
        }
        None
    }

    fn take(&mut self, page: usize, n: usize) {
        for (chunk, pages) in pieces(page, n) {
            self.chunks[chunk].clear(pages);
        }
        self.free -= n;
        self.update(page, n);
    }

    /// Notes that the chunks of a range have changed.
    fn update(&mut self, page: usize, n: usize) {
        let (first, last) = (page / CHUNK_PAGES, (page + n - 1) / CHUNK_PAGES);
        if first == last && first == self.stale {
            return;
        }
        self.refresh();
        if first == last {
            self.stale = first;
        } else {
            self.summarize(first, last);
        }
    }

    /// Brings the tree up to date.
    fn refresh(&mut self) {
        if self.stale != NO_CHUNK {
            self.summarize(self.stale, self.stale);
            self.stale = NO_CHUNK;
        }
    }

    /// Computes the summaries of chunks and of all that lies above them.
    fn summarize(&mut self, mut first: usize, mut last: usize) {
        let mut changed = false;
        for chunk in first..=last {
            let sum = self.chunks[chunk].summarize();
            let slot = &mut self.levels[0][chunk / FANOUT][chunk % FANOUT];
            changed |= *slot != sum;
            *slot = sum;
        }
        let mut width = CHUNK_PAGES as u32;
        for level in 1..self.nlevels {
            if !changed {
                return;
            }
            changed = false;
            (first, last) = (first / FANOUT, last / FANOUT);
            for node in first..=last {
                let sum = merge(&self.levels[level - 1][node], width);
                let slot = &mut self.levels[level][node / FANOUT][node % FANOUT];
                changed |= *slot != sum;
                *slot = sum;
            }
            width *= FANOUT as u32;
        }
    }

    /// The lowest run of `n` free pages.
    fn find(&mut self, n: usize) -> Option<usize> {
        while self.low < self.high && self.chunks[self.low].is_empty() {
            self.low += 1;
        }
        // The lowest chunk with anything free has it, mostly.
        if self.low < self.high
            && (self.low == self.stale || self.leaf(self.low).max as usize >= n)
            && let Some(page) = self.chunks[self.low].find(n)
        {
            return Some(self.low * CHUNK_PAGES + page);
        }
        self.refresh();
        let mut group = 0;
        let mut width = CHUNK_PAGES * FANOUT.pow(self.nlevels.saturating_sub(1) as u32);
        for level in (0..self.nlevels).rev() {
            group = match search(&self.levels[level][group], group * FANOUT, width, n)? {
                Found::At(page) => return Some(page),
                Found::Inside(node) => node,
            };
            width /= FANOUT;
        }
        Some(group * CHUNK_PAGES + self.chunks.get(group)?.find(n)?)
    }

    fn leaf(&self, chunk: usize) -> Sum {
        self.levels[0][chunk / FANOUT][chunk % FANOUT]
    }
}

/// Where a search in a group ended.
enum Found {
    /// A run begins at this page.
    At(usize),
    /// It lies inside this node.
    Inside(usize),
}

/// The lowest run of `n` pages in a group whose first node has number `first` and whose nodes span `width` pages each.
fn search(group: &Group, first: usize, width: usize, n: usize) -> Option<Found> {
    // Free pages in a row that end where the node begins.
    let mut run = 0;
    for (i, sum) in group.iter().enumerate() {
        let here = (first + i) * width;
        if run + sum.start as usize >= n {
            return Some(Found::At(here - run));
        }
        if sum.max as usize >= n {
            return Some(Found::Inside(first + i));
        }
        run = if sum.start as usize == width { run + width } else { sum.end as usize };
    }
    None
}

/// A non-empty range of pages cut at the borders of chunks: chunks and pages in them.
fn pieces(mut page: usize, n: usize) -> impl Iterator<Item = (usize, Range<usize>)> {
    let end = page + n;
    core::iter::from_fn(move || {
        let (chunk, first) = (page / CHUNK_PAGES, page % CHUNK_PAGES);
        let len = (end - page).min(CHUNK_PAGES - first);
        page += len;
        (len > 0).then_some((chunk, first..first + len))
    })
}
