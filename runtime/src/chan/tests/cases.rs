//! `chan::select` over slices of cases, after Go's tests of `reflect.Select` (`reflect/all_test.go`).

use super::Counted;
use crate::chan::{self, Chan, MAX_CASES, RecvCase, SelectCase, SendCase, make, select, try_select};
use crate::panic::catch_unwind;
use crate::rand::Rand;
use crate::testing::panic_text;
use crate::{go, kernel_test};
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicUsize, Ordering};

/// The index of another case than the one that was served, or an element in the wrong one.
#[kernel_test]
fn the_case_that_is_ready_is_chosen() {
    let chans: Vec<Chan<usize>> = (0..40).map(|_| make(1)).collect();
    let mut cases: Vec<_> = chans.iter().map(Chan::recv_case).collect();
    assert_eq!(try_select(&mut cases), None);
    for i in (0..40).rev() {
        chans[i].send(i);
        assert_eq!(select(&mut cases), i);
        assert_eq!((cases[i].take(), cases[i].take()), (Some(i), None));
    }
    chans[7].close();
    assert_eq!((select(&mut cases), cases[7].take()), (7, None));
}

/// A value that is lost, sent twice, or dropped twice when its case is not chosen, chosen, refilled, or dropped.
#[kernel_test]
fn values_stay_in_cases_that_are_not_chosen() {
    let drops = Arc::new(AtomicUsize::new(0));
    let dropped = || drops.load(Ordering::SeqCst);
    let (room, full) = (make(1), make(0));
    let mut cases = [&room, &full].map(|c| c.send_case(Counted(drops.clone())));
    assert_eq!(select(&mut cases), 0);
    assert!(cases[0].take().is_none());
    // A case that has been sent is never ready, and the other's channel is not.
    assert_eq!((try_select(&mut cases), dropped()), (None, 0));
    drop(cases[1].take());
    assert_eq!((try_select(&mut cases), dropped()), (None, 1));
    drop(room.recv());
    cases[0].put(Counted(drops.clone()));
    cases[0].put(Counted(drops.clone()));
    assert_eq!(dropped(), 3, "the one received, and the one replaced");
    assert_eq!(select(&mut cases), 0);
    drop(cases);
    assert_eq!(dropped(), 3);
    // Elements that were received and not taken.
    let mut case = [room.recv_case()];
    assert_eq!(select(&mut case), 0);
    room.send(Counted(drops.clone()));
    assert_eq!((select(&mut case), dropped()), (0, 4));
    drop(case);
    assert_eq!(dropped(), 5);

    room.close();
    let mut cases = [room.send_case(Counted(drops.clone()))];
    let e = catch_unwind(|| select(&mut cases)).expect_err("sent on a closed channel");
    assert_eq!(panic_text(&*e), "send on closed channel");
    assert!(cases[0].take().is_some());
}

/// More arms than two bytes number (Go: `TestSelectMaxCases`), and as many on one channel (its lock taken once).
#[kernel_test]
fn at_most_65536_cases() {
    let closed = make::<u8>(0);
    closed.close();
    let mut cases: Vec<RecvCase<u8>> = (0..MAX_CASES).map(|_| closed.recv_case()).collect();
    assert!(select(&mut cases) < MAX_CASES);
    cases.push(closed.recv_case());
    let e = catch_unwind(|| select(&mut cases)).expect_err("too many");
    assert_eq!(panic_text(&*e), "chan::select: too many cases (max 65536)");

    let open = make::<u8>(0);
    let mut cases: Vec<RecvCase<u8>> = (0..1000).map(|_| open.recv_case()).collect();
    assert_eq!(try_select(&mut cases), None);
    let tx = open.clone();
    go(move || {
        tx.until_waiters(1000);
        tx.send(5);
    });
    let i = select(&mut cases);
    assert_eq!((cases[i].take(), open.waiters()), (Some(5), 0));
}

/// Thousands of locks, taken in an order other than that of the addresses by one of two selects: they wait for each other.
#[kernel_test]
fn many_channels_in_opposite_order() {
    let chans: Vec<Chan<u64>> = (0..500).map(|_| make(0)).collect();
    let (chans2, done) = (chans.clone(), make(0));
    let done2 = done.clone();
    const N: u64 = 30;
    go(move || {
        let mut cases: Vec<SendCase<u64>> = chans2.iter().rev().map(|c| c.send_case(1)).collect();
        for _ in 0..N {
            let i = select(&mut cases);
            cases[i].put(1);
        }
        done2.send(());
    });
    let mut cases: Vec<_> = chans.iter().map(Chan::recv_case).collect();
    let mut sum = 0;
    for _ in 0..N {
        let i = select(&mut cases);
        sum += cases[i].take().expect("not closed");
    }
    assert_eq!((sum, done.recv()), (N, Some(())));
    assert!(chans.iter().all(|c| c.waiters() == 0));
}

/// No cases (Go: `TestSelectNop`).
#[kernel_test]
fn no_cases() {
    assert_eq!(try_select(&mut [] as &mut [RecvCase<u8>]), None);
}

/// What a case of Go's `TestSelect` promises.
struct Info {
    desc: &'static str,
    can_select: bool,
    panics: bool,
    /// The element that it receives; `None` if it is a send or the channel is closed.
    recv: Option<String>,
    /// Makes it ready.
    helper: Option<Box<dyn FnOnce() + Send>>,
}

impl Info {
    fn new(desc: &'static str) -> Info {
        Info { desc, can_select: false, panics: false, recv: None, helper: None }
    }
}

/// Cases whose elements are numbers or texts, by turns.
enum Case<'a> {
    NumberIn(RecvCase<'a, usize>),
    TextIn(RecvCase<'a, String>),
    NumberOut(SendCase<'a, usize>),
    TextOut(SendCase<'a, String>),
}

impl Case<'_> {
    fn erased(&mut self) -> &mut dyn SelectCase {
        match self {
            Case::NumberIn(c) => c,
            Case::TextIn(c) => c,
            Case::NumberOut(c) => c,
            Case::TextOut(c) => c,
        }
    }

    fn received(&mut self) -> Option<String> {
        match self {
            Case::NumberIn(c) => c.take().map(|n| format!("{n}")),
            Case::TextIn(c) => c.take(),
            _ => None,
        }
    }
}

/// Channels of both kinds; `number` says which one is used.
struct Pair {
    number: bool,
    numbers: Chan<usize>,
    texts: Chan<String>,
}

impl Pair {
    fn new(number: bool, cap: usize) -> Pair {
        Pair { number, numbers: make(cap), texts: make(cap) }
    }

    fn send(&self, n: usize) {
        if self.number { self.numbers.send(n) } else { self.texts.send(format!("{n}")) }
    }

    fn send_case(&self, n: usize) -> Case<'_> {
        if self.number {
            Case::NumberOut(self.numbers.send_case(n))
        } else {
            Case::TextOut(self.texts.send_case(format!("{n}")))
        }
    }

    fn recv_case(&self) -> Case<'_> {
        if self.number {
            Case::NumberIn(self.numbers.recv_case())
        } else {
            Case::TextIn(self.texts.recv_case())
        }
    }
}

/// A case chosen that cannot be, or one with another's element: all kinds of cases in random combinations and orders (Go: `TestSelect`, which
/// tries thousands in a fixed order).
#[kernel_test]
fn combinations() {
    for seed in 1..=1500 {
        one_combination(&Rand::new(seed), seed);
    }
}

fn one_combination(rand: &Rand, seed: u64) {
    let maybe = || rand.below(2) == 0;
    let mut pairs: Vec<Pair> = (0..6).map(|i| Pair::new(maybe(), usize::from(i < 2))).collect();
    for pair in &mut pairs[4..] {
        pair.numbers.close();
        pair.texts.close();
    }
    let nil = Pair { number: true, numbers: Chan::nil(), texts: Chan::nil() };
    let (mut cases, mut infos) = (Vec::new(), Vec::new());
    let mut push = |case, info: Info| {
        let at = rand.below(cases.len() as u32 + 1) as usize;
        cases.insert(at, case);
        infos.insert(at, info);
    };
    if maybe() {
        push(pairs[0].send_case(0), Info { can_select: true, ..Info::new("ready send") });
    }
    if maybe() {
        pairs[1].send(1);
        push(
            pairs[1].recv_case(),
            Info { can_select: true, recv: Some("1".into()), ..Info::new("ready receive") },
        );
    }
    if maybe() {
        let (numbers, texts, number) = (pairs[2].numbers.clone(), pairs[2].texts.clone(), pairs[2].number);
        let receive = move || if number { _ = numbers.recv() } else { _ = texts.recv() };
        let helper: Option<Box<dyn FnOnce() + Send>> = if maybe() { Some(Box::new(receive)) } else { None };
        push(pairs[2].send_case(2), Info { helper, ..Info::new("waiting send") });
    }
    if maybe() {
        let pair = Pair {
            number: pairs[3].number,
            numbers: pairs[3].numbers.clone(),
            texts: pairs[3].texts.clone(),
        };
        let helper: Option<Box<dyn FnOnce() + Send>> =
            if maybe() { Some(Box::new(move || pair.send(3))) } else { None };
        push(pairs[3].recv_case(), Info { helper, recv: Some("3".into()), ..Info::new("waiting receive") });
    }
    if maybe() {
        push(nil.send_case(100), Info::new("nil send"));
    }
    if maybe() {
        push(nil.recv_case(), Info::new("nil receive"));
    }
    if maybe() {
        push(pairs[4].send_case(101), Info { can_select: true, panics: true, ..Info::new("closed send") });
    }
    if maybe() {
        push(pairs[5].recv_case(), Info { can_select: true, ..Info::new("closed receive") });
    }

    let ready = infos.iter().any(|i| i.can_select);
    let helped: Vec<usize> = (0..infos.len()).filter(|i| infos[*i].helper.is_some()).collect();
    let default = !ready && helped.is_empty() || maybe();
    if !default && !ready {
        // It takes another goroutine to complete the select.
        let info = &mut infos[helped[rand.below(helped.len() as u32) as usize]];
        info.can_select = true;
        go(info.helper.take().expect("there is a helper"));
    }
    let panics = infos.iter().filter(|i| i.panics).count();
    let all = infos.iter().map(|i| i.desc).collect::<Vec<_>>();
    let chosen = catch_unwind(|| {
        let mut erased: Vec<&mut dyn SelectCase> = cases.iter_mut().map(Case::erased).collect();
        if default { try_select(&mut erased) } else { Some(chan::select(&mut erased)) }
    });
    match chosen {
        Err(e) => {
            assert_eq!(panic_text(&*e), "send on closed channel");
            assert_ne!(panics, 0, "seed {seed}: {all:?}");
        }
        Ok(None) => assert!(!ready, "seed {seed}: default of {all:?}"),
        Ok(Some(i)) => {
            let info = &infos[i];
            assert!(info.can_select && !info.panics, "seed {seed}: {i} of {all:?}");
            assert_eq!(cases[i].received(), info.recv, "seed {seed}: {i} of {all:?}");
        }
    }
}
