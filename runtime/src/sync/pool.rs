//! `Pool`: things kept for reuse, each P its own (Go: `sync/pool.go`).
//!
//! # Problem
//! Goroutines that need a buffer for a moment should find the one that the last of them has just put away, warm in this core's cache, without a lock that all
//! cores share; and what nobody has needed for a while must go.
//!
//! # Protocol (Go's)
//! Each P has a private slot and a chain of rings ([`PoolChain`]). A goroutine that is not preempted is the owner of its P's.
//! 1. *Put*: into the private slot if it is empty, else at the head of the chain.
//! 2. *Get*: from the private slot, else the head of the chain, else the tails of the other Ps' chains, else the **victim cache** in the same order.
//! 3. *Clean-up* (`poolnodes.rs`) drops the victim cache and makes the Ps' slots and chains the new one: what is not used between two clean-ups goes. The
//!    world is stopped meanwhile, so nobody is in the middle of 1 or 2; what is to be dropped is unhooked only, and dropped when the world runs, since the
//!    destructors are the program's.
//!
//! What the Ps have is one allocation, [`Locals`], made when the pool is first used, and anew when a P comes that it has no room for
//! ([`set_gomaxprocs`](crate::set_gomaxprocs)): another goroutine may be using the old one, so that stays, unused, until the next clean-up, or until the
//! pool is dropped.
//!
//! Pools are on a list for the clean-up, by way of a [`Node`] each: a pool itself may be moved.

use super::poolchain::PoolChain;
use super::poolnodes::{ALL_POOLS, Header, Node, new_node, remove_node};
use crate::proc::{G, acquirem, gomaxprocs, releasem};
use alloc::boxed::Box;
use core::cell::{Cell, UnsafeCell};
use core::fmt;
use core::marker::PhantomData;
use core::ptr::null_mut;
use core::sync::atomic::{AtomicBool, AtomicPtr, Ordering};

/// Things of type `T` for reuse, which may be dropped at any time without notice. To share one, put it into a `static` or an
/// [`Arc`](alloc::sync::Arc).
///
/// ```no_run
/// use runtime::sync::Pool;
/// static BUFFERS: Pool<Vec<u8>> = Pool::new(Vec::new);
/// let mut buffer = BUFFERS.get();
/// buffer.extend_from_slice(b"some work");
/// buffer.clear();
/// BUFFERS.put(buffer);
/// ```
///
/// As in Go, nothing is promised of which value [`Pool::get`] returns. What was done before a `put` is seen after the `get` of the same value.
///
/// What is put by one goroutine is got by another:
/// ```compile_fail,E0277
/// use runtime::sync::Pool;
/// fn shared<T: Sync>(_: T) {}
/// shared(Pool::new(|| std::rc::Rc::new(1)));
/// ```
pub struct Pool<T, F = fn() -> T> {
    /// Null before the first use.
    node: AtomicPtr<Node>,
    new: F,
    items: PhantomData<T>,
}

// SAFETY: a value is in one place at a time and moves between goroutines; `new` is called by any.
unsafe impl<T: Send, F: Sync> Sync for Pool<T, F> {}
// SAFETY: as above, and the node belongs to the pool.
unsafe impl<T: Send, F: Send> Send for Pool<T, F> {}

/// What the Ps have, by their numbers.
#[repr(C)]
struct Locals<T> {
    header: Header,
    of_p: Box<[Local<T>]>,
}

/// What one P has.
#[repr(align(128))]
struct Local<T> {
    /// For the P's owner only.
    private: UnsafeCell<Option<T>>,
    /// Its head is the P's owner's.
    shared: PoolChain<T>,
}

/// A goroutine that is not preempted, with the number of its P.
struct Pinned {
    gp: *mut G,
    p: usize,
}

impl Pinned {
    #[inline(always)]
    fn new() -> Pinned {
        let gp = acquirem();
        // SAFETY: the current goroutine, not preempted, has an M with a P.
        let p = unsafe { (*(*(*gp).m).p).id } as usize;
        Pinned { gp, p }
    }
}

impl Drop for Pinned {
    #[inline(always)]
    fn drop(&mut self) {
        releasem(self.gp);
    }
}

impl<T: Send, F: Fn() -> T> Pool<T, F> {
    /// An empty pool; `new` makes what it has not.
    pub const fn new(new: F) -> Pool<T, F> {
        Pool { node: AtomicPtr::new(null_mut()), new, items: PhantomData }
    }

    /// Takes a value out, or makes one.
    #[inline]
    pub fn get(&self) -> T {
        self.take().unwrap_or_else(&self.new)
    }

    /// Takes a value out if there is one (Go: `Get` of a pool without `New`).
    pub fn take(&self) -> Option<T> {
        let pinned = Pinned::new();
        let locals = self.locals(&pinned);
        if let Some(mine) = locals.and_then(|locals| locals.of_p.get(pinned.p)) {
            // SAFETY: this goroutine has the P.
            let value = unsafe { (*mine.private.get()).take().or_else(|| mine.shared.pop_head()) };
            if value.is_some() {
                return value;
            }
        }
        self.take_elsewhere(&pinned, locals)
    }

    /// Keeps a value for later.
    pub fn put(&self, value: T) {
        let mut pinned = Pinned::new();
        loop {
            if let Some(mine) = self.locals(&pinned).and_then(|locals| locals.of_p.get(pinned.p)) {
                // SAFETY: this goroutine has the P.
                unsafe {
                    let private = &mut *mine.private.get();
                    match private {
                        None => *private = Some(value),
                        Some(_) => mine.shared.push_head(value),
                    }
                }
                return;
            }
            // Who waits for the lock must not be pinned, and may come to another P.
            drop(pinned);
            self.make_room();
            pinned = Pinned::new();
        }
    }

    /// What the Ps have; none before the first use and after a clean-up.
    #[inline(always)]
    fn locals<'a>(&self, _: &'a Pinned) -> Option<&'a Locals<T>> {
        // SAFETY: a node lives as long as its pool; `local` is a `Locals` of its type and lives while a goroutine is pinned.
        unsafe {
            let node = self.node.load(Ordering::Acquire).as_ref()?;
            node.local.load(Ordering::Acquire).cast::<Locals<T>>().as_ref()
        }
    }

    #[cold]
    #[inline(never)]
    fn take_elsewhere(&self, pinned: &Pinned, locals: Option<&Locals<T>>) -> Option<T> {
        locals.and_then(|locals| locals.steal(pinned.p + 1)).or_else(|| self.take_victim(pinned))
    }

    /// From the victim cache, after all others: what is in it is to grow old.
    fn take_victim(&self, pinned: &Pinned) -> Option<T> {
        // SAFETY: as in `locals`.
        let victim = unsafe {
            let node = self.node.load(Ordering::Acquire).as_ref()?;
            node.victim.load(Ordering::Acquire).cast::<Locals<T>>().as_ref()?
        };
        if victim.header.drained.load(Ordering::Relaxed) {
            return None;
        }
        // SAFETY: this goroutine has the P.
        let private = victim.of_p.get(pinned.p).and_then(|mine| unsafe { (*mine.private.get()).take() });
        let value = private.or_else(|| victim.steal(pinned.p));
        if value.is_none() {
            victim.header.drained.store(true, Ordering::Relaxed);
        }
        value
    }

    /// Makes a `Locals` with room for all Ps, unless there is one.
    #[cold]
    #[inline(never)]
    fn make_room(&self) {
        ALL_POOLS.lock();
        let mut node = self.node.load(Ordering::Relaxed);
        if node.is_null() {
            node = new_node();
            self.node.store(node, Ordering::Release);
        }
        // SAFETY: the node lives as long as the pool; nobody cleans up: that takes the lock.
        unsafe {
            let old = (*node).local.load(Ordering::Relaxed);
            let room = old.cast::<Locals<T>>().as_ref().map_or(0, |locals| locals.of_p.len());
            let procs = gomaxprocs();
            if room < procs {
                if !old.is_null() {
                    (*old).next.set((*node).outgrown.replace(old));
                }
                (*node).local.store(Locals::<T>::make(procs), Ordering::Release);
            }
        }
        ALL_POOLS.unlock();
    }
}

impl<T> Locals<T> {
    fn make(procs: usize) -> *mut Header {
        let local = |_| Local { private: UnsafeCell::new(None), shared: PoolChain::<T>::new() };
        let header =
            Header { free: Locals::<T>::free, next: Cell::new(null_mut()), drained: AtomicBool::new(false) };
        Box::into_raw(Box::new(Locals { header, of_p: (0..procs).map(local).collect::<Box<[_]>>() })).cast()
    }

    /// # Safety
    /// `header` is of a `Locals` of this type, and nobody uses it any more.
    unsafe fn free(header: *mut Header) {
        // SAFETY: as the caller promises; `make` boxed it.
        drop(unsafe { Box::from_raw(header.cast::<Locals<T>>()) });
    }

    /// Takes an old value of any P, beginning with number `from`.
    fn steal(&self, from: usize) -> Option<T> {
        let n = self.of_p.len();
        (0..n).find_map(|i| self.of_p[(from + i) % n].shared.pop_tail())
    }
}

impl<T, F> Drop for Pool<T, F> {
    fn drop(&mut self) {
        let node = *self.node.get_mut();
        if !node.is_null() {
            // SAFETY: the pool's own, which nobody uses any more.
            unsafe { remove_node(node) };
        }
    }
}

impl<T, F> fmt::Debug for Pool<T, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pool")
    }
}
