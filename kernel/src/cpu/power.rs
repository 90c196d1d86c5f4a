//! Ending the machine with a status.
//!
//! QEMU's `isa-debug-exit` alone cannot pass a status on: QEMU exits with `(value << 1) | 1`. So the status goes
//! first, in decimal, to the debug console, to whose other end the runner listens.

use super::{ipi, local, soft_off};
use crate::device::{debugcon, uart};
use core::hint::spin_loop;
use core::sync::atomic::{AtomicUsize, Ordering};
use x86_64::instructions::port::Port;
use x86_64::instructions::{hlt, interrupts};

/// QEMU's `isa-debug-exit` as the runner configures it.
const DEBUG_EXIT: u16 = 0xf4;

/// The core that ends the machine, plus one.
static ENDING: AtomicUsize = AtomicUsize::new(0);

/// How long a core that comes second waits for the first to end the machine: a second or so.
const SECOND_WAITS: u32 = 100_000_000;

/// Ends the machine with `status`, 0 to 255, whose lowest byte reaches the host.
///
/// In order: the UART passes on what it has, status to the debug console, then to the debug-exit device, then the machine is turned off by ACPI, then every core halts
/// for ever. If two cores call this, the first one's status counts, unless it is stopped half-way for the second's fatal report.
pub fn exit(status: i32) -> ! {
    interrupts::disable();
    let me = local::id() + 1;
    let first = ENDING.compare_exchange(0, me, Ordering::Relaxed, Ordering::Relaxed);
    if first.is_err_and(|core| core != me) {
        (0..SECOND_WAITS).for_each(|_| spin_loop());
    }
    uart::drain();
    let status = status as u8;
    debugcon::end(status);
    // SAFETY: 0xf4 is the debug-exit device or nothing: no PC has had anything else there since the 80287.
    unsafe { Port::new(DEBUG_EXIT).write(u32::from(status)) };
    soft_off::enter();
    ipi::stop_others();
    loop {
        hlt();
    }
}
