//! What a program asks of itself and of the memory that it runs in (Go: `runtime/debug`, `runtime.Stack`).

pub use crate::heap::{memory_limit, set_memory_limit};
pub use crate::proc::{Goroutine, Status, WaitReason, goroutines, set_max_stack, set_max_threads};

/// Drops what pools have kept unused since the last call, and gives free memory back to the machine (Go: `FreeOSMemory`). Returns how many
/// bytes that was.
pub fn free_os_memory() -> usize {
    crate::sync::pool_cleanup();
    crate::heap::free_os_memory()
}
