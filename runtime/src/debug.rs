//! What a program asks of the memory that it runs in (Go: `runtime/debug`).

pub use crate::heap::{free_os_memory, memory_limit, set_memory_limit};
