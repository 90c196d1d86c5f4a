//! Synchronisation of goroutines (Go: package `sync`). Everything here blocks the goroutine, never the M.

mod cell;
mod cond;
pub mod errgroup;
mod map;
mod mutex;
mod once;
mod oncevalue;
mod pool;
mod poolchain;
mod pooldequeue;
mod poolnodes;
mod rawmutex;
mod rawrwmutex;
mod rwmutex;
mod sema;
mod semaphore;
mod semaroot;
pub mod singleflight;
#[cfg(all(feature = "kernel-tests", not(test)))]
mod tests;
mod treap;
mod waitgroup;

pub use cond::Cond;
pub(crate) use cond::Cond as NotifyList;
pub use core::sync::atomic;
pub use map::Map;
pub use mutex::{Mutex, MutexGuard};
pub use once::Once;
pub use oncevalue::{OnceFunc, OnceValue};
pub use pool::Pool;
pub(crate) use poolnodes::pool_cleanup;
pub use rawmutex::RawMutex;
pub use rawrwmutex::RawRwMutex;
pub use rwmutex::{RwMutex, RwMutexReadGuard, RwMutexWriteGuard};
pub(crate) use sema::{first_waiter, semacquire, semrelease};
pub use semaphore::Semaphore;
pub use waitgroup::WaitGroup;
