//! What the memory tests share.

use core::hint::black_box;

/// Bytes of stack that a test gets by with.
const DEPTH: usize = 32 * 1024;

/// Runs `test` with the pages below this frame backed. Tests run on goroutines, whose stacks grow by page fault, and what they
/// call holds locks that the fault handler needs.
pub fn on_backed_stack(test: impl FnOnce()) {
    #[inline(never)]
    fn touch() {
        black_box(&mut [0u8; DEPTH]);
    }
    touch();
    test();
}
