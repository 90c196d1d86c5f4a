//! `UnsafeCell` with the interface of loom's, for files that `runtime/models` compiles, too: there a use that races with another is reported.

/// See [`core::cell::UnsafeCell`].
#[derive(Default)]
pub(super) struct UnsafeCell<T>(core::cell::UnsafeCell<T>);

impl<T> UnsafeCell<T> {
    pub(super) const fn new(value: T) -> UnsafeCell<T> {
        UnsafeCell(core::cell::UnsafeCell::new(value))
    }

    /// Calls `f` with the address of the value, which `f` may change.
    #[inline(always)]
    pub(super) fn with_mut<R>(&self, f: impl FnOnce(*mut T) -> R) -> R {
        f(self.0.get())
    }
}
