//! Files of the kernel that need no machine, compiled for the host: the same sources, with small surroundings under the names that they use. Those
//! that need one core are tested against simpler twins, those about several over loom, in all interleavings.
#![cfg(test)]
#![allow(dead_code, reason = "the files bring functions that their tests do not call")]

#[path = "../../src/memory/buddy.rs"]
mod buddy;
#[path = "../../src/memory/owner.rs"]
mod owner;

mod cpu;
use cpu::irq;
mod epoch_model;
mod idle_model;
mod shootdown_model;
mod unwind_model;

#[path = "../../../runtime/models/src/must_fail.rs"]
mod must_fail;

/// The modelled files with one barrier removed each, which their models must find; `mutants.rs` beside the build script lists them.
#[allow(warnings, clippy::all, reason = "a mutant is wrong, and need not be neat")]
mod mutants {
    include!(concat!(env!("OUT_DIR"), "/mutants.rs"));
}

/// A direct map of physical memory that a test thread has for itself; the host backs what is touched.
mod direct_map {
    use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
    use x86_64::PhysAddr;

    /// Bytes of physical memory.
    pub const SIZE: usize = 8 << 30;

    /// Aligned to no more than `calloc` does: anything else is written to at once, all of it.
    struct Memory(*mut u8);

    impl Memory {
        const LAYOUT: Layout = match Layout::from_size_align(SIZE, 16) {
            Ok(layout) => layout,
            Err(_) => unreachable!(),
        };
    }

    impl Drop for Memory {
        fn drop(&mut self) {
            // SAFETY: allocated with this layout when the thread began to use it.
            unsafe { dealloc(self.0, Memory::LAYOUT) };
        }
    }

    thread_local! {
        static MEMORY: Memory = {
            // SAFETY: the layout's size is not 0.
            let p = unsafe { alloc_zeroed(Memory::LAYOUT) };
            if p.is_null() {
                handle_alloc_error(Memory::LAYOUT);
            }
            Memory(p)
        };
    }

    /// Where the thread's memory at `phys` is.
    pub fn phys_to_virt(phys: PhysAddr) -> *mut u8 {
        let offset = phys.as_u64() as usize;
        assert!(offset < SIZE, "{phys:?} is no memory");
        // SAFETY: inside the allocation.
        MEMORY.with(|m| unsafe { m.0.add(offset) })
    }
}
