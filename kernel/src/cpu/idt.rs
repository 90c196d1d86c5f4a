//! The interrupt descriptor table: one for all cores, every gate to a stub of [`trap`](super::trap) on an IST stack.
//!
//! The entries are the crate's. Its table is not used: there the type of an entry depends on whether
//! the exception pushes an error code, and here all stubs are of one kind.

use super::gdt::Ist;
use super::trap;
use core::mem::size_of_val;
use spin::Once;
use x86_64::VirtAddr;
use x86_64::instructions::tables::lidt;
use x86_64::structures::DescriptorTablePointer;
use x86_64::structures::idt::{Entry, HandlerFunc};

static IDT: Once<[Entry<HandlerFunc>; 256]> = Once::new();

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

/// An interrupt gate (interrupts are off from the first instruction) to a vector's stub.
fn gate(vector: u8) -> Entry<HandlerFunc> {
    let mut gate = Entry::missing();
    // SAFETY: the stub expects what the CPU pushes for this vector.
    let options = unsafe { gate.set_handler_addr(VirtAddr::new(trap::stub(vector) as u64)) };
    // SAFETY: the TSS has this stack, whose vectors do not interrupt each other. The crate counts from 0.
    unsafe { options.set_stack_index(ist(vector) as u16 - 1) };
    gate
}

/// Loads the table on the current core, which has its GDT and TSS; the first call builds it.
pub fn load() {
    let idt = IDT.call_once(|| core::array::from_fn(|vector| gate(vector as u8)));
    let pointer =
        DescriptorTablePointer { limit: (size_of_val(idt) - 1) as u16, base: VirtAddr::from_ptr(idt) };
    // SAFETY: the table is a static that is never changed, and its gates lead to the trap stubs.
    unsafe { lidt(&pointer) };
}
