//! The list of all pools, and their clean-up (Go: `allPools`, `poolCleanup` in `sync/pool.go`). See the head of `pool.rs`.

use super::RawMutex;
use crate::proc::stop_the_world;
use alloc::boxed::Box;
use core::cell::Cell;
use core::ptr::null_mut;
use core::sync::atomic::{AtomicBool, AtomicPtr, Ordering};

/// What the clean-up knows of a pool. The pointers are to `Locals` of its type.
pub(super) struct Node {
    pub(super) local: AtomicPtr<Header>,
    pub(super) victim: AtomicPtr<Header>,
    /// What has become too small: a list, under `ALL_POOLS`.
    pub(super) outgrown: Cell<*mut Header>,
    /// Neighbours in the list of all, under `ALL_POOLS`.
    next: Cell<*mut Node>,
    prev: Cell<*mut Node>,
}

/// The beginning of a `Locals`, whatever its type.
pub(super) struct Header {
    /// Drops and frees it.
    pub(super) free: unsafe fn(*mut Header),
    /// Next of a list.
    pub(super) next: Cell<*mut Header>,
    /// It was a victim cache and nothing was left in it.
    pub(super) drained: AtomicBool,
}

/// Taken to change the list of pools, or the pointers in a node other than by the clean-up with the world stopped.
pub(super) static ALL_POOLS: RawMutex = RawMutex::new();
static FIRST: AtomicPtr<Node> = AtomicPtr::new(null_mut());

/// Puts a new node on the list of all. Under `ALL_POOLS`.
pub(super) fn new_node() -> *mut Node {
    let next = FIRST.load(Ordering::Relaxed);
    let node = Box::into_raw(Box::new(Node {
        local: AtomicPtr::new(null_mut()),
        victim: AtomicPtr::new(null_mut()),
        outgrown: Cell::new(null_mut()),
        next: Cell::new(next),
        prev: Cell::new(null_mut()),
    }));
    // SAFETY: those on the list live until they are taken off, under the lock.
    if let Some(next) = unsafe { next.as_ref() } {
        next.prev.set(node);
    }
    FIRST.store(node, Ordering::Relaxed);
    node
}

/// Takes a node off the list of all and frees it, with what it has.
///
/// # Safety
/// Nobody uses its pool any more.
pub(super) unsafe fn remove_node(node: *mut Node) {
    ALL_POOLS.lock();
    // SAFETY: on the list; off it nobody knows of it any more.
    let node = unsafe {
        let (prev, next) = ((*node).prev.get(), (*node).next.get());
        match prev.as_ref() {
            Some(prev) => prev.next.set(next),
            None => FIRST.store(next, Ordering::Relaxed),
        }
        if let Some(next) = next.as_ref() {
            next.prev.set(prev);
        }
        Box::from_raw(node)
    };
    ALL_POOLS.unlock();
    for list in [node.local.load(Ordering::Relaxed), node.victim.load(Ordering::Relaxed), node.outgrown.get()]
    {
        // SAFETY: as the caller promises.
        unsafe { free_all(list) };
    }
}

/// Frees what hangs together by `next`.
///
/// # Safety
/// Nobody uses it any more.
unsafe fn free_all(mut list: *mut Header) {
    while !list.is_null() {
        // SAFETY: as the caller promises.
        unsafe {
            let next = (*list).next.replace(null_mut());
            ((*list).free)(list);
            list = next;
        }
    }
}

/// Drops what has been in a pool's victim cache since the last call, and makes what is in the pools the new victim caches (Go: `poolCleanup`, which a
/// collection begins with). Stops the world; to be called from a goroutine with no lock of the runtime held.
pub(crate) fn pool_cleanup() {
    let mut dead: *mut Header = null_mut();
    ALL_POOLS.lock();
    let world = stop_the_world("pool clean-up");
    let mut at = FIRST.load(Ordering::Relaxed);
    // SAFETY: those on the list live until they are taken off, under the lock; and nobody is pinned.
    while let Some(node) = unsafe { at.as_ref() } {
        let victim = node.victim.load(Ordering::Relaxed);
        node.victim.store(node.local.load(Ordering::Relaxed), Ordering::Relaxed);
        node.local.store(null_mut(), Ordering::Relaxed);
        for list in [victim, node.outgrown.replace(null_mut())] {
            // SAFETY: unhooked, it is this function's.
            dead = unsafe { join(list, dead) };
        }
        at = node.next.get();
    }
    drop(world);
    ALL_POOLS.unlock();
    // SAFETY: unhooked while nobody was pinned.
    unsafe { free_all(dead) };
}

/// `list` with `rest` after it.
///
/// # Safety
/// Both are the caller's.
unsafe fn join(list: *mut Header, rest: *mut Header) -> *mut Header {
    let mut last = list;
    // SAFETY: as the caller promises.
    unsafe {
        while !last.is_null() && !(*last).next.get().is_null() {
            last = (*last).next.get();
        }
        match last.as_ref() {
            Some(last) => {
                last.next.set(rest);
                list
            }
            None => rest,
        }
    }
}
