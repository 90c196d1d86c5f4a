//! The selects of Go's `test/chan/*.go`.

use crate::chan::{Chan, Receiver, Sender, make};
use crate::panic::catch_unwind;
use crate::testing::panic_text;
use crate::{go, gosched, kernel_test, mem_stats, select};
use alloc::collections::BTreeSet;
use alloc::sync::Arc;
use core::cell::Cell;
use core::sync::atomic::{AtomicBool, Ordering};

/// Two arms of one select that are both served (`doubleselect.go`).
#[kernel_test]
fn no_two_arms_are_served() {
    let c: [Chan<u32>; 4] = core::array::from_fn(|_| make(0));
    let out = make(0);
    for from in &c {
        let (from, out): (Receiver<u32>, Sender<(u32, bool)>) = (from.receiver(), out.sender());
        go(move || {
            from.iter().for_each(|v| out.send((v, false)));
            out.send((0, true));
        });
    }
    const N: u32 = 20_000;
    go(move || {
        for i in 0..N {
            select! {
                c[0].send(i) => {}
                c[1].send(i) => {}
                c[2].send(i) => {}
                c[3].send(i) => {}
            }
        }
        c.iter().for_each(Chan::close);
    });
    let mut seen = BTreeSet::new();
    let mut open = 4;
    while open > 0 {
        match out.recv().expect("not closed") {
            (_, true) => open -= 1,
            (v, false) => assert!(seen.insert(v), "{v} was sent twice"),
        }
    }
    assert_eq!(seen.len(), N as usize);
}

/// Values evaluated for the chosen arm only, or not for a nil channel (`select.go`).
#[kernel_test]
fn values_are_evaluated_always() {
    let (counter, shift) = (Cell::new(0), Cell::new(0));
    let value = || {
        counter.set(counter.get() + 1);
        1u32 << shift.get()
    };
    let send = |mut a: Chan<u32>, mut b: Chan<u32>| {
        let mut i = 0;
        loop {
            select! {
                a.send(value()) => {
                    i += 1;
                    a = Chan::nil();
                }
                b.send(value()) => {
                    i += 1;
                    b = Chan::nil();
                }
                default => break,
            }
            shift.set(shift.get() + 1);
        }
        i
    };
    let (a, b) = (make(1), make(1));
    assert_eq!(send(a.clone(), b.clone()), 2);
    assert_eq!(a.recv().unwrap_or(0) | b.recv().unwrap_or(0), 3);
    assert_eq!(send(a, Chan::nil()), 1);
    assert_eq!(counter.get(), 10);
}

/// Selects that allocate, or leave something behind on a channel that is never ready (`select2.go`).
#[kernel_test]
fn selects_use_no_memory() {
    fn pass(n: usize) {
        let (c, never) = (make(0), make::<u8>(0));
        let c2 = c.clone();
        go(move || (0..n).for_each(|_| c2.send(1)));
        for _ in 0..n {
            select! {
                _ = c.recv() => {}
                _ = never.recv() => panic!("nothing was sent"),
            }
        }
        assert_eq!(never.waiters(), 0);
    }
    pass(5000);
    let before = mem_stats().total_alloc;
    pass(5000);
    let bytes = mem_stats().total_alloc - before;
    // What else goes on meanwhile may allocate, but not by the select.
    assert!(bytes < 5000 * 8, "{bytes} bytes for 5000 selects");
}

/// A form of select that waits where it should not, or does not where it should (`select3.go`).
#[kernel_test]
fn which_selects_wait() {
    let ended = |f: fn()| {
        let ended = Arc::new(AtomicBool::new(false));
        let ended2 = ended.clone();
        go(move || {
            f();
            ended2.store(true, Ordering::SeqCst);
        });
        ended
    };
    fn nil() -> Chan<u8> {
        Chan::nil()
    }
    fn closed() -> Chan<u8> {
        let c = make(0);
        c.close();
        c
    }
    fn room() -> Chan<u8> {
        make(1)
    }
    let never: [fn(); 8] = [
        || nil().send(7),
        || _ = nil().recv(),
        || _ = make::<u8>(0).recv(),
        || select! { nil().recv() => {} },
        || select! { nil().send(7) => {} },
        || select! { nil().recv() => {}, nil().send(7) => {} },
        || select! { make::<u8>(0).recv() => {} },
        // A select must not take itself for its partner.
        || {
            let c = make(0);
            select! { c.send(1) => {}, c.recv() => {} }
        },
    ];
    let waiting = never.map(ended);
    let always: [fn(); 10] = [
        || room().send(7),
        || assert_eq!((closed().recv(), closed().recv()), (None, None)),
        || select! { default => {} },
        || select! { nil().recv() => unreachable!(), default => {} },
        || select! { nil().send(7) => unreachable!(), default => {} },
        || select! { room().send(7) => {}, default => unreachable!() },
        || {
            let c = room();
            c.send(7);
            select! { v = c.recv() => assert_eq!(v, Some(7)), default => unreachable!() }
        },
        || select! { closed().recv() => {} },
        || select! { v = closed().recv() => assert_eq!(v, None) },
        || select! { v = closed().recv() => assert_eq!(v, None), default => unreachable!() },
    ];
    for ends in always.map(ended) {
        super::until(|| ends.load(Ordering::SeqCst));
    }
    for f in [|| closed().send(7), || select! { closed().send(7) => {} }] {
        let e = catch_unwind(f).expect_err("sent on a closed channel");
        assert_eq!(panic_text(&*e), "send on closed channel");
    }
    for _ in 0..200 {
        gosched();
    }
    assert!(waiting.iter().all(|ended| !ended.load(Ordering::SeqCst)));
}

/// What is assigned to when another arm is chosen (`select4.go`).
#[kernel_test]
fn only_the_chosen_arm_is_assigned() {
    struct X {
        a: Option<u32>,
    }
    fn f(_: Option<u32>) -> u32 {
        panic!("the arm was not chosen")
    }
    let mut x = X { a: None };
    let (c, c1) = (make(1), make(0));
    c.send(42);
    select! {
        v = c1.recv() => _ = f(v),
        v = c.recv() => x.a = v,
    }
    assert_eq!(x.a, Some(42));
}

/// Calls `$emit` with each subset of the arms in the second list, each in braces, added to the first.
macro_rules! subsets {
    ($emit:ident [$($chosen:tt)*] []) => { $emit! { $($chosen)* } };
    ($emit:ident [$($chosen:tt)*] [$first:tt $($rest:tt)*]) => {
        subsets!($emit [$($chosen)*] [$($rest)*]);
        subsets!($emit [$($chosen)* $first] [$($rest)*]);
    };
}

/// A form of select that the macro makes something else of: with and without arms that are not ready, in each combination, where each
/// expression is evaluated once and in order (`select5.go`, which generates them, too).
#[kernel_test]
fn all_forms() {
    let (c, dummy, nil) = (make(1), make::<u32>(0), Chan::<u32>::nil());
    let order = Cell::new(0);
    // Each evaluation must come later in the order than the one before.
    let at = |n| {
        assert!(order.replace(n) < n, "{n} after {}", order.get());
    };
    let mut n = 0;
    macro_rules! receive {
        ($({$($arm:tt)*})*) => {
            n += 1;
            c.send(n);
            order.set(0);
            let x = select! {
                v = { at(1); &c }.recv() => { at(100); v }
                $($($arm)*)*
            };
            assert_eq!(x, Some(n));
        };
    }
    macro_rules! send {
        ($({$($arm:tt)*})*) => {
            n += 1;
            order.set(0);
            let x = select! {
                { at(1); &c }.send({ at(2); n }) => None,
                $($($arm)*)*
            };
            assert_eq!((x, c.recv()), (None::<u32>, Some(n)));
        };
    }
    macro_rules! nothing {
        ($({$($arm:tt)*})*) => {
            order.set(0);
            let x = select! {
                $($($arm)*)*
                default => Some(0),
            };
            assert_eq!(x, Some(0));
        };
    }
    macro_rules! with {
        ($emit:ident $($more:tt)*) => {
            subsets!($emit [] [
                $($more)*
                { { at(3); &dummy }.send({ at(4); 1 }) => panic!("dummy send"), }
                { _ = { at(5); &dummy }.recv() => panic!("dummy receive"), }
                { { at(6); &nil }.send({ at(7); 1 }) => panic!("nil send"), }
                { _ = { at(8); &nil }.recv() => panic!("nil receive"), }
            ]);
        };
    }
    with!(receive { default => panic!("nonblock"), });
    with!(send { default => panic!("nonblock"), });
    with!(nothing);
}

/// A queue that is broken when a select leaves it as its last (`select6.go`).
#[kernel_test]
fn a_select_leaves_the_end_of_a_queue() {
    let (c1, c2, c3) = (make(0), make(0), make(0));
    let c = c1.clone();
    go(move || _ = c.recv());
    c1.until_waiters(1);
    let (a, b, c) = (c1.clone(), c2.clone(), c3.clone());
    go(move || {
        select! {
            _ = a.recv() => panic!("nothing was sent"),
            _ = b.recv() => c.send(true),
        }
        a.recv();
    });
    c1.until_waiters(2);
    c2.send(true);
    c3.recv();
    c1.send(true);
    c1.send(true);
}

/// A value that nobody wants, in each form of send and receive (`select7.go`).
#[kernel_test]
fn values_are_discarded() {
    let receives: [fn(Receiver<u8>); 3] = [
        |c| _ = c.recv(),
        |c| select! { c.recv() => {} },
        |c| {
            let c2 = make::<u8>(0);
            select! { c.recv() => {}, c2.recv() => {} }
        },
    ];
    let sends: [fn(Sender<u8>); 3] = [
        |c| c.send(1),
        |c| select! { c.send(1) => {} },
        |c| {
            let c2 = make(0);
            select! { c.send(1) => {}, c2.send(1) => {} }
        },
    ];
    for receive in receives {
        for send in sends {
            let (c, done) = (make(0), make(0));
            let (rx, done2) = (c.receiver(), done.clone());
            go(move || {
                receive(rx);
                done2.send(());
            });
            gosched();
            send(c.sender());
            assert_eq!(done.recv(), Some(()));
        }
    }
}

/// A `break` that leaves something else than the block around the select (`select8.go`).
#[kernel_test]
fn break_out_of_an_arm() {
    let ch = make(0);
    let (rx, stop) = (ch.clone(), make::<()>(0));
    let stop2 = stop.clone();
    go(move || {
        loop {
            select! {
                ch.send(5) => {}
                stop2.recv() => return,
            }
        }
    });
    let mut n = 0;
    'one: {
        select! {
            rx.recv() => {
                n += 1;
                break 'one;
            }
        }
        #[expect(unreachable_code, reason = "what is tested")]
        {
            panic!("after break");
        }
    }
    'two: {
        select! {
            rx.recv() => {
                n += 1;
                break 'two;
            }
            default => {
                n += 1;
                break 'two;
            }
        }
        #[expect(unreachable_code, reason = "what is tested")]
        {
            panic!("after break");
        }
    }
    'three: {
        select! {
            rx.recv() => {
                n += 1;
                break 'three;
            }
            rx.send(10) => {}
            default => {
                n += 1;
                break 'three;
            }
        }
        panic!("nobody receives");
    }
    assert_eq!(n, 3);
    stop.close();
}
