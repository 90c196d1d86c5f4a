//! The selects of Go's `runtime/chan_test.go`.

use crate::chan::{Chan, make};
use crate::sync::WaitGroup;
use crate::{debug, go, gosched, kernel_test, select};
use alloc::sync::Arc;

/// A default arm that is taken though at each moment one of two channels was ready: the looks at them were at two moments.
#[kernel_test]
fn nothing_is_ready_at_one_moment() {
    let done = make(1);
    for round in 0..10_000 {
        // In every second round `c2` becomes ready by being closed.
        let (c1, c2) = (make(1), make(1));
        c1.send(1);
        let (a, b, done2) = (c1.clone(), c2.clone(), done.clone());
        go(move || {
            select! {
                a.recv() => done2.send(true),
                b.recv() => done2.send(true),
                default => done2.send(false),
            }
        });
        if round % 2 == 0 {
            c2.send(1)
        } else {
            c2.close()
        }
        _ = c1.try_recv();
        assert_eq!(done.recv(), Some(true), "round {round}: no channel was ready");
    }
}

/// A goroutine that serves itself, or waits for itself for ever, when a select sends to and receives from one channel.
#[kernel_test]
fn send_and_receive_on_one_channel() {
    for cap in [0, 10] {
        let c = make(cap);
        let wg = Arc::new(WaitGroup::new());
        for p in 0..2 {
            let c = c.clone();
            wg.go(move || {
                let check = |v| assert!(cap > 0 || v != Some(p), "received from itself");
                for i in 0..1000 {
                    if p == 0 || i % 2 == 0 {
                        select! {
                            c.send(p) => {}
                            v = c.recv() => check(v),
                        }
                    } else {
                        select! {
                            v = c.recv() => check(v),
                            c.send(p) => {}
                        }
                    }
                }
            });
        }
        wg.wait();
    }
}

/// A lost wake-up, a doubled or a lost element, a deadlock of locks, where plain operations and selects over all channels meet.
#[kernel_test]
fn selects_and_plain_operations() {
    const N: usize = 10_000;
    let c: [Chan<usize>; 4] = [make(0), make(0), make(2), make(3)];
    let wg = Arc::new(WaitGroup::new());
    for c in &c {
        let (tx, rx) = (c.clone(), c.clone());
        wg.go(move || (0..N).for_each(|_| tx.send(0)));
        wg.go(move || (0..N).for_each(|_| _ = rx.recv().expect("not closed")));
    }
    // One that has had its N elements is replaced by nil.
    fn count(c: &mut [Chan<usize>; 4], n: &mut [usize; 4], k: usize) {
        n[k] += 1;
        if n[k] == N {
            c[k] = Chan::nil();
        }
    }
    let mut c1 = c.clone();
    wg.go(move || {
        let mut n = [0; 4];
        for _ in 0..4 * N {
            select! {
                c1[3].send(0) => count(&mut c1, &mut n, 3),
                c1[2].send(0) => count(&mut c1, &mut n, 2),
                c1[0].send(0) => count(&mut c1, &mut n, 0),
                c1[1].send(0) => count(&mut c1, &mut n, 1),
            }
        }
    });
    let mut c1 = c.clone();
    wg.go(move || {
        let mut n = [0; 4];
        for _ in 0..4 * N {
            select! {
                c1[0].recv() => count(&mut c1, &mut n, 0),
                c1[1].recv() => count(&mut c1, &mut n, 1),
                c1[2].recv() => count(&mut c1, &mut n, 2),
                c1[3].recv() => count(&mut c1, &mut n, 3),
            }
        }
    });
    wg.wait();
    assert!(c.iter().all(|c| c.is_empty() && c.waiters() == 0));
}

/// One of two channels that are always ready is preferred.
#[kernel_test]
fn select_is_fair() {
    const TRIALS: i64 = 10_000;
    let [c1, c2] = [1u8, 2].map(|v| {
        let c = make(TRIALS as usize + 1);
        (0..=TRIALS).for_each(|_| c.send(v));
        c
    });
    let (c3, c4) = (make(0), make(0));
    let (out, done) = (make(0), make::<()>(0));
    let wg = Arc::new(WaitGroup::new());
    let (out2, done2) = (out.clone(), done.clone());
    wg.go(move || {
        loop {
            let b = select! {
                b = c3.recv() => b,
                b = c4.recv() => b,
                b = c1.recv() => b,
                b = c2.recv() => b,
            };
            select! {
                out2.send(b) => {}
                done2.recv() => return,
            }
        }
    });
    let mut count = [0; 3];
    for _ in 0..TRIALS {
        let b = out.recv().flatten().expect("not closed");
        count[usize::from(b)] += 1;
    }
    // Ten times the standard deviation, which is 50.
    assert!((count[1] - TRIALS / 2).abs() <= 500, "{count:?}");
    done.close();
    wg.wait();
}

/// One of two sends on the same channel that is preferred.
#[kernel_test]
fn sends_on_one_channel_are_chosen_at_random() {
    const N: usize = 100;
    for cap in [0, N] {
        let (c, all) = (make(cap), make(1));
        let (rx, all2) = (c.clone(), all.clone());
        go(move || {
            let ones: usize = (0..N)
                .map(|_| {
                    gosched();
                    rx.recv().expect("not closed")
                })
                .sum();
            all2.send(ones);
        });
        for _ in 0..N {
            select! {
                c.send(1) => {}
                c.send(0) => {}
            }
        }
        let ones = all.recv().expect("not closed");
        assert!(ones > N / 10 && N - ones > N / 10, "{ones} ones of {N}, capacity {cap}");
    }
}

/// A queue that is broken when a select leaves it which was in it twice.
#[kernel_test]
fn one_channel_in_two_arms() {
    let (c, d, e) = (make(0), make(0), make(0));
    let (c2, d2, e2) = (c.clone(), d.clone(), e.clone());
    go(move || {
        select! {
            c2.recv() => {}
            c2.recv() => {}
            d2.recv() => {}
        }
        e2.send(9);
    });
    c.until_waiters(2);
    let (c2, e2) = (c.clone(), e.clone());
    go(move || e2.send(c2.recv().expect("not closed")));
    c.until_waiters(3);
    d.send(7);
    assert_eq!(e.recv(), Some(9));
    assert_eq!(c.waiters(), 1);
    c.send(8);
    assert_eq!(e.recv(), Some(8));
}

/// The slots or sudogs of a waiting select taken away with the pages below its frames.
#[kernel_test]
fn stacks_shrink_under_waiting_selects() {
    let (c, d) = (make::<[u64; 100]>(0), make::<[u64; 100]>(0));
    let ready = make(0);
    for dup in [false, true] {
        let (c, d, ready) = (c.clone(), d.clone(), ready.clone());
        go(move || {
            super::go_chan::use_stack(10);
            let mut local = 42;
            let (c2, d2) = if dup { (c.clone(), d.clone()) } else { Default::default() };
            let pointer = &mut local;
            let got = select! {
                _ = c.recv() => panic!("nothing was sent"),
                _ = c2.recv() => panic!("nothing was sent"),
                v = d.recv() => v,
                v = d2.recv() => v,
            };
            *pointer += 1;
            ready.send((got, local));
        });
    }
    c.until_waiters(3);
    debug::free_os_memory();
    d.send([7; 100]);
    assert_eq!(ready.recv(), Some((Some([7; 100]), 43)));
    d.close();
    assert_eq!(ready.recv(), Some((None, 43)));
    assert_eq!((c.waiters(), d.waiters()), (0, 0));
}
