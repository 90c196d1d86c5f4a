//! A number that is another at each boot, and hashing with it.

use core::hash::BuildHasher;
use core::sync::atomic::{AtomicU64, Ordering};
use foldhash::fast::{FixedState, FoldHasher};

/// What all generators and hash tables of this run start from.
static BOOT_KEY: AtomicU64 = AtomicU64::new(0);

/// Sets [`boot_key`]. Called once, before the first goroutine.
pub(crate) fn set_boot_key(key: u64) {
    BOOT_KEY.store(key, Ordering::Relaxed);
}

/// A number that nobody outside can foretell where the port has a source of such: another at each boot.
pub(crate) fn boot_key() -> u64 {
    BOOT_KEY.load(Ordering::Relaxed)
}

/// Hashes with the run's key, for tables that exist before the run has one: Go's `hash/maphash` with one seed a process.
#[derive(Clone, Copy, Debug, Default)]
pub struct BootState;

impl BuildHasher for BootState {
    type Hasher = FoldHasher<'static>;

    fn build_hasher(&self) -> FoldHasher<'static> {
        FixedState::with_seed(boot_key()).build_hasher()
    }
}

#[cfg(all(feature = "kernel-tests", not(test)))]
mod tests {
    use super::{BootState, boot_key};
    use crate::godebug::SCHEDSEED;
    use core::hash::BuildHasher;
    use foldhash::fast::FixedState;

    #[crate::kernel_test]
    fn tables_are_keyed_by_this_boot() {
        if !SCHEDSEED.is_on() {
            assert_ne!(boot_key(), 0);
            assert_ne!(BootState.hash_one(1_u64), FixedState::with_seed(0).hash_one(1_u64));
        }
    }
}
