//! What channels do.

use super::{Counted, until};
use crate::chan::{Chan, TryRecvError, TrySendError, make};
use crate::panic::catch_unwind;
use crate::sync::WaitGroup;
use crate::testing::panic_text;
use crate::{go, gosched, kernel_test};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// A sender that goes on before anybody has received.
#[kernel_test]
fn unbuffered_send_waits_for_the_receiver() {
    let c = make(0);
    let sent = Arc::new(AtomicBool::new(false));
    let (c2, sent2) = (c.clone(), sent.clone());
    go(move || {
        c2.send(1);
        sent2.store(true, Ordering::SeqCst);
    });
    for _ in 0..1000 {
        gosched();
    }
    assert!(!sent.load(Ordering::SeqCst), "sent with nobody to receive");
    assert_eq!(c.recv(), Some(1));
    until(|| sent.load(Ordering::SeqCst));
}

/// Order lost where the indices wrap, or where a receiver takes a waiting sender's element instead of the oldest.
#[kernel_test]
fn buffered_is_first_in_first_out() {
    for cap in 1..=9 {
        let c = make(cap);
        let c2 = c.clone();
        go(move || {
            for i in 0..200 {
                c2.send(i);
                // Sometimes the buffer runs empty, sometimes the sender waits at a full one.
                if i % 23 == 0 {
                    gosched();
                }
            }
            c2.close();
        });
        assert_eq!(c.cap(), cap);
        let mut next = 0;
        for v in &c {
            assert_eq!(v, next, "capacity {cap}");
            assert!(c.len() <= cap);
            next += 1;
            if v % 17 == 0 {
                gosched();
            }
        }
        assert_eq!(next, 200, "capacity {cap}");
    }
}

/// A stack instead of a queue of waiters.
#[kernel_test]
fn waiters_are_served_in_their_order() {
    const N: usize = 10;
    let (c, served) = (make(0), make(N));
    for i in 0..N {
        let (c, c2, served) = (c.clone(), c.clone(), served.clone());
        go(move || {
            let v: usize = c.recv().expect("not closed");
            served.send((i, v));
        });
        c2.until_waiters(i + 1);
    }
    for v in 0..N {
        c.send(v);
    }
    for _ in 0..N {
        let (i, v) = served.recv().expect("not closed");
        assert_eq!(i, v, "receiver {i} got element {v}");
    }
}

/// What is in the buffer lost at close; a receiver that sleeps for ever.
#[kernel_test]
fn close_drains_and_wakes_all_receivers() {
    let c = make(3);
    c.send(1);
    c.send(2);
    c.close();
    assert_eq!((c.recv(), c.recv(), c.recv(), c.recv()), (Some(1), Some(2), None, None));
    assert_eq!(c.try_recv(), Err(TryRecvError::Closed));

    let c: Chan<u8> = make(0);
    let wg = Arc::new(WaitGroup::new());
    for _ in 0..20 {
        let c = c.clone();
        wg.go(move || assert_eq!(c.recv(), None));
    }
    for _ in 0..100 {
        gosched();
    }
    c.close();
    wg.wait();
}

/// A waiting sender that is not told, or whose element is lost or dropped twice.
#[kernel_test]
fn close_panics_waiting_senders() {
    let c = make(1);
    let drops = Arc::new(AtomicUsize::new(0));
    c.send(Counted(drops.clone()));
    let wg = Arc::new(WaitGroup::new());
    let started = Arc::new(AtomicUsize::new(0));
    for _ in 0..5 {
        let (c, item, started) = (c.clone(), Counted(drops.clone()), started.clone());
        wg.go(move || {
            started.fetch_add(1, Ordering::SeqCst);
            let e = catch_unwind(|| c.send(item)).expect_err("sent on a closed channel");
            assert_eq!(panic_text(&*e), "send on closed channel");
        });
    }
    until(|| started.load(Ordering::SeqCst) == 5);
    c.close();
    wg.wait();
    assert_eq!(drops.load(Ordering::SeqCst), 5, "the senders' elements");
    drop(c);
    assert_eq!(drops.load(Ordering::SeqCst), 6, "the element in the buffer");
}

/// Another text than Go's.
#[kernel_test]
fn misuse_panics_with_the_texts_of_go() {
    fn text(f: impl FnOnce()) -> alloc::string::String {
        panic_text(&*catch_unwind(f).expect_err("no panic")).into()
    }
    let c: Chan<u8> = make(1);
    c.close();
    assert_eq!(text(|| c.close()), "close of closed channel");
    assert_eq!(text(|| c.send(1)), "send on closed channel");
    assert_eq!(text(|| _ = c.try_send(1)), "send on closed channel");
    assert_eq!(text(|| Chan::<u8>::nil().close()), "close of nil channel");
    assert_eq!(text(|| _ = make::<u64>(usize::MAX / 4)), "makechan: size out of range");
}

/// A nil channel that is ready, or ends the wait.
#[kernel_test]
fn nil_channel_is_never_ready() {
    let c: Chan<u8> = Chan::nil();
    assert_eq!(c.try_recv(), Err(TryRecvError::Empty));
    assert_eq!(c.try_send(7), Err(TrySendError(7)));
    assert_eq!((c.len(), c.cap(), c.is_nil()), (0, 0, true));
    let ended = Arc::new(AtomicBool::new(false));
    for send in [false, true] {
        let (c, ended) = (c.clone(), ended.clone());
        go(move || {
            if send {
                c.send(1)
            } else {
                assert_eq!(c.recv(), None)
            }
            ended.store(true, Ordering::SeqCst);
        });
    }
    for _ in 0..1000 {
        gosched();
    }
    assert!(!ended.load(Ordering::SeqCst));
}

/// `try_send` that does not see a waiting receiver, or reports full as sent.
#[kernel_test]
fn try_operations_do_not_wait() {
    let c = make(1);
    assert_eq!(c.try_recv(), Err(TryRecvError::Empty));
    assert_eq!(c.try_send(1), Ok(()));
    assert_eq!(c.try_send(2), Err(TrySendError(2)));
    assert_eq!(c.try_recv(), Ok(1));

    let c = make(0);
    assert_eq!(c.try_send(1), Err(TrySendError(1)));
    let (c2, done) = (c.clone(), make(1));
    let done2 = done.clone();
    go(move || done2.send(c2.recv()));
    until(|| c.try_send(5).is_ok());
    assert_eq!(done.recv(), Some(Some(5)));
    let c2 = c.clone();
    go(move || c2.send(6));
    until(|| match c.try_recv() {
        Ok(v) => v == 6,
        Err(e) => e == TryRecvError::Closed,
    });
}

/// Elements leaked or dropped twice when the last handle goes.
#[kernel_test]
fn undelivered_elements_are_dropped_once() {
    let drops = Arc::new(AtomicUsize::new(0));
    let c = make(8);
    for _ in 0..6 {
        c.send(Counted(drops.clone()));
    }
    for _ in 0..3 {
        drop(c.recv());
    }
    // The elements that are left lie across the end of the buffer.
    for _ in 0..4 {
        c.send(Counted(drops.clone()));
    }
    assert_eq!(drops.load(Ordering::SeqCst), 3);
    let (tx, rx) = (c.sender(), c.receiver());
    drop((c, tx));
    assert_eq!(drops.load(Ordering::SeqCst), 3, "a handle is left");
    drop(rx);
    assert_eq!(drops.load(Ordering::SeqCst), 10);
}

#[derive(Clone, Copy, PartialEq, Debug)]
#[repr(align(64))]
struct Aligned(u64);

/// An element copied with a wrong size, or to an address that its type forbids.
#[kernel_test]
fn elements_of_all_sizes() {
    fn round_trip<T: PartialEq + core::fmt::Debug + Copy + Send + 'static>(values: &[T]) {
        for cap in [0, 1, 2, 5] {
            let c = make(cap);
            let (c2, all) = (c.clone(), Vec::from(values));
            go(move || {
                all.into_iter().for_each(|v| c2.send(v));
                c2.close();
            });
            let got: Vec<T> = c.iter().inspect(|v| assert!((&raw const *v).is_aligned())).collect();
            assert_eq!(got, values, "capacity {cap}");
        }
    }
    round_trip(&[(); 9]);
    round_trip(&[1u8, 2, 3, 255, 0, 7]);
    round_trip(&[[1u8; 7], [2; 7], [3; 7]]);
    round_trip(&[[1u8; 8], [2; 8], [3; 8]]);
    round_trip(&[[1u8; 9], [2; 9], [3; 9]]);
    round_trip(&[1u32, u32::MAX, 3]);
    round_trip(&["one", "two", "three"]);
    round_trip(&[[1u64, 2, 3], [4, 5, 6]]);
    round_trip(&[[1u64, 2, 3, 4], [5, 6, 7, 8]]);
    round_trip(&[1.5f64, -0.0, 3.25, f64::MAX]);
    round_trip(&[Aligned(1), Aligned(2), Aligned(3)]);
    round_trip(&[(1u64, 2u32, 3u8), (4, 5, 6)]);
    // Larger than a page: the receiver's room is on stack pages that it has only just reserved.
    round_trip(&[[7u64; 2500], [8; 2500], [9; 2500]]);
}
