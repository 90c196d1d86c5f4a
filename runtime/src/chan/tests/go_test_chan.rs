//! Go's `test/chan/*.go` and `test/closedchan.go`, but for the selects (`go_test_select.rs`) and the power series (`powser.rs`).

use crate::chan::{Chan, Receiver, Sender, TryRecvError, make};
use crate::panic::catch_unwind;
use crate::testing::panic_text;
use crate::{go, kernel_test, select};
use alloc::collections::{BinaryHeap, VecDeque};
use alloc::string::String;
use core::cmp::Reverse;
use core::fmt::Debug;

const PRIMES: [u32; 25] =
    [2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97];

/// Elements that overtake each other, in a buffer or in the hands of waiting receivers (`fifo.go`).
#[kernel_test]
fn fifo() {
    const N: usize = 10;
    let c = make(N);
    (0..N).for_each(|i| c.send(i));
    (0..N).for_each(|i| assert_eq!(c.recv(), Some(i)));

    let (c, start) = (make(0), make(0));
    let mut before: Chan<()> = start.clone();
    for i in 0..N {
        let (c, first, next) = (c.clone(), before, make(0));
        before = next.clone();
        go(move || {
            first.recv();
            assert_eq!(c.recv(), Some(i));
            next.send(());
        });
    }
    start.send(());
    (0..N).for_each(|i| c.send(i));
    before.recv();
}

/// A chain of thousands of goroutines that breaks (`goroutines.go`).
#[kernel_test]
fn goroutines() {
    let leftmost = make(0);
    let mut left = leftmost.clone();
    for _ in 0..3000 {
        let right = make(0);
        let right2 = right.clone();
        go(move || left.send(right2.recv().expect("not closed")));
        left = right;
    }
    go(move || left.send(1));
    assert_eq!(leftmost.recv(), Some(1));
}

/// Operations that do not wait and miss a goroutine that does, for elements of several sizes (`nonblock.go`).
#[kernel_test]
fn nonblock() {
    fn try_both<T: Clone + PartialEq + Debug + Send + 'static>(value: T) {
        for buffer in 0..2 {
            let (c, strobe) = (make::<T>(buffer), make(0));
            assert_eq!(c.try_recv(), Err(TryRecvError::Empty));
            let (c2, strobe2, v) = (c.clone(), strobe.clone(), value.clone());
            go(move || {
                assert_eq!(c2.recv(), Some(v));
                strobe2.send(());
            });
            c.until_waiters(1);
            assert!(c.try_send(value.clone()).is_ok(), "buffer {buffer}");
            strobe.recv();

            let (c2, strobe2, v) = (c.clone(), strobe.clone(), value.clone());
            go(move || {
                c2.send(v);
                strobe2.send(());
            });
            if buffer > 0 {
                strobe.recv();
            } else {
                c.until_waiters(1);
            }
            assert_eq!(c.try_recv(), Ok(value.clone()), "buffer {buffer}");
            if buffer == 0 {
                strobe.recv();
            }
        }
    }
    try_both(123_i32);
    try_both(123_456_i64);
    try_both(true);
    try_both(String::from("hello"));
}

/// A channel received from a channel that cannot be sent to in the same arm; an operator in a value (`sendstmt.go`).
#[kernel_test]
fn send_statement() {
    let (cc, c) = (make(1), make(1));
    cc.send(c.clone());
    select! {
        cc.recv().expect("not closed").send(2) => {}
        default => panic!("nonblock"),
    }
    assert_eq!(c.recv(), Some(2));
    let c = make(1);
    let (no, yes) = (false, true);
    c.send(no || yes);
    assert_eq!(c.recv(), Some(true));
}

/// A chain of filters that loses or doubles a number (`sieve1.go`).
#[kernel_test]
fn sieve_of_filters() {
    fn filter(from: Receiver<u32>, to: Sender<u32>, prime: u32) {
        from.into_iter().filter(|i| i % prime != 0).for_each(|i| to.send(i));
    }
    let primes = make(0);
    let out = primes.sender();
    go(move || {
        let mut c = make(0);
        let first = c.sender();
        go(move || {
            for i in 2.. {
                first.send(i);
            }
        });
        loop {
            let prime = c.recv().expect("not closed");
            out.send(prime);
            let next = make(0);
            let (from, to) = (c.receiver(), next.sender());
            go(move || filter(from, to, prime));
            c = next;
        }
    });
    assert!(primes.iter().take(PRIMES.len()).eq(PRIMES));
}

/// The proxy of a feedback loop, which both receives and sends what it has, loses an element or waits for ever (`sieve2.go`).
#[kernel_test]
fn sieve_of_multiples() {
    fn from_on(start: u32, step: u32, cap: usize) -> Receiver<u32> {
        let out = make(cap);
        let tx = out.sender();
        go(move || (start..).step_by(step as usize).for_each(|n| tx.send(n)));
        out.receiver()
    }
    // Sending to it never waits long: a goroutine keeps what `out` does not take yet.
    fn proxy(out: Sender<u32>) -> Sender<u32> {
        let proxy = make(10);
        let rx = proxy.receiver();
        go(move || {
            let mut kept = VecDeque::new();
            loop {
                let (c, e) = kept.front().map_or_else(Default::default, |e| (out.clone(), *e));
                select! {
                    e = rx.recv() => kept.push_back(e.expect("not closed")),
                    c.send(e) => _ = kept.pop_front(),
                }
            }
        });
        proxy.sender()
    }
    fn next(c: &Receiver<u32>) -> u32 {
        c.recv().expect("not closed")
    }

    let out = make(10);
    out.send(2);
    out.send(3);
    let (composites, primes) = (make(50), make(10));
    primes.send(3);
    let (to, from) = (composites.sender(), primes.receiver());
    go(move || {
        let mut heads = BinaryHeap::new();
        let mut streams = alloc::vec::Vec::new();
        let mut min = 15;
        let advance =
            |heads: &mut BinaryHeap<Reverse<(u32, usize)>>, streams: &[Receiver<u32>], min: &mut u32| {
                let Reverse((head, i)) = heads.pop().expect("a stream for each prime");
                *min = head;
                heads.push(Reverse((next(&streams[i]), i)));
            };
        loop {
            let p = next(&from);
            let multiples = from_on(p * p, 2 * p, 10);
            let head = next(&multiples);
            while min < head {
                to.send(min);
                advance(&mut heads, &streams, &mut min);
            }
            while min == head {
                advance(&mut heads, &streams, &mut min);
            }
            to.send(head);
            heads.push(Reverse((next(&multiples), streams.len())));
            streams.push(multiples);
        }
    });
    let out2 = out.sender();
    go(move || {
        let primes = proxy(primes.sender());
        let candidates = from_on(5, 2, 50);
        let mut p = next(&candidates);
        for c in composites {
            while p < c {
                primes.send(p);
                out2.send(p);
                p = next(&candidates);
            }
            if p == c {
                p = next(&candidates);
            }
        }
    });
    assert!(out.iter().take(PRIMES.len()).eq(PRIMES));
}

/// Elements without size that are lost, or that cannot be selected (`zerosize.go`).
#[kernel_test]
fn zero_size() {
    for cap in [0, 1] {
        let (c, d) = (make::<[u8; 0]>(cap), make::<()>(cap));
        let (c2, d2) = (c.clone(), d.clone());
        go(move || {
            for _ in 0..100 {
                select! {
                    c2.send([]) => {}
                    d2.send(()) => {}
                }
            }
            c2.close();
            d2.close();
        });
        let mut n = 0;
        loop {
            let closed = select! {
                v = c.recv() => v.is_none(),
                v = d.recv() => v.is_none(),
            };
            if closed {
                break;
            }
            n += 1;
        }
        n += c.iter().count() + d.iter().count();
        assert_eq!(n, 100, "capacity {cap}");
    }
}

/// A way to use a channel that treats a closed one differently from the others (`closedchan.go`).
#[kernel_test]
fn closed_channel() {
    /// `None`: it would wait; `Some(None)`: the channel is closed and drained.
    type Receive = fn(&Chan<u8>) -> Option<Option<u8>>;
    const RECEIVES: [Receive; 5] = [
        |c| Some(c.recv()),
        |c| crate::chan::arms::ready(c.try_recv()),
        |c| select! { v = c.recv() => Some(v) },
        |c| select! { v = c.recv() => Some(v), default => None },
        |c| select! { v = c.recv() => Some(v), Chan::nil().send(0) => None, default => None },
    ];
    const SENDS: [fn(&Chan<u8>); 5] = [
        |c| c.send(2),
        |c| _ = c.try_send(2),
        |c| select! { c.send(2) => {} },
        |c| select! { c.send(2) => {}, default => {} },
        |c| select! { c.send(2) => {}, _ = Chan::<u8>::nil().recv() => {}, default => {} },
    ];
    for cap in [0, 2] {
        for receive in RECEIVES {
            let c = make(cap);
            if cap > 0 {
                c.send(1);
            }
            c.close();
            if cap > 0 {
                assert_eq!(receive(&c), Some(Some(1)));
            }
            for _ in 0..3 {
                assert_eq!(receive(&c), Some(None));
            }
            for send in SENDS {
                let e = catch_unwind(|| send(&c)).expect_err("sent on a closed channel");
                assert_eq!(panic_text(&*e), "send on closed channel");
            }
            let e = catch_unwind(|| c.close()).expect_err("closed twice");
            assert_eq!(panic_text(&*e), "close of closed channel");
        }
    }
}
