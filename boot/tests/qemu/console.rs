//! The console: which stream is which, order, whole lines, slow and absent readers, and what it costs others.
//!
//! Times are the guest's under `-icount`, where a nanosecond is an instruction.

use crate::guests::{Guests, Ran};
use crate::harness::{Job, Outcome};
use boot::guest::Event;
use boot::options::Options;
use boot::source_root;
use boot::streams::Stream;
use std::io::{self, Read};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// How long a program may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// A goroutine's slice, nanoseconds: the latest that a sleep may be beside one other goroutine.
const SLICE: u64 = 10_000_000;

/// Instructions for a KiB of output, which leave room for twice what is needed. There is no such number for standard error: the guest counts while it waits
/// for the host to read what its UART sent, a byte at a time.
const MOST_OUT: u64 = 1500;

const SIGPIPE: i32 = 13;

/// A job for each.
pub fn jobs(guests: &Guests) -> Vec<Job<'_>> {
    let mut jobs = Vec::new();
    for (name, machine) in [("q35", "q35"), ("pc", "pc")] {
        jobs.push(Job::one(format!("console::streams::{name}"), move || streams(guests, machine)));
    }
    jobs.push(Job::one("console::streams::uart_alone", || uart_alone(guests)));
    jobs.push(Job::one("console::input::uart_alone", || input_by_uart(guests)));
    jobs.push(Job::one("console::late::out", || late(guests, "out", Some(MOST_OUT))));
    jobs.push(Job::one("console::late::err", || late(guests, "err", None)));
    jobs.push(Job::one("console::late::in", || late_input(guests)));
    jobs.push(Job::one("console::sixteen_writers_cost_no_more", || sixteen(guests)));
    for smp in [1, 2, 4] {
        jobs.push(
            Job::one(format!("console::lines_are_whole::smp{smp}"), move || whole_lines(guests, smp))
                .keeps_busy(smp),
        );
        jobs.push(
            Job::one(format!("console::slow_reader::smp{smp}"), move || slow_reader(guests, smp))
                .keeps_busy(smp),
        );
    }
    jobs.push(Job::one("console::output_comes_before_a_report", output_before_report));
    jobs.push(Job::one("console::reader_that_leaves", reader_that_leaves));
    jobs
}

fn load(smp: u32, kind: &str) -> Options {
    Options { smp, ..Options::new("console_load", &[kind]) }
}

fn fail(why: &str, ran: &Ran) -> Outcome {
    Err(format!("{why}: {}", ran.describe()))
}

fn in_turn(stream: &str) -> String {
    (0..10).map(|i| format!("{stream} {i}\n")).collect()
}

/// Each stream has its own lines and nothing else.
fn streams(guests: &Guests, machine: &str) -> Outcome {
    let ran = guests.run(&Options { machine: machine.into(), ..load(2, "streams") }, PATIENCE)?;
    let right = ran.output == in_turn("out") && ran.errors == in_turn("err") && ran.status == 0;
    if right { Ok(()) } else { fail("mixed", &ran) }
}

/// A machine without a serial device: all by the UART, in the order in which it was written.
fn uart_alone(guests: &Guests) -> Outcome {
    let ran = guests.run(&Options { machine: "microvm".into(), ..load(2, "streams") }, PATIENCE)?;
    let want: String = (0..10).map(|i| format!("out {i}\nerr {i}\n")).collect();
    if ran.output == want && ran.errors.is_empty() && ran.status == 0 {
        return Ok(());
    }
    fail("not all by the UART", &ran)
}

/// Input by the UART, more than it and its ring hold, with the bytes that mean something there.
fn input_by_uart(guests: &Guests) -> Outcome {
    let bytes: Vec<u8> = (0..50_000u32).map(|i| (i % 0x7f) as u8).collect();
    let options = Options { smp: 2, machine: "microvm".into(), ..Options::new("cat", &[]) };
    let ran = guests.run_reading(&options, PATIENCE, Box::new(io::Cursor::new(bytes.clone())))?;
    if ran.bytes == bytes && ran.status == 0 {
        return Ok(());
    }
    Err(format!("exit status {}, {} bytes of {}", ran.status, ran.bytes.len(), bytes.len()))
}

/// The number before `unit` on the last line of standard error.
fn number(ran: &Ran, unit: &str) -> Result<u64, String> {
    let last = ran.errors.lines().last().unwrap_or_default();
    let before = last.split_once(unit).and_then(|(before, _)| before.split_whitespace().last()?.parse().ok());
    before.ok_or_else(|| format!("nothing in '{unit}' on the last line: {}", last.get(..200).unwrap_or(last)))
}

/// A long write, on one core: a goroutine that sleeps beside it is never later than a slice, and the write takes no more instructions than it may.
fn late(guests: &Guests, kind: &str, most: Option<u64>) -> Outcome {
    let ran = guests.run(&Options { icount: true, ..load(1, kind) }, PATIENCE)?;
    let (bytes, took, late) = (number(&ran, " bytes")?, number(&ran, " ns,")?, number(&ran, " ns late")?);
    let per_kib = took * 1024 / bytes;
    println!("console: {kind}: {per_kib} instructions for a KiB, a sleep {late} ns late");
    if ran.status == 0 && late <= SLICE && most.is_none_or(|most| per_kib <= most) {
        return Ok(());
    }
    Err(format!("{per_kib} instructions for a KiB instead of {most:?} at most, a sleep {late} ns late"))
}

/// As [`late`], beside a reader.
fn late_input(guests: &Guests) -> Outcome {
    const BYTES: u64 = 1 << 20;
    let input = Box::new(io::repeat(b'x').take(BYTES));
    let ran = guests.run_reading(&Options { icount: true, ..load(1, "in") }, PATIENCE, input)?;
    match (number(&ran, " bytes")?, number(&ran, " ns late")?) {
        (BYTES, 0..=SLICE) if ran.status == 0 => Ok(()),
        _ => fail("late, or not all", &ran),
    }
}

/// Sixteen goroutines on four cores write as many lines as one, in about as many instructions.
fn sixteen(guests: &Guests) -> Outcome {
    let ran = guests.run(&Options { icount: true, ..load(4, "sixteen") }, PATIENCE)?;
    let (one, many) = (number(&ran, " ns,")?, number(&ran, " ns for sixteen")?);
    println!("console: 3200 lines: one goroutine {one} ns, sixteen {many} ns");
    if ran.status == 0 && many <= one + one / 2 {
        return Ok(());
    }
    Err(format!("one: {one} ns, sixteen: {many} ns"))
}

/// Every line is of one letter, and all are there.
fn whole_lines(guests: &Guests, smp: u32) -> Outcome {
    let ran = guests.run(&load(smp, "writers"), PATIENCE)?;
    let whole = |text: &str, lines: usize| {
        let one_letter = |line: &str| line.bytes().all(|b| line.starts_with(char::from(b)));
        text.lines().count() == lines && text.ends_with('\n') && text.lines().all(one_letter)
    };
    if ran.status == 0 && whole(&ran.output, 1600) && whole(&ran.errors, 400) {
        return Ok(());
    }
    fail("lines are mixed or missing", &ran)
}

/// A reader that does nothing for a while gets every byte, and the exit status after them; meanwhile others of the only P run.
fn slow_reader(guests: &Guests, smp: u32) -> Outcome {
    const BYTES: usize = 4 << 20;
    let env = vec![("GOMAXPROCS".into(), "1".into())];
    let mut session =
        guests.start_reading(&Options { env, ..load(smp, "blocked") }, Box::new(io::empty()))?;
    let Event::Output(Stream::Out, mut out) = session.next(Instant::now() + PATIENCE) else {
        return Err(session.late());
    };
    // The write has begun, and the pipe is soon full.
    thread::sleep(Duration::from_secs(2));
    let (session, written) = session.read_to_end(PATIENCE)?;
    out.extend(written.out);
    let status = session.end()?;
    let errors = String::from_utf8_lossy(&written.err).into_owned();
    let ticks: u64 = errors.strip_suffix(" ticks\n").and_then(|n| n.parse().ok()).unwrap_or(0);
    let right = |(i, line): (usize, &[u8])| line == format!("{i:015}\n").as_bytes();
    let whole = out.len() == BYTES + 7 && out.ends_with(b"the end");
    let all = whole && out[..BYTES].chunks(16).enumerate().all(right);
    if all && status == 3 && ticks >= 20 {
        return Ok(());
    }
    Err(format!("exit status {status}, {} bytes, right: {all}, and {errors}", out.len()))
}

fn tool(words: &[&str]) -> Command {
    let mut command = Command::new(source_root().join("qemu-run.sh"));
    command.args(["-icount", "-smp", "1"]).args(words).stdin(Stdio::null());
    command
}

/// Both streams on one pipe: the report comes after all output, on a line of its own.
fn output_before_report() -> Outcome {
    let run = || {
        let (mut from, to) = io::pipe()?;
        let mut tool = tool(&["console_load", "report"]).stdout(to.try_clone()?).stderr(to).spawn()?;
        let mut text = String::new();
        from.read_to_string(&mut text)?;
        Ok((text, tool.wait()?))
    };
    let (text, status) = run().map_err(|e: io::Error| e.to_string())?;
    let Some((output, report)) = text.split_once("not a line\npanic: after all output\n") else {
        return Err(format!("no report on a line of its own, {status}, in\n{}", &text[text.len() / 2..]));
    };
    let lines = output.lines().enumerate().all(|(i, line)| line == format!("{i:015}"));
    if lines && output.len() == 200_000 && report.contains("console_load::report") && status.code() == Some(2)
    {
        return Ok(());
    }
    Err(format!("{status}, {} bytes of output, then\n{report}", output.len()))
}

/// Who has read enough ends the run, as with any program in a pipeline.
fn reader_that_leaves() -> Outcome {
    let run = || {
        let mut tool = tool(&["console_load", "blocked"]).stdout(Stdio::piped()).spawn()?;
        let mut output = tool.stdout.take().expect("stdout is piped");
        output.read_exact(&mut [0; 16])?;
        drop(output);
        tool.wait()
    };
    let status = run().map_err(|e| e.to_string())?;
    if status.signal() == Some(SIGPIPE) { Ok(()) } else { Err(format!("the tool ended with {status}")) }
}
