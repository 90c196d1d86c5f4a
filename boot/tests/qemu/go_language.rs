//! Go's own tests of the language, the programs of its `test/` tree that are to be run: each is built, and run to its end; exit status 0, and its output is
//! that of the file `.out` beside it, or nothing.
//!
//! The tree is not in Go's distribution. Debian has an older one (`golang-1.19-src`), whose sources are fetched and not installed. What is read of a program is
//! its first line, `// run [FLAGS] [ARGS]`, as Go's own runner reads it (`cmd/internal/testdir`). Programs of several packages (`rundir`), which import each
//! other by relative paths, would need the compiler without the go command.

use crate::guests::{Guests, Ran};
use crate::harness::{Job, Outcome};
use boot::go::command::Go;
use boot::host::Host;
use boot::options::Options;
use boot::packages::{Need, unpacked};
use boot::target_dir;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock};
use std::thread;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(120);

/// How much of a failure's text is shown.
const SHOWN: usize = 1000;

/// The tree's folders, by the test's name.
const FOLDERS: &[(&str, &str)] = &[
    ("abi", "abi"),
    ("chan", "chan"),
    ("fixedbugs", "fixedbugs"),
    ("interface", "interface"),
    ("ken", "ken"),
    ("top", "."),
    ("typeparam", "typeparam"),
];

/// Programs that are not run, and why.
const EXCLUDED: &[(&str, &str)] = &[
    ("ken/cplx0.go", OLD_FLOATS),
    ("typeparam/nested.go", "the file has names of nested generic types as Go 1.19 made them"),
    ("typeparam/typeswitch5.go", OLD_FLOATS),
];

const OLD_FLOATS: &str = "println of Go 1.27 writes the shortest form of a float, the file has the old one";

const TREE: Need =
    Need { what: "Go's test tree", folder: "go-test", packages: &["golang-1.19-src"], elsewhere: "" };

/// A program of the tree.
pub struct Program {
    pub source: PathBuf,
    flags: Vec<String>,
    args: Vec<String>,
    /// Built, or what Go said.
    elf: Result<PathBuf, String>,
}

/// A job for each folder and number of cores.
pub fn jobs(guests: &Guests) -> Vec<Job<'_>> {
    let mut jobs = Vec::new();
    for (name, folder) in FOLDERS {
        for smp in [1, 2, 4] {
            let run = move || all(guests, folder, smp);
            jobs.push(Job::one(format!("go_language::{name}::smp{smp}"), run).ignored().keeps_busy(smp));
        }
    }
    jobs
}

/// The programs of a folder, built by the first test that wants them.
pub fn programs(folder: &'static str) -> Result<&'static [Program], String> {
    static BUILT: OnceLock<Mutex<BTreeMap<&str, &'static [Program]>>> = OnceLock::new();
    let mut built = BUILT.get_or_init(Mutex::default).lock().map_err(|error| error.to_string())?;
    if let Some(programs) = built.get(folder) {
        return Ok(programs);
    }
    // For as long as the tests run.
    let programs: &'static [Program] = Vec::leak(build(folder)?);
    built.insert(folder, programs);
    Ok(programs)
}

fn build(folder: &str) -> Result<Vec<Program>, String> {
    let host = Host::current();
    let tree = unpacked(&host, TREE).map_err(|error| error.to_string())?;
    let folder_ = tree.join("usr/share/go-1.19/test").join(folder);
    let mut programs = Vec::new();
    for entry in folder_.read_dir().map_err(|error| format!("{}: {error}", folder_.display()))? {
        let source = entry.map_err(|error| error.to_string())?.path();
        let name = source.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let excluded =
            EXCLUDED.iter().any(|(excluded, _)| Path::new(excluded) == Path::new(folder).join(&name));
        if source.extension().is_some_and(|extension| extension == "go")
            && !excluded
            && let Some((flags, args)) = fs::read_to_string(&source).ok().as_deref().and_then(action)
        {
            programs.push(Program { source, flags, args, elf: Err("not built".into()) });
        }
    }
    programs.sort_by(|a, b| a.source.cmp(&b.source));
    let go = Go::get(&host).map_err(|error| error.to_string())?;
    let dir = target_dir().join("go/language").join(folder);
    fs::create_dir_all(&dir).map_err(|error| error.to_string())?;
    // Go's linker has one thread most of the time.
    let share = programs.len().div_ceil(thread::available_parallelism().map_or(1, usize::from)).max(1);
    thread::scope(|scope| {
        for some in programs.chunks_mut(share) {
            scope.spawn(|| some.iter_mut().for_each(|program| program.elf = build_one(&go, program, &dir)));
        }
    });
    // What is for other systems.
    programs.retain(
        |program| !matches!(&program.elf, Err(said) if said.contains("build constraints exclude all")),
    );
    Ok(programs)
}

/// The flags and arguments of a program that is to be run.
fn action(text: &str) -> Option<(Vec<String>, Vec<String>)> {
    let line = text
        .lines()
        .find(|line| !line.starts_with("//go:build") && !line.starts_with("// +build") && !line.is_empty())?;
    let mut words = line.strip_prefix("//")?.split_whitespace().map(|word| word.replace('"', ""));
    if words.next()? != "run" {
        return None;
    }
    Some(words.partition(|word| word.starts_with('-')))
}

fn build_one(go: &Go, program: &Program, dir: &Path) -> Result<PathBuf, String> {
    let elf = dir.join(program.source.file_stem().unwrap_or_default());
    let words = program.flags.iter().map(String::as_ref).chain([program.source.as_os_str()]);
    let output = go.build(words, &elf).output().map_err(|error| error.to_string())?;
    if output.status.success() { Ok(elf) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}

fn all(guests: &Guests, folder: &'static str, smp: u32) -> Outcome {
    let programs = programs(folder)?;
    let run = |program: &'static Program| Some((program, one(guests, program, smp).err()?));
    let failed: Vec<_> = programs.iter().filter_map(run).collect();
    if programs.is_empty() {
        return Err("no program was found".into());
    }
    if failed.is_empty() {
        return Ok(());
    }
    let mut text = format!("{} of {} programs failed:\n", failed.len(), programs.len());
    for (program, why) in failed {
        let shown: String = why.chars().take(SHOWN).collect();
        text += &format!("== {}: {shown}\n", program.source.display());
    }
    Err(text)
}

fn one(guests: &Guests, program: &Program, smp: u32) -> Outcome {
    run_with(guests, program, smp, None, PATIENCE)
}

/// Runs a program with `godebug`: it must end as Go says.
pub fn run_with(
    guests: &Guests,
    program: &Program,
    smp: u32,
    godebug: Option<&str>,
    patience: Duration,
) -> Outcome {
    let elf = program.elf.as_ref().map_err(Clone::clone)?;
    let args: Vec<&str> = program.args.iter().map(String::as_str).collect();
    let env = godebug.map(|words| ("GODEBUG".into(), words.into())).into_iter().collect();
    let options = Options { smp, memory: "2G".into(), env, ..Options::new(&elf.to_string_lossy(), &args) };
    let Ran { status, output, errors, .. } = guests.run_go(&options, elf, patience)?;
    let want = fs::read_to_string(program.source.with_extension("out")).unwrap_or_default();
    // Go's runner has both streams in one; a program of these writes to one of them only, or at its end to the other.
    if status == 0 && (format!("{output}{errors}") == want || format!("{errors}{output}") == want) {
        return Ok(());
    }
    Err(format!("status {status}\n{output}{errors}"))
}
