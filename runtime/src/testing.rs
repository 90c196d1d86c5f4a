//! Tests that run on the machine itself: what `#[kernel_test]` registers and the program `kernel_tests` runs.

use linkme::distributed_slice;

#[cfg(all(feature = "kernel-tests", not(test)))]
mod broken_tests;
#[cfg(all(feature = "kernel-tests", not(test)))]
mod kernel_tests;
#[cfg(all(feature = "kernel-tests", not(test)))]
mod prompt_tests;
#[cfg(all(feature = "kernel-tests", not(test)))]
mod runner;

#[cfg(all(feature = "kernel-tests", not(test)))]
pub use runner::panic_text;

/// A test that runs inside the kernel, on a goroutine.
pub struct KernelTest {
    /// The function's full path, `crate::module::function`.
    pub name: &'static str,
    /// The test; it fails by panicking.
    pub run: fn(),
}

/// All tests of the image, in link order. Filled by `#[kernel_test]`.
#[distributed_slice]
pub static KERNEL_TESTS: [KernelTest];
