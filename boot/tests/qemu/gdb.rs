//! A real gdb at a waiting machine: it stops in a goroutine's function, on the boot core and on another, shows a right
//! backtrace with source lines, and knows goroutines, Ms, Ps, timers and channels. After all of it the program goes on to
//! its right end: looking has changed nothing.

use crate::guests::{Guests, Session};
use crate::harness::{Job, Outcome};
use boot::gdb;
use boot::go::command::Go;
use boot::kernel::Variant;
use boot::options::{BootProtocol, Options};
use boot::packages::{GDB, ensure};
use boot::{source_root, target_dir};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// A session: where a program is stopped, what is asked there, and what the answers must have.
struct Look {
    name: &'static str,
    program: &'static [&'static str],
    smp: u32,
    /// The stop is at the line of the program's file that holds this text; and its condition.
    stop: (&'static str, &'static str),
    commands: &'static [&'static str],
    /// Regions of the answers, in this order.
    answers: &'static [&'static str],
    /// What the program prints when it goes on.
    output: &'static str,
}

const LOOKS: [Look; 6] = [
    Look {
        name: "gdb::parked_goroutines",
        program: &["chan_leak"],
        smp: 2,
        stop: ("debug::goroutines()", ""),
        commands: &["info goroutines", "goroutine all bt", "goroutine 99 bt", "info ms"],
        answers: &[
            "* 1     running on core ",
            "  programs::chan_leak::main at ",
            "chan_leak.rs:",
            "chan send (nil chan)  programs::chan_leak::main::{closure#0} at ",
            "chan_leak.rs:",
            "chan receive (nil chan)  programs::chan_leak::main::{closure#1} at ",
            "chan_leak.rs:",
            "goroutine 1 [running]:",
            "programs::chan_leak::main () at ",
            "chan_leak.rs:",
            "runtime::proc::newproc::goroutine_entry",
            "[chan send (nil chan)]:",
            "programs::chan_leak::main::{closure#0} () at ",
            "chan_leak.rs:",
            "runtime::proc::newproc::goroutine_entry",
            "[chan receive (nil chan)]:",
            "programs::chan_leak::main::{closure#1} () at ",
            "chan_leak.rs:",
            "runtime::proc::newproc::goroutine_entry",
            "m     core  p     goroutine",
            // On standard error, which comes after standard output here.
            "no goroutine 99",
        ],
        output: "2 goroutines leaked:",
    },
    // As of one whose stack is just given back: here its saved stack pointer is spoiled for as long as gdb looks.
    Look {
        name: "gdb::unreadable_stack",
        program: &["chan_leak"],
        smp: 1,
        stop: ("debug::goroutines()", ""),
        commands: &[
            "python from gzero_gdb import memory",
            "python sp = int(memory.goroutines()[1]['sched_sp'].address)",
            "python machine = gdb.selected_inferior()",
            "python saved = machine.read_memory(sp, 8).tobytes()",
            "python machine.write_memory(sp, (8).to_bytes(8, 'little'))",
            "info goroutines",
            "goroutine all bt 1",
            "python machine.write_memory(sp, saved)",
        ],
        answers: &[
            "* 1     running on core ",
            "chan send (nil chan)  (its stack cannot be read now)",
            "chan receive (nil chan)  programs::chan_leak::main::{closure#1} at ",
            "goroutine 1 [running]:\n#0 ",
            "[chan send (nil chan)]:\nits stack cannot be read now\n",
            "[chan receive (nil chan)]:\n#0 ",
        ],
        output: "2 goroutines leaked:",
    },
    Look {
        name: "gdb::busy_cores",
        program: &["parfib", "12"],
        smp: 2,
        stop: ("let left = ", "n == 3"),
        commands: &["info goroutines", "info ps", "goroutine all bt -2"],
        answers: &[
            "programs::parfib::fib",
            "running on core ",
            "p     state    m",
            "0     running ",
            "global queue: ",
            "goroutine 1 [",
            "runtime::proc::newproc::goroutine_entry",
            "it has not run yet: it has no stack",
        ],
        output: "fib(12) = 144",
    },
    Look {
        name: "gdb::timers",
        program: &["timeouts"],
        smp: 1,
        stop: ("println!(\"timeout\")", ""),
        commands: &["info timers"],
        answers: &["p     due at          what", "goroutine ", " sleeps"],
        output: "10000 answers in time",
    },
    Look {
        name: "gdb::channels",
        program: &["worker_pool"],
        smp: 1,
        stop: ("= done.steps", ""),
        commands: &["print jobs", "print results"],
        answers: &["= chan 0/9 closed", "/9 open = {programs::worker_pool::Done {job: "],
        output: "9: 19 steps",
    },
    Look {
        name: "gdb::vectors",
        program: &["memstats"],
        smp: 1,
        stop: ("drop((small, large))", ""),
        commands: &["set print elements 2", "print large"],
        answers: &["= Vec(size=16) = {Vec(size=1048576) = {0, 0...}, Vec(size=1048576) = {0, 0...}...}"],
        output: "the figures agree",
    },
];

/// One job, so that no two guests want the same port.
pub fn jobs(guests: &Guests) -> Vec<Job<'_>> {
    const TESTS: [(&str, u32); 2] = [("gdb::boot_core", 1), ("gdb::another_core", 2)];
    const GO: &str = "gdb::go_program";
    let breakpoints = TESTS.iter().map(|(name, _)| *name);
    let names = breakpoints.chain(LOOKS.iter().map(|look| look.name)).chain([GO]).map(String::from).collect();
    vec![Job::many(names, |names, reporter| {
        let wanted = |name: &str| names.iter().any(|n| n == name);
        for (name, thread) in TESTS.iter().filter(|(name, _)| wanted(name)) {
            reporter.report(name, breakpoint(guests, *thread));
        }
        for look in LOOKS.iter().filter(|look| wanted(look.name)) {
            reporter.report(look.name, session(guests, look));
        }
        if wanted(GO) {
            reporter.report(GO, go_program(guests));
        }
    })]
}

/// Runs gdb with `commands` at a machine that waits, and returns what it printed. The machine is `goes_on` at the end.
fn gdb_at(
    guests: &Guests,
    options: &Options,
    commands: &[String],
    goes_on: bool,
) -> Result<(String, String), String> {
    let (kernel, _) = guests.built(Variant::Programs, BootProtocol::Pvh)?;
    let port = gdb::free_port().map_err(|error| error.to_string())?;
    let file = gdb::write_commands(kernel, None, port).map_err(|error| error.to_string())?;
    attached(guests, guests.start(Variant::Programs, options, Some(port))?, &file, commands, goes_on)
}

/// Runs gdb with the command file and `commands` at `guest`.
fn attached(
    guests: &Guests,
    guest: Session<'_>,
    file: &Path,
    commands: &[String],
    goes_on: bool,
) -> Result<(String, String), String> {
    let gdb = ensure(&guests.host, GDB, |host| host.program("gdb")).map_err(|error| error.to_string())?;
    let mut command = Command::new("timeout");
    command.arg("120").arg(gdb).args(["-nx", "-batch", "-x"]).arg(file);
    for text in commands {
        command.args(["-ex", text]);
    }
    let output = command.stdin(Stdio::null()).output().map_err(|error| format!("gdb: {error}"))?;
    let text = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    let printed = if goes_on {
        let (session, written) = guest.read_to_end(Duration::from_secs(60))?;
        match session.end()? {
            0 => String::from_utf8_lossy(&written.out).into_owned(),
            status => return Err(format!("exit status {status}\n{text}")),
        }
    } else {
        String::new()
    };
    Ok((text, printed))
}

fn session(guests: &Guests, look: &Look) -> Outcome {
    let (program, args) = look.program.split_first().expect("a program is named");
    let file = format!("{program}.rs");
    let source = fs::read_to_string(source_root().join("programs").join(&file))
        .map_err(|error| format!("{file}: {error}"))?;
    let (text, condition) = look.stop;
    let line = source.lines().position(|line| line.contains(text)).ok_or(format!("no {text} in {file}"))? + 1;
    let condition = if condition.is_empty() { String::new() } else { format!(" if {condition}") };
    let mut commands = vec![format!("break {file}:{line}{condition}"), "continue".into()];
    commands.extend(look.commands.iter().map(|&command| command.into()));
    commands.extend(["delete".into(), "continue".into()]);
    // In virtual time, which goroutines have run before the stop does not depend on the host.
    let options = Options { smp: look.smp, icount: look.smp == 1, ..Options::new(program, args) };
    let (said, printed) = gdb_at(guests, &options, &commands, true)?;
    check(&said, look.answers, &printed, look.output)
}

/// Whether gdb said these in this order, and the program printed `output`.
fn check(said: &str, answers: &[&str], printed: &str, output: &str) -> Outcome {
    let mut rest = said;
    for answer in answers {
        let Some(at) = rest.find(answer) else {
            return Err(format!("gdb did not say {answer:?} after what came before it:\n{said}"));
        };
        rest = &rest[at + answer.len()..];
    }
    if !printed.contains(output) {
        return Err(format!("the program did not print {output:?} but\n{printed}"));
    }
    Ok(())
}

/// Functions, lines, arguments and locals of a Go program, and its goroutines, with frames of both
/// languages.
fn go_program(guests: &Guests) -> Outcome {
    let error = |error: &dyn std::fmt::Display| error.to_string();
    let dir = target_dir().join("go/gdb");
    fs::create_dir_all(&dir).map_err(|e| error(&e))?;
    let elf = dir.join(format!("waiting-{}", std::process::id()));
    let source = source_root().join("boot/tests/qemu/go/waiting.go");
    let go = Go::get(&guests.host).map_err(|e| error(&e))?;
    let output =
        go.build(["-gcflags=-N -l".as_ref(), source.as_os_str()], &elf).output().map_err(|e| error(&e))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let (kernel, _) = guests.built(Variant::Go, BootProtocol::Pvh)?;
    let port = gdb::free_port().map_err(|e| error(&e))?;
    let file = gdb::write_commands(kernel, Some(&elf), port).map_err(|e| error(&e))?;
    let options = Options { smp: 1, ..Options::new("waiting", &[]) };
    let commands = [
        "break main.work if j.id == 3",
        "continue",
        "next 3",
        "info locals",
        "info goroutines",
        "goroutine 1 bt",
        "delete",
        "break waiting.go:36",
        "continue",
        "print sum",
        "delete",
        "continue",
    ];
    let answers = [
        "_rt0_amd64_linux () at ",
        "main.work (j=..., out=0x",
        "waiting.go:13",
        "i = 0",
        "total = 0",
        "1     chan receive  main.main at ",
        "waiting.go:33",
        "chan receive  main.main.func1 at ",
        "waiting.go:26",
        "running on core 0  main.work at ",
        "runtime::chan::recv::recv_",
        "main.main () at ",
        "runtime::goabi::run",
        "main.main () at ",
        "waiting.go:36",
        "= 20",
    ];
    let guest = guests.start_go(&options, &elf, port)?;
    let (said, printed) = attached(guests, guest, &file, &commands.map(String::from), true)?;
    // A file left over is no reason to fail.
    _ = fs::remove_file(&elf);
    check(&said, &answers, &printed, "sum 20\n")
}

/// gdb's `thread` is QEMU's core, counted from 1.
fn breakpoint(guests: &Guests, thread: u32) -> Outcome {
    let options = Options { smp: 2, ..Options::new("parfib", &["30"]) };
    let at = format!("break programs::parfib::fib thread {thread}");
    let commands = [at.as_str(), "continue", "thread", "backtrace", "kill"].map(String::from);
    let (text, _) = gdb_at(guests, &options, &commands, false)?;
    let stopped =
        text.contains("Temporary breakpoint 1") && text.contains(&format!("Current thread is {thread} "));
    let frames: Vec<&str> = text.lines().filter(|line| line.starts_with('#')).collect();
    let function =
        frames.first().is_some_and(|f| f.contains("programs::parfib::fib") && f.contains("parfib.rs:"));
    let entry = frames.iter().any(|f| f.contains("runtime::proc::newproc::goroutine_entry"));
    if stopped && function && entry { Ok(()) } else { Err(text) }
}
