//! Loom's atomics with sequentially consistent stores as exchanges, which is what they are on x86.
//!
//! Loom orders a plain store among the exchanges of other threads only where one happens before the other. So it would try executions
//! in which an exchange reads what was there before a store that it comes after, which no machine has.

pub use loom::sync::atomic::{Ordering, fence};

use loom::sync::atomic;

macro_rules! atomic_type {
    ($name:ident $(<$t:ident>)?, $value:ty) => {
        pub struct $name $(<$t>)? (atomic::$name $(<$t>)?);

        impl $(<$t>)? $name $(<$t>)? {
            pub fn new(v: $value) -> Self {
                Self(atomic::$name::new(v))
            }

            pub fn load(&self, order: Ordering) -> $value {
                self.0.load(order)
            }

            pub fn store(&self, v: $value, order: Ordering) {
                match order {
                    Ordering::SeqCst => drop(self.0.swap(v, Ordering::AcqRel)),
                    weaker => self.0.store(v, weaker),
                }
            }

            pub fn swap(&self, v: $value, order: Ordering) -> $value {
                self.0.swap(v, order)
            }
        }
    };
}

atomic_type!(AtomicI64, i64);
atomic_type!(AtomicPtr<T>, *mut T);
