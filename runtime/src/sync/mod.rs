//! Synchronisation of goroutines (Go: package `sync`; C3). Everything here blocks the goroutine, never the M.

mod mutex;
mod rawmutex;
mod sema;
mod semaroot;
#[cfg(all(feature = "kernel-tests", not(test)))]
mod tests;
mod treap;
mod waitgroup;

pub use core::sync::atomic;
pub use mutex::{Mutex, MutexGuard};
pub use rawmutex::RawMutex;
pub use waitgroup::WaitGroup;
