//! Physical frames, page tables, address space.
//!
//! From the bottom: [`buddy`] and [`frames`] hand out physical memory, [`direct_map`] is where the kernel sees it, [`paging`] maps it elsewhere,
//! [`tlb`] makes all cores notice. On them stand [`stack`] (goroutine stacks, backed at page fault) and [`region`] (everything else that has an
//! address of its own); [`demand_zero`] is for the kernel's own large tables. [`boot_heap`] serves what runs before all that.
//!
//! Locks: a stack class's or [`region`]'s, then a core's frame cache, then the buddy's. All keep interrupts off; none is held during a
//! [`tlb::shootdown`].

pub mod boot_heap;
mod buddy;
pub mod demand_zero;
pub mod direct_map;
mod early;
pub mod frames;
mod image;
mod layout;
mod owner;
pub mod paging;
pub mod region;
pub mod stack;
#[cfg(feature = "kernel-tests")]
mod tests;
pub mod tlb;
mod tlb_bench;

use crate::image::{PHYSICAL_MEMORY_OFFSET, is_drawn};
use crate::log;
use bootloader_api::BootInfo;
pub use buddy::FRAME_SIZE;
use early::EarlyFrames;
pub use image::{is_memory, map_again as map_image_again};
use layout::Layout;

/// Takes over the machine's memory: leaves the boot protocol's page tables for the kernel's own, and starts the frame allocator. Runs once, on the boot
/// core, after the CPU's features (NX, WP) were turned on.
///
/// # Panics
/// If the machine has too little memory to go on.
pub fn init(info: &'static BootInfo) {
    let offset = info.physical_memory_offset.into_option();
    assert!(offset == Some(PHYSICAL_MEMORY_OFFSET), "the boot protocol maps physical memory at {offset:x?}");
    let map = &info.memory_regions[..];
    for r in map {
        log!("memory: {:#014x}..{:#014x} {:?}", r.start, r.end, r.kind);
    }
    let mut early = EarlyFrames::new(map);
    let layout = Layout::choose(is_drawn(), image::end_of_memory(map) as usize);
    let gigabytes = image::switch(map, layout.direct_map(), &mut early);
    layout.announce();
    let tables = (early.taken().end - early.taken().start) / 1024;
    frames::init(map, early);
    image::protect_alias();
    stack::init();
    tlb::online();
    let stats = frames::stats();
    log!(
        "memory: {} MiB free, {} KiB of frame states, {} KiB of page tables, direct map to {:#x}, {} pages of 1 GiB",
        (stats.free * FRAME_SIZE) >> 20,
        stats.metadata >> 10,
        tables,
        direct_map::range().end,
        gigabytes,
    );
}

/// Logs what is free and what each core's TLB went through: for the machine's end. Takes the frame allocator's locks, so the other
/// cores run, or this is not called.
pub fn log_counters() {
    let stats = frames::stats();
    log::last_line(format_args!(
        "memory: {} KiB of {} free, {} of them in caches",
        (stats.free * FRAME_SIZE) >> 10,
        (stats.total * FRAME_SIZE) >> 10,
        (stats.cached * FRAME_SIZE) >> 10,
    ));
    for owner in frames::Owner::ALL.into_iter().skip(1) {
        let bytes = stats.owners[owner as usize] * FRAME_SIZE;
        log::last_line(format_args!("memory: {} KiB used by {owner}", bytes >> 10));
    }
    for cpu in 0..crate::cpu::count() {
        let c = tlb::counters(cpu);
        if c != tlb::Counters::default() {
            log::last_line(format_args!(
                "tlb: core {cpu}: {} shootdowns, {} epochs by {} IPIs, {} served; {} pages and {} times all flushed",
                c.shootdowns, c.asked, c.ipis, c.served, c.pages, c.full
            ));
        }
    }
}
