//! The rates of the time stamp counter and of the local APIC's timer, measured once at boot.
//!
//! What the CPU or a hypervisor says is exact where it is right; what a clock chip says is right and as exact as the
//! measurement. So everything there is, is asked and measured in the same few milliseconds, and the first in the order of
//! [`init`]'s list that another one confirms is taken.
//!
//! A clock chip is read between two readings of the counter. The closest pair of several tries counts: an interruption (by
//! the host, by SMI) makes a pair wide, not wrong.

use super::features::{Features, has};
use super::{acpi, apic, clock, exception};
use crate::memory::region;
use alloc::vec::Vec;
use core::fmt;
use core::hint::spin_loop;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicUsize, Ordering};
use raw_cpuid::CpuId;
use volatile::VolatilePtr;
use x86_64::PhysAddr;
use x86_64::instructions::port::Port;

/// How long is measured. The slowest clock ticks 18,000 times then.
const WINDOW_US: u64 = 5_000;

/// How often a clock is read to find a close pair.
const TRIES: u32 = 8;

/// How often a clock is looked at before it is taken to stand still: far longer than the window.
const LOOKS: u32 = 1_000_000;

/// How often at least after the first clock's window.
const GRACE: u32 = 10_000;

/// Two rates confirm each other if they differ by no more than this: 0.5 %.
const AGREE_PPM: u64 = 5_000;

/// A clock of known rate.
#[derive(Clone, Copy)]
struct Clock {
    name: &'static str,
    hz: u64,
    /// The bits that count.
    mask: u64,
    read: fn() -> u64,
}

impl Clock {
    /// Ticks from one reading to a later one.
    fn ticks(&self, from: u64, to: u64) -> u64 {
        to.wrapping_sub(from) & self.mask
    }
}

/// A reading and the time stamp counter at that moment.
struct Sample {
    value: u64,
    cycles: u64,
}

fn sample(read: impl Fn() -> u64) -> Sample {
    let try_once = |_| {
        let before = clock::cycles();
        let value = read();
        let width = clock::cycles().wrapping_sub(before);
        (width, Sample { value, cycles: before + width / 2 })
    };
    let closest = (0..TRIES).map(try_once).min_by_key(|&(width, _)| width);
    closest.expect("there is more than one try").1
}

/// A rate of the time stamp counter, and who says so.
#[derive(Clone, Copy)]
pub(super) struct Rate {
    pub name: &'static str,
    pub hz: u64,
}

/// Where the HPET's registers are mapped.
static HPET: AtomicUsize = AtomicUsize::new(0);

// The HPET's registers (IA-PC HPET specification 1.0a, 2.3).
const HPET_CAPABILITIES: usize = 0;
const HPET_CONFIGURATION: usize = 0x10;
const HPET_COUNTER: usize = 0xf0;

fn hpet_register(offset: usize) -> VolatilePtr<'static, u64> {
    let p = NonNull::new((HPET.load(Ordering::Relaxed) + offset) as *mut u64).expect("the HPET is mapped");
    // SAFETY: `hpet` has mapped the registers for good; only the boot core uses them, here.
    unsafe { VolatilePtr::new(p) }
}

fn hpet() -> Option<Clock> {
    let phys = PhysAddr::new(acpi::platform().hpet?);
    HPET.store(region::map_mmio(phys, 0x400) as usize, Ordering::Relaxed);
    let capabilities = hpet_register(HPET_CAPABILITIES).read();
    let femtoseconds = capabilities >> 32;
    // The specification allows 100 ns at most; 0 and all ones mean that nothing is there.
    if !(1..=100_000_000).contains(&femtoseconds) {
        return None;
    }
    let configuration = hpet_register(HPET_CONFIGURATION);
    configuration.write(configuration.read() | 1);
    let mask = if capabilities & 1 << 13 != 0 { u64::MAX } else { u32::MAX.into() };
    Some(Clock {
        name: "hpet",
        hz: 1_000_000_000_000_000 / femtoseconds,
        mask,
        read: || hpet_register(HPET_COUNTER).read(),
    })
}

/// The power management timer (ACPI 6.5, 4.8.3.3). Its upper eight bits may be missing.
fn pm_timer() -> Option<Clock> {
    acpi::platform().pm_timer?;
    Some(Clock { name: "acpi-pm", hz: 3_579_545, mask: 0xff_ffff, read: read_pm_timer })
}

fn read_pm_timer() -> u64 {
    let port = acpi::platform().pm_timer.unwrap_or(0);
    // SAFETY: reading the timer's port has no effect.
    unsafe { Port::<u32>::new(port).read() }.into()
}

/// Channel 2 of the 8254, whose gate is a bit of port 0x61, counting down 65536 ticks again and again.
fn pit() -> Clock {
    // SAFETY: these are the chip's ports, or nothing, on every PC; channel 2 drives the loudspeaker, which stays off.
    unsafe {
        let mut control = Port::<u8>::new(0x61);
        let old = control.read();
        control.write(old & !2 | 1);
        // Channel 2, both bytes, mode 2 (rate generator), binary.
        Port::new(0x43).write(0xb4_u8);
        let mut data = Port::new(0x42);
        data.write(0_u8);
        data.write(0_u8);
    }
    Clock { name: "pit", hz: 1_193_182, mask: 0xffff, read: read_pit }
}

fn read_pit() -> u64 {
    // SAFETY: latches and reads channel 2's count.
    let down = unsafe {
        Port::new(0x43).write(0x80_u8);
        let mut data = Port::<u8>::new(0x42);
        u16::from_le_bytes([data.read(), data.read()])
    };
    down.wrapping_neg().into()
}

/// What the hypervisor says (leaf 0x40000010, VMware's, which others have taken over).
fn hypervisor() -> Option<Rate> {
    let khz = CpuId::new().get_hypervisor_info()?.tsc_frequency().filter(|&khz| khz != 0)?;
    Some(Rate { name: "hypervisor", hz: u64::from(khz) * 1000 })
}

/// What the CPU says: leaf 0x15, or, where that leaves the crystal's rate out, the base frequency of leaf 0x16, at which the counter runs on
/// those CPUs (SDM vol. 3, 19.7.3).
fn cpuid() -> Option<Rate> {
    let id = CpuId::new();
    let tsc = id.get_tsc_info().filter(|t| t.numerator() != 0 && t.denominator() != 0)?;
    let base = || {
        id.get_processor_frequency_info()
            .map(|f| u64::from(f.processor_base_frequency()) * 1_000_000)
            .filter(|&hz| hz != 0)
    };
    tsc.tsc_frequency().or_else(base).map(|hz| Rate { name: "cpuid", hz })
}

/// What the measurement saw of one counter: how far it and the time stamp counter went from the same moment to the same moment.
struct Progress {
    ticks: u64,
    cycles: u64,
}

/// Watches all clocks, and the APIC's timer, for the window; it ends when all clocks say so, or when the first has and the others have had as
/// long again: firmware may have named something that moves at any rate, and something that stands still.
fn watch(clocks: &[Clock]) -> (Vec<Progress>, Progress) {
    let apic_timer = || sample(|| apic::counted().into());
    apic::start_counting();
    let apic_from = apic_timer();
    let from: Vec<_> = clocks.iter().map(|c| sample(c.read)).collect();
    let over = |(c, from): (&Clock, &Sample)| c.ticks(from.value, (c.read)()) >= c.hz * WINDOW_US / 1_000_000;
    let (mut looks, mut end) = (0, LOOKS);
    while looks < end {
        let done = clocks.iter().zip(&from).map(over).filter(|&over| over).count();
        if done == clocks.len() {
            break;
        }
        looks += 1;
        if done == 1 && end == LOOKS {
            end = looks + looks.max(GRACE);
        }
        spin_loop();
    }
    let progress = |c: &Clock, from: &Sample| {
        let to = sample(c.read);
        Progress { ticks: c.ticks(from.value, to.value), cycles: to.cycles - from.cycles }
    };
    let chips = clocks.iter().zip(&from).map(|(c, from)| progress(c, from)).collect();
    let apic_to = apic_timer();
    let apic = Progress { ticks: apic_to.value - apic_from.value, cycles: apic_to.cycles - apic_from.cycles };
    (chips, apic)
}

/// What CPU and hypervisor say and `clocks` show, and how far the APIC's timer went meanwhile.
fn measure(clocks: &[Clock]) -> (Vec<Rate>, Progress) {
    let (chips, apic) = watch(clocks);
    let moving = clocks.iter().zip(&chips).filter(|(c, p)| p.ticks >= c.hz * WINDOW_US / 2_000_000);
    let measured = moving.map(|(c, p)| Rate { name: c.name, hz: scale(p.cycles, c.hz, p.ticks) });
    (cpuid().into_iter().chain(hypervisor()).chain(measured).collect(), apic)
}

/// `a * b / c`, rounded to the nearest.
fn scale(a: u64, b: u64, c: u64) -> u64 {
    ((u128::from(a) * u128::from(b) + u128::from(c / 2)) / u128::from(c)) as u64
}

/// By how much two rates differ, in millionths of `a`.
fn ppm(a: Rate, b: Rate) -> u64 {
    scale(a.hz.abs_diff(b.hz), 1_000_000, a.hz)
}

/// The first rate that a later one confirms, and that one; or the first.
pub(super) fn choose(rates: &[Rate]) -> Option<(Rate, Option<Rate>)> {
    let pairs = rates.iter().enumerate().flat_map(|(i, &a)| rates[i + 1..].iter().map(move |&b| (a, b)));
    let confirmed = pairs.into_iter().find(|&(a, b)| ppm(a, b) <= AGREE_PPM).map(|(a, b)| (a, Some(b)));
    confirmed.or_else(|| rates.first().map(|&a| (a, None)))
}

/// Measures and sets the rates, and logs whose word was taken. A machine without a clock is ended.
pub fn init() {
    let mut clocks: Vec<Clock> = hpet().into_iter().chain(pm_timer()).collect();
    let two = clocks.len() == 2;
    if !two {
        clocks.insert(0, pit());
    }
    let (mut rates, mut apic) = measure(&clocks);
    if two && choose(&rates).is_none_or(|(_, check)| check.is_none()) {
        // One of them is not what firmware's tables say. The 8254 is where it always was.
        clocks.insert(0, pit());
        (rates, apic) = measure(&clocks);
    }
    let Some((rate, check)) = choose(&rates) else {
        let what =
            "no HPET, ACPI timer or 8254 that moves, and neither CPU nor hypervisor says how fast it is";
        exception::fatal(format_args!("fatal error: this machine has no clock: {what}"), None)
    };
    clock::set_rate(rate.hz);
    let apic_hz = scale(apic.ticks, rate.hz, apic.cycles);
    if !has(Features::TSC_DEADLINE) {
        apic::set_timer_rate(apic_hz);
    }
    crate::log!(
        "clock: tsc {} MHz by {}, {}; apic timer {} MHz",
        Tenths(rate.hz),
        rate.name,
        Verdict { rate, check, all: &rates },
        Tenths(apic_hz)
    );
}

/// Hertz as megahertz with one decimal.
struct Tenths(u64);

impl fmt::Display for Tenths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tenths = (self.0 + 50_000) / 100_000;
        write!(f, "{}.{}", tenths / 10, tenths % 10)
    }
}

/// What the other clocks say to `rate`.
struct Verdict<'a> {
    rate: Rate,
    check: Option<Rate>,
    all: &'a [Rate],
}

impl fmt::Display for Verdict<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.check {
            Some(check) => {
                // Rounded up, so that what is said is true.
                let hundredths = ppm(self.rate, check) / 100 + 1;
                write!(f, "{} agrees within {}.{:02} %", check.name, hundredths / 100, hundredths % 100)
            }
            None if self.all.len() == 1 => f.write_str("which nothing checks"),
            None => {
                f.write_str("but nothing agrees:")?;
                self.all[1..].iter().try_for_each(|r| write!(f, " {} MHz by {}", Tenths(r.hz), r.name))
            }
        }
    }
}
