//! The Rust toolchain for the kernel, which needs `core`'s source and unstable options.
//!
//! In this order: a nightly of rustup's with `rust-src`; Debian's `rustc-web` with `rust-web-src`, a stable compiler
//! that `RUSTC_BOOTSTRAP=1` makes accept unstable options. Neither there: Debian's is installed where that is
//! possible. Toolchains are run from their own directories, not by rustup's proxies: `cargo test` sets
//! `RUSTUP_TOOLCHAIN`, and starting a proxy costs more than all of the search here.

use crate::host::Host;
use crate::lifetime::mortal;
use crate::packages::{Need, ensure};
use crate::{Error, Result, output_dir};
use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The nightly that messages and the README name: older than the changes that `bootloader` 0.11.15 does not build with.
pub const NIGHTLY: &str = "nightly-2026-05-20";

/// The first minor version of Rust that builds the kernel.
const MINOR: u32 = 96;

/// A toolchain that can build the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Toolchain {
    /// Where its `cargo` and `rustc` are.
    pub bin: PathBuf,
    /// Its own root, above `lib/rustlib`.
    pub sysroot: PathBuf,
    /// A stable compiler, which takes unstable options only with `RUSTC_BOOTSTRAP=1`.
    pub bootstrap: bool,
}

/// Debian's toolchain.
pub const NEED: Need = Need {
    what: "Rust toolchain with the source of core",
    folder: "rust",
    // The words of `qemu-run.sh`, which gets them too if there is no cargo.
    packages: &[
        "rustc-web",
        "cargo-web",
        "rust-web-src",
        "rust-web-llvm",
        "lld-22",
        "llvm-22",
        "gcc",
        "libc6-dev",
        "ca-certificates",
    ],
    elsewhere: "elsewhere: rustup toolchain install nightly-2026-05-20 --component rust-src --component llvm-tools",
};

const LLVM: Need = Need {
    what: "llvm-objcopy and llvm-objdump",
    folder: "llvm",
    packages: &["llvm-22"],
    elsewhere: "rustup: rustup component add llvm-tools",
};

impl Toolchain {
    /// The first toolchain of this machine that fits, installing one if there is none.
    ///
    /// # Errors
    /// [`Error::Missing`] with what to install.
    pub fn get(host: &Host) -> Result<Toolchain> {
        ensure(host, NEED, Toolchain::find)
    }

    /// The first toolchain of this machine that fits.
    pub fn find(host: &Host) -> Option<Toolchain> {
        rustup_nightlies(host).chain(debian(host)).find(|t| t.fits())
    }

    fn fits(&self) -> bool {
        let source = self.sysroot.join("lib/rustlib/src/rust/library/core");
        source.exists() && self.minor_version().is_some_and(|minor| minor >= MINOR)
    }

    /// The 96 in `rustc 1.96.0 (ac68faa20 2026-05-25)`.
    fn minor_version(&self) -> Option<u32> {
        let output = Command::new(self.bin.join("rustc")).arg("-V").output().ok()?;
        String::from_utf8(output.stdout).ok()?.strip_prefix("rustc 1.")?.split_once('.')?.0.parse().ok()
    }

    /// `cargo`, which ends with this process, in an environment without what the cargo that perhaps runs this tool has put there.
    pub fn cargo(&self) -> Command {
        let mut command = mortal(self.bin.join("cargo"));
        for (name, _) in env::vars_os().filter(|(name, _)| is_cargos(name)) {
            command.env_remove(name);
        }
        command.env("PATH", path_with(&self.bin));
        if self.bootstrap {
            command.env("RUSTC_BOOTSTRAP", "1");
        }
        command
    }

    /// A directory with this toolchain's `llvm-objcopy` and `llvm-objdump` under those names, which the build script of
    /// `bootloader` looks for under `lib/rustlib` of what `rustc --print sysroot` says. Where they are not there (Debian)
    /// the directory made is a sysroot for that one question, with a `bin/rustc` that answers it and passes all others on.
    ///
    /// # Errors
    /// [`Error::Missing`] if the tools are nowhere.
    pub fn bin_with_llvm(&self, host: &Host) -> Result<PathBuf> {
        let rustlib = fs::read_dir(self.sysroot.join("lib/rustlib"));
        let own = rustlib.into_iter().flatten().flatten().map(|entry| entry.path().join("bin"));
        if own.into_iter().any(|bin| bin.join("llvm-objcopy").exists() && bin.join("llvm-objdump").exists()) {
            return Ok(self.bin.clone());
        }
        let [objcopy, objdump] = ensure(host, LLVM, |host| {
            let version = |name: &str| host.program(&format!("{name}-22")).or_else(|| host.program(name));
            Some([version("llvm-objcopy")?, version("llvm-objdump")?])
        })?;
        let sysroot = output_dir().join("sysroot");
        let (bin, tools) = (sysroot.join("bin"), sysroot.join("lib/rustlib/gzero/bin"));
        let script = format!(
            "#!/bin/sh\n[ \"$*\" = '--print sysroot' ] && exec echo '{}'\nexec '{}' \"$@\"\n",
            sysroot.display(),
            self.bin.join("rustc").display()
        );
        write_tools(&bin, &tools, &script, [&objcopy, &objdump])
            .map_err(Error::io(format_args!("write {}", sysroot.display())))?;
        Ok(bin)
    }
}

/// Writes `rustc` to `bin`, and scripts to `tools` that run LLVM's. Not links: an unpacked tool
/// finds its folder by the name that it is run by.
fn write_tools(bin: &Path, tools: &Path, rustc: &str, llvm: [&Path; 2]) -> std::io::Result<()> {
    fs::create_dir_all(bin)?;
    fs::create_dir_all(tools)?;
    write_script(&bin.join("rustc"), rustc)?;
    for (name, tool) in ["llvm-objcopy", "llvm-objdump"].into_iter().zip(llvm) {
        write_script(&tools.join(name), &format!("#!/bin/sh\nexec '{}' \"$@\"\n", tool.display()))?;
    }
    Ok(())
}

fn write_script(path: &Path, text: &str) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    // An earlier run may have left a link there, through which it would be written; that there was
    // nothing is no error.
    _ = fs::remove_file(path);
    fs::write(path, text)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))
}

/// rustup's nightlies, [`NIGHTLY`] first and then by name.
fn rustup_nightlies(host: &Host) -> impl Iterator<Item = Toolchain> {
    let dir = host.rustup_home.as_ref().and_then(|home| fs::read_dir(home.join("toolchains")).ok());
    let mut names: Vec<PathBuf> = dir.into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    names.retain(|path| file_name(path).starts_with("nightly-"));
    names.sort_by_key(|path| (!file_name(path).starts_with(NIGHTLY), path.clone()));
    names.into_iter().map(|sysroot| Toolchain { bin: sysroot.join("bin"), sysroot, bootstrap: false })
}

fn file_name(path: &Path) -> &str {
    path.file_name().and_then(OsStr::to_str).unwrap_or_default()
}

/// Debian's toolchains, installed or unpacked. Without `rust-lld`, which the target names as its linker, one is of no use.
fn debian(host: &Host) -> impl Iterator<Item = Toolchain> {
    let unpacked = host.unpacked.join(NEED.folder);
    [(host.root.join("usr/bin"), host.root.join("usr")), (unpacked.join("bin"), unpacked.join("usr"))]
        .into_iter()
        .filter(|(bin, _)| bin.join("cargo").exists() && bin.join("rust-lld").exists())
        .map(|(bin, sysroot)| Toolchain { bin, sysroot, bootstrap: true })
}

/// `PATH` with `bin` in front.
pub fn path_with(bin: &Path) -> std::ffi::OsString {
    let path = env::var_os("PATH").unwrap_or_default();
    let dirs = std::iter::once(bin.to_owned()).chain(env::split_paths(&path));
    env::join_paths(dirs).expect("a directory of PATH and of a toolchain has no ':' in its name")
}

/// Whether an environment variable steers cargo or rustc, or comes from a cargo that runs this tool. What says how
/// to reach a registry stays.
fn is_cargos(name: &OsStr) -> bool {
    const STAY: [&str; 6] =
        ["CARGO_HOME", "CARGO_HTTP_", "CARGO_NET_", "CARGO_REGISTRY_", "CARGO_REGISTRIES_", "CARGO_SOURCE_"];
    const GO: [&str; 7] =
        ["CARGO", "RUSTC", "RUSTDOC", "RUSTFLAGS", "RUSTUP_TOOLCHAIN", "RUST_RECURSION_COUNT", "MAKEFLAGS"];
    let name = name.to_string_lossy();
    // rustup's cargo puts its own libraries in front of those of the compiler that is to run.
    name == "LD_LIBRARY_PATH"
        || GO.iter().any(|prefix| name.starts_with(prefix))
            && !STAY.iter().any(|prefix| name.starts_with(prefix))
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU32, Ordering};

    /// An empty machine in a directory of its own.
    pub struct FakeRoot {
        pub host: Host,
    }

    impl FakeRoot {
        pub fn new() -> FakeRoot {
            static NEXT: AtomicU32 = AtomicU32::new(0);
            let number = NEXT.fetch_add(1, Ordering::Relaxed);
            let root = env::temp_dir().join(format!("gzero-fake-root-{}-{number}", std::process::id()));
            fs::create_dir_all(root.join("usr/bin")).unwrap();
            let (rustup_home, unpacked) = (Some(root.join("rustup")), root.join("debian"));
            let go = root.join("go");
            // Not the real one, of which packages could be had.
            script(&root.join("usr/bin/apt-get"), "exit 100");
            FakeRoot { host: Host { path: Vec::new(), root, rustup_home, unpacked, go } }
        }

        fn toolchain(&self, sysroot: &str, version: &str, with_source: bool) -> PathBuf {
            let sysroot = self.host.root.join(sysroot);
            script(&sysroot.join("bin/rustc"), &format!("echo 'rustc {version} (0123456 2026-05-20)'"));
            script(&sysroot.join("bin/cargo"), "");
            if with_source {
                fs::create_dir_all(sysroot.join("lib/rustlib/src/rust/library/core")).unwrap();
            }
            sysroot
        }

        fn found(&self) -> Option<PathBuf> {
            Toolchain::find(&self.host).map(|t| t.sysroot)
        }
    }

    impl Drop for FakeRoot {
        fn drop(&mut self) {
            // A directory left over in /tmp is no reason to fail.
            _ = fs::remove_dir_all(&self.host.root);
        }
    }

    /// Writes an executable shell script.
    pub fn script(path: &Path, text: &str) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        // Not written by this process: a child that another test's thread starts meanwhile would hold the file open for
        // writing, and the kernel refuses to execute such a file.
        let write = "printf '#!/bin/sh\\n%s\\n' \"$1\" >\"$0\" && chmod 755 \"$0\"";
        assert!(Command::new("sh").arg("-c").arg(write).arg(path).arg(text).status().unwrap().success());
    }

    /// The tools run by the names that they have where they were found.
    #[test]
    fn llvm_tools_of_a_sysroot() {
        let root = FakeRoot::new();
        let found =
            ["llvm-objcopy-22", "llvm-objdump-22"].map(|name| root.host.root.join("usr/bin").join(name));
        found.iter().for_each(|tool| script(tool, "echo \"$0 $*\""));
        let (bin, tools) = (root.host.root.join("sysroot/bin"), root.host.root.join("sysroot/tools"));
        for _ in 0..2 {
            write_tools(&bin, &tools, "#!/bin/sh\n", [&found[0], &found[1]]).unwrap();
        }
        // Read by `sh`, not executed, for the reason in `script`.
        let command = "sh \"$0\"/llvm-objcopy a b; sh \"$0\"/llvm-objdump";
        let output = Command::new("sh").arg("-c").arg(command).arg(&tools).output().unwrap();
        let want = format!("{} a b\n{} \n", found[0].display(), found[1].display());
        assert_eq!(String::from_utf8_lossy(&output.stdout), want, "{output:?}");
    }

    #[test]
    fn nothing_there() {
        let root = FakeRoot::new();
        assert_eq!(root.found(), None);
        let Err(Error::Missing(text)) = Toolchain::get(&root.host) else { panic!("found one") };
        assert!(text.contains("rust-web-src") && text.contains(NIGHTLY), "{text}");
    }

    #[test]
    fn debian_needs_source_linker_and_version() {
        let root = FakeRoot::new();
        root.toolchain("usr", "1.96.0", false);
        assert_eq!(root.found(), None, "no source");
        let usr = root.toolchain("usr", "1.96.0", true);
        assert_eq!(root.found(), None, "no rust-lld");
        script(&usr.join("bin/rust-lld"), "");
        assert!(Toolchain::find(&root.host).unwrap().bootstrap);
        root.toolchain("usr", "1.85.0", true);
        assert_eq!(root.found(), None, "too old");
    }

    #[test]
    fn nightly_with_source_comes_first() {
        let root = FakeRoot::new();
        let usr = root.toolchain("usr", "1.96.0", true);
        script(&usr.join("bin/rust-lld"), "");
        root.toolchain("rustup/toolchains/nightly-x86_64-unknown-linux-gnu", "1.97.0-nightly", false);
        root.toolchain("rustup/toolchains/stable-x86_64-unknown-linux-gnu", "1.99.0", true);
        assert_eq!(root.found(), Some(usr), "no source, and no nightly");
        let any = root.toolchain(
            "rustup/toolchains/nightly-2026-02-01-x86_64-unknown-linux-gnu",
            "1.96.0-nightly",
            true,
        );
        assert_eq!(root.found(), Some(any));
        let named = root.toolchain(
            "rustup/toolchains/nightly-2026-05-20-x86_64-unknown-linux-gnu",
            "1.97.0-nightly",
            true,
        );
        assert_eq!(root.found(), Some(named));
    }

    #[test]
    fn variables_of_cargo_go() {
        for (name, goes) in [
            ("CARGO", true),
            ("CARGO_TARGET_DIR", true),
            ("CARGO_PKG_NAME", true),
            ("RUSTFLAGS", true),
            ("RUSTUP_TOOLCHAIN", true),
            ("LD_LIBRARY_PATH", true),
            ("CARGO_HOME", false),
            ("CARGO_NET_OFFLINE", false),
            ("PATH", false),
        ] {
            assert_eq!(is_cargos(OsStr::new(name)), goes, "{name}");
        }
    }
}
