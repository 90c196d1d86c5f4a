//! A timer's channel: no stale values, no buffer to be seen (Go: `TestChan` and its kin).

use super::{HOUR, MILLISECOND};
use crate::chan::{self, Receiver, TryRecvError};
use crate::time::{Duration, Instant, Ticker, Timer, after, now, sleep, tick};
use crate::{go, gosched, kernel_test, select};

/// Far enough away not to come.
const FAR: Duration = HOUR;
/// At once.
const SOON: Duration = Duration::from_nanos(1);

/// A timer or a ticker.
trait Both {
    fn c(&self) -> &Receiver<Instant>;
    /// Whether it was to go off; a ticker always is.
    fn stop(&self) -> bool;
    fn reset(&self, d: Duration) -> bool;
    fn is_ticker(&self) -> bool;
}

impl Both for Timer {
    fn c(&self) -> &Receiver<Instant> {
        &self.c
    }
    fn stop(&self) -> bool {
        self.stop()
    }
    fn reset(&self, d: Duration) -> bool {
        self.reset(d)
    }
    fn is_ticker(&self) -> bool {
        false
    }
}

impl Both for Ticker {
    fn c(&self) -> &Receiver<Instant> {
        &self.c
    }
    fn stop(&self) -> bool {
        self.stop();
        true
    }
    fn reset(&self, d: Duration) -> bool {
        self.reset(d);
        true
    }
    fn is_ticker(&self) -> bool {
        true
    }
}

fn no_tick(t: &impl Both) {
    assert_eq!(t.c().try_recv(), Err(TryRecvError::Empty), "a stale value");
}

/// Until there is one, without waiting in the channel.
fn tick_comes(t: &impl Both) {
    while t.c().try_recv().is_err() {
        gosched();
    }
}

/// Starts a goroutine that receives; its end, and time for it to begin to wait.
fn receiver(t: &impl Both) -> chan::Chan<Option<Instant>> {
    let (c, done) = (t.c().clone(), chan::make(1));
    let end = done.clone();
    go(move || end.send(c.recv()));
    sleep(MILLISECOND);
    done
}

fn no_stale_values(t: &impl Both) {
    // In no heap.
    t.stop();
    no_tick(t);
    t.reset(FAR);
    no_tick(t);
    // It goes off unseen; then it is seen.
    t.reset(SOON);
    sleep(MILLISECOND);
    assert_eq!((t.c().len(), t.c().cap(), t.c().is_empty()), (0, 0, true));
    tick_comes(t);
    // A second tick is due if it is a ticker; the reset takes it back.
    sleep(MILLISECOND);
    t.reset(FAR);
    no_tick(t);

    // In a heap, since somebody waits: far away, then at once.
    let done = receiver(t);
    assert!(done.is_empty());
    t.reset(2 * FAR);
    sleep(MILLISECOND);
    assert!(done.is_empty(), "it has not gone off");
    t.reset(SOON);
    assert!(done.recv().flatten().is_some());
    if t.is_ticker() {
        tick_comes(t)
    } else {
        no_tick(t)
    }
    t.stop();
    no_tick(t);

    // Two wait, and one value comes; the other waits on until there is another.
    t.reset(FAR);
    let (one, two) = (receiver(t), receiver(t));
    t.reset(SOON);
    while one.is_empty() && two.is_empty() {
        gosched();
    }
    if !t.is_ticker() {
        sleep(MILLISECOND);
        assert_eq!(one.len() + two.len(), 1, "one value for two");
        t.reset(SOON);
    }
    assert!(one.recv().flatten().is_some() && two.recv().flatten().is_some());
    t.stop();
    no_tick(t);

    // Somebody waits for a stopped one.
    let done = receiver(t);
    sleep(MILLISECOND);
    assert!(done.is_empty());
    t.reset(SOON);
    assert!(done.recv().flatten().is_some());

    // What stop and reset say of a value that nobody has received.
    t.reset(SOON);
    sleep(MILLISECOND);
    assert!(t.stop(), "the value was not received");
    no_tick(t);
    t.reset(FAR);
    no_tick(t);
    assert!(t.reset(SOON));
    tick_comes(t);
    assert_eq!(t.reset(FAR), t.is_ticker(), "the value was received");
    no_tick(t);
}

/// Go: `TestChan/Timer`, proposal 37196. A value of before a stop or a reset that is received after it.
#[kernel_test]
fn a_timer_has_no_stale_values() {
    no_stale_values(&Timer::new(FAR));
}

/// Go: `TestChan/Ticker`. The same of a ticker.
#[kernel_test]
fn a_ticker_has_no_stale_values() {
    no_stale_values(&Ticker::new(FAR));
}

/// Go: `TestAfterTimes`, `TestTickTimes`. A value received late that bears the time of the receive, not that for which the timer was set.
#[kernel_test]
fn a_value_bears_the_time_it_was_set_for() {
    let before = now();
    let channels = [after(2 * MILLISECOND), tick(2 * MILLISECOND)];
    let made = now();
    sleep(20 * MILLISECOND);
    for c in channels {
        let at = c.recv().expect("not closed");
        assert!(at >= before + 2 * MILLISECOND && at <= made + 2 * MILLISECOND, "{:?}", at - before);
    }
}

/// One receiver takes the value that another was woken for, or a receiver is forgotten, when many come and go while the timer goes off.
#[kernel_test]
fn each_value_has_one_receiver() {
    for round in 0..50 {
        let t = Timer::new(Duration::from_micros(round % 10 * 10));
        let done = chan::make(4);
        for _ in 0..4 {
            let (c, done) = (t.c.clone(), done.clone());
            go(move || done.send(c.recv()));
        }
        for n in 1..=4 {
            assert!(done.recv().flatten().is_some());
            if n < 4 {
                assert!(!t.reset(Duration::from_micros(round % 7)), "round {round}: it had gone off");
            }
        }
        assert_eq!(t.c.try_recv(), Err(TryRecvError::Empty));
    }
}

/// Go: the selects of `TestChan`. A value that two selects take, or none; a select that is left in the channel's queue when another of its
/// arms was chosen.
fn two_selects(t: &impl Both) {
    let (done, stop) = (chan::make(4), chan::make::<()>(0));
    let ended = chan::make(2);
    for _ in 0..2 {
        let (c, done, stop, ended) = (t.c().clone(), done.clone(), stop.clone(), ended.clone());
        go(move || {
            select! {
                at = c.recv() => done.send(at.is_some()),
                stop.recv() => {}
            }
            ended.send(());
        });
    }
    sleep(MILLISECOND);
    assert!(done.is_empty(), "early");
    t.reset(SOON);
    assert_eq!(done.recv(), Some(true));
    t.stop();
    stop.close();
    (0..2).for_each(|_| _ = ended.recv());
    if !t.is_ticker() {
        assert!(done.is_empty(), "one value for two");
    }
    no_tick(t);

    // A stopped one; then it goes off when nobody waits any more.
    let (stop, ended) = (chan::make::<()>(0), chan::make(2));
    for _ in 0..2 {
        let (c, stop, ended) = (t.c().clone(), stop.clone(), ended.clone());
        go(move || {
            let stopped = select! {
                c.recv() => false,
                stop.recv() => true,
            };
            ended.send(stopped);
        });
    }
    sleep(MILLISECOND);
    stop.close();
    assert_eq!([ended.recv(), ended.recv()], [Some(true); 2]);
    t.reset(SOON);
    tick_comes(t);
    t.stop();
}

/// See [`two_selects`].
#[kernel_test]
fn selects_share_a_timer() {
    for _ in 0..5 {
        two_selects(&Timer::new(FAR));
        two_selects(&Ticker::new(FAR));
    }
}

/// Go: the select of `TestOverflowSleep`. A timeout that does not end a select, or ends it early.
#[kernel_test]
fn timeouts_in_selects() {
    let never = chan::make::<()>(0);
    for _ in 0..20 {
        let start = now();
        select! {
            never.recv() => panic!("nothing was sent"),
            after(Duration::MAX).recv() => panic!("the longest time has passed"),
            after(MILLISECOND).recv() => assert!(start.elapsed() >= MILLISECOND),
        }
    }
    // One that is due is ready, also with a default arm; and is not when it was received.
    let t = Timer::new(Duration::ZERO);
    let mut got = 0;
    for _ in 0..100 {
        select! {
            at = t.c.recv() => got += usize::from(at.is_some()),
            default => gosched(),
        }
    }
    assert_eq!(got, 1);
}

/// Timers that come and go with selects, on many goroutines at once: a select whose timer was swept out of its heap sleeps on.
#[kernel_test]
fn many_selects_with_timeouts() {
    let wg = alloc::sync::Arc::new(crate::sync::WaitGroup::new());
    let c = chan::make::<u64>(0);
    for i in 0..40 {
        let c = c.clone();
        wg.go(move || {
            for n in 0..25 {
                select! {
                    c.recv() => {}
                    c.send(n) => {}
                    after(Duration::from_micros((i * n) % 300)).recv() => {}
                    after(FAR).recv() => panic!("far"),
                }
            }
        });
    }
    wg.wait();
}
