//! `shootdown.rs`: once a shootdown has returned nobody uses the old translation, and no two cores wait for each other.
//!
//! A core has a TLB of two entries; a page-table entry is an atomic that is read without order, as the walker does. A frame that was
//! taken away is written at once by the one who did so, and loom reports whoever may still be reading it.

use loom::cell::UnsafeCell;
use loom::sync::{Condvar, Mutex};
use loom::thread;
use std::cell::Cell;
use std::ops::Range;

use atomic::{AtomicU64, AtomicUsize, Ordering, fence};
use loom::sync::atomic::AtomicBool;

#[path = "../../src/memory/tlb/shootdown.rs"]
mod shootdown;

use shootdown::{Inbox, Mailbox};

const CORES: usize = 3;
const PAGES: usize = 2;

/// Loom's atomics; an answer wakes who [`hint::spin_loop`] has put to sleep.
mod atomic {
    use super::{BLOCKING, change};
    use loom::sync::atomic;
    pub use loom::sync::atomic::{AtomicUsize, Ordering, fence};

    /// The cores that may spin are the first ones. To wake another would order this core's writes before what that one does.
    const SPINNERS: usize = 2;

    pub struct AtomicU64(atomic::AtomicU64);

    impl AtomicU64 {
        pub fn new(v: u64) -> Self {
            AtomicU64(atomic::AtomicU64::new(v))
        }

        pub fn load(&self, order: Ordering) -> u64 {
            self.0.load(order)
        }

        pub fn store(&self, v: u64, order: Ordering) {
            self.0.store(v, order);
        }

        pub fn swap(&self, v: u64, order: Ordering) -> u64 {
            self.0.swap(v, order)
        }

        pub fn fetch_or(&self, v: u64, order: Ordering) -> u64 {
            self.0.fetch_or(v, order)
        }

        pub fn fetch_and(&self, v: u64, order: Ordering) -> u64 {
            let before = self.0.fetch_and(v, order);
            if BLOCKING.load(Ordering::Relaxed) {
                (0..SPINNERS).for_each(|cpu| change(cpu, |line| line.event = true));
            }
            before
        }
    }
}

/// Two cores that spin would run in turn for ever while a third has yet to act: loom knows no fairness. So with [`BLOCKING`] who spins sleeps until there is
/// an answer or an interrupt. Waking orders what came before the answer before the wait's end, so the models about that order do without.
mod hint {
    use super::{BLOCKING, LINES, ME};

    pub fn spin_loop() {
        if !BLOCKING.load(std::sync::atomic::Ordering::Relaxed) {
            return loom::thread::yield_now();
        }
        let (line, woken) = &LINES[ME.with(|me| me.get())];
        let mut line = line.lock().unwrap();
        while !line.event {
            line = woken.wait(line).unwrap();
        }
        line.event = false;
    }
}

struct Page {
    mapped: AtomicBool,
    frame: UnsafeCell<()>,
}

// SAFETY: loom checks the accesses of `frame`.
unsafe impl Sync for Page {}

loom::lazy_static! {
    static ref MAILBOXES: [Mailbox; CORES] = std::array::from_fn(|_| Mailbox {
        start: AtomicUsize::new(0),
        end: AtomicUsize::new(0),
        waiting: AtomicU64::new(0),
        inbox: Inbox(AtomicU64::new(0)),
    });
    static ref ONLINE: AtomicU64 = AtomicU64::new(0);
    static ref TABLE: [Page; PAGES] =
        std::array::from_fn(|_| Page { mapped: AtomicBool::new(true), frame: UnsafeCell::new(()) });
    /// No part of what is modelled: it does not change.
    static ref BLOCKING: std::sync::atomic::AtomicBool = false.into();
    static ref LINES: [(Mutex<Line>, Condvar); CORES] = Default::default();
}

/// What may end a core's halt.
#[derive(Default)]
struct Line {
    /// A TLB interrupt has been sent and not been taken.
    pending: bool,
    /// There was an answer, or an interrupt.
    event: bool,
    /// Cores that initiate no more.
    done: usize,
}

loom::thread_local! {
    static ME: Cell<usize> = Cell::new(0);
    static TLB: [Cell<bool>; PAGES] = [const { Cell::new(false) }; PAGES];
}

/// What the core sees of the machine.
mod machine {
    use super::*;

    pub fn flush(range: Range<usize>) {
        TLB.with(|tlb| range.for_each(|page| tlb[page].set(false)));
    }

    /// A write of CR3 serialises. So does `invlpg`, but of that only an initiator makes use, see [`take_away`].
    pub fn flush_all() {
        fence(Ordering::SeqCst);
        flush(0..PAGES);
    }

    /// What was written before is seen by the core that takes the interrupt.
    pub fn send_ipi(cpu: usize) {
        change(cpu, |line| (line.pending, line.event) = (true, true));
    }

    pub fn served() {}
}

fn change(cpu: usize, f: impl FnOnce(&mut Line)) {
    f(&mut LINES[cpu].0.lock().unwrap());
    LINES[cpu].1.notify_all();
}

/// A moment at which core `me` takes interrupts.
fn interrupts_on(me: usize) {
    let pending = std::mem::take(&mut LINES[me].0.lock().unwrap().pending);
    if pending {
        shootdown::serve(me);
    }
}

/// Core `me` halts, and takes interrupts, until `initiators` are done.
fn idle(me: usize, initiators: usize) {
    loop {
        interrupts_on(me);
        let mut line = LINES[me].0.lock().unwrap();
        while !line.pending {
            if line.done == initiators {
                return;
            }
            line = LINES[me].1.wait(line).unwrap();
        }
    }
}

/// The core loads the translation of `page`; false: it is not mapped.
fn translate(page: usize) -> bool {
    TLB.with(|tlb| {
        if !tlb[page].get() {
            tlb[page].set(TABLE[page].mapped.load(Ordering::Relaxed));
        }
        tlb[page].get()
    })
}

/// The core reads what is on `page`.
fn read(page: usize) {
    if translate(page) {
        TABLE[page].frame.with(|_| ());
    }
}

/// Core `me` takes `page` away and gives its frame to somebody else.
fn take_away(me: usize, page: usize) {
    take_away_on(me, page, u64::MAX);
}

/// [`take_away`], if only the cores of the set `users` have used the page.
fn take_away_on(me: usize, page: usize, users: u64) {
    ME.with(|m| m.set(me));
    TABLE[page].mapped.store(false, Ordering::Relaxed);
    machine::flush(page..page + 1);
    fence(Ordering::SeqCst);
    shootdown::request(me, page..page + 1, shootdown::others(me) & users);
    TABLE[page].frame.with_mut(|_| ());
    (0..CORES).for_each(|cpu| change(cpu, |line| line.done += 1));
}

fn online(cores: u64) {
    ONLINE.store(cores, Ordering::Relaxed);
}

fn model(preemptions: usize, f: impl Fn() + Sync + Send + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(preemptions);
    model.check(f);
}

/// Finds an answer before the flush, an answer that does not come after the last use, and an entry that is loaded again from the old table.
#[test]
fn one_initiator() {
    model(3, || {
        online(0b11);
        let other = thread::spawn(|| {
            read(0);
            interrupts_on(1);
            read(0);
            idle(1, 1);
        });
        take_away(0, 0);
        other.join().unwrap();
    });
}

/// Each takes a page away that the other uses. Finds two that wait for each other without answering.
#[test]
fn two_initiators() {
    model(3, || {
        online(0b11);
        let other = thread::spawn(|| {
            read(0);
            take_away(1, 1);
            read(0);
            idle(1, 2);
        });
        read(1);
        take_away(0, 0);
        read(1);
        idle(0, 2);
        other.join().unwrap();
    });
}

/// Two initiators and one who serves both, for one interrupt or two. Finds a request that is not read as it was made, or never served.
#[test]
fn two_initiators_share_an_interrupt() {
    model(2, || {
        online(0b111);
        BLOCKING.store(true, Ordering::Relaxed);
        let initiators = [0, 1].map(|me| thread::spawn(move || take_away_on(me, me, 0b100)));
        read(1);
        interrupts_on(2);
        read(1);
        idle(2, 2);
        initiators.into_iter().for_each(|t| t.join().unwrap());
    });
}

/// A core joins that has cached translations before. Finds one that drops them before it can be asked to.
#[test]
fn a_core_joins() {
    model(3, || {
        online(0b01);
        let other = thread::spawn(|| {
            translate(0);
            shootdown::join(1);
            read(0);
            idle(1, 1);
        });
        take_away(0, 0);
        other.join().unwrap();
    });
}
