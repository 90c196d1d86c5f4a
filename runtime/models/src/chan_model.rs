//! `Hchan`: each element is received once, and nobody waits for ever or is told that the channel is drained when it is not.

use crate::proc::go;
use loom::sync::Arc;
use std::mem::MaybeUninit;

/// What the core sees: loads and stores that are exchanges to loom, so that what the model tries is all interleavings, and not what weaker
/// orders allow (all but the looks without the lock are under one). Loom remembers the last access of a variable only, so that a thread which loads before
/// it stores would hide an earlier load by another thread, and orders in which that matters would not be tried.
mod atomic {
    pub use loom::sync::atomic::Ordering;
    use loom::sync::atomic::{self, Ordering::AcqRel};

    pub struct AtomicUsize(atomic::AtomicUsize);

    impl AtomicUsize {
        pub fn new(v: usize) -> Self {
            AtomicUsize(atomic::AtomicUsize::new(v))
        }

        pub fn load(&self, _: Ordering) -> usize {
            self.0.fetch_add(0, AcqRel)
        }

        pub fn store(&self, v: usize, _: Ordering) {
            self.0.swap(v, AcqRel);
        }
    }

    pub struct AtomicBool(AtomicUsize);

    impl AtomicBool {
        pub fn new(v: bool) -> Self {
            AtomicBool(AtomicUsize::new(v.into()))
        }

        pub fn load(&self, order: Ordering) -> bool {
            self.0.load(order) != 0
        }

        pub fn store(&self, v: bool, order: Ordering) {
            self.0.store(v.into(), order);
        }
    }

    pub struct AtomicPtr<T>(AtomicUsize, std::marker::PhantomData<*mut T>);

    impl<T> AtomicPtr<T> {
        pub fn new(v: *mut T) -> Self {
            AtomicPtr(AtomicUsize::new(v.expose_provenance()), std::marker::PhantomData)
        }

        pub fn load(&self, order: Ordering) -> *mut T {
            std::ptr::with_exposed_provenance_mut(self.0.load(order))
        }

        pub fn store(&self, v: *mut T, order: Ordering) {
            self.0.store(v.expose_provenance(), order);
        }
    }
}

#[path = "../../src/chan/hchan.rs"]
mod hchan;
#[path = "../../src/chan/recv.rs"]
mod recv;
#[path = "../../src/chan/select.rs"]
pub mod select;
#[path = "../../src/chan/sellock.rs"]
mod sellock;
#[path = "../../src/chan/send.rs"]
mod send;
#[path = "../../src/chan/waitq.rs"]
pub mod waitq;

/// `src/chan/under_lock.rs` for what is atomic here.
mod under_lock {
    use super::atomic::{AtomicBool, AtomicPtr, Ordering};

    pub trait UnderLock<T> {
        unsafe fn get(&self) -> T;
    }

    impl UnderLock<bool> for AtomicBool {
        unsafe fn get(&self) -> bool {
            self.load(Ordering::Relaxed)
        }
    }

    impl<T> UnderLock<*mut T> for AtomicPtr<T> {
        unsafe fn get(&self) -> *mut T {
            self.load(Ordering::Relaxed)
        }
    }
}

#[path = "select_model.rs"]
pub mod select_model;

/// No channel of the models has a timer.
mod timer_chan {
    use super::hchan::Hchan;
    use super::recv::Received;
    use crate::proc::G;

    pub unsafe fn recv(_: *mut G, _: &Hchan, _: *mut u8, _: bool) -> Received {
        unreachable!("no channel has a timer")
    }

    pub unsafe fn poll(_: &Hchan, _: *mut u8) -> bool {
        unreachable!("no channel has a timer")
    }

    pub unsafe fn block(_: &Hchan) {
        unreachable!("no channel has a timer")
    }

    pub unsafe fn unblock(_: &Hchan) {
        unreachable!("no channel has a timer")
    }
}

use hchan::{Hchan, closechan};
use recv::{Received, chanrecv};
pub use send::Sent;
use send::chansend;

/// A channel of `u64` with its buffer, which lives as long as the model.
pub struct Chan(pub Hchan);

// SAFETY: its fields are under its lock, which is what the model checks.
unsafe impl Send for Chan {}
// SAFETY: as above.
unsafe impl Sync for Chan {}

pub fn make(cap: usize) -> Arc<Chan> {
    let buf = Box::leak(Box::new([0_u64; 2]));
    // SAFETY: the buffer has room for as many as the models ask for.
    Arc::new(Chan(unsafe { Hchan::new(cap, buf.as_mut_ptr().cast(), 8) }))
}

impl Chan {
    pub fn send(&self, v: u64, block: bool) -> Sent {
        // SAFETY: the channel lives, and `v` is an element of it.
        unsafe { chansend(&self.0, (&raw const v).cast(), 8, block) }
    }

    pub fn recv(&self, block: bool) -> Result<u64, Received> {
        let mut v = MaybeUninit::<u64>::uninit();
        // SAFETY: the channel lives, and `v` has room for an element, which is there if the result says so.
        unsafe {
            match chanrecv(&self.0, v.as_mut_ptr().cast(), 8, block) {
                Received::Element => Ok(v.assume_init()),
                other => Err(other),
            }
        }
    }

    pub fn close(&self) {
        // SAFETY: the channel lives.
        unsafe { closechan(&self.0) }
    }
}

/// Finds a waiter that is not woken (a deadlock), or woken before its element is there.
#[test]
fn hand_off() {
    for cap in [0, 1] {
        loom::model(move || {
            let c = make(cap);
            let tx = c.clone();
            let sender = go(move || [tx.send(1, true), tx.send(2, true)]);
            assert_eq!(c.recv(true), Ok(1));
            assert_eq!(c.recv(true), Ok(2));
            assert_eq!(sender.join().unwrap(), [Sent::Done; 2]);
        });
    }
}

/// Finds a waiter that close forgets (a deadlock).
#[test]
fn close_against_one() {
    loom::model(|| {
        let c = make(0);
        let tx = c.clone();
        let sender = go(move || tx.send(1, true));
        c.close();
        assert_eq!(sender.join().unwrap(), Sent::Closed);
    });
    loom::model(|| {
        let c = make(0);
        let rx = c.clone();
        let receiver = go(move || rx.recv(true));
        c.close();
        assert_eq!(receiver.join().unwrap(), Err(Received::Closed));
    });
}

/// Finds an element that is both sent and given back, or neither.
#[test]
fn close_against_both() {
    for cap in [0, 1] {
        let mut model = loom::model::Builder::new();
        model.preemption_bound = Some(3);
        model.check(move || {
            let c = make(cap);
            let (tx, rx) = (c.clone(), c.clone());
            let sender = go(move || tx.send(1, true));
            let receiver = go(move || rx.recv(true));
            c.close();
            match (sender.join().unwrap(), receiver.join().unwrap()) {
                (Sent::Done, Ok(1)) | (Sent::Closed, Err(Received::Closed)) => {}
                other => panic!("{other:?}"),
            }
        });
    }
}

/// The look without the lock: finds `Closed` for a channel that has an element, sent between the two looks.
#[test]
fn try_receive_against_send_and_close() {
    loom::model(|| {
        let c = make(1);
        let tx = c.clone();
        let sender = go(move || {
            let sent = tx.send(1, false);
            tx.close();
            sent
        });
        let first = c.recv(false);
        assert_ne!(first, Err(Received::Closed), "an element was sent");
        assert_eq!(sender.join().unwrap(), Sent::Done);
        if first == Err(Received::WouldBlock) {
            assert_eq!(c.recv(false), Ok(1));
        }
        assert_eq!(c.recv(false), Err(Received::Closed));
    });
}

/// Finds a `try_send` that reports a full channel which was closed before, or never full while open.
#[test]
fn try_send_against_receive_and_close() {
    loom::model(|| {
        let c = make(1);
        assert_eq!(c.send(1, false), Sent::Done);
        let rx = c.clone();
        let receiver = go(move || {
            let got = rx.recv(false);
            rx.close();
            got
        });
        let sent = c.send(2, false);
        assert_eq!(receiver.join().unwrap(), Ok(1));
        let rest = c.recv(false);
        assert_eq!(rest, if sent == Sent::Done { Ok(2) } else { Err(Received::Closed) });
    });
}
