//! How a machine enters the kernel: by [`pvh`] or by [`bootloader`].
//!
//! Either turns SSE on before any Rust code runs, moves to [`boot_stack`](crate::image::boot_stack), copies what its loader left in
//! memory to where [`loader`] keeps it, and ends in [`kernel_main`].

pub mod bootloader;
mod long_mode;
pub mod pvh;
pub mod relocate;

use crate::{allocator, cpu, device, loader, log, memory, port, thread};
use bootloader_api::BootInfo;
use spin::Once;

static BOOT_INFO: Once<BootInfo> = Once::new();

/// Enters the kernel proper, at an address drawn at boot. The caller's frame and statics hold no address that is used later, but for `info`'s.
fn enter(info: BootInfo) -> ! {
    loader::payload::keep();
    // QEMU passes an empty line where it was given none; one that is too long is refused later.
    loader::kaslr::init(loader::own_cmdline().and_then(Result::ok).filter(|line| !line.is_empty()));
    relocate::enter(info)
}

/// Where [`enter`] ends, in the image at its place.
fn arrive(mut info: BootInfo) -> ! {
    // SAFETY: the map of `info` is replaced by this one.
    info.memory_regions = unsafe { loader::kept_regions(info.memory_regions.len()) };
    kernel_main(BOOT_INFO.call_once(|| info))
}

/// Brings the machine up and starts the runtime. Runs once, on the boot core, on the boot stack, with interrupts off.
fn kernel_main(info: &'static BootInfo) -> ! {
    cpu::local::init_boot();
    device::uart::init(device::uart::Port::Com1);
    cpu::init_traps();
    memory::boot_heap::init();
    let cmdline = loader::cmdline::begin();
    log::set_verbose(cmdline.verbose);
    log!("Gzero {}", env!("CARGO_PKG_VERSION"));
    cpu::features::init();
    memory::init(info);
    match loader::regions_dropped() {
        0 => {}
        n => log!("memory: {n} regions of the loader's map had no place and are not used"),
    }
    allocator::use_runtime_heap();
    let cmdline = loader::cmdline::complete(cmdline);
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
