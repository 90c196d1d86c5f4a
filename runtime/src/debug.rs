//! What a program asks of the memory that it runs in (Go: `runtime/debug`).

pub use crate::heap::{memory_limit, set_memory_limit};

/// Drops what pools have kept unused since the last call, and gives free memory back to the machine (Go: `FreeOSMemory`). Returns how many
/// bytes that was.
pub fn free_os_memory() -> usize {
    crate::sync::pool_cleanup();
    crate::heap::free_os_memory()
}
