//! Many goroutines on one channel.

use super::Counted;
use crate::chan::{TryRecvError, make};
use crate::panic::catch_unwind;
use crate::rand::Rand;
use crate::sync::WaitGroup;
use crate::{go, gosched, kernel_test};
use alloc::sync::Arc;
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// A lost or doubled element or wake-up under contention.
#[kernel_test]
fn many_to_many_sums() {
    for seed in 1..=12u64 {
        let rand = Rand::new(seed);
        let cap = rand.below(5) as usize;
        let (producers, consumers) = (1 + rand.below(6) as usize, 1 + rand.below(6) as usize);
        let each = 200 + u64::from(rand.below(800));
        let c = make(cap);
        let (sum, count) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let (senders, receivers) = (Arc::new(WaitGroup::new()), Arc::new(WaitGroup::new()));
        for p in 0..producers as u64 {
            let c = c.clone();
            senders.go(move || {
                let rand = Rand::new(seed * 100 + p);
                for i in 0..each {
                    c.send(p * each + i);
                    if rand.below(50) == 0 {
                        gosched();
                    }
                }
            });
        }
        for _ in 0..consumers {
            let (c, sum, count) = (c.clone(), sum.clone(), count.clone());
            receivers.go(move || {
                for v in c {
                    sum.fetch_add(v, Ordering::Relaxed);
                    count.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        senders.wait();
        c.close();
        receivers.wait();
        let n = producers as u64 * each;
        let got = (count.load(Ordering::Relaxed), sum.load(Ordering::Relaxed));
        assert_eq!(got, (n, n * (n - 1) / 2), "seed {seed}: {producers} to {consumers}, capacity {cap}");
    }
}

/// Close against senders, waiting or not: an element both sent and given back, or neither.
#[kernel_test]
fn close_against_send() {
    for seed in 1..=40u64 {
        let rand = Rand::new(seed);
        let c = make(rand.below(3) as usize);
        let (sent, back) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let drops = Arc::new(AtomicUsize::new(0));
        let wg = Arc::new(WaitGroup::new());
        for _ in 0..4 {
            let (c, sent, back, drops) = (c.clone(), sent.clone(), back.clone(), drops.clone());
            wg.go(move || {
                for _ in 0..10 {
                    match catch_unwind(|| c.send(Counted(drops.clone()))) {
                        Ok(()) => sent.fetch_add(1, Ordering::SeqCst),
                        Err(_) => back.fetch_add(1, Ordering::SeqCst),
                    };
                }
            });
        }
        let mut received = 0;
        for _ in 0..rand.below(30) {
            if c.try_recv().is_ok() {
                received += 1;
            }
            gosched();
        }
        c.close();
        received += c.iter().count();
        wg.wait();
        let (sent, back) = (sent.load(Ordering::SeqCst), back.load(Ordering::SeqCst));
        assert_eq!((sent, sent + back), (received, 40), "seed {seed}");
        assert_eq!(drops.load(Ordering::SeqCst), 40, "seed {seed}");
    }
}

/// Close against receivers that are about to wait: one that sleeps for ever, or takes an element that was never sent.
#[kernel_test]
fn close_against_receive() {
    for seed in 1..=40u64 {
        let rand = Rand::new(seed);
        let c = make(rand.below(4) as usize);
        let got = Arc::new(AtomicUsize::new(0));
        let wg = Arc::new(WaitGroup::new());
        for _ in 0..6 {
            let (c, got) = (c.clone(), got.clone());
            wg.go(move || {
                while let Some(v) = c.recv() {
                    assert_eq!(v, 0x5a5a_5a5a_5a5a_5a5a_u64);
                    got.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        let n = rand.below(20);
        for _ in 0..n {
            c.send(0x5a5a_5a5a_5a5a_5a5a);
            if rand.below(3) == 0 {
                gosched();
            }
        }
        c.close();
        wg.wait();
        assert_eq!(got.load(Ordering::SeqCst), n as usize, "seed {seed}");
    }
}

/// The looks without the lock: `Closed` reported while an element is still there, or never.
#[kernel_test]
fn try_receive_against_send_and_close() {
    for round in 0..200 {
        let c = make(round % 3);
        let c2 = c.clone();
        go(move || {
            c2.send(round);
            c2.close();
        });
        let mut got = 0;
        loop {
            match c.try_recv() {
                Ok(v) => {
                    assert_eq!(v, round);
                    got += 1;
                }
                Err(TryRecvError::Empty) => gosched(),
                Err(TryRecvError::Closed) => break,
            }
        }
        assert_eq!(got, 1, "round {round}");
    }
}

/// Hand-off between cores in both directions, with nothing but the channels to order the plain memory behind the pointers.
#[kernel_test]
fn boxes_change_hands() {
    let (there, back) = (make::<alloc::boxed::Box<[u64; 16]>>(0), make(0));
    let (there2, back2) = (there.clone(), back.clone());
    go(move || {
        for mut b in there2 {
            b.iter_mut().for_each(|w| *w += 1);
            back2.send(b);
        }
        back2.close();
    });
    let mut b = alloc::boxed::Box::new([0; 16]);
    for i in 0..5000 {
        there.send(b);
        b = back.recv().expect("not closed");
        assert!(b.iter().all(|w| *w == i + 1), "round {i}: {b:?}");
    }
    there.close();
    assert!(back.recv().is_none());
}
