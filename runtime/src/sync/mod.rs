//! Synchronisation of goroutines (Go: package `sync`; C3). Everything here blocks the goroutine, never the M.

mod sema;
mod semaroot;
#[cfg(all(feature = "kernel-tests", not(test)))]
mod tests;
mod treap;
mod waitgroup;

pub use waitgroup::WaitGroup;

use core::sync::atomic;
