//! `qemu-run.sh` itself: wrong words, machines that lack something (neither builds or starts anything), whole runs.

use crate::harness::{Job, Outcome, Row};
use boot::{source_root, toolchain};
use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// Wrong command lines, words separated by `|`, and what the message must name.
const WRONG: &[(&str, &str)] = &[
    ("", "no program named"),
    ("nosuch", "'nosuch'"),
    ("../kernel/build", "'../kernel/build'"),
    ("-smp|0|hello", "'0'"),
    ("-smp|65|hello", "'65'"),
    ("-smp|x|hello", "'x'"),
    ("-smp", "-smp needs a value"),
    ("-m|1K|hello", "'1K'"),
    ("-m|31|hello", "'31'"),
    ("-m|0x4000|hello", "'0x4000'"),
    ("-boot|tftp|hello", "'tftp'"),
    ("-cpu|help|hello", "'help'"),
    ("-cpu|max,,avx|hello", "'max,,avx'"),
    ("-machine|isapc|hello", "'isapc'"),
    ("-machine|microvm|-boot|uefi|hello", "'uefi'"),
    ("-e|=|hello", "'='"),
    ("-e|1A=b|hello", "'1A=b'"),
    ("-e|A|hello", "'A'"),
    ("-e|console=ttyS1|hello", "'console=ttyS1'"),
    ("-timeout|0|hello", "'0'"),
    ("-timeout|soon|hello", "'soon'"),
    ("-o", "-o needs a value"),
    ("-o|/|hello", "'/'"),
    ("-o|/nosuch/x|hello", "'/nosuch/x'"),
    ("-o|x|-m|1G|-v|hello", "which -m is for"),
    ("-o|x|go|build", "go build -o FILE"),
    ("-crate", "-crate needs a value"),
    ("-crate|/nosuch", "'/nosuch'"),
    ("/nosuch.rs", "'/nosuch.rs'"),
    ("nosuch.rs", "'nosuch.rs'"),
    ("nosuch.go", "'nosuch.go'"),
    ("/nosuch/main.go", "'/nosuch/main.go'"),
    ("/", "'/'"),
    ("./nosuch", "'./nosuch'"),
    ("nosuch/cmd", "'nosuch/cmd'"),
    ("../nosuch.org/x", "'../nosuch.org/x'"),
    ("-nosuch|hello", "'-nosuch'"),
    ("--", "no program named"),
    ("--|-v|hello", "'-v'"),
];

/// What only QEMU can refuse, and its reason.
const UNKNOWN: &[(&str, &str, &str)] = &[
    ("-cpu", "nosuch", "unable to find CPU model"),
    ("-cpu", "max,-nosuch", "not found"),
    ("-cpu", "max,level=x", "expects"),
    ("-machine", "q35,help", "no machine"),
    ("-machine", "q35,nosuch=off", "not found"),
];

const TESTS: &[Row] = &[
    ("list", list),
    ("missing_is_named", missing_is_named),
    ("root_installs", root_installs),
    ("words_reach_boot", words_reach_boot),
    ("status_and_output", status_and_output),
    ("any_arguments", any_arguments),
    ("thousands_of_arguments", thousands_of_arguments),
    ("a_mebibyte_of_arguments", a_mebibyte_of_arguments),
    ("argument_that_is_not_text", argument_that_is_not_text),
    ("environment", environment),
    ("timeout", timeout),
];

/// A job for each line and for each lack.
pub fn jobs<'a>() -> Vec<Job<'a>> {
    let mut jobs: Vec<_> = WRONG
        .iter()
        .map(|(line, named)| {
            Job::one(format!("script::wrong::{}", line.replace('|', "_")), || wrong(line, named))
        })
        .collect();
    jobs.extend(Job::table("script", TESTS));
    for (option, value, why) in UNKNOWN {
        jobs.push(Job::one(format!("script::unknown::{value}"), || unknown(option, value, why)));
    }
    jobs
}

/// A directory that is the script's whole `PATH` but for what every Debian has, and gone afterwards.
struct Tools(PathBuf);

impl Tools {
    fn new(name: &str) -> Result<Tools, String> {
        let dir = env::temp_dir().join(format!("gzero-script-{name}-{}", std::process::id()));
        fs::create_dir_all(&dir).map_err(|e| e.to_string())?;
        let tools = Tools(dir);
        for name in [
            "bash", "sh", "basename", "cat", "chmod", "cp", "dirname", "env", "find", "flock", "mkdir", "mv",
            "readlink", "rm", "sed", "touch",
        ] {
            let there = ["/usr/bin", "/bin"].map(|dir| Path::new(dir).join(name));
            let tool = there.iter().find(|path| path.exists()).ok_or_else(|| format!("no {name} here"))?;
            symlink(tool, tools.0.join(name)).map_err(|e| e.to_string())?;
        }
        Ok(tools)
    }

    /// Adds a tool made of shell commands.
    fn add(&self, name: &str, commands: &str) -> Result<(), String> {
        // By another process: a file that this one has open for writing cannot be executed, nor while a child that another
        // thread just forked still has it.
        let write = r##"printf '#!/bin/sh\n%s\n' "$1" >"$0" && chmod 755 "$0""##;
        let status = Command::new("sh").arg("-c").arg(write).arg(self.0.join(name)).arg(commands).status();
        if status.is_ok_and(|status| status.success()) { Ok(()) } else { Err(format!("cannot write {name}")) }
    }

    fn run(&self, words: &[&str]) -> Result<Output, String> {
        Command::new(source_root().join("qemu-run.sh"))
            .args(words)
            .env("PATH", &self.0)
            .env("HOME", &self.0)
            .env("CARGO_TARGET_DIR", self.0.join("target"))
            .output()
            .map_err(|e| e.to_string())
    }
}

impl Drop for Tools {
    fn drop(&mut self) {
        // A directory left over in /tmp is no reason to fail.
        _ = fs::remove_dir_all(&self.0);
    }
}

/// Whether the script ended so: `stdout` is all of standard output, and standard error has the pieces of `stderr`, or nothing if there are none.
pub fn expect(output: &Output, status: i32, stdout: &str, stderr: &[&str]) -> Outcome {
    let out = String::from_utf8_lossy(&output.stdout);
    let err = String::from_utf8_lossy(&output.stderr);
    let said =
        if stderr.is_empty() { err.is_empty() } else { stderr.iter().all(|piece| err.contains(piece)) };
    if output.status.code() == Some(status) && out == stdout && said {
        return Ok(());
    }
    Err(format!(
        "wanted {status}, '{stdout}', {stderr:?}; got {}\nstdout:\n{out}\nstderr:\n{err}",
        output.status
    ))
}

/// One line, exit status 64, and nothing done: there is not even a cargo.
fn wrong(line: &str, named: &str) -> Outcome {
    let tools = Tools::new(&format!("wrong-{}", line.replace(['|', '/'], "_")))?;
    let words: Vec<&str> = line.split('|').filter(|word| !word.is_empty()).collect();
    let output = tools.run(&words)?;
    expect(&output, 64, "", &[named])?;
    one_line(&output)
}

fn one_line(output: &Output) -> Outcome {
    match output.stderr.iter().filter(|&&byte| byte == b'\n').count() {
        1 => Ok(()),
        n => Err(format!("{n} lines:\n{}", String::from_utf8_lossy(&output.stderr))),
    }
}

/// Every program's name and what it says of itself.
fn list() -> Outcome {
    let output = Tools::new("list")?.run(&["-list"])?;
    let text = String::from_utf8_lossy(&output.stdout);
    for name in ["hello", "pingpong", "prime_sieve", "parfib", "endless_loop", "matmul", "echo", "tlb_bench"]
    {
        if !text
            .lines()
            .any(|line| line.split_once(' ').is_some_and(|(n, rest)| n == name && !rest.trim().is_empty()))
        {
            return Err(format!("no {name} with a description in\n{text}"));
        }
    }
    expect(&output, 0, &text, &[])
}

/// Nothing is to be had, by root or another user, with apt-get or without.
fn missing_is_named() -> Outcome {
    let cargo = ["no cargo 1.95", "apt install rustc-web cargo-web", "rustup.rs"];
    let compiler = ["no C compiler", "apt install gcc"];
    let tools = Tools::new("missing")?;
    expect(&tools.run(&["hello"])?, 69, "", &cargo)?;
    tools.add("apt-get", "echo E: no network >&2; exit 100")?;
    tools.add("dpkg-deb", "exit 2")?;
    tools.add("cargo", "echo cargo 1.75.0")?;
    for user in ["0", "1000"] {
        tools.add("id", &format!("echo {user}"))?;
        expect(&tools.run(&["hello"])?, 69, "", &[&["E: no network"], &cargo[..]].concat())?;
    }
    tools.add("cargo", CARGO)?;
    expect(&tools.run(&["hello"])?, 69, "", &[&["E: no network"], &compiler[..]].concat())
}

/// A cargo that is right enough to show how it is called.
const CARGO: &str = "[ \"$1\" = -V ] && echo cargo 1.96.0 && exit; while [ \"$1\" != -- ]; do shift; done; \
    shift; for word; do echo \"<$word>\"; done; exit 7";

/// The packages of a cargo are those that `boot` wants for the kernel: they are fetched once.
fn root_installs() -> Outcome {
    let tools = Tools::new("installs")?;
    tools.add("id", "echo 0")?;
    tools.add("cc", "")?;
    tools.add("dpkg-deb", "exit 2")?;
    tools.add("new-cargo", CARGO)?;
    let packages = toolchain::NEED.packages.join(" ");
    tools.add(
        "apt-get",
        &format!(
            "echo noise; case $* in *install*'{packages}') cp \"$HOME/new-cargo\" \"$HOME/cargo\" ;; esac"
        ),
    )?;
    expect(&tools.run(&["hello"])?, 7, "<hello>\n", &[&format!("installing {packages} with apt-get\n")])
}

fn words_reach_boot() -> Outcome {
    let tools = Tools::new("words")?;
    tools.add("cc", "")?;
    tools.add("cargo", CARGO)?;
    let words = ["-smp", "2", "-e", "A=b c", "-v", "--", "echo", "-smp", "x y", "--", ""];
    let want: String = words.iter().map(|word| format!("<{word}>\n")).collect();
    expect(&tools.run(&words)?, 7, &want, &[])?;
    expect(&tools.run(&["tlb_bench"])?, 7, "<tlb_bench>\n", &[])
}

/// A whole run with the environment `env`. Virtual time keeps KVM out of it.
fn whole_with(env: &[(&str, &str)], words: &[impl AsRef<OsStr>]) -> Result<Output, String> {
    let mut script = Command::new(source_root().join("qemu-run.sh"));
    for (name, _) in env::vars_os().filter(|(name, _)| name.as_bytes().starts_with(b"GO")) {
        script.env_remove(name);
    }
    script.envs(env.iter().copied()).arg("-icount").args(words).output().map_err(|e| e.to_string())
}

fn whole(words: &[&str]) -> Result<Output, String> {
    whole_with(&[], words)
}

fn status_and_output() -> Outcome {
    expect(&whole(&["-e", "A=b c", "echo", "-status", "7", "-env", "x  y", "z"])?, 7, "A=b c\nx  y z\n", &[])
}

/// One line, exit status 64, and no machine is started.
fn unknown(option: &str, value: &str, why: &str) -> Outcome {
    let output = whole(&[option, value, "hello"])?;
    expect(&output, 64, "", &[&format!("gzero: wrong value for {option}: '{value}': "), why])?;
    one_line(&output)
}

/// Arguments arrive unchanged, whatever a shell, QEMU or the kernel's command line could see in them.
fn any_arguments() -> Outcome {
    let words = [
        &b""[..],
        b"a b",
        b"  two  ",
        b"\"quoted\" \\ 'too'",
        b"a,b,,c=d",
        b"line\nline\ttab\r",
        b"-v",
        b"--",
        b"X=y",
        b"$HOME `id` *",
        b"\xff\xfe\x80",
        "ünï".as_bytes(),
        b"\x01\x7f",
        b"",
    ];
    let mut line = ["echo", "-bytes"].map(OsString::from).to_vec();
    line.extend(words.iter().map(|word| OsStr::from_bytes(word).to_owned()));
    let output = whole_with(&[], &line)?;
    let want = words.join(&b' ');
    if output.status.code() == Some(0) && output.stdout.strip_suffix(b"\n") == Some(&want) {
        return Ok(());
    }
    Err(format!("{} and\n{}", output.status, output.stdout.escape_ascii()))
}

/// `echo $(seq 5000)`: 24 KiB, more than any boot protocol's command line.
fn thousands_of_arguments() -> Outcome {
    let words: Vec<String> = ["echo".into()].into_iter().chain((1..=5000).map(|n| n.to_string())).collect();
    expect(&whole_with(&[], &words)?, 0, &format!("{}\n", words[1..].join(" ")), &[])
}

/// As many bytes as are taken, and one more.
fn a_mebibyte_of_arguments() -> Outcome {
    // The kernel of the host takes no longer word than 128 KiB.
    let mut words = vec!["echo".to_owned(), "-length".to_owned()];
    words.extend(vec!["x".repeat((128 << 10) - 2); 7]);
    let length = |words: &[String]| words.iter().map(|word| word.len() + 1).sum::<usize>();
    words.push("y".repeat((1 << 20) - length(&words) - 1));
    expect(&whole_with(&[], &words)?, 0, &format!("{}\n", (1 << 20) - "echo -length ".len() - 1), &[])?;
    words.push(String::new());
    expect(&whole_with(&[], &words)?, 64, "", &["1048577 bytes, more than 1048576"])
}

/// A program that asks for text is told which argument is none.
fn argument_that_is_not_text() -> Outcome {
    let words = [&b"echo"[..], b"a", b"b\xff\n"].map(OsStr::from_bytes);
    let text = r#"panic: argument 2 is not UTF-8: "b\xff\n""#;
    let output = whole_with(&[], &words)?;
    let all = [output.stdout, output.stderr].concat();
    if output.status.code() == Some(2) && String::from_utf8_lossy(&all).contains(text) {
        return Ok(());
    }
    Err(format!("{} and\n{}", output.status, String::from_utf8_lossy(&all)))
}

/// The host's `GO*` and nothing else of it; `-e` over that, the last of a name.
fn environment() -> Outcome {
    let host = [("GOMAXPROCS", "3"), ("GODEBUG", "nosuch=1"), ("GZERO", "host"), ("OTHER", "host")];
    let line =
        ["-e", "A=1", "-e", "GODEBUG=smplate=9,timeslice=5", "-e", "B=", "-e", "A=2 \u{fc}", "echo", "-env"];
    let want = "GODEBUG=smplate=9,timeslice=5\nGOMAXPROCS=3\nA=2 \u{fc}\nB=\n\n";
    expect_lines(&whole_with(&host, &line)?, want)?;
    // Without -e the host's is obeyed, which it cannot be.
    let output = whole_with(&host, &["hello"])?;
    let all = [output.stdout, output.stderr].concat();
    let right = output.status.code() == Some(64)
        && String::from_utf8_lossy(&all).contains("GODEBUG: no word \"nosuch\"");
    if right { Ok(()) } else { Err(format!("{} and\n{}", output.status, String::from_utf8_lossy(&all))) }
}

/// The lines of `want` in any order: a process's environment has none.
fn expect_lines(output: &Output, want: &str) -> Outcome {
    let sorted = |text: &str| {
        let mut lines: Vec<String> = text.lines().map(String::from).collect();
        lines.sort();
        lines
    };
    let out = String::from_utf8_lossy(&output.stdout);
    if output.status.code() == Some(0) && sorted(&out) == sorted(want) {
        return Ok(());
    }
    Err(format!(
        "wanted\n{want}\ngot {} and\n{out}\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr)
    ))
}

/// A program without end: where its cores were, by name.
fn timeout() -> Outcome {
    let output = whole(&["-smp", "2", "-timeout", "8", "prime_sieve", "1000000"])?;
    let primes = String::from_utf8_lossy(&output.stdout);
    expect(
        &output,
        124,
        &primes,
        &["gzero: timeout\n", "core 0 at ", "core 1 at ", "RIP=", "runtime::", ".rs:"],
    )
}
