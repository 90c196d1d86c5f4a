//! The kernel's own virtual ranges: device registers and fully backed stacks.
//!
//! Where they are is [`layout`](super::layout)'s to say.

use super::buddy::FRAME_SIZE;
use super::direct_map;
use super::paging::{self, Access};
use super::stack;
use crate::irq::IrqMutex;
use x86_64::structures::paging::{Page, PhysFrame, Size4KiB};
use x86_64::{PhysAddr, VirtAddr};

pub use super::stack::{Stack as KernelStack, StackError as RegionError};

/// Bytes of addresses for device registers.
pub(super) const DEVICES_RANGE: usize = 1 << 40;

/// How many mappings are remembered, so that mapping the same registers again costs nothing.
const REMEMBERED: usize = 32;

/// Registers that are mapped: whole pages.
#[derive(Clone, Copy)]
struct Window {
    phys: u64,
    len: u64,
    virt: usize,
}

struct Devices {
    next: usize,
    end: usize,
    windows: [Window; REMEMBERED],
    used: usize,
}

static MAPPED: IrqMutex<Devices> = IrqMutex::new(Devices {
    next: 0,
    end: 0,
    windows: [Window { phys: 0, len: 0, virt: 0 }; REMEMBERED],
    used: 0,
});

/// Says where device registers are mapped, before the first.
pub(super) fn set_base(start: usize) {
    let mut devices = MAPPED.lock();
    (devices.next, devices.end) = (start, start + DEVICES_RANGE);
}

/// Maps `len` bytes of device registers at `phys`, uncached, for good. The same registers may be mapped by several callers.
///
/// # Panics
/// If there is no memory for page tables.
pub fn map_mmio(phys: PhysAddr, len: usize) -> *mut u8 {
    let start = phys.as_u64() & !(FRAME_SIZE as u64 - 1);
    let len = (phys.as_u64() + len as u64).next_multiple_of(FRAME_SIZE as u64) - start;
    let mut devices = MAPPED.lock();
    let known =
        devices.windows[..devices.used].iter().find(|w| w.phys <= start && start + len <= w.phys + w.len);
    let virt = match known {
        Some(window) => window.virt + (start - window.phys) as usize,
        None => {
            let virt = devices.next;
            devices.next += len as usize;
            assert!(devices.next <= devices.end, "out of address space for device registers");
            for offset in (0..len).step_by(FRAME_SIZE) {
                let page = Page::<Size4KiB>::containing_address(VirtAddr::new(virt as u64 + offset));
                let frame = PhysFrame::containing_address(PhysAddr::new(start + offset));
                // SAFETY: the page is new, and sharing registers is the drivers' affair.
                unsafe { paging::map(page, frame, Access::Device) }.expect("memory for page tables");
            }
            let used = devices.used;
            if let Some(slot) = devices.windows.get_mut(used) {
                *slot = Window { phys: start, len, virt };
                devices.used += 1;
            }
            virt
        }
    };
    (virt + (phys.as_u64() - start) as usize) as *mut u8
}

/// Where `len` bytes of firmware's tables at `phys` can be read: in the direct map if they lie in memory, else as [`map_mmio`] has them.
///
/// # Panics
/// As [`map_mmio`].
pub fn map_firmware(phys: PhysAddr, len: usize) -> *mut u8 {
    let virt = direct_map::phys_to_virt(phys);
    let pages = (virt as usize & !(FRAME_SIZE - 1)..virt as usize + len).step_by(FRAME_SIZE);
    let mapped = |page: usize| direct_map::range().contains(&page) && paging::translate(page).is_some();
    if pages.clone().all(mapped) { virt } else { map_mmio(phys, len) }
}

/// A stack of `bytes` at least that never faults, with a guard area below: for kernel threads, whose code may not. A warm slot of
/// [`stack`] keeps some of its pages, so making another soon is cheap. [`stack::free`] takes it back.
///
/// # Errors
/// [`RegionError`]
pub fn alloc_kernel_stack(bytes: usize) -> Result<KernelStack, RegionError> {
    let stack = stack::alloc(bytes)?;
    if !stack::back_range(stack.lo, stack.hi) {
        // SAFETY: nobody has seen the stack.
        unsafe { stack::free(stack) };
        return Err(RegionError::OutOfMemory);
    }
    Ok(stack)
}
