//! The standard library's own tests, as their sources come with the toolchain: each package's are built (`go test -c`) and run on four cores.
//!
//! `go_std.txt` lists the packages, and below each the tests that cannot pass here, with the reason. Nothing else may fail or be missing: a package passes if
//! its program ends with status 0 after `PASS`, and every test that it has begun was passed or skipped itself. [`SAMPLE`] runs always, the rest on demand
//! (`--ignored go_std`), with a line for `docs/go-std.md`'s table each.
//!
//! `-test.short`: an emulated processor takes hours for the rest.

use crate::guests::{Guests, Ran};
use crate::harness::{Job, Outcome};
use crate::own_programs::Folder;
use crate::script::expect;
use boot::go::command::Go;
use boot::go::toolchain::Toolchain;
use boot::host::Host;
use boot::options::Options;
use boot::target_dir;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

const LIST: &str = include_str!("go_std.txt");
const TABLE: &str = include_str!("../../../docs/go-std.md");

/// What runs always, with which words each time: little to compile, and what the scheduler serves.
const SAMPLE: [(&str, &[&[&str]]); 5] = [
    ("errors", &[&[]]),
    ("container/list", &[&[]]),
    ("iter", &[&[]]),
    ("internal/synctest", &[&[]]),
    (
        "sync",
        &[
            &[
                "-test.run=Test(Mutex|RWMutex|Cond.*|WaitGroup.*|Once.*|HammerMutex|Semaphore|ParallelReaders)$",
            ],
            // Each asks twelve times whether the cleanups that a cycle made due have run.
            &["-test.run=TestOnceXGC$", "-test.count=50"],
        ],
    ),
];

const CORES: u32 = 4;
const MEMORY: &str = "1G";
const PATIENCE: Duration = Duration::from_secs(1800);

/// A package, and what of its tests is left out.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Package<'a> {
    pub path: &'a str,
    /// For `go test`.
    flags: Vec<&'a str>,
    /// A test's name, which may be an expression and have a subtest's behind `/`; and the reason.
    excluded: Vec<(&'a str, &'a str)>,
}

impl<'a> Package<'a> {
    /// The package without one test more.
    pub fn without(mut self, name: &'a str, reason: &'a str) -> Package<'a> {
        self.excluded.push((name, reason));
        self
    }

    /// The expression for `-test.skip`.
    fn skip(&self) -> String {
        expression(self.excluded.iter().map(|(name, _)| *name))
    }

    /// How many tests the exclusions leave out, by the `names` that the program lists for those without `/`; a subtest's counts as one. A plain name that
    /// is not listed is an error: the test has another one, or is gone.
    fn left_out(&self, names: &[&str]) -> Result<usize, String> {
        let (parts, whole): (Vec<&str>, Vec<&str>) =
            self.excluded.iter().map(|(name, _)| *name).partition(|name| name.contains('/'));
        let is_plain = |name: &str| name.chars().all(|c| c.is_alphanumeric() || c == '_');
        match whole.into_iter().find(|name| is_plain(name) && !names.contains(name)) {
            Some(name) => Err(format!("{} has no {name}", self.path)),
            None => Ok(names.len() + parts.len()),
        }
    }
}

/// An expression for the test program that matches what one of the names does, whole.
fn expression<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let anchored = |name: &str| name.split('/').map(|part| format!("^{part}$")).collect::<Vec<_>>().join("/");
    names.map(anchored).collect::<Vec<_>>().join("|")
}

/// The packages of a list: a line for each, with flags for `go test`, and below it lines with a margin for the exclusions: names, two spaces, the reason.
fn packages(list: &str) -> Vec<Package<'_>> {
    let mut packages: Vec<Package> = Vec::new();
    for line in list.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        match line.strip_prefix("    ") {
            None => {
                let (path, flags) = line.split_once(' ').unwrap_or((line, ""));
                let flags = flags.split_whitespace().collect();
                packages.push(Package { path, flags, excluded: Vec::new() });
            }
            Some(excluded) => {
                let (names, reason) = excluded.split_once("  ").expect("an exclusion has a reason");
                let package = packages.last_mut().expect("an exclusion stands below its package");
                package.excluded.extend(names.split(' ').map(|name| (name, reason)));
            }
        }
    }
    packages
}

/// How a package's tests ended, by their own lines.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Counts {
    run: usize,
    passed: usize,
    skipped: usize,
}

impl Counts {
    /// Of the output of `-test.v`. Subtests' lines have a margin and are not counted; nor are examples, which nothing says are begun.
    fn of(output: &str) -> Counts {
        let mut counts = Counts::default();
        for line in output.lines() {
            let is_top = |rest: &str| !rest.contains('/') && rest.starts_with("Test");
            // What a test wrote without an end of line stands before its result.
            let result = |what: &str| line.find(what).is_some_and(|at| is_top(&line[at + what.len()..]));
            counts.run += usize::from(line.strip_prefix("=== RUN   ").is_some_and(is_top));
            counts.passed += usize::from(!line.starts_with(' ') && result("--- PASS: "));
            counts.skipped += usize::from(!line.starts_with(' ') && result("--- SKIP: "));
        }
        counts
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} | {} | {}", self.run, self.passed, self.skipped)
    }
}

/// A job for each package.
pub fn jobs(guests: &Guests) -> Vec<Job<'_>> {
    let sample = SAMPLE.into_iter().map(|(path, runs)| {
        let run = move || runs.iter().try_for_each(|words| test(guests, &package(path)?, words).map(drop));
        Job::one(format!("go_std::sample::{path}"), run)
    });
    let all = packages(LIST).into_iter().map(|package| {
        let name = format!("go_std::all::{}", package.path);
        let run = move || {
            let (counts, left_out) = with_built(&package, |elf| {
                let counts = run_built(guests, &package, elf, &[], None)?;
                Ok((counts, count_left_out(guests, &package, elf)?))
            })?;
            println!("| {} | {counts} | {left_out} |", package.path);
            Ok(())
        };
        Job::one(name, run).ignored()
    });
    let own = [
        Job::one("go_std::frames_step_over_pages", frames_step_over_pages),
        Job::one("go_std::reflected_sends_receive_nothing", reflected_sends_receive_nothing),
        Job::one("go_std::list_is_read", list_is_read),
        Job::one("go_std::exclusions_are_counted", exclusions_are_counted),
        Job::one("go_std::table_is_whole", table_is_whole),
        Job::one("go_std::results_are_counted", results_are_counted),
    ];
    own.into_iter().chain(sample).chain(all).collect()
}

/// Builds a package's tests and runs those that the list does not leave out, with more words.
fn test(guests: &Guests, package: &Package<'_>, words: &[&str]) -> Result<Counts, String> {
    with_built(package, |elf| run_built(guests, package, elf, words, None))
}

/// Builds the program of a package's tests for `run`, and deletes it then: linked anew within a second, and large.
fn with_built<T>(package: &Package<'_>, run: impl FnOnce(&Path) -> Result<T, String>) -> Result<T, String> {
    let elf = build(package)?;
    let result = run(&elf);
    _ = fs::remove_file(&elf);
    result
}

/// The package of the list with this path.
pub fn package(path: &str) -> Result<Package<'static>, String> {
    let package = packages(LIST).into_iter().find(|package| package.path == path);
    package.ok_or_else(|| format!("{path} is not listed"))
}

/// Builds the program of a package's tests.
pub fn build(package: &Package<'_>) -> Result<PathBuf, String> {
    let dir = target_dir().join("go/std");
    fs::create_dir_all(&dir).map_err(|error| error.to_string())?;
    let elf = dir.join(package.path.replace('/', "_"));
    let go = Go::get(&Host::current()).map_err(|error| error.to_string())?;
    let built = go.build_test(package.path, &package.flags, &elf).output().map_err(|e| e.to_string())?;
    if built.status.success() { Ok(elf) } else { Err(String::from_utf8_lossy(&built.stderr).into()) }
}

/// Runs those tests of the program `elf` that the list does not leave out, with more of the test
/// program's words, and with `godebug`.
pub fn run_built(
    guests: &Guests,
    package: &Package<'_>,
    elf: &Path,
    words: &[&str],
    godebug: Option<&str>,
) -> Result<Counts, String> {
    let skip = format!("-test.skip={}", package.skip());
    let mut words = [&["-test.short", "-test.v"], words].concat();
    // An empty expression leaves everything out.
    words.extend((!package.excluded.is_empty()).then_some(skip.as_str()));
    let ran = start(guests, package, elf, &words, godebug)?;
    let counts = Counts::of(&ran.output);
    let is_whole = ran.output.ends_with("PASS\n") && counts.run == counts.passed + counts.skipped;
    match (ran.status, is_whole) {
        (0, true) if counts.run > 0 => Ok(counts),
        _ => Err(format!("{counts:?}, status {}\n{}\n{}", ran.status, ran.output, ran.errors)),
    }
}

/// Starts the program `elf` of a package's tests, in the package's folder as `go test` does.
fn start(
    guests: &Guests,
    package: &Package<'_>,
    elf: &Path,
    words: &[&str],
    godebug: Option<&str>,
) -> Result<Ran, String> {
    let root = Toolchain::get(&Host::current()).map_err(|error| error.to_string())?.root;
    let mut env = vec![("PWD".into(), root.join("src").join(package.path).into())];
    env.extend(godebug.map(|words| ("GODEBUG".into(), words.into())));
    let options = Options { smp: CORES, memory: MEMORY.into(), env, ..Options::new(package.path, words) };
    guests.run_go(&options, elf, PATIENCE)
}

/// How many tests the list leaves out, which the program `elf` of the package's tests tells.
fn count_left_out(guests: &Guests, package: &Package<'_>, elf: &Path) -> Result<usize, String> {
    let whole = package.excluded.iter().map(|(name, _)| *name).filter(|name| !name.contains('/'));
    let list = format!("-test.list={}", expression(whole));
    // An empty expression lists everything.
    let names = match list.ends_with('=') {
        true => String::new(),
        false => start(guests, package, elf, &[list.as_str()], None)?.output,
    };
    package.left_out(&names.lines().collect::<Vec<_>>())
}

/// Go code touches no page of a large frame but those that it uses. Each of these goroutines goes from the part of its stack that is its own to one where its
/// neighbours' pages would be, and clears what it finds, while they wait with their registers on their stacks.
const WIDE: &str = r#"package main

import (
	"runtime"
	"sync"
)

func down(n int, id byte, meet *sync.WaitGroup) byte {
	if n == 0 {
		return wide(id, meet)
	}
	var pad [1024]byte
	pad[n] = id
	return down(n-1, id, meet) + pad[n] - id
}

func wide(id byte, meet *sync.WaitGroup) byte {
	var a [120 << 10]byte
	for i := 0; i < len(a); i += 64 {
		a[i] = id
	}
	meet.Done()
	meet.Wait()
	runtime.Gosched()
	for i := 0; i < len(a); i += 64 {
		if a[i] != id {
			panic("another's byte")
		}
	}
	return id
}

func main() {
	const n = 16
	var meet, end sync.WaitGroup
	meet.Add(n)
	for id := range n {
		end.Go(func() {
			if down(128, byte(id), &meet) != byte(id) {
				panic("another's result")
			}
		})
	}
	end.Wait()
	print("whole\n")
}
"#;

fn frames_step_over_pages() -> Outcome {
    let folder = Folder::new("go wide", &[("wide.go", WIDE)])?;
    expect(&folder.run(&["-smp", "4", "wide.go"])?, 0, "", &["whole\n"])
}

/// `reflect`'s own test draws which arms are ready, and seldom draws this.
const REFLECTED: &str = r#"package main

import "reflect"

func main() {
	c, other := make(chan int, 1), make(chan int)
	i, v, ok := reflect.Select([]reflect.SelectCase{
		{Dir: reflect.SelectRecv, Chan: reflect.ValueOf(other)},
		{Dir: reflect.SelectSend, Chan: reflect.ValueOf(c), Send: reflect.ValueOf(7)},
	})
	print(i, v.IsValid(), ok, "\n")
	i, v, ok = reflect.Select([]reflect.SelectCase{
		{Dir: reflect.SelectSend, Chan: reflect.ValueOf(other), Send: reflect.ValueOf(8)},
		{Dir: reflect.SelectRecv, Chan: reflect.ValueOf(c)},
	})
	print(i, v.Int(), ok, "\n")
}
"#;

fn reflected_sends_receive_nothing() -> Outcome {
    let folder = Folder::new("go reflect", &[("select.go", REFLECTED)])?;
    expect(&folder.run(&["-smp", "2", "select.go"])?, 0, "", &["1falsefalse\n17true\n"])
}

fn list_is_read() -> Outcome {
    let list = "# about\n\na/b -tags=x\n    TestX TestZ  no files\n    TestY.*/sub  no network\nc\n";
    let packages_ = packages(list);
    let excluded = vec![("TestX", "no files"), ("TestZ", "no files"), ("TestY.*/sub", "no network")];
    let first = Package { path: "a/b", flags: vec!["-tags=x"], excluded };
    let second = Package { path: "c", ..Package::default() };
    let skip = first.skip();
    match packages_ == [first, second] && skip == "^TestX$|^TestZ$|^TestY.*$/^sub$" {
        true => Ok(()),
        false => Err(format!("{packages_:?} {skip}")),
    }
}

fn exclusions_are_counted() -> Outcome {
    let package = packages("a\n    TestX  files\n    TestY.*  files\n    TestZ/sub  mmap\n").remove(0);
    let found = package.left_out(&["TestX", "TestY1", "TestY2"]);
    let missing = package.left_out(&["TestY1", "TestY2"]);
    match found == Ok(4) && missing.is_err() {
        true => Ok(()),
        false => Err(format!("{found:?} {missing:?}")),
    }
}

/// The table has a line for each package of the list, and its last one is their sum.
fn table_is_whole() -> Outcome {
    let mut rows: Vec<(String, Vec<usize>)> = Vec::new();
    for line in TABLE.lines().filter(|line| line.starts_with("| `") || line.starts_with("| **")) {
        let mut cells = line.trim_matches('|').split('|').map(str::trim);
        let name = cells.next().unwrap_or_default().trim_matches(['`', '*']);
        let counts: Result<_, _> = cells.map(str::parse).collect();
        rows.push((name.into(), counts.map_err(|error| format!("{line}: {error}"))?));
    }
    let total = rows.pop().ok_or("no rows")?;
    let sum = (0..4).map(|at| rows.iter().map(|(_, counts)| counts[at]).sum()).collect();
    let sum = (format!("{} packages", rows.len()), sum);
    let listed: Vec<&str> = packages(LIST).iter().map(|package| package.path).collect();
    let named: Vec<&str> = rows.iter().map(|(name, _)| name.as_str()).collect();
    let failed: Vec<&str> =
        rows.iter().filter(|(_, c)| c[0] != c[1] + c[2]).map(|(name, _)| name.as_str()).collect();
    match named == listed && total == sum && failed.is_empty() {
        true => Ok(()),
        false => Err(format!(
            "listed {listed:?}\nin the table {named:?}\n{total:?}, not {sum:?}\nfailed: {failed:?}"
        )),
    }
}

fn results_are_counted() -> Outcome {
    let output = "=== RUN   TestA\n=== RUN   TestA/sub\n--- PASS: TestA (0.00s)\n    --- PASS: TestA/sub (0.00s)\n\
                  === RUN   TestB\ntext--- SKIP: TestB (0.00s)\n=== RUN   TestC\n=== RUN   ExampleX\n\
                  --- PASS: ExampleX (0.00s)\n";
    let counts = Counts::of(output);
    match counts == (Counts { run: 3, passed: 1, skipped: 1 }) {
        true => Ok(()),
        false => Err(format!("{counts:?}")),
    }
}
