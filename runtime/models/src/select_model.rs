//! `selectgo`: a goroutine that waits on two channels is served by one of them, once, and what the other has stays there.

use super::select::{Scase, selectgo};
use super::waitq::Sudog;
use super::{Chan, Sent, make};
use crate::proc::{go, set_random};
use loom::model::Builder;
use std::mem::MaybeUninit;
use std::ptr::from_ref;

/// Which arm was chosen, and the element, unless the channel was closed.
type Got = (usize, Option<u64>);

/// `select { v = a.recv(), v = b.recv() }`, looking at `first` first.
fn receive(a: &Chan, b: &Chan, first: usize) -> Got {
    let mut v = [MaybeUninit::<u64>::uninit(); 2];
    let [v0, v1] = v.each_mut().map(|v| v.as_mut_ptr().cast());
    let i = select([Scase { c: &a.0, elem: v0 }, Scase { c: &b.0, elem: v1 }], 0, first);
    // SAFETY: an element was moved there.
    (i.0, i.1.then(|| unsafe { v[i.0].assume_init() }))
}

/// `select { a.send(v), w = b.recv() }`, looking at `first` first.
fn send_or_receive(a: &Chan, v: u64, b: &Chan, first: usize) -> Got {
    let mut w = MaybeUninit::<u64>::uninit();
    let cases = [
        Scase { c: &a.0, elem: from_ref(&v).cast_mut().cast() },
        Scase { c: &b.0, elem: w.as_mut_ptr().cast() },
    ];
    match select(cases, 1, first) {
        // SAFETY: an element was moved there.
        (1, true) => (1, Some(unsafe { w.assume_init() })),
        (i, _) => (i, None),
    }
}

fn select(cases: [Scase; 2], nsends: usize, first: usize) -> (usize, bool) {
    // With 0 the order of the two is reversed.
    set_random(1 - first as u32);
    let mut order = [0; 4];
    let mut sudogs = [const { MaybeUninit::<Sudog>::uninit() }; 2];
    // SAFETY: the channels and elements live during the call, and there is as much room as two cases want.
    let chosen = unsafe {
        selectgo(cases.as_ptr(), order.as_mut_ptr(), sudogs.as_mut_ptr().cast(), nsends, 2 - nsends, true)
    };
    (chosen.index, chosen.moved)
}

fn model(check: impl Fn() + Sync + Send + 'static) {
    let mut model = Builder::new();
    model.preemption_bound = Some(2);
    model.check(check);
}

/// Finds a goroutine that both channels serve (an element is lost, or `goready` is called twice), or that neither does; and a sudog left in a queue,
/// by which the second element would go to a select that is over.
#[test]
fn one_select_against_two_senders() {
    for first in [0, 1] {
        model(move || {
            let (a, b) = (make(0), make(0));
            let (a2, b2) = (a.clone(), b.clone());
            let one = go(move || a2.send(1, true));
            let two = go(move || b2.send(2, true));
            let got = [receive(&a, &b, first), receive(&a, &b, first)];
            let mut got = got.map(|(i, v)| (i, v.unwrap()));
            got.sort_unstable();
            assert_eq!(got, [(0, 1), (1, 2)]);
            assert_eq!((one.join().unwrap(), two.join().unwrap()), (Sent::Done, Sent::Done));
        });
    }
}

/// Finds an element that goes to a select which the other channel has served already, or a select that a loser has taken off one queue too many: its
/// goroutine waits for ever.
#[test]
fn two_selects_against_two_senders() {
    model(|| {
        let (a, b) = (make(0), make(0));
        let (a1, b1, a2, b2) = (a.clone(), b.clone(), a.clone(), b.clone());
        let other = go(move || receive(&a1, &b1, 1));
        let one = go(move || a2.send(1, true));
        let two = go(move || b2.send(2, true));
        let mut got = [receive(&a, &b, 0), other.join().unwrap()];
        got.sort_unstable();
        assert_eq!(got, [(0, Some(1)), (1, Some(2))]);
        assert_eq!((one.join().unwrap(), two.join().unwrap()), (Sent::Done, Sent::Done));
    });
}

/// Two selects that serve each other, with the arms in opposite order: finds two that wait for each other's locks, or one that is served while it serves.
#[test]
fn selects_meet() {
    for first in [0, 1] {
        model(move || {
            let (a, b) = (make(0), make(0));
            let (a2, b2) = (a.clone(), b.clone());
            let other = go(move || send_or_receive(&b2, 2, &a2, first));
            match (send_or_receive(&a, 1, &b, first), other.join().unwrap()) {
                ((0, None), (1, Some(1))) | ((1, Some(2)), (0, None)) => {}
                other => panic!("{other:?}"),
            }
        });
    }
}

/// Finds a close that wakes a select which another channel has served, or none; and a closed channel's arm that has an element.
#[test]
fn close_against_a_sender() {
    model(|| {
        let (a, b) = (make(0), make(1));
        let (a2, b2) = (a.clone(), b.clone());
        let closer = go(move || a2.close());
        let sender = go(move || b2.send(7, true));
        let mut got = [receive(&a, &b, 0), receive(&a, &b, 1)];
        closer.join().unwrap();
        assert_eq!(sender.join().unwrap(), Sent::Done);
        got.sort_unstable();
        assert!(got == [(0, None), (1, Some(7))] || got == [(0, None), (0, None)], "{got:?}");
        if got[1].0 == 0 {
            assert_eq!(b.recv(false), Ok(7));
        }
    });
}

/// Finds a sender that gives up, or waits for ever, at a buffer which has room: those who waited there were selects that another channel had served.
#[test]
fn what_is_stale_is_in_nobodys_way() {
    model(|| {
        let (a, b) = (make(0), make(1));
        let (a1, b1, a2) = (a.clone(), b.clone(), a.clone());
        let select = go(move || receive(&a1, &b1, 0));
        let sender = go(move || a2.send(1, false));
        assert_eq!(b.send(2, false), Sent::Done);
        let sent = sender.join().unwrap();
        if sent == Sent::Done {
            assert_eq!(select.join().unwrap(), (0, Some(1)));
            assert_eq!(b.recv(false), Ok(2));
        } else {
            assert_eq!(select.join().unwrap(), (1, Some(2)));
        }
    });
}
