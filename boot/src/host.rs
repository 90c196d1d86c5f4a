//! The machine that the tool runs on, in the form in which tests can make one up.

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
    /// Whether packages may be installed.
    pub superuser: bool,
}

impl Host {
    /// The machine this runs on.
    pub fn current() -> Host {
        let home = env::home_dir();
        Host {
            path: env::var_os("PATH").map_or(Vec::new(), |path| env::split_paths(&path).collect()),
            root: "/".into(),
            rustup_home: env::var_os("RUSTUP_HOME").map(PathBuf::from).or(home.map(|h| h.join(".rustup"))),
            // /proc/self belongs to the effective user.
            superuser: fs::metadata("/proc/self").is_ok_and(|m| m.uid() == 0),
        }
    }

    /// A program by its name, from `PATH` or where Debian puts it.
    pub fn program(&self, name: &str) -> Option<PathBuf> {
        let system = ["usr/bin", "usr/sbin"].map(|dir| self.root.join(dir));
        self.path.iter().chain(&system).map(|dir| dir.join(name)).find(|path| is_executable(path))
    }

    /// A file or directory by its absolute path, if it exists.
    pub fn file(&self, path: &str) -> Option<PathBuf> {
        Some(self.root.join(path.trim_start_matches('/'))).filter(|path| path.exists())
    }
}

fn is_executable(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|m| m.is_file() && m.mode() & 0o111 != 0)
}
