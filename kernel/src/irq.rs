//! Interrupts off: as a guard, and with a lock.

use core::arch::asm;
use core::marker::PhantomData;
use core::ops::{Deref, DerefMut};
use spin::{Mutex, MutexGuard};
use x86_64::instructions::interrupts;

/// Interrupts are off on this core while this lives; dropping it restores what was before.
///
/// Guards nest if they are dropped in the reverse order of their making. A guard stays on its core: nothing that runs
/// with interrupts off is moved.
#[must_use = "interrupts come back on when this is dropped"]
pub struct IrqOff {
    were_on: bool,
    on_this_core: PhantomData<*mut ()>,
}

impl IrqOff {
    /// Turns interrupts off.
    #[inline]
    pub fn new() -> Self {
        let were_on = interrupts::are_enabled();
        interrupts::disable();
        IrqOff { were_on, on_this_core: PhantomData }
    }
}

impl Default for IrqOff {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for IrqOff {
    #[inline]
    fn drop(&mut self) {
        if self.were_on {
            interrupts::enable();
        }
    }
}

/// Halts until an interrupt comes, with interrupts on for that long. `sti` takes effect after the instruction that follows it (SDM vol. 2,
/// STI), so an interrupt that has come while they were off is taken in the halt, and ends it.
pub fn wait_for_interrupt(_: &IrqOff) {
    // SAFETY: interrupts are off before and after; what their handlers change is atomic or behind an `IrqMutex`, which the caller does not hold.
    unsafe { asm!("sti", "hlt", "cli", options(nostack)) };
}

/// A spin lock that an interrupt handler may take too: it is held with interrupts off only.
pub struct IrqMutex<T: ?Sized>(Mutex<T>);

impl<T> IrqMutex<T> {
    /// A lock round `value`.
    pub const fn new(value: T) -> Self {
        IrqMutex(Mutex::new(value))
    }
}

impl<T: ?Sized> IrqMutex<T> {
    /// Turns interrupts off, then waits for the lock.
    #[inline(always)]
    pub fn lock(&self) -> IrqMutexGuard<'_, T> {
        let irq = IrqOff::new();
        IrqMutexGuard { lock: self.0.lock(), _irq: irq }
    }
}

/// Access to what an [`IrqMutex`] protects.
pub struct IrqMutexGuard<'a, T: ?Sized> {
    // Fields drop in this order: first the lock, then interrupts.
    lock: MutexGuard<'a, T>,
    _irq: IrqOff,
}

impl<T: ?Sized> Deref for IrqMutexGuard<'_, T> {
    type Target = T;
    #[inline]
    fn deref(&self) -> &T {
        &self.lock
    }
}

impl<T: ?Sized> DerefMut for IrqMutexGuard<'_, T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut T {
        &mut self.lock
    }
}
