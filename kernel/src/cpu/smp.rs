//! Starting all cores.
//!
//! # Problem
//! The boot core sends INIT and start-up interrupts (SDM vol. 3, 9.4) to all others at once, because one after the other takes 10 ms and more for
//! each. They arrive in any order, some maybe late, some never. Cores have dense numbers, every core needs a stack before it can run
//! Rust, and a core that arrives when the machine has gone on without it must not take part.
//!
//! # Protocol
//! `ADMISSION` is one word: how many numbers have been given out, and a bit that says that no more are.
//!
//! 1. The boot core fills `STARTUPS[1..=n]` with stacks for as many cores as it will call; number 0 is its own, so `ADMISSION` is 1.
//! 2. It sends the interrupts. They order its earlier writes before what the called cores do.
//! 3. A core that arrives (`ap_enter`) adds 1 to `ADMISSION` by compare-exchange, unless the closed bit is set. Success gives it the old value as its
//!    number, hence a stack, and it runs [`ap_main`]. Failure because the bit is set means that it is late: it *parks*, for ever, without ever having
//!    touched anything but `ADMISSION` and `LATE`. `LOCK CMPXCHG` is a full barrier, so a number given out is seen by 5.
//! 4. The boot core waits until all have been given numbers, or until none has for [`PATIENCE_NS`].
//! 5. It ends admission by an atomic OR, whose result says how many numbers were given out, once and for all: a core is either in it or parks.
//! 6. It waits until each of those has finished its set-up (`ONLINE`, release; acquire here) and is halted with interrupts on.
//! 7. It sets the count of cores, takes the trampoline's mapping away if nobody is missing, sets `RELEASED` and sends each core a reschedule
//!    interrupt. A core checks `RELEASED` with interrupts off and then halts by `sti; hlt`, which takes no interrupt between the two, so that it either sees
//!    the flag or is woken.
//!
//! If a core is missing it may be anywhere, in the trampoline too. So the trampoline's page is never used for anything else, and in that
//! case stays mapped.
//!
//! A core cannot be told to be silent in QEMU, so `GODEBUG=smplate=N` holds back the interrupts for the N-th core called (from 1)
//! until admission has ended: to the boot core it is a core that does not answer, and then a late one.

use super::apic::{self, Delivery};
use super::features::{Features, has};
use super::{MAX_CPUS, acpi, clock, exception, features, gdt, idt, ipi, local, trampoline};
use crate::memory::{frames, region, tlb};
use alloc::vec::Vec;
use core::arch::global_asm;
use core::hint::spin_loop;
use core::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use runtime::machine::godebug::SMPLATE;
use spin::Once;
use x86_64::PhysAddr;
use x86_64::instructions::interrupts;

/// How long the boot core waits for the next core to arrive. Real cores take well under a millisecond; emulated ones share the host's.
const PATIENCE_NS: u64 = 1_000_000_000;

/// How long a core may take from its number to the end of its set-up.
const SETUP_NS: u64 = 10_000_000_000;

/// INIT to start-up interrupt, and start-up interrupt to its repetition (SDM vol. 3, 9.4.4.1).
const INIT_NS: u64 = 10_000_000;
const REPEAT_NS: u64 = 200_000;

/// How often a core that starts compares its clock with the others'.
const CLOCK_CHECKS: u32 = 100;

const CLOSED: u32 = 1 << 31;

/// Numbers given out, and [`CLOSED`].
static ADMISSION: AtomicU32 = AtomicU32::new(1);
/// Cores that came after admission had ended.
static LATE: AtomicU32 = AtomicU32::new(0);
/// Cores that have finished their set-up, the boot core not counted.
static ONLINE: AtomicUsize = AtomicUsize::new(0);
/// How many cores there are.
static COUNT: AtomicUsize = AtomicUsize::new(1);
static RELEASED: AtomicBool = AtomicBool::new(false);
static ENTRY: Once<fn() -> !> = Once::new();

/// The end of each core's first stack, for `ap_enter`; and of its trap stacks.
static STACKS: [AtomicUsize; MAX_CPUS] = [const { AtomicUsize::new(0) }; MAX_CPUS];
static TRAP_STACKS: [Once<[usize; gdt::IST_COUNT]>; MAX_CPUS] = [const { Once::new() }; MAX_CPUS];

/// Bytes of the stack on which a core runs `entry`.
const STACK_SIZE: usize = 32 * 1024;

global_asm!(
    r#"
    .globl ap_enter
    .type ap_enter, @function
ap_enter:
    .cfi_startproc
    .cfi_undefined %rip
    xorl %eax, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    movl %eax, %fs
    movl %eax, %gs
    movl {admission}(%rip), %eax
1:
    testl %eax, %eax
    js 2f
    leal 1(%rax), %ecx
    lock cmpxchgl %ecx, {admission}(%rip)
    jne 1b
    movl %eax, %edi
    movq {stacks}(,%rdi,8), %rsp
    xorl %ebp, %ebp
    call {main}
    ud2
2:
    lock incl {late}(%rip)
3:
    hlt
    jmp 3b
    .cfi_endproc
    .size ap_enter, . - ap_enter
"#,
    admission = sym ADMISSION,
    stacks = sym STACKS,
    late = sym LATE,
    main = sym ap_main,
    options(att_syntax)
);

/// First Rust code of a core that was given number `id`.
extern "C" fn ap_main(id: usize) -> ! {
    // SAFETY: first thing on this core, which alone has the number.
    unsafe { local::init(id) };
    if let Err(missing) = features::init_ap() {
        exception::fatal(format_args!("fatal error: core {id} lacks what the boot core has:{missing}"), None);
    }
    let ist = *TRAP_STACKS[id].get().expect("made before the core was called");
    // SAFETY: this core, once; the stacks were allocated for it.
    unsafe { gdt::init(id, ist) };
    idt::load();
    apic::init();
    for _ in 0..CLOCK_CHECKS {
        clock::check_in_step();
    }
    tlb::online();
    ONLINE.fetch_add(1, Ordering::Release);
    while !RELEASED.load(Ordering::Acquire) {
        interrupts::enable_and_hlt();
        interrupts::disable();
    }
    ENTRY.get().expect("set before the core was called")()
}

/// How many cores there are, numbered from 0. 1 until all have been started.
#[inline]
pub fn count() -> usize {
    COUNT.load(Ordering::Relaxed)
}

/// Starts all cores that the MADT has enabled, and returns when they are there or did not come. Each then calls `entry`, with interrupts
/// off, on a stack of its own. To be called once, by the boot core.
pub fn start_all(entry: fn() -> !) {
    let boot = local::this().apic_id.load(Ordering::Relaxed);
    let mut called: Vec<u32> = acpi::platform().cores.iter().copied().filter(|&id| id != boot).collect();
    let listed = called.len() + 1;
    called.retain(|&id| {
        let reached = apic::reaches(id);
        if !reached {
            crate::log!(
                "smp: core with APIC id {id} is not started: reaching it takes x2APIC, which the CPU lacks"
            );
        }
        reached
    });
    if called.len() >= MAX_CPUS {
        crate::log!("smp: {} cores are not started: {MAX_CPUS} are supported", called.len() + 1 - MAX_CPUS);
        called.truncate(MAX_CPUS - 1);
    }
    let ready = make_stacks(called.len());
    if ready < called.len() {
        crate::log!("smp: {} cores are not started: no memory for their stacks", called.len() - ready);
        called.truncate(ready);
    }
    if !called.is_empty() {
        ENTRY.call_once(|| entry);
        call(&called);
    }
    crate::log!("smp: {} of {listed} cores online", count());
}

/// Stacks for cores 1 to `n`; for how many memory sufficed.
fn make_stacks(n: usize) -> usize {
    let make = |id: usize| {
        let stack = region::alloc_kernel_stack(STACK_SIZE).ok()?;
        let ist = gdt::alloc_stacks().ok()?;
        STACKS[id].store(stack.hi, Ordering::Relaxed);
        TRAP_STACKS[id].call_once(|| ist);
        Some(())
    };
    (1..=n).map_while(make).count()
}

/// Steps 2 to 7.
fn call(called: &[u32]) {
    let Some(page) = frames::trampoline_page() else {
        crate::log!("smp: no memory below 1 MiB to start other cores in");
        return;
    };
    // SAFETY: the page is kept for this, and nobody has been sent there.
    if let Err(e) = unsafe { trampoline::install(page, has(Features::NX)) } {
        crate::log!("smp: cannot map the page to start other cores in: {e}");
        return;
    }
    let late = (SMPLATE.get() as usize).checked_sub(1).and_then(|i| called.get(i));
    let now: Vec<u32> = called.iter().copied().filter(|id| Some(id) != late).collect();
    let start = clock::nanotime();
    send_startup(&now, page, now.len() as u32 + 1);
    wait_for_arrivals(called.len() as u32 + 1);
    let admitted = ADMISSION.fetch_or(CLOSED, Ordering::AcqRel) as usize;
    wait_for_setup(admitted - 1);
    COUNT.store(admitted, Ordering::Relaxed);
    let took = (clock::nanotime() - start) / 1000;

    let came =
        |apic_id: u32| (1..admitted).any(|cpu| local::of(cpu).apic_id.load(Ordering::Relaxed) == apic_id);
    for id in called.iter().filter(|&&id| !came(id)) {
        crate::log!("smp: core with APIC id {id} did not answer, going on without it");
    }
    if admitted > called.len() {
        // SAFETY: all cores that were sent there have been through `ap_main`.
        unsafe { trampoline::remove(page) };
    }
    if let Some(&late) = late {
        send_startup(&[late], page, 0);
        wait_until(PATIENCE_NS, || LATE.load(Ordering::Relaxed) != 0);
        crate::log!("smp: {} late cores parked", LATE.load(Ordering::Relaxed));
    }
    match clock::behind() {
        0 => {}
        n => crate::log!(
            "clock: the cores' counters are out of step by {n} cycles at least: time is a shared maximum"
        ),
    }
    crate::log!("smp: the others took {took} µs to come");
    RELEASED.store(true, Ordering::Release);
    (1..admitted).for_each(ipi::send_reschedule);
}

/// INIT and start-up to all of `ids`; the second start-up unless `enough` numbers have been given out by then.
fn send_startup(ids: &[u32], page: PhysAddr, enough: u32) {
    let startup = Delivery::startup((page.as_u64() >> 12) as u8);
    ids.iter().for_each(|&id| apic::send(id, Delivery::INIT));
    clock::delay(INIT_NS);
    ids.iter().for_each(|&id| apic::send(id, startup));
    if !wait_until(REPEAT_NS, || ADMISSION.load(Ordering::Relaxed) == enough) {
        // A core that has started ignores it.
        ids.iter().for_each(|&id| apic::send(id, startup));
    }
}

/// Waits, comparing clocks, until `done` or for `ns`. Whether it is done.
fn wait_until(ns: u64, done: impl Fn() -> bool) -> bool {
    let end = clock::nanotime() + ns;
    while !done() {
        if clock::nanotime() > end {
            return false;
        }
        clock::check_in_step();
        spin_loop();
    }
    true
}

/// Step 4.
fn wait_for_arrivals(all: u32) {
    let mut arrived = ADMISSION.load(Ordering::Relaxed);
    while arrived < all && wait_until(PATIENCE_NS, || ADMISSION.load(Ordering::Relaxed) != arrived) {
        arrived = ADMISSION.load(Ordering::Relaxed);
    }
}

/// Step 6.
fn wait_for_setup(others: usize) {
    if !wait_until(SETUP_NS, || ONLINE.load(Ordering::Acquire) == others) {
        let n = others - ONLINE.load(Ordering::Acquire);
        exception::fatal(format_args!("fatal error: {n} cores came and then stopped in their set-up"), None);
    }
}
