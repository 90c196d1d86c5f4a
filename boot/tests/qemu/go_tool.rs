//! `qemu-run.sh` with Go programs and with the user's `go` command: what Go refuses, in its words and with its status; what is passed on; runs of all
//! forms, from other folders.

use crate::harness::{Job, Outcome};
use crate::own_programs::Folder;
use crate::script::expect;
use std::path::Path;
use std::process::Command;

/// A file, the words of the command, its status and what is said.
struct Refused {
    name: &'static str,
    files: &'static [(&'static str, &'static str)],
    words: &'static [&'static str],
    status: i32,
    said: &'static [&'static str],
}

const HELLO: &str = "package main\n\nfunc main() {\n\tprintln(\"hello\")\n}\n";

const REFUSED: &[Refused] = &[
    Refused {
        name: "does_not_compile",
        files: &[("broken.go", "package main\n\nfunc main() {\n\tnosuch()\n}\n")],
        words: &["broken.go"],
        status: 1,
        said: &["# command-line-arguments\n", "./broken.go:4:2: undefined: nosuch\n"],
    },
    Refused {
        name: "is_no_program",
        files: &[("library.go", "package library\n")],
        words: &["library.go", "-x"],
        status: 1,
        said: &["package command-line-arguments is not a main package\n"],
    },
    Refused {
        name: "has_no_main",
        files: &[("empty.go", "package main\n")],
        words: &["./empty.go"],
        status: 1,
        said: &["function main is undeclared in the main package\n"],
    },
    Refused {
        name: "is_a_test",
        files: &[("x_test.go", "package main\n")],
        words: &["x_test.go"],
        status: 1,
        said: &["go: cannot run *_test.go files (x_test.go)\n"],
    },
    Refused {
        name: "is_in_no_module",
        files: &[("cmd/main.go", HELLO)],
        words: &["./cmd"],
        status: 1,
        said: &["go: go.mod file not found"],
    },
    Refused {
        name: "wants_c",
        files: &[("cgo.go", "package main\n\nimport \"C\"\n\nfunc main() {}\n")],
        words: &["cgo.go"],
        status: 1,
        said: &["go: no Go source files\n"],
    },
    Refused {
        name: "unknown_subcommand",
        files: &[("hello.go", HELLO)],
        words: &["go", "nosuch"],
        status: 2,
        said: &["go nosuch: unknown command\n"],
    },
    Refused {
        name: "vet_finds",
        files: &[("vet.go", "package main\n\nfunc main() {\n\tx := 1\n\tx = x\n}\n")],
        words: &["go", "vet", "vet.go"],
        status: 1,
        said: &["self-assignment of x"],
    },
    Refused {
        name: "race",
        files: &[("hello.go", HELLO)],
        words: &["go", "run", "-race", "hello.go"],
        status: 64,
        said: &["gzero: -race: Go's detectors are built for Linux processes and cannot run here\n"],
    },
    Refused {
        name: "overlay",
        files: &[("hello.go", HELLO)],
        words: &["go", "build", "-overlay=x", "hello.go"],
        status: 64,
        said: &["gzero: -overlay is how the Go half gets in"],
    },
];

/// A job for each refusal and each form.
pub fn jobs<'a>() -> Vec<Job<'a>> {
    let mut jobs: Vec<_> =
        REFUSED.iter().map(|case| Job::one(format!("go_tool::{}", case.name), || refused(case))).collect();
    jobs.push(Job::one("go_tool::cache_is_shared", cache_is_shared));
    jobs.push(Job::one("go_tool::interface_is_as_written", interface_is_as_written));
    jobs.push(Job::one("go_tool::formatted", formatted));
    jobs.push(Job::one("go_tool::words_and_status", words_and_status));
    jobs.push(Job::one("go_tool::settings_of_the_program", settings_of_the_program));
    jobs.push(Job::one("go_tool::module", module));
    jobs.push(Job::one("go_tool::linked_program", linked_program));
    jobs.push(Job::one("go_tool::go_run", go_run));
    jobs.push(Job::one("go_tool::go_test", go_test));
    jobs.push(Job::one("go_tool::timeout", timeout));
    jobs
}

fn refused(case: &Refused) -> Outcome {
    let folder = Folder::new(&format!("go {}", case.name), case.files)?;
    expect(&folder.run(case.words)?, case.status, "", case.said)
}

/// Both kinds of program are built into one cache, in either order, and each is what it is.
fn cache_is_shared() -> Outcome {
    let folder = Folder::new("go cache", &[("hello.go", HELLO)])?;
    let cache = folder.0.join("cache");
    let toolchain =
        boot::go::toolchain::Toolchain::get(&boot::host::Host::current()).map_err(|e| e.to_string())?;
    for name in ["first", "second"] {
        let output =
            folder.command(&["go", "build", "-o", "ours", "hello.go"]).env("GOCACHE", &cache).output();
        expect(&output.map_err(|e| e.to_string())?, 0, "", &[])?;
        let build = toolchain
            .go()
            .args(["build", "-o", name, "hello.go"])
            .env("GOCACHE", &cache)
            .current_dir(&folder.0)
            .output();
        expect(&build.map_err(|e| e.to_string())?, 0, "", &[])?;
        let run = Command::new(folder.0.join(name)).output().map_err(|e| e.to_string())?;
        expect(&run, 0, "", &["hello\n"])?;
    }
    let read = |name: &str| std::fs::read(folder.0.join(name)).map_err(|e| e.to_string());
    match (read("first")? == read("second")?, read("first")? == read("ours")?) {
        (true, false) => Ok(()),
        (again, ours) => Err(format!("the same program twice: {again}; ours is Linux's: {ours}")),
    }
}

/// The lists of `go/check` are those of the Go half in this tree: of a Go that has the same interface nothing is said.
fn interface_is_as_written() -> Outcome {
    let toolchain =
        boot::go::toolchain::Toolchain::get(&boot::host::Host::current()).map_err(|e| e.to_string())?;
    let check = boot::source_root().join("go/check");
    let kept = check.join("kept");
    let output = toolchain
        .go()
        .arg("run")
        .args(["main.go", "use.go", "link.go"].map(|name| check.join(name)))
        .arg("-goroot")
        .arg(&toolchain.root)
        .current_dir("/")
        .output()
        .map_err(|e| e.to_string())?;
    expect(&output, 0, "", &[])?;
    let kept =
        boot::go::kept::Kept::read(kept.parent().unwrap_or(Path::new(""))).map_err(|e| e.to_string())?;
    match kept.misfit(&toolchain).map_err(|e| e.to_string())? {
        None => Ok(()),
        Some(why) => Err(why),
    }
}

/// Every Go file of the project is as `gofmt` writes it.
fn formatted() -> Outcome {
    let toolchain =
        boot::go::toolchain::Toolchain::get(&boot::host::Host::current()).map_err(|e| e.to_string())?;
    let output = Command::new(toolchain.root.join("bin/gofmt"))
        .arg("-l")
        .args(["go", "programs/go", "boot/tests/qemu/go"])
        .current_dir(boot::source_root())
        .output()
        .map_err(|e| e.to_string())?;
    let (listed, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    match output.status.success() && listed.is_empty() && errors.is_empty() {
        true => Ok(()),
        false => Err(format!("{}, not formatted:\n{listed}{errors}", output.status)),
    }
}

const WORDS: &str = "package main\n\nimport (\n\t\"fmt\"\n\t\"os\"\n)\n\nfunc main() {\n\t\
    fmt.Println(len(os.Args), os.Args[1:], os.Getenv(\"A\"))\n\thelp()\n\tos.Exit(7)\n}\n";

const HELP: &str = "package main\n\nimport \"os\"\n\nfunc help() { os.Stderr.WriteString(\"help\\n\") }\n";

/// The caller's GODEBUG is the program's alone: only one of the two that are written in Go shows its scheduler.
fn settings_of_the_program() -> Outcome {
    let text = "package main\n\nimport \"time\"\n\nfunc main() {\n\ttime.Sleep(300 * time.Millisecond)\n}\n";
    let folder = Folder::new("go settings", &[("sleep.go", text)])?;
    let output = folder.command(&["sleep.go"]).env("GODEBUG", "schedtrace=100").output();
    let output = output.map_err(|error| error.to_string())?;
    let errors = String::from_utf8_lossy(&output.stderr);
    match errors.matches("SCHED 0ms:").count() {
        1 if output.status.success() => Ok(()),
        n => Err(format!("{n} traces and {}:\n{errors}", output.status)),
    }
}

/// Several files, arguments that look like options, the environment, both streams, the exit status.
fn words_and_status() -> Outcome {
    let folder = Folder::new("go words", &[("a b/words.go", WORDS), ("a b/help.go", HELP)])?;
    let output = folder.run(&["-e", "A=x  y", "a b/words.go", "a b/help.go", "-smp", "", "z"])?;
    expect(&output, 7, "4 [-smp  z] x  y\n", &["help\n"])
}

/// A module with a program in a folder of its own, as a folder and by its import path; nothing is written into it.
fn module() -> Outcome {
    let files = [
        ("m/go.mod", "module example.com/m\n\ngo 1.27\n"),
        ("m/greet/greet.go", "package greet\n\nconst Text = \"hello\"\n"),
        (
            "m/cmd/server/main.go",
            "package main\n\nimport \"example.com/m/greet\"\n\nfunc main() {\n\tprint(greet.Text, \"\\n\")\n}\n",
        ),
    ];
    let mut folder = Folder::new("go module", &files)?;
    let before = folder.files();
    folder.0.push("m");
    for word in ["./cmd/server", "cmd/server", "example.com/m/cmd/server"] {
        expect(&folder.run(&[word])?, 0, "", &["hello\n"])?;
    }
    folder.0.pop();
    if folder.files() == before { Ok(()) } else { Err(format!("written: {:?}", folder.files())) }
}

fn linked_program() -> Outcome {
    let folder = Folder::new("go linked", &[("words.go", WORDS), ("help.go", HELP)])?;
    expect(&folder.run(&["go", "build", "-o", "words", "words.go", "help.go"])?, 0, "", &[])?;
    expect(&folder.run(&["./words", "a"])?, 7, "2 [a] \n", &["help\n"])
}

/// As Go's: the program's streams, what it says of a status, and its own status.
fn go_run() -> Outcome {
    let folder = Folder::new("go run", &[("words.go", WORDS), ("help.go", HELP)])?;
    let output = folder.run(&["go", "run", "words.go", "help.go", "b"])?;
    expect(&output, 1, "2 [b] \n", &["help\n", "exit status 7\n"])
}

const TEST: &str = "package m\n\nimport (\n\t\"os\"\n\t\"testing\"\n)\n\n\
    func TestGood(t *testing.T) {\n\tt.Log(os.Getenv(\"PWD\"))\n}\n\nfunc TestBad(t *testing.T) {\n\tt.Error(\"bad\")\n}\n";

/// Packages at a time, `-run`, `-v`, each with its folder.
fn go_test() -> Outcome {
    let files = [("go.mod", "module m\n\ngo 1.27\n"), ("one/x_test.go", TEST), ("two/x_test.go", TEST)];
    let folder = Folder::new("go test", &files)?;
    let output = folder.run(&["go", "test", "-p", "2", "-v", "-run", "Good", "./..."])?;
    let out = String::from_utf8_lossy(&output.stdout);
    for (piece, times) in [
        ("--- PASS: TestGood", 2),
        ("go test ", 2),
        ("/one\n", 1),
        ("/two\n", 1),
        ("ok  \tm/", 2),
        ("TestBad", 0),
    ] {
        if out.matches(piece).count() != times {
            return Err(format!(
                "not {times} times {piece:?}:\n{out}\n{}",
                String::from_utf8_lossy(&output.stderr)
            ));
        }
    }
    let output = folder.run(&["go", "test", "./one"])?;
    let out = String::from_utf8_lossy(&output.stdout);
    let pieces = ["--- FAIL: TestBad", "x_test.go:13: bad\n", "FAIL\tm/one"];
    match output.status.code() == Some(1) && pieces.iter().all(|piece| out.contains(piece)) {
        true => Ok(()),
        false => Err(format!("{}\n{out}\n{}", output.status, String::from_utf8_lossy(&output.stderr))),
    }
}

fn timeout() -> Outcome {
    let text = "package main\n\nfunc main() {\n\tprint(\"runs\\n\")\n\tfor {\n\t}\n}\n";
    let folder = Folder::new("go timeout", &[("endless.go", text)])?;
    expect(
        &folder.run(&["-timeout", "4", "endless.go"])?,
        124,
        "",
        &["runs\n", "gzero: timeout\n", "core 0 at "],
    )
}
