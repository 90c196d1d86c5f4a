//! Load on the console. `console_load KIND`; what it measures goes to standard error.

use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use runtime::io::{stderr, stdin, stdout};
use runtime::sync::WaitGroup;
use runtime::time::{Duration, Instant, sleep};
use runtime::{args, eprintln, go, println, program};

const KINDS: [(&str, fn()); 8] = [
    ("streams", streams),
    ("out", || ticker(|bytes| stdout().write_all(bytes), MEBIBYTE)),
    ("err", || ticker(|bytes| stderr().write_all(bytes), MEBIBYTE / 16)),
    ("in", input),
    ("writers", writers),
    ("blocked", blocked),
    ("report", report),
    ("sixteen", sixteen),
];

const MEBIBYTE: usize = 1 << 20;

/// How often a ticker ticks.
const TICK: Duration = Duration::from_millis(1);

/// Bytes whose order shows if one is lost: lines that count.
fn lines(bytes: usize) -> Vec<u8> {
    let mut text = Vec::with_capacity(bytes);
    for i in 0u32.. {
        if text.len() >= bytes {
            break;
        }
        text.extend_from_slice(alloc::format!("{i:015}\n").as_bytes());
    }
    text
}

/// Lines that go to both streams in turn.
fn streams() {
    for i in 0..10 {
        println!("out {i}");
        eprintln!("err {i}");
    }
}

/// Calls `load` beside a goroutine that sleeps again and again: returns how often it woke meanwhile, how late at most, and how long the load took.
fn beside_a_ticker(load: impl FnOnce()) -> (u64, Duration, Duration) {
    let (ended, ticks, latest) =
        (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let wg = Arc::new(WaitGroup::new());
    wg.add(1);
    let shared = (ended.clone(), ticks.clone(), latest.clone(), wg.clone());
    go(move || {
        let (ended, ticks, latest, wg) = shared;
        while !ended.load(Ordering::Relaxed) {
            let start = Instant::now();
            sleep(TICK);
            let late = start.elapsed().saturating_sub(TICK).as_nanos() as u64;
            latest.fetch_max(late, Ordering::Relaxed);
            ticks.fetch_add(1, Ordering::Relaxed);
        }
        wg.done();
    });
    // The ticker is asleep.
    sleep(TICK / 2);
    let start = Instant::now();
    load();
    let took = start.elapsed();
    let ticked = ticks.load(Ordering::Relaxed);
    ended.store(true, Ordering::Relaxed);
    wg.wait();
    (ticked, Duration::from_nanos(latest.load(Ordering::Relaxed)), took)
}

/// One write of many bytes.
fn ticker(write: fn(&[u8]), bytes: usize) {
    let text = lines(bytes);
    let (ticks, late, took) = beside_a_ticker(|| write(&text));
    eprintln!("\n{} bytes in {} ns, {ticks} ticks, {} ns late", text.len(), took.as_nanos(), late.as_nanos());
}

/// Reads its input to the end.
fn input() {
    let mut buffer = vec![0; 64 << 10];
    let mut bytes = 0;
    let (_, late, took) = beside_a_ticker(|| {
        loop {
            match stdin().read(&mut buffer) {
                0 => break,
                n => bytes += n,
            }
        }
    });
    eprintln!("{bytes} bytes in {} ns, {} ns late", took.as_nanos(), late.as_nanos());
}

/// Sixteen goroutines that write lines of their own letter, of many lengths, to both streams.
fn writers() {
    all_of(16, |letter| {
        for i in 0..100 {
            let length = (i * 37 + usize::from(letter)) % 300 + 1;
            let mut line = vec![letter; length];
            line.push(b'\n');
            stdout().write_all(&line);
            if i % 4 == 0 {
                stderr().write_all(&line);
            }
        }
    });
}

/// Runs `f` on `n` goroutines, each with a letter, and waits for them.
fn all_of(n: u8, f: fn(u8)) {
    let wg = Arc::new(WaitGroup::new());
    wg.add(n.into());
    for i in 0..n {
        let wg = wg.clone();
        go(move || {
            f(b'a' + i);
            wg.done();
        });
    }
    wg.wait();
}

/// More than pipes hold, in one write, to a reader that may be slow; and the end at once after the last byte.
fn blocked() {
    let text = lines(4 * MEBIBYTE);
    let (ticks, ..) = beside_a_ticker(|| stdout().write_all(&text));
    eprintln!("{ticks} ticks");
    stdout().write_all(b"the end");
    runtime::exit(3);
}

/// Output, a line that does not end, and a panic.
fn report() {
    stdout().write_all(&lines(200_000));
    stderr().write_all(b"not a line");
    panic!("after all output");
}

/// The same lines by one goroutine and by sixteen.
fn sixteen() {
    let write = |n: usize| {
        for _ in 0..n {
            println!("a line of some thirty characters");
        }
    };
    let start = Instant::now();
    write(3200);
    let one = start.elapsed();
    let start = Instant::now();
    all_of(16, |_| (0..200).for_each(|_| println!("a line of some thirty characters")));
    let many = start.elapsed();
    eprintln!("{} ns, {} ns for sixteen", one.as_nanos(), many.as_nanos());
}

#[program]
fn main() -> i32 {
    let kind = args().get(1).copied().unwrap_or_default();
    let Some((_, f)) = KINDS.iter().find(|(name, _)| *name == kind) else {
        eprintln!("console_load: {kind:?} is none of {}", KINDS.map(|(name, _)| name).join(", "));
        return 64;
    };
    f();
    0
}
