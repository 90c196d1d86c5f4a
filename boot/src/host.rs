//! The machine that the tool runs on, in the form in which tests can make one up.

use crate::target_dir;
use std::env;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// What the search for tools and packages looks at.
#[derive(Clone, Debug)]
pub struct Host {
    /// The directories of `PATH`.
    pub path: Vec<PathBuf>,
    /// The root of the file system: `/`, but for tests.
    pub root: PathBuf,
    /// Where rustup keeps its toolchains, if it is there.
    pub rustup_home: Option<PathBuf>,
    /// Where `boot/debian.sh` unpacks packages that cannot be installed, each need's into a folder
    /// of its own.
    pub unpacked: PathBuf,
    /// Where what Go programs need is kept: a Go that was fetched, overlays.
    pub go: PathBuf,
}

impl Host {
    /// The machine this runs on.
    pub fn current() -> Host {
        let home = env::home_dir();
        Host {
            path: env::var_os("PATH").map_or(Vec::new(), |path| env::split_paths(&path).collect()),
            root: "/".into(),
            rustup_home: env::var_os("RUSTUP_HOME").map(PathBuf::from).or(home.map(|h| h.join(".rustup"))),
            unpacked: target_dir().join("debian"),
            go: target_dir().join("go"),
        }
    }

    /// Where programs of the system are: in `PATH`, and where Debian puts them.
    pub fn programs(&self) -> impl Iterator<Item = PathBuf> {
        self.path.iter().cloned().chain(["usr/bin", "usr/sbin"].map(|dir| self.root.join(dir)))
    }

    /// A program by its name: the system's, else one that was unpacked.
    pub fn program(&self, name: &str) -> Option<PathBuf> {
        let unpacked = self.folders().map(|folder| folder.join("bin"));
        self.programs().chain(unpacked).map(|dir| dir.join(name)).find(|path| is_executable(path))
    }

    /// A file or directory by its absolute path, if it exists: the system's, else one that was
    /// unpacked.
    pub fn file(&self, path: &str) -> Option<PathBuf> {
        let tops = std::iter::once(self.root.clone()).chain(self.folders());
        tops.map(|top| top.join(path.trim_start_matches('/'))).find(|path| path.exists())
    }

    /// The folders with unpacked packages, but for those that are being unpacked.
    fn folders(&self) -> impl Iterator<Item = PathBuf> {
        let entries = fs::read_dir(&self.unpacked).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).filter(|path| path.extension().is_none())
    }
}

fn is_executable(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|m| m.is_file() && m.mode() & 0o111 != 0)
}
