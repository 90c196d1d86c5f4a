//! `GODEBUG=schedtrace` and `scheddetail`: every line in the form of Go 1.27's `schedtrace`, to the letter, and what is said twice agrees.

use crate::guests::Guests;
use crate::harness::{Job, Outcome};
use boot::options::Options;
use std::collections::BTreeSet;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(60);

/// Go's lines. `#` stands for a number, `?` for a number or `nil`, `!` for `true` or `false`, `*` for a wait reason or nothing.
const HEAD: &str =
    "SCHED #ms: gomaxprocs=# idleprocs=# threads=# spinningthreads=# needspinning=# idlethreads=# runqueue=#";
const DETAIL: &str = " gcwaiting=! nmidlelocked=# stopwait=# sysmonwait=!";
const P: &str = "  P#: status=# schedtick=# syscalltick=# m=? runqsize=# gfreecnt=# timerslen=#";
const M: &str =
    "  M#: p=? curg=? mallocing=# throwing=# preemptoff= locks=# dying=# spinning=! blocked=! lockedg=?";
const G: &str = "  G#: status=#(*) m=? lockedm=?";

/// A job for each form.
pub fn jobs(guests: &Guests) -> Vec<Job<'_>> {
    let mut jobs: Vec<_> = [1, 4]
        .into_iter()
        .map(|smp| {
            Job::one(format!("schedtrace::lines::smp{smp}"), move || lines(guests, smp)).keeps_busy(smp)
        })
        .collect();
    jobs.extend([1, 4].map(|smp| {
        Job::one(format!("schedtrace::detailed::smp{smp}"), move || detailed(guests, smp)).keeps_busy(smp)
    }));
    jobs
}

/// The fields of `line`, which must have the form and nothing else.
fn fields<'a>(line: &'a str, form: &str) -> Option<Vec<&'a str>> {
    let (mut rest, mut found) = (line, Vec::new());
    let mut form = form;
    while let Some(at) = form.find(['#', '?', '!', '*']) {
        rest = rest.strip_prefix(&form[..at])?;
        let kind = form.as_bytes()[at];
        form = &form[at + 1..];
        let end = match kind {
            b'*' => rest.find(form.split(['#', '?', '!', '*']).next()?)?,
            _ => rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len()),
        };
        // `#ms` is the one number with letters behind it.
        let end = if form.starts_with("ms") { rest.find("ms")? } else { end };
        let (field, after) = rest.split_at(end);
        let number = !field.is_empty() && field.bytes().all(|b| b.is_ascii_digit());
        let right = match kind {
            b'#' => number,
            b'?' => number || field == "nil",
            b'!' => matches!(field, "true" | "false"),
            _ => field.chars().all(|c| c.is_ascii_alphabetic() || " .()".contains(c)),
        };
        if !right {
            return None;
        }
        found.push(field);
        rest = after;
    }
    (rest == form).then_some(found)
}

fn parse(line: &str, form: &str) -> Result<Vec<String>, String> {
    let fields = fields(line, form).ok_or_else(|| format!("'{line}' is not of the form\n'{form}'"))?;
    Ok(fields.into_iter().map(String::from).collect())
}

fn number(text: &str) -> usize {
    text.parse().expect("`parse` has looked at it")
}

/// What a guest prints under `godebug`; virtual time makes runs alike.
fn trace(guests: &Guests, smp: u32, godebug: &str, program: &[&str]) -> Result<String, String> {
    let env = vec![("GODEBUG".into(), godebug.into())];
    let ran = guests
        .run(&Options { smp, env, icount: true, ..Options::new(program[0], &program[1..]) }, PATIENCE)?;
    if ran.status == 0 {
        Ok(ran.errors)
    } else {
        Err(format!("exit status {} and\n{}", ran.status, ran.output))
    }
}

/// One line each millisecond, the first at 0.
fn lines(guests: &Guests, smp: u32) -> Outcome {
    let output = trace(guests, smp, "schedtrace=1", &["tickers"])?;
    let mut last = None;
    for line in output.lines().filter(|line| line.contains("SCHED")) {
        let (head, queues) = line.split_once(" [ ").ok_or_else(|| format!("no queues on '{line}'"))?;
        let head = parse(head, HEAD)?;
        let procs = number(&head[1]);
        let form = format!("{}] schedticks=[ {}]", "# ".repeat(procs), "# ".repeat(procs));
        parse(queues, &form)?;
        let ms = number(&head[0]);
        if last.is_none_or(|last| last >= ms) && (last.is_some() || ms != 0) {
            return Err(format!("{ms} ms after {last:?}:\n{output}"));
        }
        last = Some(ms);
    }
    if last.is_some_and(|last| last > 100) { Ok(()) } else { Err(format!("too few lines:\n{output}")) }
}

/// A head, then as many Ps as it says, Ms with falling numbers, and Gs. Where goroutines have ended, dead ones are among them.
fn detailed(guests: &Guests, smp: u32) -> Outcome {
    // Few goroutines at a time: thousands of lines on a busy host take longer than the program.
    let program: &[&str] = if smp == 1 { &["bench", "spawn"] } else { &["tickers"] };
    let output = trace(guests, smp, "schedtrace=1,scheddetail=1", program)?;
    let mut blocks: Vec<&str> = output.split("SCHED ").skip(1).collect();
    // The program may have ended while it was printed.
    blocks.pop();
    if blocks.len() < 2 || !blocks[0].starts_with("0ms: ") {
        return Err(format!("{} blocks, or the first not at 0:\n{output}", blocks.len()));
    }
    let mut dead = 0;
    for block in blocks {
        dead += check(block, smp).map_err(|error| format!("{error}\nin\nSCHED {block}"))?;
    }
    if dead == 0 && smp == 1 { Err(format!("no dead goroutine in\n{output}")) } else { Ok(()) }
}

/// Checks a block; returns how many dead goroutines are in it.
fn check(block: &str, smp: u32) -> Result<usize, String> {
    let mut lines = block.lines();
    let head = parse(&format!("SCHED {}", lines.next().unwrap_or_default()), &format!("{HEAD}{DETAIL}"))?;
    let (procs, idle, threads) = (number(&head[1]), number(&head[2]), number(&head[3]));
    let rest: Vec<&str> = lines.take_while(|line| line.starts_with("  ")).collect();
    let of = |letter: char| rest.iter().filter(move |line| line[2..].starts_with(letter)).copied();
    let order: String = rest.iter().map(|line| &line[2..3]).collect();
    if !order.trim_start_matches('P').trim_start_matches('M').trim_start_matches('G').is_empty() {
        return Err(format!("not Ps, Ms and Gs in this order: {order}"));
    }
    let ps = of('P').map(|line| parse(line, P)).collect::<Result<Vec<_>, _>>()?;
    let ms = of('M').map(|line| parse(line, M)).collect::<Result<Vec<_>, _>>()?;
    let gs = of('G').map(|line| parse(line, G)).collect::<Result<Vec<_>, _>>()?;

    if !ps.iter().map(|p| number(&p[0])).eq(0..procs) {
        return Err(format!("not P0 to P{}", procs - 1));
    }
    // Go 1.27 has no state 2.
    if let Some(p) = ps.iter().find(|p| !["0", "1", "3", "4"].contains(&p[1].as_str())) {
        return Err(format!("P{} has status {}", p[0], p[1]));
    }
    if ps.iter().filter(|p| p[1] == "0").count() != idle {
        return Err(format!("not {idle} Ps are idle"));
    }
    // Newest first; two that are made at one moment on two cores come in either order.
    let numbers: BTreeSet<usize> = ms.iter().map(|m| number(&m[0])).collect();
    if numbers.len() != ms.len() {
        return Err("two Ms have one number".into());
    }
    if smp == 1 && !ms.is_sorted_by(|a, b| number(&a[0]) > number(&b[0])) {
        return Err("the numbers of the Ms do not fall".into());
    }
    // sysmon prints this: it does not sleep, and has neither P nor goroutine.
    if !ms.iter().any(|m| m[0] == "1" && m[1] == "nil" && m[2] == "nil" && m[8] == "false") {
        return Err("no sysmon on M1, awake".into());
    }
    if let Some(g) = gs.iter().find(|g| !["1", "2", "3", "4", "6", "9"].contains(&g[1].as_str())) {
        return Err(format!("G{} has status {}", g[0], g[1]));
    }
    if gs.first().is_none_or(|g| g[0] != "1") {
        return Err("G1 is not the first".into());
    }
    if let Some(g) = gs.iter().find(|g| g[1] == "6" && (!g[2].is_empty() || g[3] != "nil")) {
        return Err(format!("G{} is dead and waits or runs", g[0]));
    }
    if smp == 1 {
        // On one core nothing moves while the lines are made.
        if ms.len() != threads {
            return Err(format!("{threads} threads and {} Ms", ms.len()));
        }
        for p in ps.iter().filter(|p| p[4] != "nil") {
            if !ms.iter().any(|m| m[0] == p[4] && m[1] == p[0]) {
                return Err(format!("P{} is M{}'s, which has another", p[0], p[4]));
            }
        }
    }
    Ok(gs.iter().filter(|g| g[1] == "6").count())
}
