//! What is linked with the kernel to an image, and the cargo package that does it.
//!
//! # Problem
//! A program is one file, in `programs/` or anywhere else, or a cargo package of the user's. Cargo builds packages; nothing may be
//! written beside the user's files; and a file that does not compile concerns nobody who runs another one.
//!
//! # Protocol
//! 1. Every program has a package of its own in a directory of `target/kernel/images/`, written by `Variant::write_package`. It has a binary
//!    that names the kernel and the program's library, so that the linker puts both into one image; and for a file, a library that has the file as its one
//!    module.
//! 2. The package is a workspace of its own, with the profile and the locked versions of this one: kernel, runtime and `core` are the
//!    same crates for all of them, and are compiled once. A user's package brings its own `Cargo.lock` too; where both name a crate, cargo takes
//!    what fits both.
//! 3. `Variant::choose` reads from the linked image which programs it has: it refuses none, two of one name, and several of which none has the file's name.
//!
//! Rejected: one image of all programs. One wrong file stops all of them, their warnings are mixed, and an edit compiles them all.

use crate::elf::Entry;
use crate::kernel::write_if_changed;
use crate::{Error, Result, output_dir, source_root};
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use toml::{Table, Value};

/// What an image holds besides the kernel.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Variant {
    /// The program in a file; an absolute path.
    File(PathBuf),
    /// The library of a cargo package; the absolute path of its directory.
    Crate(PathBuf),
    /// Nothing: the kernel has a program of its own, `tlb_bench`.
    Kernel,
    /// Nothing either: the kernel runs Go programs, which the boot protocol hands over.
    Go,
    /// All of `programs/`.
    Programs,
    /// All of `programs/`, the in-kernel tests, and the program `kernel_tests` that runs them.
    Tests,
}

/// The words that cannot name a module: Rust's, and the crates in whose place it would stand.
const RESERVED: [&str; 57] = [
    "abstract", "alloc", "as", "async", "await", "become", "box", "break", "const", "continue", "core",
    "crate", "do", "dyn", "else", "enum", "extern", "false", "final", "fn", "for", "gen", "if", "impl", "in",
    "let", "loop", "macro", "match", "mod", "move", "mut", "override", "priv", "pub", "ref", "return",
    "self", "Self", "static", "std", "struct", "super", "trait", "true", "try", "type", "typeof", "union",
    "unsafe", "unsized", "use", "virtual", "where", "while", "yield", "_",
];

impl Variant {
    /// The name of its package and of the directory in which it is built.
    pub(crate) fn name(&self) -> String {
        let of = |kind: &str, path: &Path| format!("{kind}-{}", module(path));
        match self {
            Variant::File(path) => of("program", path),
            Variant::Crate(dir) => of("crate", dir),
            Variant::Kernel => "kernel-alone".into(),
            Variant::Go => "go".into(),
            Variant::Programs => "all-programs".into(),
            Variant::Tests => "kernel-tests".into(),
        }
    }

    /// Where its package and its image lie. Two files of one name have different directories.
    pub(crate) fn directory(&self) -> PathBuf {
        let mut hasher = DefaultHasher::new();
        self.hash(&mut hasher);
        let name = match self {
            Variant::File(_) | Variant::Crate(_) => format!("{}-{:016x}", self.name(), hasher.finish()),
            Variant::Kernel | Variant::Go | Variant::Programs | Variant::Tests => self.name(),
        };
        output_dir().join("images").join(name)
    }

    /// Writes its package, unless it is there.
    ///
    /// # Errors
    /// If a package has no library or a `Cargo.toml` cannot be read.
    pub(crate) fn write_package(&self) -> Result<()> {
        let dir = self.directory();
        fs::create_dir_all(&dir).map_err(Error::io(format_args!("create {}", dir.display())))?;
        let workspace = source_root();
        let path_to = |dir: &Path| table([("path", &dir.to_string_lossy())]);
        let mut kernel = path_to(&workspace.join("kernel"));
        if *self == Variant::Tests {
            kernel.insert("features".into(), Value::Array(vec!["kernel-tests".into()]));
        }
        let mut dependencies = Table::from_iter([
            ("kernel".into(), kernel.into()),
            ("runtime".into(), path_to(&workspace.join("runtime")).into()),
        ]);
        let mut locks = vec![workspace.join("Cargo.lock")];
        let mut manifest = Table::new();
        match self {
            Variant::File(path) => {
                manifest.insert("lib".into(), table([("name", "programs"), ("path", "lib.rs")]).into());
                let source = format!(
                    "#![no_std]\nextern crate alloc;\n#[path = {path:?}]\npub mod {};\n",
                    module(path)
                );
                write_if_changed(&dir.join("lib.rs"), &source)?;
            }
            Variant::Crate(package) => {
                let (name, library) = library(package)?;
                let mut dependency = path_to(package);
                dependency.insert("package".into(), name.into());
                dependencies.insert(library, dependency.into());
                locks.push(package.join("Cargo.lock"));
            }
            Variant::Kernel | Variant::Go => {}
            Variant::Programs | Variant::Tests => {
                dependencies.insert("programs".into(), path_to(&workspace.join("programs")).into());
            }
        }
        let library = self.library()?;
        let mut crates = vec!["kernel", &library];
        crates.dedup();
        let crates: String = crates.iter().map(|name| format!("extern crate {name};\n")).collect();
        write_if_changed(&dir.join("image.rs"), &format!("#![no_std]\n#![no_main]\n{crates}"))?;

        let name = self.name();
        let package = table([("name", &name), ("version", "0.0.0"), ("edition", "2024")]);
        let binary = table([("name", &name), ("path", "image.rs")]);
        manifest.insert("package".into(), package.into());
        manifest.insert("bin".into(), Value::Array(vec![binary.into()]));
        manifest.insert("dependencies".into(), dependencies.into());
        manifest.insert("workspace".into(), Table::new().into());
        let root = read_manifest(&workspace.join("Cargo.toml"))?;
        manifest.insert("profile".into(), root["profile"].clone());
        let changed = write_if_changed(&dir.join("Cargo.toml"), &manifest.to_string())?;
        lock(&dir, &locks, changed)
    }

    /// The crate that holds the programs.
    fn library(&self) -> Result<String> {
        match self {
            Variant::Crate(package) => Ok(library(package)?.1),
            Variant::Kernel | Variant::Go => Ok("kernel".into()),
            _ => Ok("programs".into()),
        }
    }

    /// How messages name it.
    fn place(&self) -> String {
        match self {
            Variant::File(path) | Variant::Crate(path) => path.display().to_string(),
            Variant::Kernel | Variant::Go => "the kernel".into(),
            Variant::Programs | Variant::Tests => "programs/".into(),
        }
    }

    /// The error of a program that cannot be built; the compiler has said why.
    pub(crate) fn not_built(&self) -> Error {
        Error::Failed(format!("{} cannot be built", self.place()))
    }

    /// The program to run, of those that the linked image has: `wanted`, or for a file or a package the only one or the one that stands
    /// at its top.
    ///
    /// # Errors
    /// If there is none, or two have one name; the message says where they stand.
    pub(crate) fn choose(&self, entries: &[Entry], wanted: &str) -> Result<String> {
        let library = self.library()?;
        let crate_of = |entry: &Entry| entry.module.split("::").next().unwrap_or_default().to_owned();
        let own: Vec<&Entry> = entries.iter().filter(|entry| crate_of(entry) == library).collect();
        for (i, entry) in own.iter().enumerate() {
            if let Some(other) = own[..i].iter().find(|other| other.name == entry.name) {
                return Err(Error::Failed(format!(
                    "two programs are named '{}': {other} and {entry}; a program has the name of its module, so rename one file",
                    entry.name
                )));
            }
        }
        let top = match self {
            Variant::File(path) => format!("programs::{}", module(path)),
            Variant::Crate(_) => library,
            Variant::Kernel if own.iter().all(|entry| entry.name != wanted) => {
                return Err(Error::Usage(format!("no program '{wanted}' (-list names them)")));
            }
            Variant::Kernel | Variant::Go | Variant::Programs | Variant::Tests => return Ok(wanted.into()),
        };
        match own[..] {
            [] => Err(Error::Failed(format!(
                "{} has no program: write #[runtime::program] above its `fn main()`",
                self.place()
            ))),
            [one] => Ok(one.name.clone()),
            _ => match own.iter().find(|entry| entry.module == top) {
                Some(entry) => Ok(entry.name.clone()),
                None => Err(Error::Failed(format!(
                    "{} has several programs, and none of them at its top: {}",
                    self.place(),
                    own.iter()
                        .map(|entry| format!("{} ({entry})", entry.name))
                        .collect::<Vec<_>>()
                        .join(", ")
                ))),
            },
        }
    }
}

/// The name of the module that a file becomes: what of the file's name cannot stand in an identifier is `_`.
fn module(path: &Path) -> String {
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    let mut name: String = stem.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    if name.is_empty() || name.starts_with(|c: char| c.is_ascii_digit()) {
        name.insert(0, '_');
    }
    if RESERVED.contains(&name.as_str()) {
        name.push('_');
    }
    name
}

fn table<const N: usize>(entries: [(&str, &str); N]) -> Table {
    entries.map(|(key, value)| (key.into(), value.into())).into_iter().collect()
}

fn read_manifest(path: &Path) -> Result<Table> {
    let text = fs::read_to_string(path).map_err(Error::io(format_args!("read {}", path.display())))?;
    text.parse().map_err(|error| Error::Failed(format!("{}: {error}", path.display())))
}

/// The names of a package and of its library.
fn library(package: &Path) -> Result<(String, String)> {
    let manifest = read_manifest(&package.join("Cargo.toml"))?;
    let name = |section: &str| Some(manifest.get(section)?.get("name")?.as_str()?.to_owned());
    let path = manifest.get("lib").and_then(|lib| lib.get("path")?.as_str()).unwrap_or("src/lib.rs");
    match name("package") {
        Some(package_name) if package.join(path).is_file() => {
            let library = name("lib").unwrap_or_else(|| package_name.replace('-', "_"));
            Ok((package_name, library))
        }
        Some(_) => Err(Error::Failed(format!(
            "{} has no library: put the program into {path}, with #![no_std] at its head",
            package.display()
        ))),
        None => Err(Error::Failed(format!("{}/Cargo.toml has no [package] with a name", package.display()))),
    }
}

/// Gives the package in `dir` the locked versions of all `locks`, unless it was made with these before: cargo adds what is missing
/// and removes what is not needed.
fn lock(dir: &Path, locks: &[PathBuf], again: bool) -> Result<()> {
    let mut merged = String::new();
    for path in locks {
        // A user's package need not have one.
        let Ok(text) = fs::read_to_string(path) else { continue };
        let mut parts = text.split("[[package]]\n");
        let head = parts.next().unwrap_or_default();
        if merged.is_empty() {
            merged.push_str(head);
        }
        for part in parts.map(str::trim_end) {
            // Name and version are the first two lines.
            let id: Vec<&str> = part.lines().take(2).collect();
            if !merged.contains(&format!("[[package]]\n{}\n", id.join("\n"))) {
                merged.push_str(&format!("[[package]]\n{part}\n\n"));
            }
        }
    }
    if write_if_changed(&dir.join("locks"), &merged)? || again {
        write_if_changed(&dir.join("Cargo.lock"), &merged)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(name: &str, module: &str, line: u32) -> Entry {
        Entry { name: name.into(), module: module.into(), file: "/p/x.rs".into(), line }
    }

    fn message<T>(result: Result<T>) -> String {
        result.err().map(|error| error.to_string()).unwrap_or_default()
    }

    #[test]
    fn every_file_name_becomes_a_module() {
        for (file, name) in [
            ("hello.rs", "hello"),
            ("two-words.rs", "two_words"),
            ("match.rs", "match_"),
            ("alloc.rs", "alloc_"),
            ("7.rs", "_7"),
            ("a b.c.rs", "a_b_c"),
            ("_.rs", "__"),
        ] {
            assert_eq!(module(Path::new(file)), name);
        }
    }

    #[test]
    fn files_of_one_name_do_not_share_a_directory() {
        let [a, b] = ["/a/x.rs", "/b/x.rs"].map(|path| Variant::File(path.into()));
        assert_eq!(a.name(), b.name());
        assert_ne!(a.directory(), b.directory());
    }

    #[test]
    fn the_program_of_a_file() {
        let file = Variant::File("/p/x.rs".into());
        let kernels = entry("tlb_bench", "kernel::memory::tlb_bench", 1);
        let [top, other] = [entry("x", "programs::x", 3), entry("y", "programs::x::y", 9)];
        assert!(message(file.choose(std::slice::from_ref(&kernels), "")).contains("/p/x.rs has no program"));
        assert_eq!(file.choose(&[kernels.clone(), other.clone()], "").unwrap(), "y");
        assert_eq!(file.choose(&[kernels, other.clone(), top.clone()], "").unwrap(), "x");
        let text = message(file.choose(&[other, entry("z", "programs::x::z", 12)], ""));
        assert!(text.contains("y (/p/x.rs:9), z (/p/x.rs:12)"), "{text}");
        let text = message(file.choose(&[top, entry("x", "programs::x", 7)], ""));
        assert!(text.contains("/p/x.rs:3 and /p/x.rs:7"), "{text}");
    }

    #[test]
    fn the_kernels_own_program() {
        let entries = [entry("tlb_bench", "kernel::memory::tlb_bench", 1)];
        assert_eq!(Variant::Kernel.choose(&entries, "tlb_bench").unwrap(), "tlb_bench");
        assert!(message(Variant::Kernel.choose(&entries, "nosuch")).contains("'nosuch'"));
    }

    #[test]
    fn locks_are_merged() {
        let dir = std::env::temp_dir().join(format!("gzero-locks-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let [ours, theirs] = ["ours", "theirs"].map(|name| dir.join(name));
        fs::write(&ours, "version = 4\n\n[[package]]\nname = \"a\"\nversion = \"1\"\n").unwrap();
        let more =
            "[[package]]\nname = \"a\"\nversion = \"1\"\n\n[[package]]\nname = \"b\"\nversion = \"2\"\n";
        fs::write(&theirs, format!("version = 4\n\n{more}")).unwrap();
        lock(&dir, &[ours, theirs, dir.join("none")], true).unwrap();
        let merged = fs::read_to_string(dir.join("Cargo.lock")).unwrap();
        fs::remove_dir_all(&dir).unwrap();
        assert_eq!(merged, format!("version = 4\n\n{more}\n"));
    }
}
