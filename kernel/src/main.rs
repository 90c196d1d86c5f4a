//! The machine under the goroutine runtime.
//!
//! Layers, each of which uses only those before it: `entry` (doors), `cpu` and `memory`, then threads, then the port that
//! the runtime stands on. `device` serves all of them.
#![no_std]
#![no_main]

extern crate alloc;
extern crate unwinding;

mod cpu;
mod device;
mod entry;
mod log;
mod memory;

use bootloader_api::BootInfo;
use core::alloc::{GlobalAlloc, Layout};
use core::fmt::Write;

/// Where both doors end. Runs once, on the boot core, on the boot stack, with interrupts off.
fn kernel_main(info: &'static BootInfo) -> ! {
    cpu::local::init_boot();
    device::uart::init(device::uart::Port::Com1);
    memory::boot_heap::init();
    let cmdline = entry::cmdline::init();
    log::set_verbose(cmdline.verbose);
    log!("Gzero {}, command line {:?}", env!("CARGO_PKG_VERSION"), cmdline);
    cpu::init_boot();
    memory::init(info);
    cpu::init_platform(info.rsdp_addr.into_option());
    cpu::smp::start_all(|| {
        loop {
            x86_64::instructions::hlt()
        }
    });
    device::power::exit(0)
}

#[panic_handler]
fn panic(info: &core::panic::PanicInfo<'_>) -> ! {
    _ = writeln!(device::uart::Emergency, "{info}");
    device::power::exit(2)
}

/// The boot heap as Rust's allocator.
struct KernelHeap;

// SAFETY: the boot heap is a correct allocator under a lock.
unsafe impl GlobalAlloc for KernelHeap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        memory::boot_heap::alloc(layout)
    }

    unsafe fn dealloc(&self, p: *mut u8, layout: Layout) {
        // SAFETY: the caller passes what `alloc` returned.
        unsafe { memory::boot_heap::dealloc(p, layout) }
    }
}

#[global_allocator]
static HEAP: KernelHeap = KernelHeap;
