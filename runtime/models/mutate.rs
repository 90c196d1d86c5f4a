//! Mutants: copies of a modelled file with one barrier removed, each compiled with its model once more, which must fail.
//!
//! For the build scripts of the models. The modelled files themselves stay as they are: a mutant says which text of the file to replace, and a build
//! whose text is not there, or there twice, fails. So a mutant cannot outlive the line that it is about.

use std::fmt::Write;
use std::path::Path;
use std::{env, fs};

/// One change for the worse.
pub struct Mutant {
    /// What is wrong with it: the test's name.
    pub name: &'static str,
    /// The model, a file of `src`, and its test that finds it.
    pub model: &'static str,
    pub test: &'static str,
    /// The file that is changed, from the directory above the models.
    pub file: &'static str,
    pub from: &'static str,
    pub to: &'static str,
    /// What the test panics with, in part.
    pub found: &'static str,
}

/// Writes the mutants and a test for each to `OUT_DIR`, as `mutants.rs`.
pub fn write(mutants: &[Mutant]) {
    let out = env::var("OUT_DIR").expect("cargo sets it");
    let root = Path::new("..");
    let mut tests = String::new();
    for m in mutants {
        let dir = Path::new(&out).join(m.name);
        let model = format!("models/src/{}.rs", m.model);
        let mut mutated = false;
        let mut files = vec![model.clone()];
        while let Some(file) = files.pop() {
            let mut text = read(&root.join(&file));
            files.extend(modules(&text, &file));
            if file == m.file {
                assert_eq!(text.matches(m.from).count(), 1, "{}: not once in {file}: {}", m.name, m.from);
                text = text.replace(m.from, m.to);
                mutated = true;
            }
            save(&dir.join(&file), &text.replace("#[test]\nfn ", "pub fn ").replace("#[test]\n", ""));
        }
        assert!(mutated, "{}: {} does not model {}", m.name, m.model, m.file);
        let path = dir.join(&model);
        let Mutant { name, test, found, .. } = m;
        writeln!(
            tests,
            "mod {name} {{
                #[path = {path:?}]
                mod model;
                #[test]
                fn is_found() {{
                    crate::must_fail::must_fail(model::{test}, concat!(module_path!(), \"::is_found\"), {found:?})
                }}
            }}"
        )
        .expect("a string grows");
    }
    save(&Path::new(&out).join("mutants.rs"), &tests);
}

/// The files that `file` of the models names as its modules: modelled ones, and further ones of its own.
fn modules(text: &str, file: &str) -> impl Iterator<Item = String> {
    let model = file.starts_with("models/");
    text.lines().filter(move |_| model).filter_map(|line| {
        let path = line.trim().strip_prefix("#[path = \"")?.strip_suffix("\"]")?;
        Some(path.strip_prefix("../../").map_or_else(|| format!("models/src/{path}"), str::to_owned))
    })
}

fn read(path: &Path) -> String {
    println!("cargo::rerun-if-changed={}", path.display());
    fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn save(path: &Path, text: &str) {
    let dir = path.parent().expect("a file is in a directory");
    fs::create_dir_all(dir)
        .and_then(|()| fs::write(path, text))
        .unwrap_or_else(|e| panic!("{}: {e}", path.display()));
}
