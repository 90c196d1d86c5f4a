//! Images with a program in them (`-o`), booted by a QEMU that brings nothing else: no second file,
//! no words, no command line but where a test says so.

use crate::harness::{Job, Outcome, Row};
use crate::own_programs::Folder;
use crate::script::expect;
use boot::go::toolchain::Toolchain;
use boot::host::Host;
use boot::machine;
use boot::packages::{OVMF, ensure};
use boot::source_root;
use std::process::{Command, Output};

const WORDS: &str = "package main\n\nimport (\n\t\"fmt\"\n\t\"os\"\n)\n\nfunc main() {\n\t\
    fmt.Println(os.Args, os.Getenv(\"A\"), os.Getenv(\"GOGC\"))\n\tos.Exit(7)\n}\n";

const TESTS: &[Row] = &[
    ("go_bios", || go_disk("bios")),
    ("go_elf", go_elf),
    ("go_elf_of_go_build", go_elf_of_go_build),
    ("go_uefi", || go_disk("uefi")),
    ("go_run_from_bios", go_run),
    ("rust_elf", rust_elf),
    ("not_a_program", not_a_program),
];

/// A job for each. The first has the writer of disk images built, by cargo on little more than one core, for minutes:
/// it is to run beside other jobs than the rest of these, which would only wait for it.
pub fn jobs<'a>() -> (Job<'a>, Vec<Job<'a>>) {
    let mut rest = Job::table("own_images", TESTS);
    (rest.remove(0).keeps_busy(1), rest)
}

/// The script in the folder; what is about a machine is none of an image's. Go is there before:
/// whoever fetches it says so on stderr.
fn script(folder: &Folder, words: &[&str]) -> Result<Output, String> {
    Toolchain::get(&Host::current()).map_err(|e| e.to_string())?;
    let mut script = Command::new(source_root().join("qemu-run.sh"));
    script.args(words).env("GOGC", "99").current_dir(&folder.0).output().map_err(|e| e.to_string())
}

/// A QEMU that prints what the machine writes to COM1. Its status is the machine's, doubled and
/// plus 1, or 0 where it was turned off.
pub fn qemu(folder: &Folder, words: &[&str]) -> Result<Output, String> {
    let qemu = machine::qemu(&Host::current()).map_err(|e| e.to_string())?;
    let fixed = "-accel tcg -cpu max -machine q35 -m 256M -nodefaults -display none -no-reboot -serial stdio \
        -device isa-debug-exit,iobase=0xf4,iosize=4";
    let mut command = Command::new("timeout");
    command.arg("240").arg(qemu).args(fixed.split_whitespace()).args(words).current_dir(&folder.0);
    command.output().map_err(|e| e.to_string())
}

fn printed(output: &Output, line: &str) -> Outcome {
    let out = String::from_utf8_lossy(&output.stdout);
    let found = out.lines().any(|found| found.trim_end().ends_with(line));
    if found && output.status.code() == Some(15) {
        return Ok(());
    }
    let err = String::from_utf8_lossy(&output.stderr);
    Err(format!("no line {line:?} or no status 7: {}\n{out}\n{err}", output.status))
}

fn go_elf() -> Outcome {
    let folder = Folder::new("image elf", &[("words.go", WORDS)])?;
    expect(&script(&folder, &["-o", "app.elf", "-e", "A=x y", "words.go", "-v", "b c"])?, 0, "", &[])?;
    printed(&qemu(&folder, &["-kernel", "app.elf"])?, "[words.go -v b c] x y")?;
    let append = ["-kernel", "app.elf", "-append", "A=z GOGC=50 -- -d e"];
    printed(&qemu(&folder, &append)?, "[words.go -v b c -d e] z 50")
}

fn go_elf_of_go_build() -> Outcome {
    let folder = Folder::new("image build", &[("go.mod", "module m\n\ngo 1.27\n"), ("words.go", WORDS)])?;
    expect(&script(&folder, &["go", "build", "-o", "app.elf", "."])?, 0, "", &[])?;
    printed(&qemu(&folder, &["-kernel", "app.elf"])?, "[app]")
}

fn go_disk(protocol: &str) -> Outcome {
    let folder = Folder::new(&format!("image {protocol}"), &[("words.go", WORDS)])?;
    expect(&script(&folder, &["-boot", protocol, "-o", "app.img", "words.go", "b"])?, 0, "", &[])?;
    let disk = [
        "-drive",
        "if=none,id=disk,format=raw,file=app.img",
        "-device",
        "ide-hd,drive=disk",
        "-device",
        "VGA",
    ];
    let mut words = disk.map(String::from).to_vec();
    if protocol == "uefi" {
        let firmware = ensure(&Host::current(), OVMF, |host| {
            ["OVMF_CODE_4M.fd", "OVMF_CODE.fd"]
                .iter()
                .find_map(|name| host.file(&format!("/usr/share/OVMF/{name}")))
        });
        let firmware = firmware.map_err(|e| e.to_string())?;
        words.push("-drive".into());
        words.push(format!("if=pflash,unit=0,format=raw,readonly=on,file={}", firmware.display()));
    }
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    printed(&qemu(&folder, &words)?, "[words.go b]")
}

/// A run from a disk that is the run's own. By UEFI it is the same but for the firmware, which virtual time makes slow.
fn go_run() -> Outcome {
    let folder = Folder::new("run bios", &[("words.go", WORDS)])?;
    expect(
        &folder.run(&["-boot", "bios", "-e", "A=x", "-e", "GOGC=1", "words.go", "b"])?,
        7,
        "[words.go b] x 1\n",
        &[],
    )
}

fn rust_elf() -> Outcome {
    let text = "use runtime::prelude::*;\n\n#[program]\nfn main() -> i32 {\n    \
        println!(\"{:?}\", runtime::args());\n    7\n}\n";
    let folder = Folder::new("image rust", &[("words.rs", text)])?;
    expect(&script(&folder, &["-o", "app", "words.rs", "b c"])?, 0, "", &[])?;
    printed(&qemu(&folder, &["-kernel", "app"])?, "[\"words\", \"b c\"]")
}

/// What Go refuses has Go's words and status, and leaves no file.
fn not_a_program() -> Outcome {
    let folder = Folder::new("image none", &[("library.go", "package library\n"), ("go.mod", "module m\n")])?;
    let before = folder.files();
    let said = "package command-line-arguments is not a main package\n";
    expect(&script(&folder, &["-o", "app.elf", "library.go"])?, 1, "", &[said])?;
    expect(&script(&folder, &["go", "build", "-o", "app.elf", "."])?, 64, "", &["an image has one program"])?;
    if folder.files() == before { Ok(()) } else { Err(format!("written: {:?}", folder.files())) }
}
