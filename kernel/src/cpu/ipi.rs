//! Interrupts between cores: reschedule, TLB shootdown, stop.

use super::apic::{self, Delivery};
use super::trap::{TrapFrame, vector};
use super::{exception, local};
use core::hint::spin_loop;
use core::sync::atomic::{AtomicUsize, Ordering};
use x86_64::instructions::{hlt, interrupts};

fn send(cpu: usize, what: Delivery) {
    apic::send(local::of(cpu).apic_id.load(Ordering::Relaxed), what);
}

/// Interrupts core `cpu`, so that `Hooks::reschedule` runs there. What this core wrote before is seen there.
pub fn send_reschedule(cpu: usize) {
    send(cpu, Delivery::fixed(vector::RESCHEDULE));
}

/// Interrupts core `cpu`, so that [`memory::tlb::serve`](crate::memory::tlb::serve) runs there.
pub fn send_tlb(cpu: usize) {
    send(cpu, Delivery::fixed(vector::TLB));
}

/// The core that stopped the others, plus one.
static STOPPER: AtomicUsize = AtomicUsize::new(0);
static STOPPED: AtomicUsize = AtomicUsize::new(0);

/// How often [`stop_others`] looks whether all have stopped: some milliseconds. One that hangs in firmware does not answer.
const STOP_LOOKS: u32 = 1_000_000;

/// Stops all other cores for ever, wherever they are: their registers are on their NMI stacks. If two cores call this, the second
/// is stopped; a core may call it again.
pub fn stop_others() {
    interrupts::disable();
    let me = local::id();
    match STOPPER.compare_exchange(0, me + 1, Ordering::Relaxed, Ordering::Relaxed) {
        Ok(_) => {}
        Err(stopper) if stopper == me + 1 => return,
        // The stopper's NMI is on its way.
        Err(_) => loop {
            hlt();
        },
    }
    let others = super::count() - 1;
    (0..=others).filter(|&cpu| cpu != me).for_each(|cpu| send(cpu, Delivery::NMI));
    for _ in 0..STOP_LOOKS {
        if STOPPED.load(Ordering::Relaxed) >= others {
            break;
        }
        spin_loop();
    }
}

/// Handles a non-maskable interrupt: the order to stop, or one from outside, which is reported (QEMU's monitor command `nmi` shows so where a
/// machine hangs).
pub(super) fn nmi(frame: &TrapFrame) {
    match STOPPER.load(Ordering::Relaxed) {
        0 => exception::unhandled(frame),
        // From outside, while this core ends the machine.
        stopper if stopper == local::id() + 1 => return,
        _ => {}
    }
    STOPPED.fetch_add(1, Ordering::Relaxed);
    loop {
        interrupts::disable();
        hlt();
    }
}
