//! `select!`.

use super::B;
use core::hint::black_box;
use runtime::{chan, go, select};

/// Two producers on an unbuffered channel each, one selecting consumer; op = one item.
pub fn select2(b: &mut B) {
    let (x, y) = (chan::make::<u64>(0), chan::make::<u64>(0));
    let half = b.n / 2;
    for c in [&x, &y] {
        let c = c.clone();
        go(move || (0..half).for_each(|i| c.send(i)));
    }
    let mut sum = 0;
    for _ in 0..half * 2 {
        sum += select! {
            v = x.recv() => v,
            v = y.recv() => v,
        }
        .expect("not closed");
    }
    assert_eq!(sum, half * (half - 1));
}

/// Both arms ready, one goroutine; op = one select and the send that refills.
pub fn select2_ready(b: &mut B) {
    let (x, y) = (chan::make::<u64>(1), chan::make::<u64>(1));
    x.send(1);
    y.send(1);
    for _ in 0..b.n {
        select! {
            v = x.recv() => x.send(v.expect("not closed")),
            v = y.recv() => y.send(v.expect("not closed")),
        }
    }
}

/// A select that takes its default arm; op = one select.
pub fn select_default(b: &mut B) {
    let x = chan::make::<u64>(0);
    let mut n = 0;
    for _ in 0..b.n {
        select! {
            _ = x.recv() => {}
            default => n += 1,
        }
    }
    assert_eq!(black_box(n), b.n);
}
