//! Guests whose firmware left damaged tables: the program runs all the same.
//!
//! Firmware makes its tables while the machine starts, so they are damaged between firmware and kernel: the machine waits for a
//! debugger, which is this test, runs to the kernel's first instruction, and is changed there, where paging is off and addresses are
//! physical. `GZERO_DUMP_TABLES=DIR` in the environment writes them as they were into a file for each type of machine, as
//! `kernel/acpi/tests` has them.

#[path = "../../../kernel/acpi/tests/firmware/mod.rs"]
mod tables;

use crate::guests::Guests;
use crate::harness::{Job, Outcome};
use crate::stub::Stub;
use boot::elf;
use boot::kernel::Variant;
use boot::options::{BootProtocol, Options};
use boot::symbols::BASE;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::time::Duration;
use std::{env, fs};
use tables::Table;

/// What a boot may take: a core that the tables made up is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// Seeds of a normal run, and of the long one.
const FEW: u64 = 8;
const MANY: u64 = 250;

/// The machines, with and without tables in the second gigabyte of addresses.
const MACHINES: [&str; 3] = ["q35", "pc", "microvm"];

/// Seed 0 changes nothing.
pub fn jobs(guests: &Guests) -> Vec<Job<'_>> {
    vec![
        Job::one("firmware::a_few_damaged_tables", || damaged(guests, 0..FEW)).keeps_busy(1),
        Job::one("firmware::many_damaged_tables", || damaged(guests, 0..MANY)).ignored(),
    ]
}

fn damaged(guests: &Guests, seeds: std::ops::Range<u64>) -> Outcome {
    let mut failures = Vec::new();
    let mut noticed = 0;
    for seed in seeds {
        let machine = MACHINES[seed as usize % MACHINES.len()];
        match boot(guests, machine, seed) {
            Ok(log) => noticed += usize::from(log.contains(" acpi: ")),
            Err(error) => failures.push(format!("{machine}, seed {seed}: {error}")),
        }
    }
    if noticed == 0 {
        failures.push("no kernel noticed any damage".into());
    }
    if failures.is_empty() { Ok(()) } else { Err(failures.join("\n")) }
}

/// One boot with tables that `seed` has damaged; the boot log.
fn boot(guests: &Guests, machine: &str, seed: u64) -> Result<String, String> {
    let (kernel, _) = guests.built(Variant::Programs, BootProtocol::Pvh)?;
    let elf = fs::read(&kernel.elf).map_err(|error| error.to_string())?;
    let functions = elf::functions(&elf).map_err(|error| error.to_string())?;
    let entry = functions.iter().find(|symbol| symbol.name == "pvh_start").ok_or("no pvh_start")?;
    let port = free_port()?;
    let options = Options { smp: 2, machine: machine.into(), verbose: true, ..Options::new("hello", &[]) };
    let session = guests.start(Variant::Programs, &options, Some(port))?;
    change(port, entry.address - BASE, machine, seed)
        .map_err(|error| format!("the debugger's part: {error}"))?;
    let (session, written) = session.read_to_end(PATIENCE)?;
    let tails = session.tails();
    let status = session.end()?;
    // Where there is no serial device both are one stream.
    let text = String::from_utf8_lossy(&[written.err, written.out].concat()).into_owned();
    if status == 0 && text.contains("\nhello, world\n") {
        return Ok(text);
    }
    Err(format!("exit status {status}\n{tails}"))
}

/// A port that the system gives out, which it does not soon again.
fn free_port() -> Result<u16, String> {
    let port = || Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port());
    port().map_err(|error: std::io::Error| error.to_string())
}

fn change(port: u16, entry: u64, machine: &str, seed: u64) -> Result<(), String> {
    let mut stub = Stub::connect(port)?;
    stub.run_to(entry)?;
    let mut found = collect(&mut stub)?;
    if let Some(dir) = env::var_os("GZERO_DUMP_TABLES") {
        dump(&Path::new(&dir).join(machine), &found)?;
    }
    if seed != 0 {
        let whole = found.clone();
        tables::mutate(&mut found, seed);
        for (table, _) in found.iter().zip(&whole).filter(|(new, old)| new != old) {
            stub.write(table.at, &table.bytes)?;
        }
    }
    stub.detach()
}

/// All tables, the root pointer first.
fn collect(stub: &mut Stub) -> Result<Vec<Table>, String> {
    /// Of the root pointer's address in PVH's start info, to which `ebx` points.
    const RSDP_ADDRESS: u64 = 32;
    let info = stub.rbx()?;
    let at = number(&stub.read(info + RSDP_ADDRESS, 8)?);
    let mut rsdp = Table { at, bytes: stub.read(at, 36)? };
    if !rsdp.is(b"RSD ") {
        return Err(format!("no root pointer at {at:#x}"));
    }
    let old = rsdp.bytes[15] < 2;
    if old {
        rsdp.bytes.truncate(20);
    }
    let (list, width) = if old { (&rsdp.bytes[16..20], 4) } else { (&rsdp.bytes[24..32], 8) };
    let list = table(stub, number(list))?;
    let entries: Vec<u64> = list.bytes[36..].chunks(width).map(number).collect();
    let mut found = vec![rsdp, list];
    for at in entries {
        found.push(table(stub, at)?);
    }
    let fadt = found.iter().find(|t| t.is(b"FACP")).ok_or("no FADT")?;
    let dsdt = number(&fadt.bytes[40..44]);
    found.push(table(stub, dsdt)?);
    Ok(found)
}

fn table(stub: &mut Stub, at: u64) -> Result<Table, String> {
    let length = number(&stub.read(at + 4, 4)?);
    Ok(Table { at, bytes: stub.read(at, length as usize)? })
}

fn number(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |n, &byte| n << 8 | u64::from(byte))
}

/// Each table as its address, its length in 4 bytes, and itself.
fn dump(path: &Path, found: &[Table]) -> Result<(), String> {
    let mut bytes = Vec::new();
    for table in found {
        bytes.extend(table.at.to_le_bytes());
        bytes.extend((table.bytes.len() as u32).to_le_bytes());
        bytes.extend(&table.bytes);
    }
    fs::write(path, bytes).map_err(|error| format!("write {}: {error}", path.display()))
}
