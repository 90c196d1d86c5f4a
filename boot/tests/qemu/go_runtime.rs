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
const PROGRAMS: [&str; 6] = ["channels", "coroutines", "goroutines", "locks", "metrics", "profiles"];

/// Tests that do to a bubble what its goroutines alone may do, and what Go says.
const MISUSES: [(&str, &str); 5] = [
    ("Send", "fatal error: send on synctest channel from outside bubble\n"),
    ("Stop", "fatal error: stop of synctest timer from outside bubble\n"),
    ("Wake", "fatal error: semaphore wake of synctest goroutine from outside bubble\n"),
    ("Deadlock", "panic: deadlock: main bubble goroutine has exited but blocked goroutines remain"),
    ("Durable", "[chan receive (durable), synctest bubble 1]:\n"),
];

const BUBBLES: &str = r#"package bubbles

import (
	"iter"
	"runtime/debug"
	"sync"
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

func TestWake(t *testing.T) {
	cond := sync.NewCond(new(sync.Mutex))
	begun, never := make(chan bool), make(chan bool)
	go func() {
		<-begun
		cond.L.Lock()
		cond.Signal()
	}()
	synctest.Test(t, func(*testing.T) {
		go func() {
			synctest.Wait()
			close(begun)
			// The bubble is not idle: this channel is not of it.
			<-never
		}()
		cond.L.Lock()
		cond.Wait()
	})
}

func TestDurable(t *testing.T) {
	synctest.Test(t, func(*testing.T) {
		c := make(chan int)
		go func() { <-c }()
		synctest.Wait()
		debug.SetTraceback("all")
		panic("with a trace")
	})
}

// Before the first bubble the program reads the time itself; from then on it asks the kernel.
func TestClock(t *testing.T) {
	first := time.Now()
	last := first
	goesOn := func(where string) {
		for range 1000 {
			now := time.Now()
			if d := now.Sub(last); d < 0 || d > time.Second || time.Until(last) > 0 {
				t.Fatalf("%s a bubble: %v, and then %v", where, last, now)
			}
			if wall := now.UnixNano() - first.UnixNano(); wall != int64(now.Sub(first)) {
				t.Fatalf("%s a bubble: %v, and %v later by the wall", where, now.Sub(first), wall)
			}
			last = now
		}
	}
	goesOn("before")
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		if !begin.Equal(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)) {
			t.Fatalf("a bubble's time begins with %v", begin)
		}
		time.Sleep(time.Hour)
		if d := time.Since(begin); d != time.Hour {
			t.Fatalf("an hour is %v", d)
		}
	})
	goesOn("after")
}

// A coroutine that waits, and those that wait for it, block durably.
func TestCoroutine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		next, stop := iter.Pull(func(yield func(int) bool) {
			for i := range 100 {
				time.Sleep(time.Second)
				if !yield(i) || !yield(-i) {
					return
				}
			}
		})
		for i := range 50 {
			if v, ok := next(); v != i || !ok {
				t.Fatalf("%v %v, not %v", v, ok, i)
			}
			if v, ok := next(); v != -i || !ok {
				t.Fatalf("%v %v, not %v", v, ok, -i)
			}
			synctest.Wait()
		}
		stop()
		if d := time.Since(begin); d != 50*time.Second {
			t.Fatalf("50 s are %v", d)
		}
	})
}

func TestDeadlock(t *testing.T) {
	synctest.Test(t, func(*testing.T) { go func() { <-make(chan int) }() })
}
"#;

fn run_test(test: &str) -> Result<(Option<i32>, String), String> {
    let files = [("go.mod", "module bubbles\n\ngo 1.27\n"), ("bubbles_test.go", BUBBLES)];
    let folder = Folder::new(&format!("go bubbles {test}"), &files)?;
    let output = folder.run(&["go", "test", "-run", test, "."])?;
    let all = [output.stdout, output.stderr].concat();
    Ok((output.status.code(), String::from_utf8_lossy(&all).into_owned()))
}

fn misuse(test: &str, said: &str) -> Outcome {
    let (code, all) = run_test(test)?;
    // The trace leads to the test.
    match code == Some(1) && all.contains(said) && all.contains("bubbles_test.go:") {
        true => Ok(()),
        false => Err(format!("{code:?}, not {said:?}:\n{all}")),
    }
}

fn passes(test: &str) -> Outcome {
    match run_test(test)? {
        (Some(0), _) => Ok(()),
        (code, all) => Err(format!("{code:?}:\n{all}")),
    }
}

/// Programs, the status that they end with, and what they say.
const ENDS: [(&str, &str, i32, &str); 3] = [
    // The stack has grown before it is limited.
    (
        "max_stack",
        r#"package main

import "runtime/debug"

func down(n int) int {
	var pad [256]byte
	if n == 0 {
		return 0
	}
	return down(n-1) + int(pad[n%256])
}

func main() {
	down(2000)
	debug.SetMaxStack(1 << 20)
	down(100000)
}
"#,
        2,
        "runtime: goroutine stack exceeds 1048576-byte limit\n",
    ),
    (
        "max_threads",
        "package main\n\nimport \"runtime/debug\"\n\nfunc main() {\n\tdebug.SetMaxThreads(1)\n}\n",
        2,
        "runtime: program exceeds 1-thread limit\nfatal error: thread exhaustion\n",
    ),
    // A word that Go's own runtime knows, and one that is its library's.
    (
        "words",
        r#"package main

import "os"

func main() {
	defer func() {
		if recover() == nil {
			println("nil in", os.Getenv("GODEBUG"))
		}
	}()
	panic(nil)
}
"#,
        0,
        "nil in panicnil=1,httplaxcontentlength=1\n",
    ),
];

fn ends(name: &str, program: &str, status: i32, said: &str) -> Outcome {
    let folder = Folder::new(&format!("go {name}"), &[("main.go", program)])?;
    let output = folder.run(&["-e", "GODEBUG=panicnil=1,httplaxcontentlength=1", "main.go"])?;
    let errors = String::from_utf8_lossy(&output.stderr);
    match output.status.code() == Some(status) && errors.contains(said) {
        true => Ok(()),
        false => Err(format!("{}, not {said:?}:\n{errors}", output.status)),
    }
}

/// Each program on 1, 2 and 4 cores, each misuse, and each end.
pub fn jobs(guests: &Guests) -> Vec<Job<'_>> {
    let job = |program, smp| {
        Job::one(format!("go_runtime::{program}::smp{smp}"), move || run(guests, program, smp))
            .keeps_busy(smp)
    };
    let programs = PROGRAMS.into_iter().flat_map(move |program| [1, 2, 4].map(|smp| job(program, smp)));
    let misuses = MISUSES.into_iter().map(|(test, said)| {
        Job::one(format!("go_runtime::bubble::{}", test.to_lowercase()), move || misuse(test, said))
    });
    let ends = ENDS.into_iter().map(|(name, program, status, said)| {
        Job::one(format!("go_runtime::ends::{name}"), move || ends(name, program, status, said))
    });
    let pass = ["Clock", "Coroutine"]
        .into_iter()
        .map(|test| Job::one(format!("go_runtime::bubble::{}", test.to_lowercase()), move || passes(test)));
    programs.chain(misuses).chain(ends).chain(pass).collect()
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
