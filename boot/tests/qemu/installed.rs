//! The command that `cargo install --path boot` installs: in a module of the user's, with no
//! checkout around it, with no Rust in PATH, with QEMU and Go alone.

use crate::harness::{Job, Outcome};
use crate::own_images::qemu;
use crate::own_programs::Folder;
use crate::script::expect;
use boot::go::toolchain::Toolchain;
use boot::host::Host;
use boot::{machine, source_root};
use std::env;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

const MAIN: &str = "package main\n\nimport (\n\t\"fmt\"\n\t\"os\"\n)\n\nfunc main() {\n\t\
    fmt.Println(len(os.Args), sum(2, 3))\n}\n";

const FILES: [(&str, &str); 5] = [
    ("m/go.mod", "module example.com/m\n\ngo 1.27\n"),
    ("m/main.go", MAIN),
    ("m/sum.go", "package main\n\nfunc sum(a, b int) int {\n\treturn a + b\n}\n"),
    (
        "m/sum_test.go",
        "package main\n\nimport \"testing\"\n\nfunc TestSum(t *testing.T) {\n\tif sum(1, 2) != 3 {\n\t\tt.Fail()\n\t}\n}\n",
    ),
    ("m/hello.rs", "fn main() {}\n"),
];

/// One job: it is installed once.
pub fn jobs<'a>() -> Vec<Job<'a>> {
    vec![Job::one("installed", installed)]
}

fn installed() -> Outcome {
    let folder = Folder::new("installed", &FILES)?;
    let cargo = env::var_os("CARGO").unwrap_or("cargo".into());
    let install = Command::new(cargo)
        .args(["install", "--locked", "--quiet", "--path"])
        .arg(source_root().join("boot"))
        .arg("--root")
        .arg(folder.0.join("installed"))
        .output()
        .map_err(|error| error.to_string())?;
    if !install.status.success() {
        return Err(String::from_utf8_lossy(&install.stderr).into_owned());
    }
    let bin = folder.0.join("bin");
    tools(&bin)?;
    let run = |words: &[&str]| command(&folder, &bin, words);

    expect(&run(&["-icount", "-smp", "1", "run", "."])?, 0, "1 5\n", &[])?;
    expect(&run(&["-smp", "2", "main.go", "sum.go", "a", "-b"])?, 0, "3 5\n", &[])?;
    let test = run(&["-icount", "test", "-v", "./..."])?;
    let said = String::from_utf8_lossy(&test.stdout);
    if !test.status.success() || !said.contains("--- PASS: TestSum") || !said.contains("ok  \texample.com/m")
    {
        return Err(format!("{test:?}"));
    }
    expect(&run(&["build", "-o", "app.img", "."])?, 0, "", &[])?;
    expect(&run(&["build", "-o", "app.elf", "."])?, 0, "", &[])?;
    expect(&qemu(&folder, &["-kernel", "m/app.elf"])?, 1, "1 5\n", &[])?;
    let disk = "-drive if=none,id=disk,format=raw,file=m/app.img -device ide-hd,drive=disk -device VGA";
    let booted = qemu(&folder, &disk.split(' ').collect::<Vec<_>>())?;
    // SeaBIOS writes there too.
    if !String::from_utf8_lossy(&booted.stdout).ends_with("1 5\n") {
        return Err(format!("{booted:?}"));
    }
    for rust in [&["hello"][..], &["hello.rs"], &["-crate", "."], &["-o", "x", "hello"]] {
        expect(&run(rust)?, 64, "", &["no Go program", "./qemu-run.sh in a checkout of Gzero"])?;
    }
    expect(&run(&["nosuch.go"])?, 64, "", &["gzero: no file 'nosuch.go'\n"])?;
    match run(&["-h"])? {
        help if help.status.success()
            && String::from_utf8_lossy(&help.stdout).contains("-timeout SECONDS") =>
        {
            Ok(())
        }
        help => Err(format!("{help:?}")),
    }
}

/// All that there is in PATH: two scripts, since an unpacked QEMU is one that wants others.
fn tools(bin: &Path) -> Outcome {
    let host = Host::current();
    let go = Toolchain::get(&host).map_err(|error| error.to_string())?;
    let qemu = machine::qemu(&host).map_err(|error| error.to_string())?;
    fs::create_dir(bin).map_err(|error| error.to_string())?;
    for (name, tool) in [("go", go.root.join("bin/go")), ("qemu-system-x86_64", qemu)] {
        // By another process: what this one writes a child of another test's thread may have open,
        // and then it cannot be executed.
        let write =
            r##"printf '#!/bin/sh\nPATH=/usr/bin:/bin exec "%s" "$@"\n' "$1" >"$0" && chmod 755 "$0""##;
        let status = Command::new("sh").arg("-c").arg(write).arg(bin.join(name)).arg(tool).status();
        if !status.is_ok_and(|status| status.success()) {
            return Err(format!("cannot write {name}"));
        }
    }
    Ok(())
}

fn command(folder: &Folder, bin: &Path, words: &[&str]) -> Result<Output, String> {
    let mut command = Command::new(folder.0.join("installed/bin/gzero"));
    command.args(words).current_dir(folder.0.join("m")).env_clear();
    command.env("PATH", bin).env("HOME", &folder.0).env("XDG_CACHE_HOME", folder.0.join("cache"));
    // Go's own cache: what it compiles there is the same.
    let cache = env::var_os("GOCACHE")
        .map_or(env::home_dir().unwrap_or_default().join(".cache/go-build"), Into::into);
    command.env("GOCACHE", cache).output().map_err(|error| error.to_string())
}
