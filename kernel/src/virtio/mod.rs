//! The virtio serial device, over which a program's input and output go (virtio 1.2, 5.3).
//!
//! Queues and transports are those of the crate `virtio-drivers`; [`pci`] finds the device and routes its interrupt, [`serial`] is the driver. The
//! crate's own console driver is not used: it waits for each byte or buffer in a loop, has one input buffer, and knows only the first port, the
//! one to which QEMU drops what its host does not take at once.

pub mod pci;
pub mod serial;

use crate::memory::direct_map::{phys_to_virt, virt_to_phys};
use crate::memory::frames::{self, Owner};
use crate::memory::{FRAME_SIZE, region};
use core::ptr::NonNull;
use virtio_drivers::{BufferDirection, Hal, PhysAddr};

/// Memory as virtio devices see it: physical addresses are theirs too, and caches are coherent.
#[derive(Debug)]
pub struct Memory;

/// `frames` zeroed frames in a row, which are the caller's.
fn zeroed(frames: usize) -> Option<NonNull<u8>> {
    let memory = phys_to_virt(frames::alloc_contiguous(frames, 1, Owner::Kernel)?);
    // SAFETY: the frames are fresh and lie in the direct map.
    unsafe { memory.write_bytes(0, frames * FRAME_SIZE) };
    NonNull::new(memory)
}

// SAFETY: memory comes zeroed, in whole frames that nobody else has, from the direct map, where it stays mapped.
unsafe impl Hal for Memory {
    fn dma_alloc(pages: usize, _: BufferDirection) -> (PhysAddr, NonNull<u8>) {
        // The address 0 says that there is none; the frame there is never given out.
        zeroed(pages).map_or((0, NonNull::dangling()), |p| (virt_to_phys(p.as_ptr()).as_u64(), p))
    }

    unsafe fn dma_dealloc(_: PhysAddr, memory: NonNull<u8>, pages: usize) -> i32 {
        // SAFETY: `dma_alloc` gave it, and the caller has no more use for it.
        unsafe { frames::free_contiguous(virt_to_phys(memory.as_ptr()), pages, Owner::Kernel) };
        0
    }

    unsafe fn mmio_phys_to_virt(at: PhysAddr, size: usize) -> NonNull<u8> {
        NonNull::new(region::map_mmio(x86_64::PhysAddr::new(at), size)).expect("nothing is mapped at 0")
    }

    unsafe fn share(buffer: NonNull<[u8]>, _: BufferDirection) -> PhysAddr {
        virt_to_phys(buffer.cast().as_ptr()).as_u64()
    }

    unsafe fn unshare(_: PhysAddr, _: NonNull<[u8]>, _: BufferDirection) {}
}
