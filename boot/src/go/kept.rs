//! Whether a Go is one that the Go half was written for.
//!
//! Most of Go's package runtime stays and uses what the half has in place of the rest. The lists of `go/check` say of which Go that was written:
//!
//! 1. `kept` has the hash of each file that stays, and one of the names of all files: a Go in which they are the same fits;
//! 2. in another one (a patch release) they may use the same all the same: `go/check/*.go`, a Go program, compares the interface with
//!    the one in `go/check/interface` and names what differs. It takes half a minute, once for each such Go.

use super::toolchain::Toolchain;
use crate::{Error, Result};
use sha2::{Digest, Sha256};
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

/// The lines of a difference that are shown at most.
const SHOWN: usize = 40;

/// The list of files that stay.
#[derive(Debug)]
pub struct Kept {
    /// The folder of the lists and of the program.
    dir: PathBuf,
    /// Hashes, and names below GOROOT.
    files: Vec<(String, String)>,
}

impl Kept {
    /// Reads `kept` in `go/check`.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn read(dir: &Path) -> Result<Kept> {
        let list = dir.join("kept");
        let text = fs::read_to_string(&list).map_err(Error::io(format_args!("read {}", list.display())))?;
        let files = text.lines().filter_map(|line| line.split_once("  "));
        Ok(Kept { dir: dir.into(), files: files.map(|(hash, name)| (hash.into(), name.into())).collect() })
    }

    /// Whether a file stays.
    pub fn has(&self, name: &str) -> bool {
        self.files.iter().any(|(_, file)| file == name)
    }

    /// What keeps `go` from fitting, in words.
    ///
    /// # Errors
    /// If it cannot be found out.
    pub fn misfit(&self, go: &Toolchain) -> Result<Option<String>> {
        let is_known = |(hash, name): &(String, String)| {
            let path = go.root.join(name);
            let contents = if path.is_dir() { names(&path) } else { fs::read(path) };
            contents.is_ok_and(|contents| sha256(&contents) == *hash)
        };
        if self.files.iter().all(is_known) { Ok(None) } else { self.compare(go) }
    }

    /// Has the program compare the interfaces.
    fn compare(&self, go: &Toolchain) -> Result<Option<String>> {
        eprintln!(
            "gzero: {} has a package runtime that is not known here: comparing its interface",
            go.version
        );
        let sources =
            fs::read_dir(&self.dir).map_err(Error::io(format_args!("read {}", self.dir.display())))?;
        let sources = sources.flatten().map(|entry| entry.path());
        let output = go
            .go()
            .arg("run")
            .args(sources.filter(|path| path.extension().is_some_and(|extension| extension == "go")))
            .arg("-goroot")
            .arg(&go.root)
            .env_remove("GOFLAGS")
            .stdin(Stdio::null())
            .output()
            .map_err(Error::io("run go"))?;
        if output.status.success() {
            return Ok(None);
        }
        let (found, said) =
            (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        if found.is_empty() {
            return Err(Error::Failed(format!("{}\nthe interface cannot be compared", said.trim_end())));
        }
        let mut text = String::from("what its files use differs (- was, + is):");
        for line in found.lines().take(SHOWN) {
            _ = write!(text, "\n{line}");
        }
        if let more @ 1.. = found.lines().count().saturating_sub(SHOWN) {
            _ = write!(text, "\nand {more} more");
        }
        Ok(Some(text))
    }
}

/// The names of a package's sources for all systems, a line each; without tests.
fn names(dir: &Path) -> std::io::Result<Vec<u8>> {
    let mut names = Vec::new();
    for entry in dir.read_dir()? {
        names.extend(entry?.file_name().into_string());
    }
    names.retain(|name| !name.ends_with("_test.go") && (name.ends_with(".go") || name.ends_with(".s")));
    names.sort();
    Ok(names.iter().flat_map(|name| [name.as_bytes(), b"\n"].concat()).collect())
}

/// A hash as `sha256sum` writes it.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::toolchain::tests::{FakeRoot, script};

    /// A Go with two files, whose `go` does `commands`, and the lists for it.
    fn tree(root: &FakeRoot, commands: &str) -> (Toolchain, Kept) {
        let top = &root.host.root;
        for (path, text) in
            [("src/runtime/a.go", "a"), ("src/runtime/b_amd64.s", "b"), ("src/runtime/a_test.go", "")]
        {
            fs::create_dir_all(top.join(path).parent().unwrap()).unwrap();
            fs::write(top.join(path), text).unwrap();
        }
        script(&top.join("bin/go"), commands);
        let list = |contents: &[u8], name: &str| format!("{}  {name}\n", sha256(contents));
        let kept = list(b"a", "src/runtime/a.go") + &list(b"a.go\nb_amd64.s\n", "src/runtime");
        fs::create_dir_all(top.join("check")).unwrap();
        fs::write(top.join("check/kept"), kept).unwrap();
        fs::write(top.join("check/main.go"), "").unwrap();
        (Toolchain { root: top.clone(), version: "go1.27.9".into() }, Kept::read(&top.join("check")).unwrap())
    }

    #[test]
    fn a_known_go_is_not_asked() {
        let root = FakeRoot::new();
        let (go, kept) = tree(&root, "exit 7");
        assert_eq!(kept.misfit(&go).unwrap(), None);
        assert!(kept.has("src/runtime/a.go") && !kept.has("src/runtime/b_amd64.s"));
    }

    #[test]
    fn another_file_or_another_name_is_compared() {
        for path in ["src/runtime/a.go", "src/runtime/new.go"] {
            let root = FakeRoot::new();
            let (go, kept) = tree(&root, "echo '- func lock(l *mutex)'; exit 1");
            fs::write(root.host.root.join(path), "other").unwrap();
            let why = kept.misfit(&go).unwrap().unwrap();
            assert!(why.contains("\n- func lock(l *mutex)"), "{path}: {why}");
        }
    }

    #[test]
    fn the_same_interface_fits() {
        let root = FakeRoot::new();
        let (go, kept) = tree(&root, "case \"$*\" in run*/check/main.go\\ -goroot*) exit 0 ;; esac; exit 1");
        fs::write(root.host.root.join("src/runtime/a.go"), "other").unwrap();
        assert_eq!(kept.misfit(&go).unwrap(), None);
    }

    #[test]
    fn what_cannot_be_compared_is_an_error() {
        let root = FakeRoot::new();
        let (go, kept) = tree(&root, "echo 'no such package' >&2; exit 1");
        fs::write(root.host.root.join("src/runtime/a.go"), "other").unwrap();
        assert!(kept.misfit(&go).unwrap_err().to_string().contains("no such package"));
    }

    #[test]
    fn hashes_are_those_of_sha256sum() {
        assert_eq!(sha256(b"abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    }
}
