//! Go's `test/chan/powser1.go`: power series as channels of their coefficients, made on demand (M. D. McIlroy, "Squinting at Power Series", 1990).
//!
//! Hundreds of goroutines wait for each other, most of them in a select. Where Go's ends by ending the program, each operation here is also
//! a select with `quit`, by which all end.

use crate::chan::{Chan, make};
use crate::panic::goexit;
use crate::sync::WaitGroup;
use crate::{kernel_test, select};
use alloc::sync::Arc;
use alloc::vec::Vec;

#[derive(Clone, Copy, PartialEq, Debug)]
struct Rat {
    num: i64,
    /// 0 marks the end of a series.
    den: i64,
}

const ZERO: Rat = Rat { num: 0, den: 1 };
const ONE: Rat = Rat { num: 1, den: 1 };
const FINIS: Rat = Rat { num: 1, den: 0 };

fn gcd(u: i64, v: i64) -> i64 {
    match u {
        0 => v,
        u if u < 0 => gcd(-u, v),
        u => gcd(v % u, u),
    }
}

fn rat(u: i64, v: i64) -> Rat {
    let g = gcd(u, v);
    if v > 0 { Rat { num: u / g, den: v / g } } else { Rat { num: -u / g, den: -v / g } }
}

impl Rat {
    fn is_end(self) -> bool {
        self.den == 0
    }

    fn plus(self, v: Rat) -> Rat {
        let g = gcd(self.den, v.den);
        rat(self.num * (v.den / g) + v.num * (self.den / g), self.den * (v.den / g))
    }

    fn times(self, v: Rat) -> Rat {
        let (g1, g2) = (gcd(self.num, v.den), gcd(self.den, v.num));
        Rat { num: (self.num / g1) * (v.num / g2), den: (self.den / g2) * (v.den / g1) }
    }

    fn neg(self) -> Rat {
        ZERO.plus(Rat { num: -self.num, ..self })
    }
}

/// A demand channel: who wants an element asks for it first.
#[derive(Clone)]
struct Dch {
    req: Chan<()>,
    dat: Chan<Rat>,
    world: World,
}

/// What ends the goroutines that are left.
#[derive(Clone)]
struct World {
    quit: Chan<()>,
    running: Arc<WaitGroup>,
}

impl World {
    fn dch(&self) -> Dch {
        Dch { req: make(0), dat: make(0), world: self.clone() }
    }

    /// A series that a new goroutine makes.
    fn series(&self, maker: impl FnOnce(&Dch) + Send + 'static) -> Dch {
        let z = self.dch();
        let z2 = z.clone();
        self.running.go(move || maker(&z2));
        z
    }

    /// The series c, c, c, …
    fn rep(&self, c: Rat) -> Dch {
        self.series(move |z| {
            loop {
                z.put(c);
            }
        })
    }
}

impl Dch {
    fn demand(&self) {
        select! {
            self.req.send(()) => {}
            self.world.quit.recv() => goexit(),
        }
    }

    fn demanded(&self) {
        select! {
            self.req.recv() => {}
            self.world.quit.recv() => goexit(),
        }
    }

    fn give(&self, v: Rat) {
        select! {
            self.dat.send(v) => {}
            self.world.quit.recv() => goexit(),
        }
    }

    fn take(&self) -> Rat {
        select! {
            v = self.dat.recv() => v.expect("not closed"),
            self.world.quit.recv() => goexit(),
        }
    }

    fn put(&self, v: Rat) {
        self.demanded();
        self.give(v);
    }

    fn get(&self) -> Rat {
        self.demand();
        self.take()
    }

    /// Hands on what comes.
    fn copy_to(&self, out: &Dch) -> ! {
        loop {
            out.demanded();
            out.give(self.get());
        }
    }

    fn first(&self, n: usize) -> Vec<Rat> {
        (0..n).map(|_| self.get()).collect()
    }
}

/// One element from each of two.
fn get2(from: [&Dch; 2]) -> [Rat; 2] {
    let quit = &from[0].world.quit;
    let mut req = from.map(|d| d.req.clone());
    let mut dat = [Chan::nil(), Chan::nil()];
    let mut out = [ZERO; 2];
    for _ in 0..4 {
        select! {
            req[0].send(()) => {
                dat[0] = from[0].dat.clone();
                req[0] = Chan::nil();
            }
            req[1].send(()) => {
                dat[1] = from[1].dat.clone();
                req[1] = Chan::nil();
            }
            v = dat[0].recv() => {
                out[0] = v.expect("not closed");
                dat[0] = Chan::nil();
            }
            v = dat[1].recv() => {
                out[1] = v.expect("not closed");
                dat[1] = Chan::nil();
            }
            quit.recv() => goexit(),
        }
    }
    out
}

/// Gives the elements of `from` to both outputs, which may be read at different rates.
///
/// A goroutine is made at the first demand for an element and ends when it has been sent to both. The newest one serves `out[0]`, the oldest
/// `out[1]`; those between hold what was sent to `out[0]` and not to `out[1]`. `wait` says that the next older one has ended.
fn do_split(from: Dch, mut out: [Dch; 2], wait: Chan<()>) {
    let quit = from.world.quit.clone();
    let mut both = false;
    select! {
        out[0].req.recv() => {}
        wait.recv() => {
            both = true;
            select! {
                out[0].req.recv() => {}
                out[1].req.recv() => out.swap(0, 1),
                quit.recv() => goexit(),
            }
        }
        quit.recv() => goexit(),
    }
    from.demand();
    let release = make(0);
    let (from2, out2, release2) = (from.clone(), out.clone(), release.clone());
    from.world.running.go(move || do_split(from2, out2, release2));
    let v = from.take();
    out[0].give(v);
    if !both {
        select! {
            wait.recv() => {}
            quit.recv() => goexit(),
        }
    }
    out[1].put(v);
    select! {
        release.send(()) => {}
        quit.recv() => goexit(),
    }
}

fn split_to(u: Dch, out: [Dch; 2]) {
    let (release, quit) = (make(0), u.world.quit.clone());
    let (release2, world) = (release.clone(), u.world.clone());
    world.running.go(move || do_split(u, out, release2));
    select! {
        release.send(()) => {}
        quit.recv() => goexit(),
    }
}

fn split(u: &Dch) -> [Dch; 2] {
    let uu = [u.world.dch(), u.world.dch()];
    let (u2, uu2) = (u.clone(), uu.clone());
    u.world.running.go(move || split_to(u2, uu2));
    uu
}

fn add(u: Dch, v: Dch) -> Dch {
    u.world.clone().series(move |z| {
        loop {
            z.demanded();
            let [a, b] = get2([&u, &v]);
            match (a.is_end(), b.is_end()) {
                (false, false) => z.give(a.plus(b)),
                (true, false) => {
                    z.give(b);
                    v.copy_to(z);
                }
                (false, true) => {
                    z.give(a);
                    u.copy_to(z);
                }
                (true, true) => z.give(FINIS),
            }
        }
    })
}

fn cmul(c: Rat, u: Dch) -> Dch {
    u.world.clone().series(move |z| {
        loop {
            z.demanded();
            let v = u.get();
            if v.is_end() {
                return z.give(FINIS);
            }
            z.give(c.times(v));
        }
    })
}

fn sub(u: Dch, v: Dch) -> Dch {
    add(u, cmul(ONE.neg(), v))
}

/// With U = u + x·UU and V = v + x·VV: U·V = u·v + x·(u·VV + v·UU) + x²·UU·VV.
fn mul(u: Dch, v: Dch) -> Dch {
    u.world.clone().series(move |z| {
        z.demanded();
        let [a, b] = get2([&u, &v]);
        if a.is_end() || b.is_end() {
            return z.give(FINIS);
        }
        z.give(a.times(b));
        let ([u0, u1], [v0, v1]) = (split(&u), split(&v));
        let w = add(cmul(a, v0), cmul(b, u0));
        z.demanded();
        z.give(w.get());
        add(w, mul(u1, v1)).copy_to(z)
    })
}

/// The derivative.
fn diff(u: Dch) -> Dch {
    u.world.clone().series(move |z| {
        z.demanded();
        if !u.get().is_end() {
            for i in 1.. {
                let v = u.get();
                if v.is_end() {
                    break;
                }
                z.give(rat(i, 1).times(v));
                z.demanded();
            }
        }
        z.give(FINIS)
    })
}

/// The integral with constant c.
fn integ(c: Rat, u: Dch) -> Dch {
    u.world.clone().series(move |z| {
        z.put(c);
        for i in 1.. {
            z.demanded();
            let v = u.get();
            if v.is_end() {
                break;
            }
            z.give(rat(1, i).times(v));
        }
        z.give(FINIS)
    })
}

/// The exponential of U with constant term 0: Z = exp U, so Z' = Z·U'; the integral of that is Z.
fn exp(u: Dch) -> Dch {
    let zz = [u.world.dch(), u.world.dch()];
    split_to(integ(ONE, mul(zz[0].clone(), diff(u))), zz.clone());
    let [_, z] = zz;
    z
}

/// U(c·xⁿ).
fn mon_subst(u: Dch, c0: Rat, n: usize) -> Dch {
    u.world.clone().series(move |z| {
        let mut c = ONE;
        loop {
            z.demanded();
            let v = u.get();
            z.give(v.times(c));
            c = c.times(c0);
            if v.is_end() {
                return z.give(FINIS);
            }
            (1..n).for_each(|_| z.put(ZERO));
        }
    })
}

/// A wake-up or an element that is lost among hundreds of selects on the same channels: the series stops, or has wrong terms.
#[kernel_test]
fn power_series() {
    let world = World { quit: make(0), running: Arc::new(WaitGroup::new()) };
    let ones = || world.rep(ONE);
    let twos = || world.rep(rat(2, 1));
    let ints = |range: core::ops::RangeInclusive<i64>| range.map(|i| rat(i, 1)).collect::<Vec<_>>();
    assert_eq!(ones().first(5), [ONE; 5]);
    assert_eq!(add(ones(), ones()).first(5), [rat(2, 1); 5]);
    assert_eq!(add(ones(), twos()).first(5), [rat(3, 1); 5]);
    assert_eq!(diff(ones()).first(10), ints(1..=10));
    let mut inverses = ints(0..=9);
    inverses.iter_mut().skip(1).for_each(|r| *r = rat(1, r.num));
    assert_eq!(integ(ZERO, ones()).first(10), inverses);
    assert_eq!(cmul(ONE.neg(), twos()).first(10), [rat(-2, 1); 10]);
    assert_eq!(sub(ones(), twos()).first(5), [rat(-1, 1); 5]);
    assert_eq!(mul(ones(), ones()).first(10), ints(1..=10));
    let of_exp = [(1, 1), (1, 1), (3, 2), (13, 6), (73, 24), (167, 40), (4051, 720), (37633, 5040)];
    assert_eq!(exp(ones()).first(8), of_exp.map(|(u, v)| rat(u, v)));
    let atan = integ(ZERO, mon_subst(ones(), ONE.neg(), 2)).first(10);
    for (i, term) in (0..).zip(atan) {
        assert_eq!(term, if i % 2 == 0 { ZERO } else { rat(if i % 4 == 1 { 1 } else { -1 }, i) });
    }
    world.quit.close();
    world.running.wait();
}
