//! Go's `runtime/chan_test.go`, but for its selects (`go_select.rs`).

use super::until;
use crate::chan::{Chan, TryRecvError, make};
use crate::sync::WaitGroup;
use crate::time::{Duration, sleep};
use crate::{debug, go, gosched, kernel_test, select};
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use core::any::Any;
use core::hint::black_box;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Capacities that the parts of Go's `TestChan` are tried with.
const CAPS: core::ops::Range<usize> = 0..20;

/// A receive that does not wait though nothing is there, or that says so though something is.
#[kernel_test]
fn receive_from_an_empty_channel_waits() {
    for cap in CAPS {
        let c = make(cap);
        let received = Arc::new(AtomicUsize::new(0));
        for _ in 0..2 {
            let (c, received) = (c.clone(), received.clone());
            go(move || {
                c.recv();
                received.fetch_add(1, Ordering::SeqCst);
            });
        }
        c.until_waiters(2);
        assert_eq!(received.load(Ordering::SeqCst), 0, "capacity {cap}");
        select! {
            _ = c.recv() => panic!("capacity {cap}: received from an empty channel"),
            default => {}
        }
        assert_eq!(c.try_recv(), Err(TryRecvError::Empty), "capacity {cap}");
        c.send(0);
        c.send(0);
        until(|| received.load(Ordering::SeqCst) == 2);
    }
}

/// A send that goes on though the buffer is full.
#[kernel_test]
fn send_to_a_full_channel_waits() {
    for cap in CAPS {
        let c = make(cap);
        (0..cap).for_each(|i| c.send(i));
        let sent = Arc::new(AtomicBool::new(false));
        let (c2, sent2) = (c.clone(), sent.clone());
        go(move || {
            c2.send(0);
            sent2.store(true, Ordering::SeqCst);
        });
        c.until_waiters(1);
        assert!(!sent.load(Ordering::SeqCst), "capacity {cap}");
        select! {
            c.send(0) => panic!("capacity {cap}: sent to a full channel"),
            default => {}
        }
        c.recv();
        until(|| sent.load(Ordering::SeqCst));
    }
}

/// Elements lost by a close, or more than there were.
#[kernel_test]
fn a_closed_channel_is_drained_first() {
    for cap in CAPS {
        let c = make(cap);
        (0..cap).for_each(|i| c.send(i));
        c.close();
        for i in 0..cap {
            assert_eq!(c.recv(), Some(i), "capacity {cap}");
        }
        assert_eq!((c.recv(), c.recv()), (None, None), "capacity {cap}");
    }
}

/// A receiver that close does not wake.
#[kernel_test]
fn close_ends_a_receive() {
    for cap in CAPS {
        let (c, done) = (make::<u64>(cap), make(0));
        let (c2, done2) = (c.clone(), done.clone());
        go(move || done2.send(c2.recv()));
        c.until_waiters(1);
        c.close();
        assert_eq!(done.recv(), Some(None), "capacity {cap}");
    }
}

/// Elements that overtake each other.
#[kernel_test]
fn elements_come_in_their_order() {
    for cap in CAPS {
        let c = make(cap);
        let c2 = c.clone();
        go(move || (0..100).for_each(|i| c2.send(i)));
        for i in 0..100 {
            assert_eq!(c.recv(), Some(i), "capacity {cap}");
        }
    }
}

/// Elements lost or doubled between four senders and four receivers.
#[kernel_test]
fn four_senders_and_four_receivers() {
    const P: usize = 4;
    const L: usize = 250;
    for cap in CAPS {
        let (c, done) = (make(cap), make(0));
        for _ in 0..P {
            let c2 = c.clone();
            go(move || (0..L).for_each(|i| c2.send(i)));
            let (c2, done2) = (c.clone(), done.clone());
            go(move || {
                let mut times = BTreeMap::new();
                (0..L).for_each(|_| *times.entry(c2.recv().expect("not closed")).or_insert(0) += 1);
                done2.send(times);
            });
        }
        let mut all = BTreeMap::new();
        for times in done.iter().take(P) {
            times.into_iter().for_each(|(v, n)| *all.entry(v).or_insert(0) += n);
        }
        assert_eq!(all.len(), L, "capacity {cap}");
        assert!(all.values().all(|n| *n == P), "capacity {cap}: {all:?}");
    }
}

/// `len` or `cap` that is wrong.
#[kernel_test]
fn len_and_cap() {
    for cap in CAPS {
        let c = make(cap);
        assert_eq!((c.len(), c.cap()), (0, cap));
        (0..cap).for_each(|i| c.send(i));
        assert_eq!((c.len(), c.cap()), (cap, cap));
    }
}

/// A receive without waiting that misses the element because the channel is closed meanwhile.
#[kernel_test]
fn try_receive_against_close() {
    for _ in 0..5000 {
        let c = make(1);
        c.send(1);
        let wg = Arc::new(WaitGroup::new());
        let c2 = c.clone();
        wg.go(move || {
            select! {
                _ = c2.recv() => {}
                default => panic!("the channel is not ready"),
            }
        });
        c.close();
        c.recv();
        wg.wait();
    }
}

/// Values that do not coerce to the channel's type in a `select!`.
#[kernel_test]
fn values_of_any_type_are_sent() {
    struct Mt;
    let c: Chan<Box<dyn Any + Send>> = make(1);
    c.send(Box::new(Mt));
    select! {
        c.send(Box::new(Mt)) => {}
        default => {}
    }
    select! {
        c.send(Box::new(Mt)) => {}
        c.send(Box::new(7)) => {}
        default => {}
    }
    assert!(c.recv().is_some_and(|v| v.is::<Mt>()));
    assert_eq!(c.len(), 0);
}

/// Work lost between many consumers, or a close that comes before the last result.
#[kernel_test]
fn many_consumers() {
    const WORKERS: usize = 23;
    const ITEMS: usize = 100_000;
    const PN: [u64; 10] = [2, 3, 7, 11, 13, 17, 19, 23, 27, 31];
    let (q, r) = (make(WORKERS * 3), make(WORKERS * 3));
    let wg = Arc::new(WaitGroup::new());
    for w in 0..WORKERS {
        let (q, r) = (q.clone(), r.clone());
        wg.go(move || {
            for v in q {
                if PN[w % PN.len()] == v {
                    gosched();
                }
                r.send(v);
            }
        });
    }
    let r2 = r.clone();
    go(move || {
        (0..ITEMS).for_each(|i| q.send(PN[i % PN.len()]));
        q.close();
        wg.wait();
        r2.close();
    });
    let (n, sum) = r.iter().fold((0, 0), |(n, sum), v| (n + 1, sum + v));
    assert_eq!((n, sum), (ITEMS, (ITEMS / PN.len()) as u64 * PN.iter().sum::<u64>()));
}

/// Uses some stack, for a moment.
#[inline(never)]
pub(super) fn use_stack(depth: usize) {
    let frame = black_box([depth as u8; 1024]);
    if depth > 0 {
        use_stack(depth - 1);
    }
    black_box(&frame);
}

/// The element, or the sudog, of a waiting sender taken away with the pages below its frames.
#[kernel_test]
fn stacks_shrink_under_waiting_senders() {
    const N: usize = 10;
    let c = make(0);
    let c2 = c.clone();
    let wg = Arc::new(WaitGroup::new());
    wg.go(move || {
        for i in 0..N {
            c2.send(i);
            use_stack(20);
        }
    });
    for i in 0..N {
        assert_eq!(c.recv(), Some(i));
        if i + 1 < N {
            c.until_waiters(1);
        }
        debug::free_os_memory();
    }
    wg.wait();
}

/// A stack that shrinks while its goroutine is about to park: it must not before the registers are saved.
#[kernel_test]
fn stacks_do_not_shrink_under_a_goroutine_that_parks() {
    const N: usize = 10;
    for _ in 0..N * 4 {
        let c = make(0);
        let wg = Arc::new(WaitGroup::new());
        let (tx, rx) = (c.clone(), c);
        wg.go(move || {
            for _ in 0..N {
                sleep(Duration::from_micros(10));
                rx.recv();
            }
        });
        wg.go(move || {
            for i in 0..N {
                tx.send(i);
                use_stack(20);
            }
        });
        sleep(Duration::from_micros(50));
        debug::free_os_memory();
        wg.wait();
    }
}
