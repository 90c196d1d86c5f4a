//! The copy of the sources that has all mutants, and tests that run in it.

use super::{Finder, Switched};
use boot::{source_root, target_dir};
use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A build that is quick in place of one that is fast. Not an incremental one: of so few and large crates that takes several times as long.
const PROFILE: [(&str, &str); 2] =
    [("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "4"), ("CARGO_PROFILE_RELEASE_DEBUG", "1")];

/// The copy.
pub struct Tree {
    root: PathBuf,
    target: PathBuf,
}

impl Tree {
    /// Copies the sources, with `texts` in place of those that they have.
    pub fn new(texts: &Switched) -> Result<Tree, String> {
        let dir = target_dir().join("mutants");
        let tree = Tree { root: dir.join("tree"), target: dir.join("target") };
        copy(source_root(), &tree.root, Path::new(""), texts)
            .and_then(|()| {
                texts.iter().try_for_each(|(path, text)| write(&tree.root.join(path), text.as_bytes()))
            })
            .map_err(|e| format!("copy to {}: {e}", tree.root.display()))?;
        Ok(tree)
    }

    /// Those of the tests that a mutant fails; an error if one does not run.
    pub fn failing(
        &self,
        mutant: u32,
        finders: impl IntoIterator<Item = Finder>,
    ) -> Result<BTreeSet<Finder>, String> {
        let (machine, unit): (Vec<Finder>, Vec<Finder>) =
            finders.into_iter().partition(|finder| matches!(finder, Finder::Machine(_)));
        let mut failing = BTreeSet::new();
        if !machine.is_empty() {
            // This program itself, which takes the place that cargo names for its tree.
            let exe = env::current_exe().map_err(|e| e.to_string())?;
            let mut tests = Command::new(exe);
            tests.env("CARGO_MANIFEST_DIR", self.root.join("boot")).arg("--exact");
            failing.extend(self.run(tests, "prompt::", mutant, &machine)?);
        }
        if !unit.is_empty() {
            let mut tests = Command::new(env!("CARGO"));
            tests.args(["test", "-p", "runtime", "--lib", "--"]);
            failing.extend(self.run(tests, "", mutant, &unit)?);
        }
        Ok(failing)
    }

    /// Runs libtest's or the like's `tests` of the names of `finders` and reads which of them fail.
    fn run(
        &self,
        mut tests: Command,
        prefix: &str,
        mutant: u32,
        finders: &[Finder],
    ) -> Result<Vec<Finder>, String> {
        let name = |finder: &Finder| format!("{prefix}{}", finder.name());
        let output = tests
            .args(finders.iter().map(name))
            .current_dir(&self.root)
            .env("CARGO_TARGET_DIR", &self.target)
            .env("GZERO_GODEBUG", format!("mutant={mutant}"))
            .env("GZERO_MUTANT", mutant.to_string())
            .envs(PROFILE)
            .output()
            .map_err(|e| format!("{:?}: {e}", tests.get_program()))?;
        let text = String::from_utf8_lossy(&output.stdout);
        let said = |finder: &Finder, word: &str| {
            let end = format!("{} ... {word}", name(finder));
            text.lines().any(|line| line.starts_with("test ") && line.ends_with(&end))
        };
        let mut failing = Vec::new();
        for finder in finders {
            match (said(finder, "ok"), said(finder, "FAILED")) {
                (true, false) => {}
                (false, true) => failing.push(*finder),
                _ => {
                    let errors = String::from_utf8_lossy(&output.stderr);
                    return Err(format!("{} did not run:\n{text}\n{errors}", finder.name()));
                }
            }
        }
        Ok(failing)
    }
}

/// Copies a directory but for what is built and git's own, and the files that have other texts; what the sources have no more goes.
fn copy(from: &Path, to: &Path, dir: &Path, texts: &Switched) -> io::Result<()> {
    fs::create_dir_all(to.join(dir))?;
    for entry in fs::read_dir(from.join(dir))? {
        let entry = entry?;
        let (name, path) = (entry.file_name(), dir.join(entry.file_name()));
        if name == "target" || name == ".git" || texts.get(&path).is_some() {
            continue;
        }
        if entry.file_type()?.is_dir() {
            copy(from, to, &path, texts)?;
        } else if entry.file_type()?.is_file() {
            write(&to.join(&path), &fs::read(entry.path())?)?;
            fs::set_permissions(to.join(&path), entry.metadata()?.permissions())?;
        }
    }
    for entry in fs::read_dir(to.join(dir))? {
        let path = dir.join(entry?.file_name());
        if !from.join(&path).exists() && texts.get(&path).is_none() {
            let gone = to.join(&path);
            if gone.is_dir() { fs::remove_dir_all(gone)? } else { fs::remove_file(gone)? }
        }
    }
    Ok(())
}

/// Writes a file; one that is the same stays, with its date, so that nothing is built again for it.
fn write(path: &Path, text: &[u8]) -> io::Result<()> {
    if fs::read(path).is_ok_and(|old| old == text) { Ok(()) } else { fs::write(path, text) }
}
