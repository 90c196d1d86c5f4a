//! The console's input: what goes in comes out, it has an end, and waiting for it costs nobody else anything.

use crate::guests::Guests;
use crate::harness::{Job, Outcome};
use boot::control::Input;
use boot::guest::Event;
use boot::options::Options;
use boot::streams::Stream;
use std::io::{self, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

/// How long a program may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// A job for each.
pub fn jobs(guests: &Guests) -> Vec<Job<'_>> {
    let mut jobs = Vec::new();
    for smp in [1, 4] {
        jobs.push(
            Job::one(format!("input::mebibyte::smp{smp}"), move || mebibyte(guests, smp)).keeps_busy(smp),
        );
        jobs.push(Job::one(format!("input::end::smp{smp}"), move || {
            copied(guests, smp, Box::new(io::empty()), b"")
        }));
        jobs.push(Job::one(format!("input::pieces::smp{smp}"), move || pieces(guests, smp)).keeps_busy(smp));
    }
    for (smp, procs) in [(1, 1), (4, 1), (4, 2)] {
        jobs.push(Job::one(format!("input::leaves_the_ps_to_others::smp{smp}_procs{procs}"), move || {
            leaves_the_ps_to_others(guests, smp, procs)
        }));
    }
    jobs.push(Job::one("input::ten_megabytes", || ten_megabytes(guests)));
    jobs.push(Job::one("input::idle", || idle(guests)));
    jobs.push(Job::one("input::lines", || lines(guests)));
    jobs.push(Job::one("input::unread", || unread(guests)));
    jobs
}

fn options(smp: u32, line: &str) -> Options {
    let (program, args) = line.split_once(' ').unwrap_or((line, ""));
    Options { smp, ..Options::new(program, &args.split_whitespace().collect::<Vec<_>>()) }
}

/// Whether `cat` writes what it reads.
fn copied(guests: &Guests, smp: u32, input: Input, want: &[u8]) -> Outcome {
    let ran = guests.run_reading(&options(smp, "cat"), PATIENCE, input)?;
    if ran.status != 0 {
        return Err(format!("exit status {}\n{}", ran.status, ran.output));
    }
    match ran.bytes.iter().zip(want).position(|(got, want)| got != want) {
        None if ran.bytes.len() == want.len() => Ok(()),
        None => Err(format!("{} bytes instead of {}", ran.bytes.len(), want.len())),
        Some(at) => Err(format!("byte {at} is {:#x} instead of {:#x}", ran.bytes[at], want[at])),
    }
}

/// Bytes of all values in no order: xorshift.
fn noise(n: usize) -> Vec<u8> {
    let mut x = 0x2545_f491_4f6c_dd1d_u64;
    let next = || {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        (x >> 32) as u8
    };
    std::iter::repeat_with(next).take(n).collect()
}

/// Far more than the UART, the ring and QEMU's pipe hold, with no byte lost where one of them was full, and those that mean something on
/// the line among them.
fn mebibyte(guests: &Guests, smp: u32) -> Outcome {
    let bytes: Arc<[u8]> = noise(1 << 20).into();
    copied(guests, smp, Box::new(io::Cursor::new(bytes.clone())), &bytes)
}

/// More than any buffer on the way, many times over.
fn ten_megabytes(guests: &Guests) -> Outcome {
    let bytes: Arc<[u8]> = noise(10_000_000).into();
    copied(guests, 1, Box::new(io::Cursor::new(bytes.clone())), &bytes)
}

/// What is fed to a guest while it runs; it ends when the sender is gone.
struct Feed(Receiver<Vec<u8>>);

impl Feed {
    fn new() -> (Sender<Vec<u8>>, Feed) {
        let (sender, feed) = channel();
        (sender, Feed(feed))
    }
}

impl Read for Feed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let piece = self.0.recv().unwrap_or_default();
        buffer[..piece.len()].copy_from_slice(&piece);
        Ok(piece.len())
    }
}

/// A reader that sleeps is woken for each piece, one below the UART's threshold, too, and by the end of input.
fn pieces(guests: &Guests, smp: u32) -> Outcome {
    let (sender, feed) = Feed::new();
    let mut session = guests.start_reading(&options(smp, "cat"), Box::new(feed))?;
    let deadline = Instant::now() + PATIENCE;
    for piece in [&b"a"[..], b"fourteen bytes", b"sixteen bytes...", b"\x04\x16\x16\x04", b"\n"] {
        sender.send(piece.to_vec()).map_err(|_| "nobody reads the input")?;
        let mut got = Vec::new();
        while got.len() < piece.len() {
            match session.next(deadline) {
                Event::Output(Stream::Out, bytes) => got.extend(bytes),
                Event::Output(Stream::Err, bytes) => {
                    return Err(format!("on standard error: {}", String::from_utf8_lossy(&bytes)));
                }
                Event::Ended => return Err(format!("the guest ended\n{}", session.tails())),
                Event::Quiet => return Err(session.late()),
            }
        }
        if got != piece {
            return Err(format!("{piece:?} came back as {got:?}"));
        }
    }
    drop(sender);
    let (session, rest) = session.read_to_end(PATIENCE)?;
    match (session.end()?, rest.out.as_slice()) {
        (0, b"") => Ok(()),
        (status, rest) => Err(format!("exit status {status} after {rest:?}")),
    }
}

/// Lines end at newlines, with or without a carriage return, and at the end of input.
fn lines(guests: &Guests) -> Outcome {
    let input = &b"one\n\r\nthree\xff\r\nend"[..];
    let ran = guests.run_reading(&options(2, "cat -n"), PATIENCE, Box::new(input))?;
    let want = "     1  one\n     2  \n     3  three\u{fffd}\n     4  end\n";
    if ran.output == want { Ok(()) } else { Err(format!("wanted\n{want}\ngot\n{}", ran.output)) }
}

/// A program that does not read takes no byte from whoever would read it after the run, and waits for none.
fn unread(guests: &Guests) -> Outcome {
    struct Untouched(Arc<AtomicBool>);
    impl Read for Untouched {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            self.0.store(true, Ordering::Relaxed);
            Ok(0)
        }
    }
    let touched = Arc::new(AtomicBool::new(false));
    let ran = guests.run_reading(&options(2, "hello"), PATIENCE, Box::new(Untouched(touched.clone())))?;
    match (ran.output.as_str(), touched.load(Ordering::Relaxed)) {
        ("hello, world\n", false) => Ok(()),
        got => Err(format!("output and whether the input was read: {got:?}")),
    }
}

/// A hundred goroutines in blocking calls and one that waits for input hold no P: as many others as there are Ps compute beside them as fast as
/// alone, or nearly so. Where the host has other work that may take some tries. If the calls held the Ps, the sleeps would take
/// seconds and the wait for input would not end.
fn leaves_the_ps_to_others(guests: &Guests, smp: u32, procs: u32) -> Outcome {
    let mut outputs = String::new();
    for _ in 0..5 {
        let (_sender, feed) = Feed::new();
        let env = vec![("GOMAXPROCS".into(), procs.to_string().into())];
        let options = Options { env, ..options(smp, "blocking_calls") };
        let ran = guests.run_reading(&options, PATIENCE, Box::new(feed))?;
        let ratio =
            ran.output.split_once("beside/alone ").and_then(|(_, rest)| rest.split_whitespace().next());
        if ran.status == 0 && ratio.and_then(|r| r.parse::<f64>().ok()).is_some_and(|ratio| ratio < 2.0) {
            return Ok(());
        }
        outputs += &ran.output;
    }
    Err(format!("blocking calls always slow others down:\n{outputs}"))
}

/// A machine that waits for input is idle, not dead: it takes no timer interrupts and nobody calls it a deadlock.
fn idle(guests: &Guests) -> Outcome {
    /// Half of what a tick each 10 ms would make of the wait, on one core alone.
    const MOST: u64 = 100;
    const WAIT: Duration = Duration::from_secs(2);
    let (sender, feed) = Feed::new();
    let options = Options { verbose: true, ..options(2, "cat") };
    let session = guests.start_reading(&options, Box::new(feed))?;
    let waiter = thread::spawn(move || {
        thread::sleep(WAIT);
        drop(sender);
    });
    let (session, written) = session.read_to_end(PATIENCE)?;
    waiter.join().map_err(|_| "the feeder died")?;
    let log = String::from_utf8_lossy(&written.err);
    let timers: Vec<u64> = log
        .lines()
        .filter_map(|line| line.split_once("timer: core "))
        .flat_map(|(_, rest)| rest.split([' ', ',']).skip(1).filter_map(|word| word.parse().ok()))
        .collect();
    match session.end()? {
        0 if !timers.is_empty() && timers.iter().sum::<u64>() < MOST => Ok(()),
        status => Err(format!("exit status {status}, timer interrupts {timers:?}\n{log}")),
    }
}
