//! What Go programs ask of package runtime beside the language, on several numbers of cores: each program
//! compares what it is told with what it did and says `ok`.

use crate::guests::Guests;
use crate::harness::{Job, Outcome};
use crate::own_programs::Folder;
use boot::go::command::Go;
use boot::host::Host;
use boot::options::Options;
use boot::{source_root, target_dir};
use std::fs;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(120);

/// Programs in `boot/tests/qemu/go/`.
const PROGRAMS: [&str; 1] = ["metrics"];

/// Tests that do to a bubble what its goroutines alone may do, and what Go says.
const MISUSES: [(&str, &str); 3] = [
    ("Send", "fatal error: send on synctest channel from outside bubble\n"),
    ("Stop", "fatal error: stop of synctest timer from outside bubble\n"),
    ("Deadlock", "panic: deadlock: main bubble goroutine has exited but blocked goroutines remain"),
];

const BUBBLES: &str = r#"package bubbles

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestSend(t *testing.T) {
	var c chan int
	synctest.Test(t, func(*testing.T) { c = make(chan int, 1) })
	c <- 1
}

func TestStop(t *testing.T) {
	var timer *time.Timer
	synctest.Test(t, func(*testing.T) { timer = time.NewTimer(1) })
	timer.Stop()
}

func TestDeadlock(t *testing.T) {
	synctest.Test(t, func(*testing.T) { go func() { <-make(chan int) }() })
}
"#;

fn misuse(test: &str, said: &str) -> Outcome {
    let files = [("go.mod", "module bubbles\n\ngo 1.27\n"), ("bubbles_test.go", BUBBLES)];
    let folder = Folder::new(&format!("go bubbles {test}"), &files)?;
    let output = folder.run(&["go", "test", "-run", test, "."])?;
    let all = [output.stdout, output.stderr].concat();
    let all = String::from_utf8_lossy(&all);
    // The trace leads to the test.
    match output.status.code() == Some(1) && all.contains(said) && all.contains("bubbles_test.go:") {
        true => Ok(()),
        false => Err(format!("{}, not {said:?}:\n{all}", output.status)),
    }
}

/// Each program on 1, 2 and 4 cores, and each misuse.
pub fn jobs(guests: &Guests) -> Vec<Job<'_>> {
    let job = |program, smp| {
        Job::one(format!("go_runtime::{program}::smp{smp}"), move || run(guests, program, smp))
    };
    let programs = PROGRAMS.into_iter().flat_map(move |program| [1, 2, 4].map(|smp| job(program, smp)));
    let misuses = MISUSES.into_iter().map(|(test, said)| {
        Job::one(format!("go_runtime::bubble::{}", test.to_lowercase()), move || misuse(test, said))
    });
    programs.chain(misuses).collect()
}

fn run(guests: &Guests, program: &str, smp: u32) -> Outcome {
    let dir = target_dir().join("go/runtime");
    fs::create_dir_all(&dir).map_err(|error| error.to_string())?;
    let elf = dir.join(format!("{program}-{smp}-{}", std::process::id()));
    let source = source_root().join(format!("boot/tests/qemu/go/{program}.go"));
    let go = Go::get(&Host::current()).map_err(|error| error.to_string())?;
    let built = go.build([&source], &elf).output().map_err(|error| error.to_string())?;
    if !built.status.success() {
        return Err(String::from_utf8_lossy(&built.stderr).into_owned());
    }
    let ran = guests.run_go(&Options { smp, ..Options::new(program, &[]) }, &elf, PATIENCE)?;
    _ = fs::remove_file(&elf);
    match (ran.status, ran.output.as_str(), ran.errors.as_str()) {
        (0, "ok\n", "") => Ok(()),
        _ => Err(format!("status {}\n{}\n{}", ran.status, ran.output, ran.errors)),
    }
}
