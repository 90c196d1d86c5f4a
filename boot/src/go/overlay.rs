//! The Go half as `go build -overlay` wants it: a JSON file that names, for files of GOROOT, what stands in their place.
//!
//! The Go half is the folder `go/` at the top of the tree: `go/leftout` has a line for each file of GOROOT that is left out, `src/runtime/proc.go`, and
//! every `go/PKG/FILE` is the package PKG's `FILE`, in place of GOROOT's of that name. GOROOT itself is not touched, and Go's build cache
//! tells packages by the contents of their files: both kinds of program share the user's cache.
//!
//! The file lies in `target/go/overlay/` under a name made of its contents and of Go's version. Once it is there, this Go is known to fit:
//!
//! 1. each file that is left out is there: this is the runtime that the list was made for;
//! 2. no file of the half hides one that is to stay, which nobody would notice;
//! 3. the files that stay ask for what the half has ([`super::kept`]).

use super::kept::Kept;
use super::toolchain::Toolchain;
use crate::host::Host;
use crate::kernel::write_if_changed;
use crate::{Error, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

/// The Go half's files.
#[derive(Debug)]
pub struct Half {
    /// Where they are, by their names below GOROOT.
    files: BTreeMap<String, PathBuf>,
    /// What of GOROOT is left out, by the same.
    left_out: BTreeSet<String>,
}

/// Folders of `go/` that are no package of Go's.
const NO_PACKAGES: [&str; 1] = ["check"];

impl Half {
    /// Reads the list and finds the files.
    ///
    /// # Errors
    /// If the folder or the list cannot be read.
    pub fn read(dir: &Path) -> Result<Half> {
        let list = dir.join("leftout");
        let text = fs::read_to_string(&list).map_err(Error::io(format_args!("read {}", list.display())))?;
        let left_out =
            text.lines().map(str::trim).filter(|line| !line.is_empty()).map(String::from).collect();
        let mut half = Half { files: BTreeMap::new(), left_out };
        half.find(dir, "src").map_err(Error::io(format_args!("read {}", dir.display())))?;
        Ok(half)
    }

    /// Adds the sources below `dir`, which stands for `name` of GOROOT.
    fn find(&mut self, dir: &Path, name: &str) -> std::io::Result<()> {
        for entry in dir.read_dir()? {
            let path = entry?.path();
            let (Some(file), extension) = (path.file_name().and_then(|name| name.to_str()), path.extension())
            else {
                continue;
            };
            let inner = format!("{name}/{file}");
            if path.is_dir() {
                if name != "src" || !NO_PACKAGES.contains(&file) {
                    self.find(&path, &inner)?;
                }
            } else if name != "src" && extension.is_some_and(|e| e == "go" || e == "s" || e == "h") {
                self.files.insert(inner, path);
            }
        }
        Ok(())
    }

    /// What keeps it from being put on the Go at `root`, of which the files `kept` stay, in words.
    fn misfit(&self, root: &Path, kept: &Kept) -> Option<String> {
        let missing = self.left_out.iter().find(|name| !root.join(name).is_file());
        if let Some(name) = missing {
            return Some(format!("{name} is to be left out and is not there"));
        }
        let hidden = self.files.keys().find(|name| kept.has(name));
        hidden.map(|name| format!("{name} is to stay, and a file of the Go half would hide it"))
    }

    /// The overlay's text.
    fn json(&self, root: &Path) -> Result<String> {
        let out = self.left_out.iter().filter(|name| !self.files.contains_key(*name));
        let pairs =
            out.map(|name| (name, Path::new(""))).chain(self.files.iter().map(|(n, p)| (n, p.as_path())));
        let mut lines = Vec::new();
        for (name, path) in pairs {
            lines.push(format!("{}: {}", string(&root.join(name))?, string(path)?));
        }
        Ok(format!("{{\"Replace\": {{\n{}\n}}}}\n", lines.join(",\n")))
    }
}

/// A path as JSON has it.
fn string(path: &Path) -> Result<String> {
    let text = path.to_str().ok_or_else(|| {
        Error::Failed(format!("{} is not UTF-8, which go's -overlay wants: rename it", path.display()))
    })?;
    let escaped: String = text
        .chars()
        .map(|c| match c {
            '"' | '\\' => format!("\\{c}"),
            c if c < ' ' => format!("\\u{:04x}", u32::from(c)),
            c => c.into(),
        })
        .collect();
    Ok(format!("\"{escaped}\""))
}

/// The overlay's file that puts the half in `dir` on `go`, written if it is not there.
///
/// # Errors
/// [`Error::Missing`] if this Go is not one that the half was written for.
pub fn write(host: &Host, go: &Toolchain, dir: &Path) -> Result<PathBuf> {
    let half = Half::read(dir)?;
    let json = half.json(&go.root)?;
    let mut hasher = DefaultHasher::new();
    (&json, &go.version).hash(&mut hasher);
    let folder = host.go.join("overlay");
    let file = folder.join(format!("{:016x}.json", hasher.finish()));
    if file.exists() {
        return Ok(file);
    }
    let kept = Kept::read(&dir.join("check"))?;
    let misfit = match half.misfit(&go.root, &kept) {
        Some(why) => Some(why),
        None => kept.misfit(go)?,
    };
    if let Some(why) = misfit {
        return Err(Error::Missing(format!(
            "{} at {} is not the Go that {} was written for: {why}\nGo {} is",
            go.version,
            go.root.display(),
            dir.display(),
            super::toolchain::PINNED
        )));
    }
    fs::create_dir_all(&folder).map_err(Error::io(format_args!("create {}", folder.display())))?;
    write_if_changed(&file, &json)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::go::kept::sha256;
    use crate::toolchain::tests::FakeRoot;

    /// A Go and a half for it: one file left out, one replaced, one added.
    fn tree(root: &FakeRoot) -> (Toolchain, PathBuf) {
        let top = &root.host.root;
        let kept = format!(
            "{}  src/runtime/map.go\n{}  src/runtime\n",
            sha256(b"Go's"),
            sha256(b"chan.go\nmap.go\nproc.go\n")
        );
        for (path, text) in [
            ("goroot/src/runtime/proc.go", "Go's"),
            ("goroot/src/runtime/chan.go", "Go's"),
            ("goroot/src/runtime/map.go", "Go's"),
            ("half/leftout", "src/runtime/chan.go\nsrc/runtime/proc.go\n\n"),
            ("half/README.md", ""),
            ("half/runtime/proc.go", "ours"),
            ("half/runtime/call_amd64.s", "ours"),
            ("half/runtime/README.md", ""),
            ("half/internal/x/y.go", "ours"),
            ("half/check/main.go", "no package of Go's"),
            ("half/check/kept", &kept),
        ] {
            let path = top.join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        (Toolchain { root: top.join("goroot"), version: "go1.27.3".into() }, top.join("half"))
    }

    #[test]
    fn every_file_has_its_place() {
        let root = FakeRoot::new();
        let (go, half) = tree(&root);
        let file = write(&root.host, &go, &half).unwrap();
        let text = fs::read_to_string(&file).unwrap();
        let (root_, half_) = (go.root.display(), half.display());
        let want = format!(
            "{{\"Replace\": {{\n\"{root_}/src/runtime/chan.go\": \"\",\n\
             \"{root_}/src/internal/x/y.go\": \"{half_}/internal/x/y.go\",\n\
             \"{root_}/src/runtime/call_amd64.s\": \"{half_}/runtime/call_amd64.s\",\n\
             \"{root_}/src/runtime/proc.go\": \"{half_}/runtime/proc.go\"\n}}}}\n"
        );
        assert_eq!(text, want);
        assert_eq!(write(&root.host, &go, &half).unwrap(), file, "the same again");
        fs::write(half.join("runtime/new.go"), "").unwrap();
        assert_ne!(write(&root.host, &go, &half).unwrap(), file, "another file, another overlay");
    }

    #[test]
    fn a_go_that_does_not_fit_is_refused() {
        let root = FakeRoot::new();
        let (go, half) = tree(&root);
        let refused = |why: &str| {
            let error = write(&root.host, &go, &half).unwrap_err();
            assert!(error.exit_status() == 69 && error.to_string().contains(why), "{error}");
        };
        fs::write(half.join("runtime/map.go"), "ours").unwrap();
        refused("src/runtime/map.go is to stay");
        fs::remove_file(half.join("runtime/map.go")).unwrap();
        fs::remove_file(go.root.join("src/runtime/chan.go")).unwrap();
        refused("src/runtime/chan.go is to be left out and is not there");
    }

    #[test]
    fn names_are_escaped() {
        assert_eq!(string(Path::new("/a \"b\"\\\n")).unwrap(), r#""/a \"b\"\\\u000a""#);
    }
}
