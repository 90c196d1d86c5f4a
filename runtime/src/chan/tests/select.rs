//! `select!`: which arm is chosen, what happens to the others, and what a body may do.

use super::{Counted, until};
use crate::chan::{Chan, make};
use crate::panic::catch_unwind;
use crate::port;
use crate::proc::{G, Status};
use crate::testing::panic_text;
use crate::{go, gosched, kernel_test, select};
use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// An arm that is taken though its channel is not ready, or the wrong index among sends and receives in mixed order.
#[kernel_test]
fn the_arm_that_is_ready_is_taken() {
    let full = make(1);
    full.send(0);
    let (room, empty, filled) = (make(1), make::<u8>(0), make(1));
    filled.send(7);
    // Which of the four is ready is decided by whether its channel is nil.
    for ready in 0..2 {
        let on = |i: usize, c: &Chan<u8>| if i == ready { c.clone() } else { Chan::nil() };
        let taken = select! {
            v = empty.recv() => ("empty", v),
            full.send(1) => ("full", None),
            v = on(0, &filled).recv() => ("filled", v),
            on(1, &room).send(5) => ("room", None),
        };
        assert_eq!(taken, [("filled", Some(7)), ("room", None)][ready]);
    }
    assert_eq!(room.try_recv(), Ok(5));
}

/// A closed channel that is not ready to receive, or a received `None` that is taken for an element.
#[kernel_test]
fn receive_from_a_closed_channel_is_ready() {
    let (closed, never) = (make::<Box<u8>>(1), make::<u8>(0));
    closed.send(Box::new(3));
    closed.close();
    let mut got = Vec::new();
    for _ in 0..3 {
        select! {
            v = closed.recv() => got.push(v),
            _ = never.recv() => panic!("nothing was sent"),
        }
    }
    assert_eq!(got, [Some(Box::new(3)), None, None]);
}

/// Another text than Go's; a lock kept by the panic (the channels hang then); a value lost or dropped twice.
#[kernel_test]
fn send_on_a_closed_channel_panics() {
    let drops = Arc::new(AtomicUsize::new(0));
    let (closed, open) = (make(0), make(0));
    closed.close();
    for _ in 0..20 {
        let e = catch_unwind(|| {
            select! {
                closed.send(Counted(drops.clone())) => {}
                open.send(Counted(drops.clone())) => {}
            }
        });
        assert_eq!(panic_text(&*e.expect_err("sent on a closed channel")), "send on closed channel");
    }
    assert_eq!(drops.load(Ordering::SeqCst), 40);
    assert!(open.try_recv().is_err() && closed.try_recv().is_err());

    // The same of one that waits.
    let (a, b) = (make(0), make(0));
    let (a2, b2, drops2) = (a.clone(), b.clone(), drops.clone());
    let waiter = make(1);
    let result = waiter.clone();
    go(move || {
        result.send(catch_unwind(|| {
            select! {
                a2.send(Counted(drops2.clone())) => {}
                b2.send(Counted(drops2.clone())) => {}
            }
        }))
    });
    b.until_waiters(1);
    b.close();
    let e = waiter.recv().expect("not closed").expect_err("sent on a closed channel");
    assert_eq!(panic_text(&*e), "send on closed channel");
    assert_eq!(drops.load(Ordering::SeqCst), 42);
    assert_eq!(a.waiters(), 0, "the waiter is off the other queue");
}

/// A value that is not sent and not dropped, dropped after the body, or both sent and dropped.
#[kernel_test]
fn values_that_are_not_sent_are_dropped_before_the_body() {
    let drops = Arc::new(AtomicUsize::new(0));
    let (room, full) = (make(1), make(0));
    select! {
        room.send(Counted(drops.clone())) => assert_eq!(drops.load(Ordering::SeqCst), 1, "the other one"),
        full.send(Counted(drops.clone())) => panic!("nobody receives"),
    }
    drop(room.recv());
    assert_eq!(drops.load(Ordering::SeqCst), 2);
    let (a, b) = (&full, Chan::nil());
    select! {
        a.send(Counted(drops.clone())) => panic!("nobody receives"),
        b.send(Counted(drops.clone())) => panic!("the nil channel"),
        default => assert_eq!(drops.load(Ordering::SeqCst), 4),
    }
}

/// Expressions evaluated twice, not at all, or in another order than that of the arms.
#[kernel_test]
fn expressions_are_evaluated_once_in_order() {
    let log = AtomicUsize::new(0);
    let step = |n: usize| {
        assert_eq!(log.fetch_add(1, Ordering::Relaxed), n);
    };
    let (a, b, c) = (make::<usize>(1), make::<u8>(0), make::<usize>(0));
    select! {
        { step(0); &a }.send({ step(1); 1 }) => step(5),
        _ = { step(2); &b }.recv() => panic!("nothing was sent"),
        { step(3); &c }.send({ step(4); 3 }) => panic!("nobody receives"),
    }
    step(6);
}

/// Bodies in a closure or a loop of their own; a channel that is borrowed still while the body runs; a temporary channel that is gone too early.
#[kernel_test]
fn bodies_are_part_of_the_code_around() {
    fn first(mut from: Vec<Chan<u32>>) -> Result<u32, &'static str> {
        let never = make::<u8>(0);
        let mut sum = 0;
        'all: loop {
            for c in &mut from {
                select! {
                    v = c.recv() => match v {
                        None => *c = Chan::nil(),
                        Some(0) => continue,
                        Some(1) => continue 'all,
                        Some(2) => break 'all,
                        Some(v) => {
                            sum += v;
                            Err::<(), _>("enough").or_else(|e| if sum > 100 { Err(e) } else { Ok(()) })?
                        }
                    },
                    _ = never.clone().recv() => return Ok(0),
                    default => {}
                }
            }
        }
        Ok(sum)
    }
    let chans = || vec![make(8), make(8)];
    let c = chans();
    [0, 10, 1, 5, 2].into_iter().for_each(|v| c[0].send(v));
    c[1].send(20);
    c[1].close();
    assert_eq!(first(c), Ok(35));
    let c = chans();
    c[1].send(101);
    assert_eq!(first(c), Err("enough"));
}

/// A select that is decided by nobody, or goes on by itself.
#[kernel_test]
fn without_a_ready_arm_it_waits() {
    let ended = Arc::new(AtomicBool::new(false));
    let end2 = ended.clone();
    let drops = Arc::new(AtomicUsize::new(0));
    let end3 = Counted(drops.clone());
    go(move || {
        select! {
            _ = Chan::<u8>::nil().recv() => {}
            Chan::nil().send(1u8) => {}
        }
        end2.store(true, Ordering::SeqCst);
    });
    go(move || {
        let _end = end3;
        select! {}
    });
    for _ in 0..1000 {
        gosched();
    }
    assert!(!ended.load(Ordering::SeqCst));
    assert_eq!(drops.load(Ordering::SeqCst), 0);
}

/// A wait of which a report says something else than Go's.
#[kernel_test]
fn a_waiting_select_says_so() {
    let reason = |f: fn(&Chan<u8>), c: Chan<u8>| {
        let who = make(1);
        let who2 = who.clone();
        go(move || {
            who2.send(port::getg().expose_provenance());
            f(&c);
        });
        let gp: *mut G = core::ptr::with_exposed_provenance_mut(who.recv().expect("not closed"));
        // SAFETY: Gs are never freed; one that waits does not change its reason.
        unsafe {
            until(|| (*gp).status() == Status::Waiting);
            (*gp).wait_reason.text()
        }
    };
    let c = make(0);
    assert_eq!(reason(|c| select! { c.recv() => {}, c.send(1) => {} }, c.clone()), "select");
    c.recv();
    assert_eq!(reason(|c| select! { c.recv() => {} }, c.clone()), "chan receive");
    c.send(1);
    assert_eq!(reason(|_| select! {}, c), "select (no cases)");
    assert_eq!(reason(|c| select! { c.recv() => {}, c.send(1) => {} }, Chan::nil()), "select");
}

/// Two receives in one select that are served the wrong way round, or a single one that is not woken.
#[kernel_test]
fn a_waiting_select_is_woken_by_any_arm() {
    let (numbers, texts, room) = (make::<u64>(0), make::<&str>(0), make::<[u64; 40]>(0));
    let log = make(10);
    let (n2, t2, r2, log2) = (numbers.clone(), texts.clone(), room.clone(), log.clone());
    go(move || {
        for _ in 0..4 {
            select! {
                v = n2.recv() => log2.send(v.map_or(0, |v| v as usize)),
                v = t2.recv() => log2.send(v.map_or(0, str::len)),
                r2.send([9; 40]) => log2.send(99),
            }
        }
        log2.close();
    });
    numbers.send(5);
    assert_eq!(log.recv(), Some(5));
    assert_eq!(room.recv(), Some([9; 40]));
    assert_eq!(log.recv(), Some(99));
    texts.send("four");
    assert_eq!(log.recv(), Some(4));
    texts.close();
    assert_eq!(log.recv(), Some(0));
    assert_eq!(log.recv(), None);
    assert_eq!((numbers.waiters(), texts.waiters(), room.waiters()), (0, 0, 0));
}

/// An arm that is hardly ever chosen though it is always ready.
#[kernel_test]
fn all_ready_arms_have_their_turn() {
    let c: Vec<Chan<()>> = (0..5).map(|_| make(0)).collect();
    c.iter().for_each(Chan::close);
    let mut chosen = [0; 5];
    for _ in 0..2000 {
        let i = select! {
            _ = c[0].recv() => 0,
            _ = c[1].recv() => 1,
            _ = c[2].recv() => 2,
            _ = c[3].recv() => 3,
            _ = c[4].recv() => 4,
        };
        chosen[i] += 1;
    }
    // 400 each is expected; 17.9 is the standard deviation.
    assert!(chosen.iter().all(|n| (250..550).contains(n)), "{chosen:?}");
}

/// The single forms, which are no select at all.
#[kernel_test]
fn one_arm_is_a_plain_operation() {
    let c = make(1);
    assert_eq!(select! { c.send(4) => 1, default => 2 }, 1);
    assert_eq!(select! { c.send(5) => 1, default => 2 }, 2);
    assert_eq!(select! { v = c.recv() => v, default => Some(0) }, Some(4));
    assert_eq!(select! { v = c.recv() => v, default => Some(0) }, Some(0));
    select! { c.send(6) => {} }
    select! { v = c.recv() => assert_eq!(v, Some(6)) }
    c.close();
    assert_eq!(select! { v = c.recv() => v, default => Some(0) }, None);
    assert_eq!(select! { default => 3 }, 3);
    let text = catch_unwind(|| select! { c.send(1) => {}, default => {} }).expect_err("closed");
    assert_eq!(panic_text(&*text), "send on closed channel");
}
