//! The interrupt descriptor table: one for all cores, every gate to a stub of [`trap`](super::trap) on an IST stack.

use super::gdt::{CODE_SELECTOR, Ist};
use super::trap;
use core::mem::size_of_val;
use spin::Once;
use x86_64::VirtAddr;
use x86_64::instructions::tables::lidt;
use x86_64::structures::DescriptorTablePointer;

/// A gate (SDM vol. 3, 6.14.1).
#[derive(Clone, Copy)]
#[repr(C, align(16))]
struct Gate {
    offset_low: u16,
    selector: u16,
    ist: u8,
    kind: u8,
    offset_middle: u16,
    offset_high: u32,
    reserved: u32,
}

/// Present, ring 0, interrupt gate: interrupts are off from the first instruction.
const INTERRUPT_GATE: u8 = 0x8e;

impl Gate {
    fn new(handler: usize, ist: Ist) -> Self {
        Gate {
            offset_low: handler as u16,
            selector: CODE_SELECTOR,
            ist: ist as u8,
            kind: INTERRUPT_GATE,
            offset_middle: (handler >> 16) as u16,
            offset_high: (handler >> 32) as u32,
            reserved: 0,
        }
    }
}

static IDT: Once<[Gate; 256]> = Once::new();

/// The stack for a vector.
fn ist(vector: u8) -> Ist {
    match vector {
        2 => Ist::Nmi,
        8 => Ist::DoubleFault,
        14 => Ist::PageFault,
        18 => Ist::MachineCheck,
        0..32 => Ist::Exception,
        32.. => Ist::Interrupt,
    }
}

/// Loads the table on the current core, which has its GDT and TSS; the first call builds it.
pub fn load() {
    let idt = IDT.call_once(|| core::array::from_fn(|v| Gate::new(trap::stub(v as u8), ist(v as u8))));
    let pointer =
        DescriptorTablePointer { limit: (size_of_val(idt) - 1) as u16, base: VirtAddr::from_ptr(idt) };
    // SAFETY: the table is a static that is never changed, and its gates lead to the trap stubs.
    unsafe { lidt(&pointer) };
}
