//! What the machine must have: a search, and where it fails `boot/debian.sh`, which installs
//! Debian's packages or unpacks them into a folder of the project's own.

use crate::host::Host;
use crate::{Error, Result, source_root};
use std::env;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Something that must be on the machine.
#[derive(Clone, Copy, Debug)]
pub struct Need {
    /// Its name in a message.
    pub what: &'static str,
    /// The name of the folder below [`Host::unpacked`] that its packages are unpacked into where
    /// they cannot be installed.
    pub folder: &'static str,
    /// The packages of Debian 12 that have it.
    pub packages: &'static [&'static str],
    /// Where it comes from elsewhere, as an instruction; empty if its packages have similar names
    /// there.
    pub elsewhere: &'static str,
}

/// QEMU.
pub const QEMU: Need =
    Need { what: "qemu-system-x86_64", folder: "qemu", packages: &["qemu-system-x86"], elsewhere: "" };

/// UEFI firmware for QEMU.
pub const OVMF: Need =
    Need { what: "UEFI firmware for QEMU", folder: "ovmf", packages: &["ovmf"], elsewhere: "" };

/// The debugger.
pub const GDB: Need = Need { what: "gdb", folder: "gdb", packages: &["gdb"], elsewhere: "" };

/// Returns what `find` finds, having got `need` if it is not there and can be had.
///
/// # Errors
/// [`Error::Missing`] with what to install. apt's own messages have gone to stderr.
pub fn ensure<T>(host: &Host, need: Need, find: impl Fn(&Host) -> Option<T>) -> Result<T> {
    if let Some(found) = find(host) {
        return Ok(found);
    }
    if get(host, need, &[])?
        && let Some(found) = find(host)
    {
        return Ok(found);
    }
    let elsewhere = if need.elsewhere.is_empty() { "similar names elsewhere" } else { need.elsewhere };
    Err(Error::Missing(format!(
        "no {} here; install it (Debian 12: apt install {}; {elsewhere})",
        need.what,
        need.packages.join(" ")
    )))
}

/// The folder that `need`'s packages are unpacked into, of which none is to be installed.
///
/// # Errors
/// [`Error::Missing`] if they cannot be had.
pub fn unpacked(host: &Host, need: Need) -> Result<PathBuf> {
    if get(host, need, &["-unpack"])? {
        return Ok(host.unpacked.join(need.folder));
    }
    Err(Error::Missing(format!("{} cannot be had: Debian's {}", need.what, need.packages.join(" "))))
}

/// Runs `boot/debian.sh`, whose messages go to stderr as they come; returns whether it succeeded.
fn get(host: &Host, need: Need, options: &[&str]) -> Result<bool> {
    let path =
        host.programs().chain(env::var_os("PATH").iter().flat_map(env::split_paths)).collect::<Vec<_>>();
    let status = Command::new("bash")
        .arg(source_root().join("boot/debian.sh"))
        .args(options)
        .arg(host.unpacked.join(need.folder))
        .arg(need.what)
        .args(need.packages)
        .env("PATH", env::join_paths(path).map_err(|e| Error::Failed(format!("PATH: {e}")))?)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()
        .map_err(Error::io("run boot/debian.sh"))?;
    Ok(status.success())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::toolchain::tests::{FakeRoot, script};
    use std::fs;
    use std::path::Path;

    const NEED: Need =
        Need { what: "frobnicator", folder: "frob", packages: &["frob", "frob-data"], elsewhere: "" };

    fn frob(host: &Host) -> Option<PathBuf> {
        host.program("frob")
    }

    /// A machine with an `apt-get` that logs its words and does `commands`, for a user of number
    /// `user`.
    fn machine(user: u32, commands: &str) -> FakeRoot {
        let root = FakeRoot::new();
        let bin = root.host.root.join("usr/bin");
        script(&bin.join("apt-get"), &format!("echo \"$@\" >>$0.log; {commands}"));
        script(&bin.join("id"), &format!("echo {user}"));
        root
    }

    fn log(root: &FakeRoot) -> String {
        fs::read_to_string(root.host.root.join("usr/bin/apt-get.log")).unwrap_or_default()
    }

    /// Builds `frob_1_all.deb` and `libfrob_1_all.deb` in `to`: a program that prints what its
    /// library has. And `pip3_1_all.deb`: a program that only the package's own interpreter can
    /// run.
    fn build_packages(to: &Path) {
        let build = r#"
            set -e
            for name in frob libfrob pip3; do
                mkdir -p "$name/DEBIAN" "$name/usr/bin" "$name/usr/share/frob"
                printf 'Package: %s\nVersion: 1\nArchitecture: all\nMaintainer: x\nDescription: x\n' $name >$name/DEBIAN/control
            done
            printf '#!/bin/sh\ncat "${0%%/*}/../share/link"\n' >frob/usr/bin/frob
            chmod 755 frob/usr/bin/frob
            echo data >libfrob/usr/share/frob/data
            ln -s /usr/share/frob/data libfrob/usr/share/link
            touch libfrob/usr/bin/of-no-concern
            printf '#!/usr/bin/python3\n' >pip3/usr/bin/pip3
            printf '#!/bin/sh\necho "runs ${1##*/} ${PYTHONHOME-}$2"\n' >pip3/usr/bin/python3
            chmod 755 pip3/usr/bin/*
            for name in frob libfrob pip3; do dpkg-deb --root-owner-group -b $name ${name}_1_all.deb; done"#;
        fs::create_dir_all(to).unwrap();
        let status = Command::new("bash").arg("-c").arg(build).current_dir(to).output().unwrap();
        assert!(status.status.success(), "{}", String::from_utf8_lossy(&status.stderr));
    }

    /// An `apt-get` whose `--download-only` yields the packages in `$0.debs`, and which installs
    /// nothing.
    const DOWNLOADS: &str = "case $* in *--download-only*) \
        for word; do case $word in Dir::Cache::archives=*) cp $0.debs/*.deb ${word#*=} ;; esac; done ;; \
        *--no-remove*) echo E: remove is disabled >&2; exit 100 ;; esac";

    #[test]
    fn found_is_not_installed() {
        let root = machine(0, "");
        script(&root.host.root.join("usr/bin/frob"), "");
        assert!(ensure(&root.host, NEED, frob).is_ok());
        assert_eq!(log(&root), "");
    }

    #[test]
    fn root_installs() {
        let root = machine(0, "case $* in *install*) cp $0 ${0%apt-get}frob ;; esac");
        assert!(ensure(&root.host, NEED, frob).is_ok());
        let log = log(&root);
        let (update, install) = log.split_once('\n').unwrap();
        assert!(update.ends_with("update"), "{log}");
        assert!(install.contains("install -y --no-remove"), "{log}");
        assert!(install.trim_end().ends_with("frob frob-data"), "{log}");
    }

    /// A user, and root where a package stands in the way, run the program from a folder, which can
    /// be moved.
    #[test]
    fn others_unpack() {
        for user in [0, 1000] {
            let root = machine(user, DOWNLOADS);
            let fake = &root.host.root;
            build_packages(&fake.join("usr/bin/apt-get.debs"));
            let need = Need { packages: &["frob"], ..NEED };
            let found = ensure(&root.host, need, frob).unwrap();
            assert_eq!(found, root.host.unpacked.join("frob/bin/frob"));
            assert_eq!(log(&root).contains("--no-remove"), user == 0, "{}", log(&root));
            let moved = fake.join("moved");
            fs::rename(root.host.unpacked.join("frob"), &moved).unwrap();
            let output = Command::new(moved.join("bin/frob")).output().unwrap();
            assert_eq!(String::from_utf8_lossy(&output.stdout), "data\n", "{output:?}");
            // Programs of packages that were not asked for would hide the system's.
            assert!(!moved.join("bin/of-no-concern").exists());
            assert!(!moved.join("archives").exists());
        }
    }

    /// Where no python is, or another one.
    #[test]
    fn pip_is_run_by_the_python_beside_it() {
        let root = machine(1000, DOWNLOADS);
        build_packages(&root.host.root.join("usr/bin/apt-get.debs"));
        let need = Need { what: "pip", folder: "pip", packages: &["pip3"], elsewhere: "" };
        let pip = ensure(&root.host, need, |host| host.program("pip3")).unwrap();
        let output = Command::new(pip).arg("install").env("PYTHONHOME", "/nosuch").output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), "runs pip3 install\n", "{output:?}");
    }

    /// Root, too, may want a package unpacked that nothing on the system needs.
    #[test]
    fn unpacked_and_not_installed() {
        let root = machine(0, DOWNLOADS);
        build_packages(&root.host.root.join("usr/bin/apt-get.debs"));
        let folder = unpacked(&root.host, Need { packages: &["libfrob"], ..NEED }).unwrap();
        assert_eq!(fs::read(folder.join("usr/share/frob/data")).unwrap(), b"data\n");
        assert!(!log(&root).contains("--no-remove"), "{}", log(&root));
    }

    /// A download that ends in the middle leaves nothing that looks like a whole one, and the next
    /// one is whole.
    #[test]
    fn interrupted() {
        let root = machine(1000, &format!("[ -e $0.on ] || {{ touch $0.on; kill -9 $PPID; }}; {DOWNLOADS}"));
        build_packages(&root.host.root.join("usr/bin/apt-get.debs"));
        let need = Need { packages: &["frob"], ..NEED };
        assert!(matches!(ensure(&root.host, need, frob), Err(Error::Missing(_))));
        assert!(!root.host.unpacked.join("frob").exists());
        assert!(ensure(&root.host, need, frob).is_ok());
    }

    /// Runs that begin at once unpack once.
    #[test]
    fn concurrent() {
        let root = machine(1000, DOWNLOADS);
        build_packages(&root.host.root.join("usr/bin/apt-get.debs"));
        let need = Need { packages: &["frob"], ..NEED };
        std::thread::scope(|scope| {
            for run in [(); 4].map(|()| scope.spawn(|| get(&root.host, need, &[]))) {
                assert!(run.join().unwrap().unwrap());
            }
        });
        assert_eq!(log(&root).matches("--download-only").count(), 1, "{}", log(&root));
    }

    #[test]
    fn a_failure_names_the_packages() {
        for user in [0, 1000] {
            let root = machine(user, "echo E: no network >&2; exit 100");
            let Err(Error::Missing(text)) = ensure(&root.host, NEED, frob) else { panic!("installed?") };
            assert!(text.contains("frobnicator") && text.contains("apt install frob frob-data"), "{text}");
            assert!(!root.host.unpacked.join("frob").exists());
        }
    }
}
