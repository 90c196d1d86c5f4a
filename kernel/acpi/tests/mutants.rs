//! Real firmware's tables, whole and damaged; and each kind of damage by hand.
//!
//! `dumps/` has what QEMU 7.2's firmware leaves on each type of machine with two cores (`boot/tests/qemu/firmware.rs` writes such
//! files): the root pointer, the list, the tables in it, and the DSDT.

mod firmware;

use acpi_tables::{IoApic, Memory, Platform, Power};
use firmware::{Table, add_up, mutate};
use std::cell::Cell;

const DUMPS: [(&str, &[u8]); 3] = [
    ("q35", include_bytes!("dumps/q35")),
    ("pc", include_bytes!("dumps/pc")),
    ("microvm", include_bytes!("dumps/microvm")),
];

/// Seeds for each dump.
const SEEDS: u64 = 5000;

/// Memory ends here; devices' registers are above, and addresses end at 2⁴⁰.
const MEMORY_END: u64 = 512 << 20;
const ADDRESS_END: u64 = 1 << 40;

/// Tables and nothing else.
struct Dump {
    tables: Vec<Table>,
    looks: Cell<u32>,
}

impl Dump {
    fn of(machine: &str) -> Dump {
        let &(_, mut rest) = DUMPS.iter().find(|(name, _)| *name == machine).expect("there is a dump");
        let mut tables = Vec::new();
        while let Some((head, after)) = rest.split_at_checked(12) {
            let at = u64::from_le_bytes(*head.first_chunk().unwrap());
            let length = u32::from_le_bytes(*head.last_chunk().unwrap());
            let (bytes, after) = after.split_at(length as usize);
            tables.push(Table { at, bytes: bytes.into() });
            rest = after;
        }
        Dump { tables, looks: Cell::new(0) }
    }

    fn table(&mut self, signature: &[u8; 4]) -> &mut Table {
        self.tables.iter_mut().find(|table| table.is(signature)).expect("the dump has the table")
    }

    /// Changes a table and makes it believed.
    fn change(&mut self, signature: &[u8; 4], at: usize, what: &[u8]) -> &mut Self {
        let table = self.table(signature);
        table.bytes[at..at + what.len()].copy_from_slice(what);
        add_up(table);
        self
    }

    /// What is read, and what is said to the log.
    fn read(&self) -> (Platform, String) {
        let mut log = String::new();
        let platform = acpi_tables::read(self, self.tables[0].at, &mut |line| log += &format!("{line}\n"));
        (platform, log)
    }
}

impl Memory for Dump {
    fn bytes(&self, at: u64, len: usize) -> Option<&[u8]> {
        self.looks.set(self.looks.get() + 1);
        self.tables.iter().find_map(|table| {
            let from = at.checked_sub(table.at)? as usize;
            table.bytes.get(from..from.checked_add(len)?)
        })
    }

    fn may_be_registers(&self, at: u64, len: u64) -> bool {
        at >= MEMORY_END && at.checked_add(len).is_some_and(|end| end <= ADDRESS_END)
    }
}

#[test]
fn whole_tables() {
    let io_apic = IoApic { registers: 0xfec0_0000, first: 0 };
    for (machine, pm_timer, hpet) in [("q35", 0x608, true), ("pc", 0x608, true)] {
        let (platform, log) = Dump::of(machine).read();
        assert_eq!(log, "", "{machine}");
        assert_eq!(platform.cores, [0, 1], "{machine}");
        assert_eq!(platform.io_apics, [io_apic], "{machine}");
        assert_eq!(platform.pm_timer, Some(pm_timer), "{machine}");
        assert_eq!(platform.hpet.is_some(), hpet, "{machine}");
        assert!(platform.overrides.iter().any(|o| o.irq == 0 && o.global == 2), "{machine}");
        assert!(
            matches!(platform.power, Some(Power::Pm1 { a: 0x604, .. })),
            "{machine}: {:?}",
            platform.power
        );
    }
    let (platform, log) = Dump::of("microvm").read();
    assert_eq!((platform.cores, platform.pm_timer, log.as_str()), (vec![0, 1], None, ""));
    assert!(matches!(platform.power, Some(Power::SleepControl(..))), "{:?}", platform.power);
}

#[test]
fn damage_of_any_kind_ends_and_yields_what_can_be() {
    let mut noticed = 0;
    for (machine, _) in DUMPS {
        for seed in 1..=SEEDS {
            let mut dump = Dump::of(machine);
            mutate(&mut dump.tables, seed);
            let (platform, log) = dump.read();
            noticed += u64::from(!log.is_empty());
            let context = || format!("{machine}, seed {seed}: {platform:?}\n{log}");
            assert!(dump.looks.get() < 1000, "{}", context());
            for at in platform.io_apics.iter().map(|apic| apic.registers).chain(platform.hpet) {
                assert!(dump.may_be_registers(at, 1), "{}", context());
            }
            assert!(platform.pm_timer.is_none_or(|port| (1..=0xfffc).contains(&port)), "{}", context());
            assert!(!platform.cores.contains(&u32::MAX), "{}", context());
        }
    }
    // Half of the damage at least is of a kind that can be seen.
    assert!(noticed > SEEDS * 3 / 2, "{noticed}");
}

#[test]
fn an_entry_without_length_ends_the_list() {
    let (platform, log) = Dump::of("q35").change(b"APIC", 44 + 8 + 1, &[0]).read();
    assert_eq!(platform.cores, [0]);
    assert!(log.contains("length 0"), "{log}");
}

#[test]
fn an_entry_too_short_for_its_kind_is_left_out() {
    // The first entry, of 8 bytes, becomes one of a core with an id of 32 bits, which has 16.
    let (platform, log) = Dump::of("q35").change(b"APIC", 44, &[9]).read();
    assert_eq!(platform.cores, [1]);
    assert!(log.contains("too short"), "{log}");
}

#[test]
fn ids_that_mean_all_cores_are_left_out() {
    assert_eq!(Dump::of("q35").change(b"APIC", 44 + 3, &[0xff]).read().0.cores, [1]);
    let mut dump = Dump::of("q35");
    // The two cores' entries become one with an id of 32 bits, and it is enabled.
    let entry = [9, 16, 0, 0, 0xff, 0xff, 0xff, 0xff, 1, 0, 0, 0, 0, 0, 0, 0];
    assert_eq!(dump.change(b"APIC", 44, &entry).read().0.cores, []);
}

#[test]
fn a_list_shorter_than_its_head_is_empty() {
    for length in [0_u32, 35, 36, 43] {
        let mut dump = Dump::of("q35");
        let table = dump.table(b"APIC");
        table.bytes[4..8].copy_from_slice(&length.to_le_bytes());
        table.bytes[9] = 0;
        let sum = table.bytes[..length as usize].iter().fold(0_u8, |sum, &byte| sum.wrapping_sub(byte));
        table.bytes[9] = sum;
        assert_eq!(dump.read().0.cores, [], "{length}");
    }
}

/// A FADT of ACPI 1.0's 116 bytes that says that it is of a later revision, as QEMU's with `acpi=off`: what follows it in memory is not read.
#[test]
fn a_short_fadt_has_no_second_half() {
    let mut dump = Dump::of("q35");
    let table = dump.table(b"FACP");
    table.bytes.truncate(116);
    table.bytes[4..8].copy_from_slice(&116_u32.to_le_bytes());
    add_up(table);
    let (platform, log) = dump.read();
    assert_eq!((platform.pm_timer, log.as_str()), (Some(0x608), ""));
    assert!(matches!(platform.power, Some(Power::Pm1 { a: 0x604, .. })));
}

#[test]
fn addresses_that_are_none_are_left_out() {
    // Below, in memory, with reserved bits, wrapping round, not aligned.
    for at in [0, 0x10_0000, 1 << 51, u64::MAX, 0xfed0_0004] {
        let (platform, log) = Dump::of("q35").change(b"HPET", 44, &u64::to_le_bytes(at)).read();
        assert_eq!(platform.hpet, None, "{at:#x}");
        assert!(log.contains("HPET"), "{log}");
    }
    // An address space that is not memory.
    assert_eq!(Dump::of("q35").change(b"HPET", 40, &[1]).read().0.hpet, None);
    // The I/O APIC follows the two cores.
    for at in [0_u32, 0x10_0000, u32::MAX] {
        let (platform, _) = Dump::of("q35").change(b"APIC", 44 + 16 + 4, &at.to_le_bytes()).read();
        assert_eq!(platform.io_apics, [], "{at:#x}");
    }
    // The second half's address of the timer is no port: the first half's is taken.
    let wide = [1, 32, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
    assert_eq!(Dump::of("q35").change(b"FACP", 208, &wide).read().0.pm_timer, Some(0x608));
}

#[test]
fn sums_are_checked() {
    for signature in [b"APIC", b"FACP", b"HPET", b"DSDT", b"RSDT", b"RSD "] {
        let mut dump = Dump::of("q35");
        let last = dump.table(signature).bytes.len() - 1;
        dump.table(signature).bytes[if signature == b"RSD " { 19 } else { last }] ^= 1;
        let (_, log) = dump.read();
        assert!(!log.is_empty(), "{}", signature.escape_ascii());
    }
}
