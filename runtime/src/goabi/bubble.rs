//! Bubbles of Go code (Go: `synctest.go`; what calls it in `chan.go`, `select.go`, `time.go`,
//! `coro.go`).
//!
//! # Problem
//! In a bubble `go`, channels, timers and the clock do a little more. Elsewhere they must not even
//! look.
//!
//! # Protocol
//! The program calls by a table of addresses that lies in its own memory. When it makes its first
//! bubble, the entries of such calls are exchanged for those of the functions here
//! ([`table::exchange`]), which ask for the current goroutine's bubble first. Another core that
//! does not see the exchange yet has not seen the bubble, nor anything that is in it.

use super::chan::{self, Chosen};
use super::layout::{g_word, layout, word};
use super::time::{self, Timer};
use super::{coro, m, os, proc as goroutine, report, sema, table};
use crate::chan::{Hchan, Received, Scase, Sent};
use crate::gc::port::GC;
use crate::port;
use crate::proc::{
    self, Bubble, G, GoG, WaitReason, durably, enter_bubble, enter_bubble_parked, sleep_in_bubble,
    systemstack,
};
use crate::sync::NotifyList;
use core::cell::Cell;
use core::ptr::null_mut;
use core::sync::atomic::{AtomicPtr, AtomicU32};

/// The bubble of a goroutine of Go code or of a g0, null if there is none.
///
/// # Safety
/// `gp` is one.
pub(crate) unsafe fn bubble_of(gp: *mut G) -> *mut Bubble {
    // SAFETY: as the caller promises.
    unsafe { g_word::<*mut Bubble>(gp, layout().g_bubble).read() }
}

/// # Safety
/// As [`bubble_of`]; nobody else looks.
pub(crate) unsafe fn set_bubble(gp: *mut G, bubble: *mut Bubble) {
    // SAFETY: as the caller promises.
    unsafe { g_word::<*mut Bubble>(gp, layout().g_bubble).write(bubble) };
}

/// Calls `f`, which may call Go code, in a bubble.
///
/// # Safety
/// On g0.
pub(crate) unsafe fn with_bubble<R>(bubble: *mut Bubble, f: impl FnOnce() -> R) -> R {
    let g0 = port::getg();
    // SAFETY: the current G.
    unsafe {
        let before = bubble_of(g0);
        set_bubble(g0, bubble);
        let r = f();
        set_bubble(g0, before);
        r
    }
}

fn current() -> *mut Bubble {
    // SAFETY: the caller runs Go code.
    unsafe { bubble_of(port::getg()) }
}

/// What a goroutine outside did to what is a bubble's; `gzbubblewords` in `synctest.go`.
#[derive(Clone, Copy)]
enum Misuse {
    Send,
    Receive,
    Close,
    Select,
    Timer,
    Stop,
    Reset,
    Wake,
}

/// Ends the program.
#[cold]
fn misused(how: Misuse) {
    misused_by(how, 0);
}

/// Ends the program for what was done to the goroutine with this number.
#[cold]
fn misused_by(how: Misuse, goid: u64) {
    _ = report::describe_caller();
    // SAFETY: on g0; what the program registered for this takes two numbers.
    systemstack(|| unsafe { m::call(layout().bubble_misused, how as usize, goid as usize, 0) });
}

/// Makes a bubble whose root is the current goroutine.
pub(super) unsafe extern "C" fn begin(bubble: *mut Bubble, entries: *mut AtomicPtr<()>) {
    // SAFETY: the program's memory for a bubble, and its table.
    unsafe {
        table::exchange(entries, |wanted| wanted.bubbles = true);
        Bubble::begin(bubble);
    }
}

/// Runs a bubble from its root, to its end.
pub(super) extern "C" fn run(bubble: &Bubble) -> usize {
    bubble.run() as usize
}

/// Whether nobody waited already.
pub(super) extern "C" fn wait(bubble: &Bubble) -> usize {
    usize::from(durably(true, || bubble.wait()))
}

pub(super) extern "C" fn hold(bubble: &Bubble, by: i64) {
    bubble.hold(by);
}

/// 0: the object at `addr` belongs to no bubble, or is none; 1: to this one; 2: to another. With
/// `add` it is made this one's if it is nobody's.
pub(super) extern "C" fn associate(addr: usize, id: usize, add: usize) -> usize {
    let owner = systemstack(|| if add != 0 { GC.note_or_add(addr, id) } else { GC.note(addr) });
    match owner {
        None => 0,
        Some(owner) => 1 + usize::from(owner != id),
    }
}

pub(super) extern "C" fn disassociate(addr: usize) {
    systemstack(|| GC.remove_note(addr));
}

pub(super) unsafe extern "C" fn newproc(funcval: *mut u8, pc: usize) {
    let bubble = current();
    if bubble.is_null() {
        // SAFETY: as the caller promises.
        return unsafe { goroutine::newproc(funcval, pc) };
    }
    // SAFETY: as in `goroutine::newproc`.
    unsafe {
        proc::go_foreign(layout().gostart, funcval, pc, |me, gp| {
            goroutine::inherit_labels(me, gp);
            enter_bubble(gp, bubble);
        });
    }
}

pub(super) unsafe extern "C" fn coro_start(funcval: *mut u8, pc: usize) -> *mut GoG {
    let bubble = current();
    // SAFETY: as in `coro::start`; it is the current goroutine's until it is switched to.
    unsafe {
        let gp = coro::start(funcval, pc);
        if !bubble.is_null() {
            enter_bubble_parked(G::before(gp), bubble);
        }
        gp
    }
}

pub(super) unsafe extern "C" fn coro_switch(to: *mut GoG) {
    // SAFETY: as in `coro::switch`.
    unsafe {
        if current().is_null() {
            return coro::switch(to);
        }
        durably(true, || coro::switch_in_bubble(to));
    }
}

/// The word of a channel that holds its bubble, or a timer.
///
/// # Safety
/// `c` is a channel of Go's.
unsafe fn owner(c: *const Hchan) -> *mut *mut Bubble {
    // SAFETY: as the caller promises.
    unsafe { word(c.cast_mut(), layout().hchan_owner) }
}

/// The bubble of a channel, null if it is in none.
///
/// # Safety
/// `c` is null or a channel of Go's.
unsafe fn bubble_of_chan(c: *const Hchan) -> *mut Bubble {
    // SAFETY: as the caller promises.
    unsafe {
        match c.as_ref() {
            None => null_mut(),
            Some(chan) if chan.timer().is_null() => owner(c).read(),
            Some(chan) => time::bubble_of(chan.timer()),
        }
    }
}

/// Whether an operation on a channel blocks durably. One that is another bubble's ends the program.
///
/// # Safety
/// `c` is null or a channel of Go's.
unsafe fn check(c: *const Hchan, how: Misuse) -> bool {
    let here = current();
    // SAFETY: as the caller promises.
    unsafe {
        let there = bubble_of_chan(c);
        if !there.is_null() && there != here {
            misused(if (*c).timer().is_null() { how } else { Misuse::Timer });
        }
        !here.is_null() && (c.is_null() || there == here)
    }
}

pub(super) unsafe extern "C" fn make(
    c: *mut Hchan,
    buf: *mut u8,
    elemsize: usize,
    n: usize,
    pointers: usize,
) {
    // SAFETY: as in `chan::make`.
    unsafe {
        chan::make(c, buf, elemsize, n, pointers);
        owner(c).write(current());
    }
}

pub(super) unsafe extern "C" fn send(c: *const Hchan, elem: *const u8) -> chan::Ended {
    // SAFETY: as in `chan::send`.
    unsafe { durably(check(c, Misuse::Send), || chan::send(c, elem)) }
}

pub(super) unsafe extern "C" fn send_nb(c: *const Hchan, elem: *const u8) -> Sent {
    // SAFETY: as in `chan::send_nb`.
    unsafe {
        check(c, Misuse::Send);
        chan::send_nb(c, elem)
    }
}

pub(super) unsafe extern "C" fn recv(c: *const Hchan, elem: *mut u8) -> chan::Ended {
    // SAFETY: as in `chan::recv`.
    unsafe { durably(check(c, Misuse::Receive), || chan::recv(c, elem)) }
}

pub(super) unsafe extern "C" fn recv_nb(c: *const Hchan, elem: *mut u8) -> Received {
    // SAFETY: as in `chan::recv_nb`.
    unsafe {
        check(c, Misuse::Receive);
        chan::recv_nb(c, elem)
    }
}

pub(super) unsafe extern "C" fn closechan(c: *const Hchan) -> usize {
    // SAFETY: as in `chan::closechan`.
    unsafe {
        check(c, Misuse::Close);
        chan::closechan(c)
    }
}

pub(super) unsafe extern "C" fn select(
    cases: *const Scase,
    order: *mut u16,
    nsends: usize,
    nrecvs: usize,
    block: bool,
) -> Chosen {
    let mut durable = true;
    // SAFETY: as in `chan::select`.
    unsafe {
        for i in 0..nsends + nrecvs {
            let c = (*cases.add(i)).c;
            durable &= check(c, Misuse::Select);
        }
        durably(durable && block && !current().is_null(), || {
            chan::select(cases, order, nsends, nrecvs, block)
        })
    }
}

pub(super) extern "C" fn park(reason: usize) {
    let durable = WaitReason::of_number(reason) == WaitReason::SelectNoCases;
    durably(durable && !current().is_null(), || goroutine::park(reason));
}

pub(super) extern "C" fn semacquire(addr: &AtomicU32, lifo: usize, reason: usize) {
    let durable = WaitReason::of_number(reason) == WaitReason::SynctestWaitGroupWait;
    durably(durable && !current().is_null(), || sema::acquire(addr, lifo, reason));
}

pub(super) extern "C" fn notify_wait(l: &NotifyList, ticket: u32) {
    durably(!current().is_null(), || sema::notify_wait(l, ticket));
}

/// Ends the program if a goroutine that waits would be woken from outside its bubble.
fn check_wake(l: &NotifyList, all: bool) {
    let here = current();
    let goid = Cell::new(0);
    let is_elsewhere = |gp: *mut G| {
        // SAFETY: a goroutine of Go code, which waits.
        let (there, its) = unsafe { (bubble_of(gp), (*gp).goid) };
        goid.set(its);
        !there.is_null() && there != here
    };
    if l.would_wake(all, is_elsewhere) {
        misused_by(Misuse::Wake, goid.get());
    }
}

pub(super) extern "C" fn notify_all(l: &NotifyList) {
    check_wake(l, true);
    sema::notify_all(l);
}

pub(super) extern "C" fn notify_one(l: &NotifyList) {
    check_wake(l, false);
    sema::notify_one(l);
}

pub(super) extern "C" fn sleep(ns: i64) {
    // SAFETY: null or the current goroutine's bubble.
    match unsafe { current().as_ref() } {
        None => time::sleep(ns),
        Some(bubble) => durably(true, || sleep_in_bubble(bubble, ns)),
    }
}

/// In a bubble there is no monotonic time, so that moments inside and outside are not compared by
/// it.
pub(super) extern "C" fn now(mono: &mut i64) -> os::Wall {
    // SAFETY: null or the current goroutine's bubble.
    match unsafe { current().as_ref() } {
        None => os::now(mono),
        Some(bubble) => {
            *mono = 0;
            os::Wall::of(bubble.now())
        }
    }
}

pub(super) extern "C" fn nano() -> i64 {
    // SAFETY: null or the current goroutine's bubble.
    unsafe { current().as_ref() }.map_or_else(port::nanotime, Bubble::now)
}

pub(super) unsafe extern "C" fn timer_init(
    t: *mut Timer,
    go: *mut u8,
    when: i64,
    period: i64,
    c: *mut Hchan,
) {
    let bubble = current();
    // SAFETY: as in `time::init`.
    unsafe {
        if bubble.is_null() {
            time::init(t, go, when, period, c);
        } else {
            time::init_in(bubble, t, go, when, period, c);
        }
    }
}

/// Whether the timer is one of the current goroutine's bubble. One that is another's ends the
/// program.
fn is_here(t: &Timer, how: Misuse) -> bool {
    // SAFETY: a timer of Go's.
    let there = unsafe { time::bubble_of(t.core()) };
    if !there.is_null() && there != current() {
        misused(how);
    }
    !there.is_null()
}

pub(super) extern "C" fn timer_stop(t: &Timer) -> usize {
    is_here(t, Misuse::Stop);
    time::stop(t)
}

pub(super) extern "C" fn timer_reset(t: &Timer, when: i64, period: i64) -> usize {
    if is_here(t, Misuse::Reset) {
        time::reset_in_bubble(t, when, period)
    } else {
        time::reset(t, when, period)
    }
}
