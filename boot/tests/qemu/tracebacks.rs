//! Tracebacks: file and line of every frame, and the calls that were inlined.
//!
//! The lines that are wanted come from the programs' sources, so that an edit there does not fail these tests.

use crate::guests::{Guests, Ran};
use crate::harness::{Job, Outcome};
use boot::options::Options;
use boot::source_root;
use std::fs;
use std::time::Duration;

/// How long a program may take to its report.
const PATIENCE: Duration = Duration::from_secs(60);

/// A job for each kind of report.
pub fn jobs(guests: &Guests) -> Vec<Job<'_>> {
    vec![
        Job::one("tracebacks::panic_in_inlined_calls", || panic_in_inlined_calls(guests)),
        Job::one("tracebacks::interrupted_instruction", || interrupted_instruction(guests)),
        Job::one("tracebacks::deadlock", || deadlock(guests)),
        Job::one("tracebacks::heap_misuse", || heap_misuse(guests)),
    ]
}

/// `programs/FILE:LINE` of the line that has `text`, which must be one.
fn place(file: &str, text: &str) -> Result<String, String> {
    let path = source_root().join("programs").join(file);
    let source = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let mut lines = source.lines().enumerate().filter(|(_, line)| line.contains(text));
    match (lines.next(), lines.next()) {
        (Some((index, _)), None) => Ok(format!("programs/{file}:{}", index + 1)),
        _ => Err(format!("'{text}' is not in exactly one line of {file}")),
    }
}

fn crash(guests: &Guests, program: &str, args: &[&str], env: &[(&str, &str)]) -> Result<Ran, String> {
    let env = env.iter().map(|&(name, value)| (name.into(), value.into())).collect();
    guests.run(&Options { smp: 2, env, ..Options::new(program, args) }, PATIENCE)
}

/// Whether the report has all of `pieces`, in this order.
fn check(ran: &Ran, pieces: &[String]) -> Outcome {
    let mut rest = ran.errors.as_str();
    for piece in pieces {
        match rest.split_once(piece.as_str()) {
            Some((_, after)) => rest = after,
            None => return Err(format!("no '{piece}', or not in its place, in\n{}", ran.errors)),
        }
    }
    if ran.status == 2 { Ok(()) } else { Err(format!("status {} and\n{}", ran.status, ran.errors)) }
}

/// The panic's place first, then the call of it, then the function that has the code of both.
fn panic_in_inlined_calls(guests: &Guests) -> Outcome {
    let ran = crash(guests, "crash", &["panic_inlined"], &[])?;
    let name = "programs::crash::";
    check(
        &ran,
        &[
            "panic: inlined, 4\n\ngoroutine ".into(),
            format!("{name}inlined_inner(...)\n\t{}\n", place("crash.rs", "panic!(\"inlined,")?),
            format!("{name}inlined_outer(...)\n\t{}\n", place("crash.rs", "    inlined_inner(n + 1)")?),
            format!("{name}panic_inlined\n\t{} +0x", place("crash.rs", "    inlined_outer(")?),
        ],
    )
}

/// The line of the instruction itself, not of the one before.
fn interrupted_instruction(guests: &Guests) -> Outcome {
    let ran = crash(guests, "crash", &["divide"], &[])?;
    let divide = place("crash.rs", "asm!(\"div ")?;
    check(&ran, &[format!("programs::crash::fault::divide\n\t{divide} +0x"), " (interrupted)\n".into()])?;
    let count = ran.errors.matches("(interrupted)").count();
    if count == 1 { Ok(()) } else { Err(format!("{count} interrupted frames in\n{}", ran.errors)) }
}

/// Every goroutine, by the line where it waits. The order is that of their numbers.
fn deadlock(guests: &Guests) -> Outcome {
    let ran = crash(guests, "deadlock", &[], &[])?;
    let at = |text: &str| Ok::<_, String>(format!("\t{}", place("deadlock.rs", text)?));
    check(
        &ran,
        &[
            "deadlock!\n\ngoroutine 1 [chan receive]:\n".into(),
            format!("programs::deadlock::main\n{}", at("chan::make::<()>(0).recv()")?),
            "[chan send]:\n".into(),
            at("nobody_receives.send(42)")?,
            "[chan receive]:\n".into(),
            at("nobody_sends.recv()")?,
            "[sync.WaitGroup.Wait]:\n".into(),
            at("never_done.wait()")?,
        ],
    )
}

/// The heap's debug mode: where an object was allocated, and where it was freed twice.
fn heap_misuse(guests: &Guests) -> Outcome {
    let ran = crash(guests, "crash", &["double_free"], &[("GODEBUG", "mallocdebug=1")])?;
    check(
        &ran,
        &[
            "allocated at:\n".into(),
            format!("\n\t{}", place("crash.rs", "black_box(unsafe { alloc(LAYOUT) })")?),
            "freed at:\n".into(),
            "programs::crash::misuse::double_free\n\tprograms/crash.rs:".into(),
        ],
    )
}
