//! The local APIC: acknowledging interrupts, sending them to other cores, and the core's one-shot timer.
//!
//! Source: SDM vol. 3, chapter 11. Where CPUID has x2APIC, registers are MSRs and ids have 32 bits; elsewhere they are memory, and ids
//! have 8. Where CPUID has the TSC-deadline mode, the timer compares with the time stamp counter; elsewhere it counts down at a
//! rate measured at boot. QEMU's software emulation has neither, so the first of each pair is not covered by tests: it is one branch in
//! [`read`], [`write`], [`send`] and [`arm`].
//!
//! A timer may fire early, by rounding or because the counter is too short for the deadline: [`timer_due`] compares with the
//! clock and arms again.

use super::clock;
use super::features::{Features, has};
use super::local;
use super::trap::vector;
use crate::irq::IrqOff;
use crate::memory::region;
use core::arch::x86_64::{_mm_lfence, _mm_mfence};
use core::hint::spin_loop;
use core::ptr::NonNull;
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use volatile::VolatilePtr;
use x86_64::registers::model_specific::{ApicBase, ApicBaseFlags, Msr};

/// Registers, as offsets in memory; as MSR: `0x800 + offset / 16`.
#[derive(Clone, Copy)]
#[repr(u32)]
enum Register {
    Id = 0x20,
    Version = 0x30,
    TaskPriority = 0x80,
    Eoi = 0xb0,
    SpuriousVector = 0xf0,
    ErrorStatus = 0x280,
    Command = 0x300,
    CommandHigh = 0x310,
    LvtTimer = 0x320,
    LvtThermal = 0x330,
    LvtPerformance = 0x340,
    LvtLint0 = 0x350,
    LvtLint1 = 0x360,
    LvtError = 0x370,
    TimerInitial = 0x380,
    TimerCurrent = 0x390,
    TimerDivide = 0x3e0,
}

const ENABLE: u32 = 1 << 8;
const MASKED: u32 = 1 << 16;
const TSC_DEADLINE_MODE: u32 = 2 << 17;
const DELIVER_NMI: u32 = 4 << 8;
const DIVIDE_BY_1: u32 = 0b1011;
const SEND_PENDING: u32 = 1 << 12;
const IA32_TSC_DEADLINE: Msr = Msr::new(0x6e0);
/// IA32_APIC_BASE: x2APIC mode.
const X2APIC_ENABLE: u64 = 1 << 10;

/// The highest id that 8 bits can name: 255 means all cores.
const MAX_XAPIC_ID: u32 = 254;

/// What an interrupt sent to another core does there: the low half of the command register.
#[derive(Clone, Copy)]
pub struct Delivery(u32);

impl Delivery {
    /// A non-maskable interrupt.
    pub const NMI: Delivery = Delivery(1 << 14 | DELIVER_NMI);
    /// Reset to waiting for a start-up interrupt.
    pub const INIT: Delivery = Delivery(1 << 14 | 5 << 8);

    /// Interrupt `vector`.
    pub const fn fixed(vector: u8) -> Delivery {
        Delivery(1 << 14 | vector as u32)
    }

    /// Start in real mode at the beginning of physical page `page`.
    pub const fn startup(page: u8) -> Delivery {
        Delivery(1 << 14 | 6 << 8 | page as u32)
    }
}

/// Where the registers are mapped; 0 in x2APIC mode.
static BASE: AtomicUsize = AtomicUsize::new(0);

/// Timer counts in a nanosecond, times 2³². 0 until it is measured.
static COUNTS_PER_NS: AtomicU64 = AtomicU64::new(0);

fn msr(r: Register) -> Msr {
    Msr::new(0x800 + (r as u32 >> 4))
}

fn memory(base: usize, r: Register) -> VolatilePtr<'static, u32> {
    let p = NonNull::new((base + r as usize) as *mut u32).expect("the registers are mapped");
    // SAFETY: `base` is where the registers are mapped for good; each core sees its own there.
    unsafe { VolatilePtr::new(p) }
}

#[inline]
fn read(r: Register) -> u32 {
    match BASE.load(Ordering::Relaxed) {
        // SAFETY: the core is in x2APIC mode; the registers read here can be read.
        0 => unsafe { msr(r).read() as u32 },
        base => memory(base, r).read(),
    }
}

#[inline]
fn write(r: Register, value: u32) {
    match BASE.load(Ordering::Relaxed) {
        // SAFETY: the core is in x2APIC mode; the values written here are valid.
        0 => unsafe { msr(r).write(value.into()) },
        base => memory(base, r).write(value),
    }
}

/// Sets the boot core's APIC up. Its registers are where the processor says, which needs no table of firmware's.
pub fn init_boot() {
    if !has(Features::X2APIC) {
        let registers = ApicBase::read().0.start_address();
        BASE.store(region::map_mmio(registers, 4096) as usize, Ordering::Relaxed);
    }
    init();
}

/// Sets the current core's APIC up: on, accepting everything, its timer off. [`init_boot`] has run.
pub fn init() {
    let (frame, flags) = ApicBase::read();
    let x2 = if has(Features::X2APIC) { X2APIC_ENABLE } else { 0 };
    let flags = (flags | ApicBaseFlags::LAPIC_ENABLE).bits() | x2;
    // SAFETY: turns the APIC on where it is; in x2APIC mode, which CPUID has, the kernel reaches it by MSR.
    unsafe { ApicBase::write_raw(frame, flags) };
    write(Register::SpuriousVector, ENABLE | u32::from(vector::SPURIOUS));
    write(Register::TaskPriority, 0);
    write(Register::LvtLint0, MASKED);
    write(Register::LvtLint1, DELIVER_NMI);
    let last_lvt = read(Register::Version) >> 16 & 0xff;
    if last_lvt >= 4 {
        write(Register::LvtPerformance, MASKED);
    }
    if last_lvt >= 5 {
        write(Register::LvtThermal, MASKED);
    }
    write(Register::ErrorStatus, 0);
    write(Register::LvtError, vector::ERROR.into());
    let mode = if has(Features::TSC_DEADLINE) { TSC_DEADLINE_MODE } else { 0 };
    write(Register::TimerDivide, DIVIDE_BY_1);
    write(Register::TimerInitial, 0);
    write(Register::LvtTimer, mode | u32::from(vector::TIMER));
    // The mode must be set before the deadline is written, and the two are not ordered by themselves (SDM vol. 3, 11.5.4.1).
    fence();
    local::this().apic_id.store(id(), Ordering::Relaxed);
}

/// The current core's id.
fn id() -> u32 {
    match BASE.load(Ordering::Relaxed) {
        0 => read(Register::Id),
        _ => read(Register::Id) >> 24,
    }
}

/// Whether a core with this id can be sent interrupts.
pub fn reaches(id: u32) -> bool {
    BASE.load(Ordering::Relaxed) == 0 || id <= MAX_XAPIC_ID
}

/// Orders all earlier memory accesses before later MSR writes, which in x2APIC and TSC-deadline mode order nothing (SDM vol. 3, 11.12.3).
#[inline]
fn fence() {
    // SAFETY: SSE2 is part of x86_64.
    unsafe {
        _mm_mfence();
        _mm_lfence();
    }
}

/// Acknowledges the interrupt that is being handled: the next one may come when interrupts are on again.
#[inline]
pub fn eoi() {
    write(Register::Eoi, 0);
}

/// Sends an interrupt to the core with APIC id `to`. All that this core has written before is seen there.
pub fn send(to: u32, what: Delivery) {
    // The two halves of a command must not be torn apart by a handler that sends as well.
    let _off = IrqOff::new();
    if BASE.load(Ordering::Relaxed) == 0 {
        fence();
        // SAFETY: an interrupt command for a core that exists.
        unsafe { msr(Register::Command).write(u64::from(to) << 32 | u64::from(what.0)) };
        return;
    }
    while read(Register::Command) & SEND_PENDING != 0 {
        spin_loop();
    }
    write(Register::CommandHigh, to << 24);
    write(Register::Command, what.0);
}

/// Lets the current core's timer fire when [`clock::nanotime`] reaches `deadline`, once. Replaces what was set before; `u64::MAX`
/// turns it off. A deadline in the past fires at once.
pub fn set_timer(deadline: u64) {
    let _off = IrqOff::new();
    local::this().timer_deadline.store(deadline, Ordering::Relaxed);
    if deadline == u64::MAX { disarm() } else { arm(deadline) }
}

fn arm(deadline: u64) {
    if has(Features::TSC_DEADLINE) {
        let mut deadline_msr = IA32_TSC_DEADLINE;
        // SAFETY: the timer is in TSC-deadline mode. 0 would turn it off.
        unsafe { deadline_msr.write(clock::cycles_at(deadline).max(1)) };
        return;
    }
    let ns = deadline.saturating_sub(clock::nanotime());
    let counts = (u128::from(ns) * u128::from(COUNTS_PER_NS.load(Ordering::Relaxed))) >> 32;
    // 0 would turn it off, and rounding down would fire early.
    write(Register::TimerInitial, (counts + 1).min(u32::MAX.into()) as u32);
}

fn disarm() {
    if has(Features::TSC_DEADLINE) {
        let mut deadline_msr = IA32_TSC_DEADLINE;
        // SAFETY: 0 turns the timer off.
        unsafe { deadline_msr.write(0) };
    } else {
        write(Register::TimerInitial, 0);
    }
}

/// For the timer's interrupt: whether the deadline has passed; it is then forgotten. If it has not, the timer is armed again.
pub(super) fn timer_due() -> bool {
    let deadline = &local::this().timer_deadline;
    let when = deadline.load(Ordering::Relaxed);
    if when == u64::MAX {
        // Turned off while the interrupt was on its way.
        return false;
    }
    if clock::nanotime() < when {
        arm(when);
        return false;
    }
    deadline.store(u64::MAX, Ordering::Relaxed);
    true
}

/// Whether an interrupt has come and waits for being taken: bit `v` of the request register.
#[cfg(feature = "kernel-tests")]
pub(super) fn is_pending(v: u8) -> bool {
    /// The first of the request register's eight words.
    const REQUEST: usize = 0x200;
    let offset = REQUEST + usize::from(v / 32) * 0x10;
    let word = match BASE.load(Ordering::Relaxed) {
        // SAFETY: the core is in x2APIC mode, and reading the register has no effect.
        0 => unsafe { Msr::new(0x800 + (offset as u32 >> 4)).read() as u32 },
        // SAFETY: the registers are mapped, and reading this one has no effect.
        base => unsafe { ((base + offset) as *const u32).read_volatile() },
    };
    word >> (v % 32) & 1 != 0
}

/// Handles the error interrupt.
pub(super) fn report_error() {
    write(Register::ErrorStatus, 0);
    let status = read(Register::ErrorStatus);
    eoi();
    crate::log!("cpu {}: local APIC error, status {status:#x} (SDM vol. 3, 11.5.3)", local::id());
}

/// Starts counting down from the highest value without an interrupt, to measure the rate.
pub(super) fn start_counting() {
    write(Register::LvtTimer, MASKED | u32::from(vector::TIMER));
    write(Register::TimerInitial, u32::MAX);
}

/// How far [`start_counting`] has counted.
pub(super) fn counted() -> u32 {
    u32::MAX - read(Register::TimerCurrent)
}

/// Ends [`start_counting`]: the timer makes `hz` counts a second.
pub(super) fn set_timer_rate(hz: u64) {
    write(Register::TimerInitial, 0);
    write(Register::LvtTimer, vector::TIMER.into());
    COUNTS_PER_NS.store(((u128::from(hz) << 32) / 1_000_000_000) as u64, Ordering::Relaxed);
}
