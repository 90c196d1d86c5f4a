//! The machine under the goroutine runtime.
//!
//! Layers, each of which uses only those before it: `entry` (doors), `cpu` and `memory`, then threads, then the port that
//! the runtime stands on. `device` serves all of them.
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
mod log;
mod memory;
mod port;
mod reserved;
mod thread;
mod unwind;

use bootloader_api::BootInfo;

/// Where all doors end. Runs once, on the boot core, on the boot stack, with interrupts off.
fn kernel_main(info: &'static BootInfo) -> ! {
    cpu::local::init_boot();
    device::uart::init(device::uart::Port::Com1);
    cpu::init_traps();
    memory::boot_heap::init();
    let cmdline = entry::cmdline::begin();
    log::set_verbose(cmdline.verbose);
    log!("Gzero {}", env!("CARGO_PKG_VERSION"));
    cpu::features::init();
    memory::init(info);
    allocator::use_runtime_heap();
    let cmdline = entry::cmdline::complete(cmdline);
    log!(
        "program {}, {} arguments, {} settings",
        runtime::env::Escaped(cmdline.args[0]),
        cmdline.args.len() - 1,
        cmdline.environ.len()
    );
    cpu::init_platform(info);
    cpu::smp::start_all(thread::enter_idle);
    port::start()
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    runtime::panic::begin_panic(info, info.can_unwind())
}
