//! Cores: their own data, traps, features, interrupt controller, clock, and how all of them are started.

pub mod backtrace;
pub mod exception;
pub mod features;
pub mod fpu;
pub mod gdt;
mod idt;
pub mod irq;
pub mod local;
pub mod symbols;
pub mod trap;

/// How many cores the kernel can run on.
pub const MAX_CPUS: usize = 64;

/// Makes the boot core able to take traps: features, descriptor tables, stubs. [`local::init_boot`] has been called.
pub fn init_boot() {
    features::init();
    gdt::init_boot();
    idt::load();
}
