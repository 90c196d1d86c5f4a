//! What a program must write and how it must end.

use super::PATIENCE;
use crate::guests::{Guests, Ran};
use crate::harness::Outcome;
use boot::options::Options;

/// What a program must print.
#[derive(Clone, Copy)]
pub enum Want {
    /// Exactly this.
    Text(&'static str),
    /// All of these, in this order, with anything in between.
    Pieces(&'static [&'static str]),
}
pub use Want::{Pieces, Text};

/// A program, what it must write and how it must end.
pub struct Case {
    /// The test's name.
    pub name: &'static str,
    /// On how many cores it is run.
    pub smp: &'static [u32],
    /// The program and its arguments.
    pub line: &'static str,
    /// Its environment.
    pub env: &'static [(&'static str, &'static str)],
    /// The guest's memory.
    pub memory: &'static str,
    /// Standard output.
    pub want: Want,
    /// Standard error.
    pub errors: Want,
    /// The exit status.
    pub status: u8,
}

/// A program that writes to standard output only.
pub const fn case(
    name: &'static str,
    smp: &'static [u32],
    line: &'static str,
    want: Want,
    status: u8,
) -> Case {
    Case { name, smp, line, env: &[], memory: "512M", want, errors: Text(""), status }
}

/// A program that writes to standard error only.
pub const fn fails(
    name: &'static str,
    smp: &'static [u32],
    line: &'static str,
    errors: &'static [&'static str],
    status: u8,
) -> Case {
    Case { errors: Pieces(errors), ..case(name, smp, line, Text(""), status) }
}

/// A run of a program with its arguments.
pub fn options(smp: u32, line: &str) -> Options {
    let (program, args) = line.split_once(' ').unwrap_or((line, ""));
    Options { smp, ..Options::new(program, &args.split_whitespace().collect::<Vec<_>>()) }
}

/// Runs a case, with another command line.
pub fn run(guests: &Guests, smp: u32, case: &Case, line: &str) -> Outcome {
    run_with(guests, smp, case, line, case.env)
}

/// Runs a case with the scheduler's choices drawn from a seed.
pub fn run_seeded(guests: &Guests, smp: u32, case: &Case, seed: u32) -> Outcome {
    let (own, mut env): (Vec<_>, Vec<_>) = case.env.iter().partition(|(name, _)| *name == "GODEBUG");
    let godebug = own.iter().fold(format!("schedseed={seed}"), |list, (_, own)| format!("{own},{list}"));
    env.push(("GODEBUG", &godebug));
    run_with(guests, smp, case, case.line, &env)
}

fn run_with(guests: &Guests, smp: u32, case: &Case, line: &str, env: &[(&str, &str)]) -> Outcome {
    let env = env.iter().map(|&(name, value)| (name.into(), value.into())).collect();
    let ran = guests.run(&Options { env, memory: case.memory.into(), ..options(smp, line) }, PATIENCE)?;
    check(&ran, case.want, case.errors, case.status)
}

/// Whether a program printed and returned what it must.
pub fn check_text(ran: &Ran, text: &'static str) -> Outcome {
    check(ran, Text(text), Text(""), 0)
}

/// Whether a stream has what it must have.
fn is_right(written: &str, want: Want) -> bool {
    let mut rest = written;
    match want {
        Text(text) => text == rest,
        Pieces(pieces) => pieces.iter().all(|piece| match rest.split_once(piece) {
            Some((_, after)) => {
                rest = after;
                true
            }
            None => false,
        }),
    }
}

/// Whether a program wrote to each stream what it must, and ended so.
pub fn check(ran: &Ran, want: Want, errors: Want, status: u8) -> Outcome {
    if is_right(&ran.output, want) && is_right(&ran.errors, errors) && ran.status == status {
        return Ok(());
    }
    let text = |want| match want {
        Text(text) => text.to_owned(),
        Pieces(pieces) => pieces.join(" … "),
    };
    Err(format!(
        "wanted exit status {status}, standard output:\n{}\nstandard error:\n{}\ngot {}",
        text(want),
        text(errors),
        ran.describe()
    ))
}
