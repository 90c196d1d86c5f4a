//! `Mutex<T>`: a value behind a [`RawMutex`].

use super::RawMutex;
use super::atomic::AtomicU32;
use super::cond::Relock;
use core::cell::UnsafeCell;
use core::fmt;
use core::marker::PhantomData;
use core::ops::{Deref, DerefMut};

/// A value that one goroutine at a time may use (Go: `sync.Mutex` beside the fields that it guards). To share one, put it into an
/// [`Arc`](alloc::sync::Arc) or a `static`.
///
/// ```no_run
/// use runtime::sync::Mutex;
/// static COUNTER: Mutex<u64> = Mutex::new(0);
/// fn count() {
///     *COUNTER.lock() += 1;
/// }
/// ```
///
/// - It is **fair enough**: Go's starvation mode hands the lock to a waiter that has been outrun for a millisecond (see the head of `rawmutex.rs`).
/// - **No poisoning**: a panic while the lock is held gives it back in the guard's destructor, as `defer mu.Unlock()` does in Go. Who must know whether
///   the value was left half changed keeps a flag in it.
/// - **The guard may go to another goroutine**, if `T` may: as in Go, a lock belongs to no goroutine.
/// - It is not recursive.
///
/// What it guards must be `Send`:
/// ```compile_fail,E0277
/// use runtime::sync::Mutex;
/// fn shared<T: Sync>(_: T) {}
/// shared(Mutex::new(std::rc::Rc::new(1)));
/// ```
/// The guard is bound to the mutex:
/// ```compile_fail,E0597
/// use runtime::sync::Mutex;
/// let guard = {
///     let mutex = Mutex::new(1);
///     mutex.lock()
/// };
/// println!("{}", *guard);
/// ```
/// The value is bound to the guard:
/// ```compile_fail,E0716
/// use runtime::sync::Mutex;
/// let mutex = Mutex::new(String::new());
/// let value: &mut String = &mut mutex.lock();
/// value.push('x');
/// ```
/// A guard is shared only if the value may be:
/// ```compile_fail,E0277
/// use runtime::sync::Mutex;
/// fn shared<T: Sync>(_: T) {}
/// shared(Mutex::new(std::cell::Cell::new(1)).lock());
/// ```
#[derive(Default)]
pub struct Mutex<T: ?Sized> {
    raw: RawMutex,
    value: UnsafeCell<T>,
}

// SAFETY: the lock admits one goroutine at a time to the value, which thereby moves between them.
unsafe impl<T: ?Sized + Send> Sync for Mutex<T> {}
// SAFETY: the value moves with the mutex.
unsafe impl<T: ?Sized + Send> Send for Mutex<T> {}

impl RawMutex {
    /// An unlocked mutex.
    // Not in `rawmutex.rs`: loom's atomics cannot be made in constants.
    #[inline]
    pub const fn new() -> RawMutex {
        RawMutex { state: AtomicU32::new(0), sema: AtomicU32::new(0) }
    }
}

impl<T> Mutex<T> {
    /// `value` behind an unlocked mutex.
    #[inline]
    pub const fn new(value: T) -> Mutex<T> {
        Mutex { raw: RawMutex::new(), value: UnsafeCell::new(value) }
    }

    /// The value.
    #[inline]
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

impl<T: ?Sized> Mutex<T> {
    /// Takes the lock, waiting until it is free; it is given back when the guard is dropped. A second `lock` on the same goroutine waits for ever.
    #[inline]
    pub fn lock(&self) -> MutexGuard<'_, T> {
        self.raw.lock();
        MutexGuard { mutex: self, value: PhantomData }
    }

    /// Takes the lock if it is free. Correct uses are rare, says Go.
    #[inline]
    pub fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        self.raw.try_lock().then(|| MutexGuard { mutex: self, value: PhantomData })
    }

    /// The value, without the lock: the borrow says that nobody else has it.
    #[inline]
    pub fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }
}

impl<T> From<T> for Mutex<T> {
    fn from(value: T) -> Self {
        Mutex::new(value)
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.try_lock() {
            Some(value) => f.debug_tuple("Mutex").field(&&*value).finish(),
            None => f.write_str("Mutex(<locked>)"),
        }
    }
}

/// Holds a [`Mutex`]'s lock and gives access to its value; gives the lock back when it is dropped.
#[must_use = "dropped at once, the mutex is unlocked at once"]
pub struct MutexGuard<'a, T: ?Sized> {
    mutex: &'a Mutex<T>,
    /// What the guard is in effect, for `Send` and `Sync`.
    value: PhantomData<&'a mut T>,
}

impl<T: ?Sized> Relock for MutexGuard<'_, T> {
    fn unlock(&mut self) {
        self.mutex.raw.unlock();
    }

    fn lock(&mut self) {
        self.mutex.raw.lock();
    }
}

impl<T: ?Sized> Deref for MutexGuard<'_, T> {
    type Target = T;
    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the guard holds the lock.
        unsafe { &*self.mutex.value.get() }
    }
}

impl<T: ?Sized> DerefMut for MutexGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the guard holds the lock, and is borrowed mutably.
        unsafe { &mut *self.mutex.value.get() }
    }
}

impl<T: ?Sized> Drop for MutexGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.mutex.raw.unlock();
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for MutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: ?Sized + fmt::Display> fmt::Display for MutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
