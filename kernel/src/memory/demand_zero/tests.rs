//! Reserved pages: absent until touched, zero when they are, and one page for all cores.

use super::*;
use ::alloc::sync::Arc;
use core::sync::atomic::{AtomicU64, Ordering};
use runtime::sync::WaitGroup;

#[runtime::kernel_test]
fn a_page_is_backed_when_it_is_touched() {
    let start = reserve(3 * FRAME_SIZE - 100);
    let next = reserve(1);
    assert_eq!(next as usize - start as usize, 3 * FRAME_SIZE);
    let last = start as usize + 2 * FRAME_SIZE;
    assert_eq!(paging::translate(last), None);
    // SAFETY: reserved above; nobody else knows the address.
    unsafe {
        let word = last as *mut u64;
        assert_eq!(word.add(511).read_volatile(), 0);
        word.write_volatile(42);
        assert_eq!(word.read_volatile(), 42);
    }
    let mapping = paging::translate(last).expect("touched");
    assert_eq!((mapping.access, mapping.size), (Access::ReadWrite, FRAME_SIZE));
    assert_eq!(paging::translate(start as usize), None, "its neighbour was not");
    assert_eq!(back(START.load(Relaxed) + RANGE - 1), Ok(false), "not reserved");
    assert_eq!(back(START.load(Relaxed) - 1), Ok(false), "elsewhere");
}

/// All cores touch the same fresh pages at the same time: each page gets one frame, on which nobody's count is lost.
#[runtime::kernel_test]
fn cores_that_touch_a_page_at_once_share_a_frame() {
    const PAGES: usize = 200;
    let start = reserve(PAGES * FRAME_SIZE) as usize;
    let n = 2 * runtime::gomaxprocs();
    let wg = Arc::new(WaitGroup::new());
    for _ in 0..n {
        wg.go(move || {
            for page in 0..PAGES {
                // SAFETY: reserved above, and used as a counter by this test only.
                let counter = unsafe { &*((start + page * FRAME_SIZE) as *const AtomicU64) };
                counter.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    wg.wait();
    for page in 0..PAGES {
        // SAFETY: as above.
        let counter = unsafe { &*((start + page * FRAME_SIZE) as *const AtomicU64) };
        assert_eq!(counter.load(Ordering::Relaxed), n as u64, "page {page}");
    }
}
