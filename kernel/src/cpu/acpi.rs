//! What firmware's tables say about this machine: [`acpi_tables`] over the loader's memory map.
//!
//! A machine without tables, or with broken ones, is taken for a PC with one core.

use super::soft_off;
use crate::memory::{self, region};
use acpi_tables::Memory;
pub use acpi_tables::Platform;
use bootloader_api::BootInfo;
use bootloader_api::info::{MemoryRegion, MemoryRegionKind};
use core::ops::Range;
use core::slice;
use raw_cpuid::CpuId;
use spin::Once;
use x86_64::PhysAddr;

static PLATFORM: Once<Platform> = Once::new();

/// What [`init`] found.
///
/// # Panics
/// Before `init`.
pub fn platform() -> &'static Platform {
    PLATFORM.get().expect("acpi::init has run")
}

/// Reads the tables that the loader's root pointer leads to, and logs what is missing.
pub fn init(info: &'static BootInfo) {
    PLATFORM.call_once(|| {
        let Some(rsdp) = info.rsdp_addr.into_option() else {
            crate::log!("acpi: the loader passed no root pointer");
            return Platform::default();
        };
        let map = Map { regions: &info.memory_regions, end: 1 << physical_bits() };
        let platform = acpi_tables::read(&map, rsdp, &mut |line| crate::log!("acpi: {line}"));
        platform.power.into_iter().for_each(soft_off::init);
        platform
    });
}

/// How many bits a physical address has.
fn physical_bits() -> u8 {
    /// Every x86_64 CPU has as many, and those that do not say how many have no more.
    const LEAST: u8 = 36;
    /// The architecture's limit.
    const MOST: u8 = 52;
    let bits =
        CpuId::new().get_processor_capacity_feature_info().map_or(LEAST, |i| i.physical_address_bits());
    bits.clamp(LEAST, MOST)
}

/// Below are memory and ROMs of the PC, in part missing from the map.
const FIRST_MEGABYTE: u64 = 1 << 20;

/// The loader's map.
struct Map {
    regions: &'static [MemoryRegion],
    /// One past the highest physical address.
    end: u64,
}

impl Map {
    fn range(&self, at: u64, len: u64) -> Option<Range<u64>> {
        Some(at..at.checked_add(len).filter(|&end| end <= self.end)?)
    }
}

impl Memory for Map {
    fn bytes(&self, at: u64, len: usize) -> Option<&[u8]> {
        let range = self.range(at, len as u64)?;
        let within = |r: &MemoryRegion| r.start <= range.start && range.end <= r.end && has_tables(r.kind);
        if range.end > FIRST_MEGABYTE && !self.regions.iter().any(within) {
            return None;
        }
        let bytes = region::map_firmware(PhysAddr::new(at), len);
        // SAFETY: mapped for good, and what firmware left there is written by nobody.
        Some(unsafe { slice::from_raw_parts(bytes, len) })
    }

    fn may_be_registers(&self, at: u64, len: u64) -> bool {
        let overlaps = |range: &Range<u64>, r: &MemoryRegion| r.start < range.end && range.start < r.end;
        self.range(at, len).is_some_and(|range| {
            let memory = self.regions.iter().any(|r| memory::is_memory(r.kind) && overlaps(&range, r));
            range.start >= FIRST_MEGABYTE && !memory
        })
    }
}

/// Whether tables may lie in a region: anywhere but where the map says that there is bad memory (E820 type 5, UEFI type 8) or a
/// device (UEFI types 11 to 13). SeaBIOS keeps them in a region that is just reserved.
fn has_tables(kind: MemoryRegionKind) -> bool {
    !matches!(kind, MemoryRegionKind::UnknownBios(5) | MemoryRegionKind::UnknownUefi(8 | 11..=13))
}
