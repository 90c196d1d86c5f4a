//! Cores: their own data, traps, features, interrupt controller, clock, and how all of them are started.
//!
//! | file | what |
//! |---|---|
//! | [`local`] | a core's own data, at `gs:` |
//! | [`features`], [`fpu`] | what the CPU has; extended registers |
//! | [`gdt`], `idt`, [`trap`] | trap stacks, descriptor tables, entry and exit of traps |
//! | [`exception`], [`backtrace`], [`symbols`] | reports |
//! | `acpi`, `pic`, [`ioapic`], [`apic`], [`ipi`] | the machine's tables; interrupt controllers; timer; interrupts between cores |
//! | [`clock`], `calibrate` | time |
//! | [`entropy`] | random numbers |
//! | [`smp`], `trampoline` | starting the other cores |
//! | [`power`], `soft_off` | the end |

mod acpi;
pub mod apic;
pub mod backtrace;
mod calibrate;
pub mod clock;
pub mod entropy;
pub mod exception;
pub mod features;
pub mod fpu;
pub mod gdt;
mod idt;
pub mod ioapic;
pub mod ipi;
pub mod local;
mod pic;
pub mod power;
pub mod smp;
mod soft_off;
pub mod symbols;
#[cfg(feature = "kernel-tests")]
mod tests;
mod trampoline;
pub mod trap;

pub use smp::count;

use crate::device::rtc;
use bootloader_api::BootInfo;

/// How many cores the kernel can run on.
pub const MAX_CPUS: usize = 64;

/// Makes the boot core able to take traps: from here on whatever happens is reported. [`local::init_boot`] has been called.
pub fn init_traps() {
    gdt::init_boot();
    idt::load();
}

/// Sets up what needs memory management: trap stacks with guard pages, the interrupt controller, the clock. Runs once, on the boot core,
/// with interrupts off.
pub fn init_platform(info: &'static BootInfo) {
    let ist = gdt::alloc_stacks().expect("memory for the boot core's trap stacks");
    // SAFETY: the boot core, with interrupts off; the stacks are fresh.
    unsafe { gdt::replace_boot_stacks(ist) };
    acpi::init(info);
    pic::disable();
    apic::init_boot();
    crate::log::set_clock(clock::nanotime);
    calibrate::init();
    match rtc::read() {
        Some(seconds) => clock::set_walltime(seconds),
        None => crate::log!("clock: no wall time, the clock chip has none"),
    }
}
