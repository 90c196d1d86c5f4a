//! `RwMutex<T>`: a value behind a [`RawRwMutex`].

use super::RawRwMutex;
use super::atomic::{AtomicI32, AtomicU32};
use super::cond::Relock;
use super::rawmutex::RawMutex;
use core::cell::UnsafeCell;
use core::fmt;
use core::marker::PhantomData;
use core::ops::{Deref, DerefMut};

/// A value that one goroutine at a time may change, or any number may read (Go: `sync.RWMutex`, whose `RLock` is [`RwMutex::read`] and whose `Lock` is
/// [`RwMutex::write`]).
///
/// - A writer that waits keeps new readers out, so that it comes to its turn; the readers that came meanwhile are served before the next writer.
///   Therefore reading is **not recursive**: a goroutine that reads and begins to read again may wait for a writer that waits for it.
/// - No poisoning, and guards may go to other goroutines: as with [`Mutex`](super::Mutex).
///
/// What several read at once must be `Sync`, what moves between goroutines `Send`:
/// ```compile_fail,E0277
/// use runtime::sync::RwMutex;
/// fn shared<T: Sync>(_: T) {}
/// shared(RwMutex::new(std::cell::Cell::new(1)));
/// ```
/// Reading gives no right to write:
/// ```compile_fail,E0596
/// use runtime::sync::RwMutex;
/// let lock = RwMutex::new(1);
/// let mut guard = lock.read();
/// let value: &mut i32 = &mut *guard;
/// ```
/// A guard is bound to the lock:
/// ```compile_fail,E0597
/// use runtime::sync::RwMutex;
/// let guard = {
///     let lock = RwMutex::new(1);
///     lock.read()
/// };
/// println!("{}", *guard);
/// ```
#[derive(Default)]
pub struct RwMutex<T: ?Sized> {
    raw: RawRwMutex,
    value: UnsafeCell<T>,
}

// SAFETY: the lock admits one writer, between whom the value thereby moves, or readers, who share it.
unsafe impl<T: ?Sized + Send + Sync> Sync for RwMutex<T> {}
// SAFETY: the value moves with the lock.
unsafe impl<T: ?Sized + Send> Send for RwMutex<T> {}

impl RawRwMutex {
    /// An unlocked lock.
    // Not in `rawrwmutex.rs`: loom's atomics cannot be made in constants.
    #[inline]
    pub const fn new() -> RawRwMutex {
        RawRwMutex {
            writers: RawMutex::new(),
            writer_sem: AtomicU32::new(0),
            reader_sem: AtomicU32::new(0),
            readers: AtomicI32::new(0),
            departing: AtomicI32::new(0),
        }
    }
}

impl<T> RwMutex<T> {
    /// `value` behind an unlocked lock.
    #[inline]
    pub const fn new(value: T) -> RwMutex<T> {
        RwMutex { raw: RawRwMutex::new(), value: UnsafeCell::new(value) }
    }

    /// The value.
    #[inline]
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

impl<T: ?Sized> RwMutex<T> {
    /// Takes the lock for reading, waiting while a writer has it or waits for it (Go: `RLock`).
    #[inline]
    pub fn read(&self) -> RwMutexReadGuard<'_, T> {
        self.raw.rlock();
        RwMutexReadGuard { lock: self, value: PhantomData }
    }

    /// Takes the lock for reading if no writer has it or waits for it (Go: `TryRLock`).
    #[inline]
    pub fn try_read(&self) -> Option<RwMutexReadGuard<'_, T>> {
        self.raw.try_rlock().then(|| RwMutexReadGuard { lock: self, value: PhantomData })
    }

    /// Takes the lock for writing, waiting until nobody else has it (Go: `Lock`).
    #[inline]
    pub fn write(&self) -> RwMutexWriteGuard<'_, T> {
        self.raw.lock();
        RwMutexWriteGuard { lock: self, value: PhantomData }
    }

    /// Takes the lock for writing if nobody has it (Go: `TryLock`).
    #[inline]
    pub fn try_write(&self) -> Option<RwMutexWriteGuard<'_, T>> {
        self.raw.try_lock().then(|| RwMutexWriteGuard { lock: self, value: PhantomData })
    }

    /// The value, without the lock: the borrow says that nobody else has it.
    #[inline]
    pub fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }
}

impl<T> From<T> for RwMutex<T> {
    fn from(value: T) -> Self {
        RwMutex::new(value)
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for RwMutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.try_read() {
            Some(value) => f.debug_tuple("RwMutex").field(&&*value).finish(),
            None => f.write_str("RwMutex(<locked>)"),
        }
    }
}

/// Holds a [`RwMutex`]'s lock for reading; gives it back when it is dropped.
#[must_use = "dropped at once, the lock is given back at once"]
pub struct RwMutexReadGuard<'a, T: ?Sized> {
    lock: &'a RwMutex<T>,
    /// What the guard is in effect, for `Send` and `Sync`.
    value: PhantomData<&'a T>,
}

/// Holds a [`RwMutex`]'s lock for writing; gives it back when it is dropped.
#[must_use = "dropped at once, the lock is given back at once"]
pub struct RwMutexWriteGuard<'a, T: ?Sized> {
    lock: &'a RwMutex<T>,
    /// What the guard is in effect, for `Send` and `Sync`.
    value: PhantomData<&'a mut T>,
}

impl<T: ?Sized> Deref for RwMutexReadGuard<'_, T> {
    type Target = T;
    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the guard holds the lock: nobody writes.
        unsafe { &*self.lock.value.get() }
    }
}

impl<T: ?Sized> Deref for RwMutexWriteGuard<'_, T> {
    type Target = T;
    #[inline]
    fn deref(&self) -> &T {
        // SAFETY: the guard holds the lock for writing.
        unsafe { &*self.lock.value.get() }
    }
}

impl<T: ?Sized> DerefMut for RwMutexWriteGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the guard holds the lock for writing, and is borrowed mutably.
        unsafe { &mut *self.lock.value.get() }
    }
}

impl<T: ?Sized> Drop for RwMutexReadGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.lock.raw.runlock();
    }
}

impl<T: ?Sized> Drop for RwMutexWriteGuard<'_, T> {
    #[inline]
    fn drop(&mut self) {
        self.lock.raw.unlock();
    }
}

impl<T: ?Sized> Relock for RwMutexReadGuard<'_, T> {
    fn unlock(&mut self) {
        self.lock.raw.runlock();
    }

    fn lock(&mut self) {
        self.lock.raw.rlock();
    }
}

impl<T: ?Sized> Relock for RwMutexWriteGuard<'_, T> {
    fn unlock(&mut self) {
        self.lock.raw.unlock();
    }

    fn lock(&mut self) {
        self.lock.raw.lock();
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for RwMutexReadGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for RwMutexWriteGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
