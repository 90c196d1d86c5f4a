//! The machine under the goroutine runtime.
//!
//! Strata, each of which uses only those before it (a test, `boot/tests/house`, reads the paths):
//!
//! 1. `irq`, `image`, `reserved`: interrupts off; where the image lies;
//! 2. `device`, then `log`: what is reached by I/O ports; the boot log;
//! 3. `cpu` and `memory`, which use each other;
//! 4. `allocator`, `virtio`, `unwind`, `loader`: what the boot loader handed over, the command line in it;
//! 5. `elf` and `thread`: the Go program's file; the threads that are the runtime's Ms;
//! 6. `port`, on which the runtime stands, and `go`, the program that runs Go programs;
//! 7. `entry`: from the boot loader to the runtime's first goroutine.
//!
//! A library, and nothing in it is public: `boot` links it with one program to an image, whose entry points are
//! symbols (`_start`, `pvh_start`).
#![no_std]
#![feature(panic_can_unwind)]

extern crate alloc;
extern crate unwinding;

mod allocator;
mod cpu;
mod device;
mod elf;
mod entry;
mod go;
mod image;
mod irq;
mod loader;
mod log;
mod memory;
mod port;
mod reserved;
mod thread;
mod unwind;
mod virtio;

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    runtime::machine::begin_panic(info, info.can_unwind())
}
