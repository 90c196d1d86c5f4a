//! Synchronisation of goroutines (Go: package `sync`; C3). Everything here blocks the goroutine, never the M.

mod cond;
mod mutex;
mod once;
mod oncevalue;
mod rawmutex;
mod rawrwmutex;
mod rwmutex;
mod sema;
mod semaroot;
#[cfg(all(feature = "kernel-tests", not(test)))]
mod tests;
mod treap;
mod waitgroup;

pub use cond::Cond;
pub use core::sync::atomic;
pub use mutex::{Mutex, MutexGuard};
pub use once::Once;
pub use oncevalue::{OnceFunc, OnceValue};
pub use rawmutex::RawMutex;
pub use rawrwmutex::RawRwMutex;
pub use rwmutex::{RwMutex, RwMutexReadGuard, RwMutexWriteGuard};
pub(crate) use sema::{semacquire, semrelease};
pub use waitgroup::WaitGroup;
