//! `tlb/epoch.rs`: an address is used again only when no core has its old translation, and every core that was asked answers.
//!
//! A core has a TLB of one entry. It may load that at any time, ahead of its program: the model does so after every flush, where it matters.

use atomic::{AtomicU64, AtomicUsize, Ordering, fence};
use loom::sync::atomic;
use loom::thread;
use std::cell::Cell;
use std::sync::atomic::{AtomicBool as Flag, Ordering::Relaxed};

#[path = "../../src/memory/tlb/epoch.rs"]
mod epoch;

const CORES: usize = 3;

/// What the page is mapped to, or 0.
const OLD: usize = 1;
const NEW: usize = 2;

loom::lazy_static! {
    static ref EPOCH: AtomicU64 = AtomicU64::new(0);
    static ref FLUSHED: [AtomicU64; CORES] = std::array::from_fn(|_| AtomicU64::new(0));
    static ref ENTRY: AtomicUsize = AtomicUsize::new(OLD);
    /// Set when the address has a new user, of whom other cores have heard.
    static ref REUSED: atomic::AtomicBool = atomic::AtomicBool::new(false);
    static ref PENDING: [loom::sync::Mutex<bool>; CORES] = Default::default();
    /// No part of what is modelled: it does not change.
    static ref ONLINE: [Flag; CORES] = Default::default();
}

loom::thread_local! {
    static TLB: Cell<usize> = Cell::new(0);
}

/// The part of `shootdown.rs` that is used.
mod shootdown {
    use super::*;

    pub fn bits(mask: u64) -> impl Iterator<Item = usize> {
        (0..CORES).filter(move |cpu| mask & 1 << cpu != 0)
    }

    pub fn others(me: usize) -> u64 {
        (0..CORES).filter(|&cpu| cpu != me && ONLINE[cpu].load(Relaxed)).map(|cpu| 1 << cpu).sum()
    }
}

mod machine {
    use super::*;

    /// A write of CR3 serialises. What the core then loads ahead of its program is an entry from after it.
    pub fn flush_all() {
        fence(Ordering::SeqCst);
        TLB.with(|tlb| tlb.set(0));
        translate();
    }

    pub fn send_ipi(cpu: usize) {
        *PENDING[cpu].lock().unwrap() = true;
    }
}

/// What the core takes the address for. An absent entry is not remembered.
fn translate() -> usize {
    TLB.with(|tlb| {
        if tlb.get() == 0 {
            tlb.set(ENTRY.load(Ordering::Relaxed));
        }
        tlb.get()
    })
}

/// Core `me` has used the address, goes on, and uses it again when it hears that it has a new user.
fn bystander(me: usize) {
    translate();
    if std::mem::take(&mut *PENDING[me].lock().unwrap()) {
        epoch::answer(me);
    }
    if REUSED.load(Ordering::Acquire) {
        assert_eq!(translate(), NEW, "an old translation");
    }
}

fn model(cores: usize, preemptions: usize, f: impl Fn() + Sync + Send + 'static) {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(preemptions);
    model.check(move || {
        ONLINE.iter().take(cores).for_each(|online| online.store(true, Relaxed));
        f();
    });
}

/// Core 0 unmaps the page, asks, and maps another frame there once all have answered.
fn reuse() {
    translate();
    ENTRY.store(0, Ordering::Relaxed);
    let asked = epoch::ask(0);
    if asked.is_done() {
        ENTRY.store(NEW, Ordering::Relaxed);
        REUSED.store(true, Ordering::Release);
        assert_eq!(translate(), NEW, "an old translation");
    }
}

/// Two epochs at once, so that a core answers an interrupt that was sent for another one than it reads.
#[test]
fn an_address_is_reused_after_an_epoch() {
    model(3, 3, || {
        let other = thread::spawn(|| {
            // An epoch of its own, for other pages.
            let _ = epoch::ask(1);
            bystander(1);
        });
        let third = thread::spawn(|| bystander(2));
        reuse();
        other.join().unwrap();
        third.join().unwrap();
    });
}

/// As before, and the core is in the middle of an answer to an earlier epoch.
#[test]
fn two_epochs_of_one_core() {
    model(2, 4, || {
        let other = thread::spawn(|| bystander(1));
        // For other pages.
        let _ = epoch::ask(0);
        reuse();
        other.join().unwrap();
    });
}

/// Every core that was asked has an interrupt pending or has answered: the epoch ends when all have taken theirs.
#[test]
fn every_epoch_ends() {
    model(2, 3, || {
        let other = thread::spawn(|| {
            bystander(1);
            bystander(1);
        });
        let asked = epoch::ask(0);
        other.join().unwrap();
        if std::mem::take(&mut *PENDING[1].lock().unwrap()) {
            assert!(!asked.is_done() || FLUSHED[1].load(Ordering::Relaxed) >= 1);
            epoch::answer(1);
        }
        assert!(asked.is_done(), "nobody is left to answer");
    });
}
