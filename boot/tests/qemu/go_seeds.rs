//! The Go programs of the texts that this project began with (`go/seeds/`), as they stand there:
//! what they print is what they print when the same Go has built them for Linux, and what Go says
//! when it builds them is what it says otherwise.
//!
//! The two functions that leak goroutines have got a `main`. What depends on which goroutine comes
//! first is not compared; there one core and virtual time decide.

use crate::harness::{Job, Outcome, Row};
use crate::own_programs::Folder;
use crate::script::expect;
use boot::go::toolchain::Toolchain;
use boot::host::Host;
use boot::source_root;
use std::fs;
use std::process::{Command, Output};

/// Programs that print the same each time.
const SAME: [&str; 13] = [
    "main",
    "main2",
    "main3",
    "main4",
    "main4_inlined",
    "main4_without_branch",
    "main4_empty",
    "main5",
    "main5_inlined",
    "main5_noinline",
    "main6_no_goroutine",
    "main6_sum",
    "const",
];

/// What `go` is asked to do.
struct Build {
    name: &'static str,
    words: &'static [&'static str],
    /// Variables of its environment.
    env: &'static [(&'static str, &'static str)],
    program: &'static str,
}

const BUILDS: [Build; 4] = [
    Build { name: "inlining", words: &["build", "-gcflags=-m -m"], env: &[], program: "main5" },
    Build { name: "escapes", words: &["build", "-gcflags=-m -m"], env: &[], program: "main6" },
    Build { name: "ssa", words: &["build"], env: &[("GOSSAFUNC", "main")], program: "main4" },
    Build { name: "cgo", words: &["build"], env: &[], program: "cgo_example" },
];

const TESTS: &[Row] = &[
    ("main6", || printed("main6", "2 2\n")),
    // On one core the goroutine that was made last comes first, as Go has it.
    ("mutex_leak", || printed("mutex_leak", "9 goroutine get mutex")),
    ("channel_leak", || printed("channel_leak", "")),
    ("commands", commands),
    ("ramp", ramp),
];

/// A job for each program and each build.
pub fn jobs<'a>() -> Vec<Job<'a>> {
    let mut jobs: Vec<_> =
        SAME.iter().map(|name| Job::one(format!("go_seeds::{name}"), || same(name))).collect();
    jobs.extend(BUILDS.iter().map(|case| Job::one(format!("go_seeds::{}", case.name), || build(case))));
    jobs.extend(Job::table("go_seeds", TESTS));
    jobs
}

/// A folder with a program's file, and with what is beside it.
fn folder(name: &str) -> Result<Folder, String> {
    let read = |file: &str| fs::read_to_string(source_root().join("boot/tests/qemu/go/seeds").join(file));
    let file = format!("{name}.go");
    let text = read(&file).map_err(|error| format!("{file}: {error}"))?;
    let c = read(&format!("{name}.c")).ok();
    let c_file = format!("{name}.c");
    let c = c.as_deref().map(|c| (c_file.as_str(), c));
    Folder::new(
        &format!("seed {name}"),
        &[Some((file.as_str(), text.as_str())), c].into_iter().flatten().collect::<Vec<_>>(),
    )
}

/// Go alone, as on Linux.
fn stock(folder: &Folder, words: &[&str], env: &[(&str, &str)]) -> Result<Output, String> {
    let go = Toolchain::get(&Host::current()).map_err(|error| error.to_string())?;
    let output = go.go().args(words).envs(env.iter().copied()).current_dir(&folder.0).output();
    output.map_err(|error| error.to_string())
}

/// The program as a process of Linux and as one here. The lines of a report with addresses in them
/// are the same too: it is the same code.
fn same(name: &str) -> Outcome {
    let folder = folder(name)?;
    let file = format!("{name}.go");
    expect(&stock(&folder, &["build", "-o", "linux", &file], &[])?, 0, "", &[])?;
    let run = Command::new(folder.0.join("linux")).current_dir(&folder.0).output();
    let linux = run.map_err(|error| error.to_string())?;
    let here = folder.run(&[&file])?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let of = |output: &Output| (output.status.code(), text(&output.stdout), said(&text(&output.stderr)));
    if of(&linux) == of(&here) { Ok(()) } else { Err(format!("{:?}\nhere:\n{:?}", of(&linux), of(&here))) }
}

/// What is compared of standard error: addresses in frames depend on what was inlined into package
/// runtime.
fn said(errors: &str) -> Vec<String> {
    errors.lines().map(|line| line.split(" +0x").next().unwrap_or(line).into()).collect()
}

fn printed(name: &str, output: &str) -> Outcome {
    expect(&folder(name)?.run(&[&format!("{name}.go")])?, 0, output, &[])
}

/// `go` with the same words for Linux and for here: status and both streams.
fn build(case: &Build) -> Outcome {
    let Build { words, env, program, .. } = *case;
    let folder = folder(program)?;
    let file = format!("{program}.go");
    let words: Vec<&str> = words.iter().copied().chain([file.as_str()]).collect();
    let linux = stock(&folder, &words, env)?;
    let here = folder.command(&[&["go"], &words[..]].concat()).envs(env.iter().copied()).output();
    let here = here.map_err(|error| error.to_string())?;
    let of = |output: &Output| (output.status.code(), output.stdout.clone(), of_the_program(&output.stderr));
    match of(&linux) == of(&here) && !linux.stderr.is_empty() | !linux.stdout.is_empty() {
        true => Ok(()),
        false => Err(format!("{linux:?}\nhere:\n{here:?}")),
    }
}

/// What was said of the program's own package. Of package runtime, which has a `main` too, the
/// build cache repeats what was said when it was compiled, with that time's folder.
fn of_the_program(said: &[u8]) -> String {
    let said = String::from_utf8_lossy(said);
    let start = said.find("# command-line-arguments").unwrap_or(0);
    said[start..].to_owned()
}

/// `-x` shows the commands, with the compiler among them and the overlay in none of the program's
/// own.
fn commands() -> Outcome {
    let folder = folder("main")?;
    let output = folder.run(&["go", "build", "-x", "main.go"])?;
    let text = String::from_utf8_lossy(&output.stderr);
    let pieces = ["WORK=/", "/compile -o $WORK/b001/_pkg_.a", "/link -o $WORK/b001/exe/a.out"];
    match output.status.success() && pieces.iter().all(|piece| text.contains(piece)) {
        true => Ok(()),
        false => Err(format!("{}\n{text}", output.status)),
    }
}

/// Goroutines that never give way, a tick each second that raises GOMAXPROCS to the number of
/// cores, the scheduler's trace, and at the end a report that says where in the program the cores
/// are.
fn ramp() -> Outcome {
    let folder = folder("ramp")?;
    let mut script = Command::new(source_root().join("qemu-run.sh"));
    script.args(["-smp", "4", "-timeout", "17", "ramp.go"]).env("GODEBUG", "schedtrace=1000");
    let output = script.current_dir(&folder.0).output().map_err(|error| error.to_string())?;
    let (out, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let pieces = [" gomaxprocs=4 ", "gzero: timeout\n", " main.main.func1+0x", "/ramp.go:2"];
    // Thousands of goroutines have a turn between a rise and the line that says so: it comes late
    // or not at all, and reads a number that has risen again.
    let rises = out.lines().all(|line| matches!(line, "goMaxProcs: 3" | "goMaxProcs: 4"));
    let traced = errors.matches("SCHED ").count() >= 10 && pieces.iter().all(|piece| errors.contains(piece));
    match rises && traced && output.status.code() == Some(124) {
        true => Ok(()),
        false => Err(format!("{}\n{out}\n{errors}", output.status)),
    }
}
