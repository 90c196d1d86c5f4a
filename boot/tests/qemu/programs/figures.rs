//! Programs whose figures or reports must be right: costs, ratios, tables, the boot log.

use super::PATIENCE;
use super::case::{Pieces, Text, check, options};
use crate::guests::Guests;
use crate::harness::{Job, Outcome};
use boot::options::Options;

/// A job for each.
pub fn jobs(guests: &Guests) -> Vec<Job<'_>> {
    vec![
        Job::one("programs::matmul_uses_both_cores", || matmul_ratio(guests)),
        Job::one("programs::parked_goroutine_bytes", || parked_goroutine_bytes(guests)),
        Job::one("programs::panic_costs", || panic_costs(guests)),
        Job::one("programs::boot_log", || boot_log(guests)),
        Job::one("programs::late_core", || late_core(guests)),
        Job::one("programs::schedseed_replays", || schedseed_replays(guests)),
        Job::one("programs::preemptstats", || preemptstats(guests)),
    ]
}

/// Two Ps are faster than one, in the ratio that the program prints of two runs in one guest. Where the host has other
/// work that may take some tries.
fn matmul_ratio(guests: &Guests) -> Outcome {
    let mut outputs = String::new();
    for _ in 0..5 {
        let ran = guests.run(&options(2, "matmul"), PATIENCE)?;
        check(&ran, Pieces(&["ratio ", "all results are the same, bit for bit\n"]), Text(""), 0)?;
        let ratio = ran.output.split_once("ratio ").and_then(|(_, rest)| rest.split_whitespace().next());
        if ratio.and_then(|ratio| ratio.parse::<f64>().ok()).is_some_and(|ratio| ratio < 1.0) {
            return Ok(());
        }
        outputs += &ran.output;
    }
    Err(format!("two cores are never faster than one:\n{outputs}"))
}

/// What a parked goroutine costs of the machine's memory, all told: stack, page tables, G.
fn parked_goroutine_bytes(guests: &Guests) -> Outcome {
    const MOST: f64 = 5.0 * 1024.0;
    let ran = guests.run(&Options { icount: true, ..options(1, "bench spawn_wait_10k") }, PATIENCE)?;
    check(&ran, Pieces(&["bytes_per_g="]), Text(""), 0)?;
    let (_, rest) = ran.output.split_once("bytes_per_g=").ok_or("no figure")?;
    match rest.split_whitespace().next().and_then(|bytes| bytes.parse().ok()) {
        Some(4096.0..=MOST) => Ok(()),
        _ => Err(format!("a parked goroutine takes more than {MOST} bytes:\n{}", ran.output)),
    }
}

/// Nobody waits long for the end of a stretch without preemption. A lock that is held for long, or interrupts that stay off, would show; and the
/// tables have their form: count, times, function.
fn preemptstats(guests: &Guests) -> Outcome {
    const MOST_INSTRUCTIONS: u64 = 100_000;
    const MOST_NS: u64 = 10_000_000;
    let env = vec![("GODEBUG".into(), "preemptstats=1,timeslice=1".into())];
    let ran = guests.run(&Options { icount: true, env, ..options(1, "parfib 22") }, PATIENCE)?;
    const PIECES: &[&str] = &[
        "preemptstats: instructions until a goroutine could be preempted, ",
        "longest    times  ends in",
        "(runtime::",
        "preemptstats: of these, instructions with interrupts off, ",
        "longest    times  ends in",
        "preemptstats: ",
        " requests were refused at first; the last was honoured at most ",
    ];
    check(&ran, Text("fib(22) = 17711\n"), Pieces(PIECES), 0)?;
    let rows = ran.errors.lines().filter(|line| line.starts_with(' ') && !line.contains("longest"));
    let counts: Option<Vec<u64>> = rows.map(|row| row.split_whitespace().next()?.parse().ok()).collect();
    let wait = ran.errors.split_once("at most ").and_then(|(_, rest)| rest.split_once(' ')?.0.parse().ok());
    match (counts, wait) {
        (Some(counts), Some(0..=MOST_NS))
            if counts.len() > 2 && counts.iter().all(|&n| n <= MOST_INSTRUCTIONS) =>
        {
            Ok(())
        }
        _ => Err(format!("too long, or no table:\n{}", ran.errors)),
    }
}

/// What a panic may cost in instructions: to raise it and recover from it, for a frame that it passes, and for one with deferred work. A search for
/// unwind tables that is not kept would show tenfold.
fn panic_costs(guests: &Guests) -> Outcome {
    const MOST: [(&str, &str, f64); 3] = [
        ("panic_recover", "ns_per_op=", 6_000.0),
        ("panic_frame", "ns_per_op=", 800.0),
        ("panic_frame", "cleanup_ns=", 800.0),
    ];
    let ran =
        guests.run(&Options { icount: true, ..options(1, "bench panic_recover panic_frame") }, PATIENCE)?;
    for (bench, key, most) in MOST {
        let line = ran.output.lines().find(|line| line.starts_with(&format!("bench {bench} ")));
        let mut words = line.into_iter().flat_map(str::split_whitespace);
        match words.find_map(|word| word.strip_prefix(key)?.parse::<f64>().ok()) {
            Some(cost) if cost > 0.0 && cost <= most => {}
            _ => return Err(format!("{bench}: {key} is not there or above {most} in\n{}", ran.output)),
        }
    }
    Ok(())
}

/// Where the clock counts instructions, a seed gives the same run: the scheduler's own account of each millisecond repeats to the digit, on several
/// cores; and another seed gives another. A choice that is not drawn from the seed would show.
fn schedseed_replays(guests: &Guests) -> Outcome {
    let trace = |seed: u32| {
        let env = vec![("GODEBUG".into(), format!("schedseed={seed},schedtrace=1").into())];
        let ran = guests.run(&Options { icount: true, env, ..options(2, "parfib 20") }, PATIENCE)?;
        check(&ran, Text("fib(20) = 6765\n"), Pieces(&["SCHED ", "schedticks"]), 0)?;
        Ok::<_, String>(ran.errors)
    };
    let (first, again, other) = (trace(7)?, trace(7)?, trace(8)?);
    if first != again {
        return Err(format!("one seed, two runs:\n{first}\nand\n{again}"));
    }
    if first == other { Err(format!("two seeds, one run:\n{first}")) } else { Ok(()) }
}

/// A core that does not answer is reported, the machine goes on without it, and when it comes after all it parks.
fn late_core(guests: &Guests) -> Outcome {
    let env = vec![("GODEBUG".into(), "smplate=2".into())];
    let ran = guests.run(&Options { verbose: true, env, ..options(4, "hello") }, PATIENCE)?;
    const PIECES: &[&str] = &["did not answer", "smp: 1 late cores parked", "smp: 3 of 4 cores online"];
    check(&ran, Text("hello, world\n"), Pieces(PIECES), 0)
}

/// The boot log names what the processor has, the cores and the clock.
fn boot_log(guests: &Guests) -> Outcome {
    let ran = guests.run(&Options { verbose: true, ..options(4, "hello") }, PATIENCE)?;
    for piece in ["cpu: on: ", "lacks: ", "4 cores", "clock: "] {
        if !ran.errors.contains(piece) {
            return Err(format!("no '{piece}' in\n{}", ran.errors));
        }
    }
    check(&ran, Text("hello, world\n"), Pieces(&[]), 0)
}
