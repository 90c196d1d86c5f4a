//! Mutants: the scheduler with one fault each, of which a named test must fail. Run when asked for (`--ignored mutants`).
//!
//! For what is late, not wrong: the interleavings are `runtime/models/mutants.rs`'s. The sources stay as they are: the tree is copied to `target/mutants`, a
//! mutant replaces text there, and what is built of it runs the one test. Links of the whole program at once are left out, which makes a build quick.
//!
//! 1. The copy as it is passes all the tests: else every mutant would seem to be found.
//! 2. For each mutant: its text is replaced, its test run, and the file restored.
//! 3. A table says which test has found which mutant.
//!
//! A text that is not in its file, or there twice, fails in every run of the tests: so a mutant follows the source.

mod list;

use crate::harness::{Job, Outcome, Reporter};
use boot::{source_root, target_dir};
use list::MUTANTS;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

/// One change for the worse.
pub struct Mutant {
    /// What is wrong with it.
    name: &'static str,
    /// The test that must fail.
    finder: Finder,
    /// The file that is changed.
    file: &'static str,
    /// Texts of it, and what replaces each.
    edits: &'static [(&'static str, &'static str)],
}

/// A test.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Finder {
    /// Of `prompt_tests`.
    Machine(&'static str),
    /// A unit test of the runtime.
    Unit(&'static str),
}

/// A build that is quick in place of one that is fast. Not an incremental one: of so few and large crates that takes several times as long.
const PROFILE: [(&str, &str); 3] = [
    ("CARGO_PROFILE_RELEASE_LTO", "off"),
    ("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "4"),
    ("CARGO_PROFILE_RELEASE_DEBUG", "1"),
];

/// A job for the texts, and one for all mutants.
pub fn jobs() -> Vec<Job<'static>> {
    let names = MUTANTS.iter().map(|m| format!("mutants::{}", m.name)).collect();
    vec![Job::one("mutant_texts_are_there", texts_are_there), Job::many(names, run_all).ignored()]
}

fn texts_are_there() -> Outcome {
    MUTANTS.iter().try_for_each(|mutant| mutant.text(source_root()).map(drop))
}

impl Mutant {
    /// The file as it is changed.
    fn text(&self, tree: &Path) -> Result<String, String> {
        let path = tree.join(self.file);
        let mut text = fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        for (from, to) in self.edits {
            let times = text.matches(from).count();
            if times != 1 {
                return Err(format!("{}: {times} times in {}: {from}", self.name, self.file));
            }
            text = text.replace(from, to);
        }
        Ok(text)
    }
}

fn run_all(names: &[String], reporter: &Reporter) {
    let wanted = || MUTANTS.iter().filter(|m| names.iter().any(|n| *n == format!("mutants::{}", m.name)));
    let tree = match Tree::new() {
        Ok(tree) => tree,
        Err(error) => {
            names.iter().for_each(|name| reporter.report(name, Err(error.clone())));
            return;
        }
    };
    let finders: BTreeSet<Finder> = wanted().map(|mutant| mutant.finder).collect();
    let unchanged = finders.into_iter().try_for_each(|finder| match tree.passes(finder)? {
        true => Ok(()),
        false => Err(format!("{finder:?} fails without a mutant")),
    });
    let mut table = String::new();
    for mutant in wanted() {
        let found = unchanged.clone().and_then(|()| tree.finds(mutant));
        let (word, outcome) = match found {
            Ok(true) => ("killed", Ok(())),
            Ok(false) => ("SURVIVED", Err(format!("{:?} does not find it", mutant.finder))),
            Err(error) => ("UNKNOWN", Err(error)),
        };
        writeln!(table, "{:34} {word:8} {}", mutant.name, mutant.finder.name()).expect("a string grows");
        reporter.report(&format!("mutants::{}", mutant.name), outcome);
    }
    println!("\n{table}");
}

impl Finder {
    fn name(self) -> &'static str {
        match self {
            Finder::Machine(name) | Finder::Unit(name) => name,
        }
    }
}

/// A copy of the sources.
struct Tree {
    root: PathBuf,
    target: PathBuf,
}

impl Tree {
    fn new() -> Result<Tree, String> {
        let dir = target_dir().join("mutants");
        let tree = Tree { root: dir.join("tree"), target: dir.join("target") };
        copy(source_root(), &tree.root).map_err(|e| format!("copy to {}: {e}", tree.root.display()))?;
        Ok(tree)
    }

    /// Whether the mutant's test fails.
    fn finds(&self, mutant: &Mutant) -> Result<bool, String> {
        let path = self.root.join(mutant.file);
        let mutated = mutant.text(&self.root)?;
        let original = fs::read(&path).map_err(|e| e.to_string())?;
        fs::write(&path, mutated).map_err(|e| e.to_string())?;
        let passes = self.passes(mutant.finder);
        fs::write(&path, original).map_err(|e| e.to_string())?;
        Ok(!passes?)
    }

    /// Whether a test passes of the tree as it is; an error if it does not run.
    fn passes(&self, finder: Finder) -> Result<bool, String> {
        let (args, name): (&[&str], String) = match finder {
            Finder::Machine(name) => {
                (&["-p", "boot", "--test", "qemu", "--", "--exact"], format!("prompt::{name}"))
            }
            Finder::Unit(name) => (&["-p", "runtime", "--lib", "--"], name.into()),
        };
        let output = Command::new(env!("CARGO"))
            .arg("test")
            .args(args)
            .arg(&name)
            .current_dir(&self.root)
            .env("CARGO_TARGET_DIR", &self.target)
            .envs(PROFILE)
            .output()
            .map_err(|e| format!("cargo: {e}"))?;
        let text = String::from_utf8_lossy(&output.stdout);
        let said = |word: &str| {
            text.lines().any(|l| l.starts_with("test ") && l.ends_with(&format!("{name} ... {word}")))
        };
        match (said("ok"), said("FAILED")) {
            (true, false) => Ok(true),
            (false, true) => Ok(false),
            _ => Err(format!("{name} did not run:\n{text}\n{}", String::from_utf8_lossy(&output.stderr))),
        }
    }
}

/// Copies a directory but for what is built and git's own. A file that is the same stays, with its date, so that nothing is built again for it.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let (name, copied) = (entry.file_name(), to.join(entry.file_name()));
        if name == "target" || name == ".git" {
            continue;
        }
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &copied)?;
        } else if entry.file_type()?.is_file() {
            let text = fs::read(entry.path())?;
            if !fs::read(&copied).is_ok_and(|old| old == text) {
                fs::copy(entry.path(), &copied)?;
            }
        }
    }
    Ok(())
}
