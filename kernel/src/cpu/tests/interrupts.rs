//! Timers fire when they should, and interrupts reach the cores that they are sent to.

use crate::cpu::trap::vector;
use crate::cpu::{self, apic, clock, ipi, local};
use crate::irq::IrqOff;
use alloc::vec::Vec;
use core::sync::atomic::Ordering;
use x86_64::instructions::interrupts;

const MS: u64 = 1_000_000;

/// Waits for `done` while others run; whether it came within a second.
fn soon(done: impl Fn() -> bool) -> bool {
    let end = clock::nanotime() + 1000 * MS;
    while !done() {
        if clock::nanotime() > end {
            return false;
        }
        runtime::gosched();
    }
    true
}

/// Sets the timer to `delay` from now and waits for the interrupt; false if one was already on its way. Interrupts are off, so that it shows up
/// in the controller and the scheduler's own use of the timer is not disturbed.
fn try_timer(delay: u64) -> bool {
    let _off = IrqOff::new();
    let was = local::this().timer_deadline.load(Ordering::Relaxed);
    apic::set_timer(u64::MAX);
    let free = !apic::is_pending(vector::TIMER);
    if free {
        let deadline = clock::nanotime() + delay;
        apic::set_timer(deadline);
        while !apic::is_pending(vector::TIMER) {
            assert!(
                clock::nanotime() < deadline + 1000 * MS,
                "no interrupt {delay} ns after the timer was set"
            );
        }
        // One that is early is sent back by `timer_due`, so a little does no harm.
        assert!(clock::nanotime() + MS / 50 > deadline, "early");
    }
    apic::set_timer(was);
    free
}

#[runtime::kernel_test]
fn the_timer_fires_and_not_early() {
    for delay in [0, MS / 10, 2 * MS] {
        assert!(soon(|| try_timer(delay)));
    }
}

#[runtime::kernel_test]
fn interrupts_reach_every_core() {
    let taken = |cpu| local::of(cpu).interrupts.load(Ordering::Relaxed);
    let before: Vec<u64> = (0..cpu::count()).map(taken).collect();
    (0..cpu::count()).for_each(ipi::send_reschedule);
    assert!(soon(|| (0..cpu::count()).all(|cpu| taken(cpu) > before[cpu])), "{before:?}");
}

#[runtime::kernel_test]
fn guards_nest() {
    assert!(interrupts::are_enabled());
    {
        let _outer = IrqOff::new();
        drop(IrqOff::new());
        assert!(!interrupts::are_enabled());
    }
    assert!(interrupts::are_enabled());
}
