//! Each core's segments and the stacks on which it takes traps.
//!
//! In ring 0 the CPU pushes a trap's frame on the current stack. That may be a goroutine's, whose next page is not backed: the push
//! itself would fault, and the trap would be lost. So every vector has an IST stack, and kinds of trap that can interrupt
//! each other have different ones ([`Ist`]). A trap that hits while the same kind is being handled starts at the same
//! address and overwrites the first frame; handlers run with interrupts off, so among those only faults *in* a
//! handler are left: a fault in an exception's report ends the machine, a page fault in the page fault handler is
//! found by a flag (`CpuLocal::page_fault`) and reported, an NMI is blocked by the CPU until `iretq`.

use super::MAX_CPUS;
use crate::memory::stack::{self, StackError};
use core::cell::UnsafeCell;
use x86_64::VirtAddr;
use x86_64::instructions::segmentation::{CS, DS, ES, SS, Segment};
use x86_64::instructions::tables::load_tss;
use x86_64::structures::gdt::{Descriptor, GlobalDescriptorTable};
use x86_64::structures::tss::TaskStateSegment;

/// The trap stacks, by their number in a gate (SDM vol. 3, 6.14.5).
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Ist {
    /// Double fault: something is wrong with another stack.
    DoubleFault = 1,
    /// Non-maskable interrupt: comes at any instruction, the first of a handler included.
    Nmi = 2,
    /// Machine check: likewise.
    MachineCheck = 3,
    /// Page fault: may come in a handler of any other kind.
    PageFault = 4,
    /// All other exceptions.
    Exception = 5,
    /// Timer, IPIs, devices.
    Interrupt = 6,
}

/// How many trap stacks a core has.
pub const IST_COUNT: usize = 6;

/// Bytes of each: a page fault saves up to 2.7 KiB of extended registers and then allocates memory; a report formats text.
pub const IST_SIZE: usize = 16 * 1024;

struct Tables {
    gdt: GlobalDescriptorTable<5>,
    tss: TaskStateSegment,
}

struct Slot(UnsafeCell<Tables>);

// SAFETY: a slot is touched by its own core only.
unsafe impl Sync for Slot {}

static TABLES: [Slot; MAX_CPUS] = [const {
    Slot(UnsafeCell::new(Tables { gdt: GlobalDescriptorTable::empty(), tss: TaskStateSegment::new() }))
}; MAX_CPUS];

#[repr(C, align(4096))]
struct EarlyStack(UnsafeCell<[u8; IST_SIZE]>);

// SAFETY: only the boot core's traps use it.
unsafe impl Sync for EarlyStack {}

/// The boot core's one stack for all traps until memory management is up: before that a trap is the end anyway.
static EARLY_STACK: EarlyStack = EarlyStack(UnsafeCell::new([0; IST_SIZE]));

/// The task state's table for stacks that end at `ist`; the seventh entry is not used.
fn stack_table(ist: [usize; IST_COUNT]) -> [VirtAddr; 7] {
    core::array::from_fn(|i| ist.get(i).map_or(VirtAddr::zero(), |&top| VirtAddr::new(top as u64)))
}

/// Loads the current core's own descriptor table and task state, with the trap stacks that end at `ist`.
///
/// # Safety
/// Called by core `id` itself, once. Each element of `ist` is the end of [`IST_SIZE`] bytes of mapped memory that nothing
/// else uses, one for each [`Ist`] from 1.
pub unsafe fn init(id: usize, ist: [usize; IST_COUNT]) {
    // SAFETY: this core's slot, in its only call of this function: there is no other reference.
    let t = unsafe { &mut *TABLES[id].0.get() };
    t.tss.interrupt_stack_table = stack_table(ist);
    // The first one on every core: the gates have its selector.
    let code = t.gdt.append(Descriptor::kernel_code_segment());
    let data = t.gdt.append(Descriptor::kernel_data_segment());
    // SAFETY: the task state is a static.
    let tss = t.gdt.append(unsafe { Descriptor::tss_segment_unchecked(&raw const t.tss) });
    // SAFETY: the table is a static and not changed after this; the selectors are those of its flat ring 0 segments. FS and GS are
    // left alone: loading their selectors would clear the GS base.
    unsafe {
        t.gdt.load_unsafe();
        CS::set_reg(code);
        SS::set_reg(data);
        DS::set_reg(data);
        ES::set_reg(data);
        load_tss(tss);
    }
}

/// [`init`] for the boot core, with one stack for all kinds of trap.
pub fn init_boot() {
    let top = EARLY_STACK.0.get() as usize + IST_SIZE;
    // SAFETY: the boot core calls this once; that all kinds share a stack means that a trap in a trap's report overwrites the
    // first frame, which is not returned to.
    unsafe { init(0, [top; IST_COUNT]) };
}

/// Allocates a core's trap stacks: the ends of [`IST_COUNT`] times [`IST_SIZE`] backed bytes. Below each is room that a fault would
/// back, and a guard area, so that none runs into another.
///
/// # Errors
/// If memory has run out.
pub fn alloc_stacks() -> Result<[usize; IST_COUNT], StackError> {
    let mut tops = [0; IST_COUNT];
    for top in &mut tops {
        let stack = stack::alloc(IST_SIZE)?;
        if !stack::back_range(stack.hi - IST_SIZE, stack.hi) {
            return Err(StackError::OutOfMemory);
        }
        *top = stack.hi;
    }
    Ok(tops)
}

/// Gives the boot core its final trap stacks.
///
/// # Safety
/// Called by the boot core, with interrupts off; `ist` as in [`init`].
pub unsafe fn replace_boot_stacks(ist: [usize; IST_COUNT]) {
    // SAFETY: the boot core's slot. The CPU reads the table when a trap comes; none comes here, because interrupts are off.
    let t = unsafe { &mut *TABLES[0].0.get() };
    t.tss.interrupt_stack_table = stack_table(ist);
}
