//! Physical frames, page tables, address space.

pub mod boot_heap;
