//! Getting what the machine lacks: Debian's packages as root, else a message that names them.

use crate::host::Host;
use crate::{Error, Result};
use std::path::Path;
use std::process::{Command, Stdio};

/// Something that must be on the machine.
#[derive(Clone, Copy, Debug)]
pub struct Need {
    /// Its name in a message.
    pub what: &'static str,
    /// The packages of Debian 12 that have it.
    pub packages: &'static [&'static str],
    /// Where it comes from elsewhere, as an instruction; empty if the packages have the same names.
    pub elsewhere: &'static str,
}

/// QEMU.
pub const QEMU: Need = Need { what: "qemu-system-x86_64", packages: &["qemu-system-x86"], elsewhere: "" };

/// UEFI firmware for QEMU.
pub const OVMF: Need = Need { what: "UEFI firmware for QEMU", packages: &["ovmf"], elsewhere: "" };

/// The debugger.
pub const GDB: Need = Need { what: "gdb", packages: &["gdb"], elsewhere: "" };

/// Returns what `find` finds, having installed `need` if it is not there and may be installed.
///
/// # Errors
/// [`Error::Missing`] with what to install.
pub fn ensure<T>(host: &Host, need: Need, find: impl Fn(&Host) -> Option<T>) -> Result<T> {
    if let Some(found) = find(host) {
        return Ok(found);
    }
    let mut failure = String::new();
    if let Some(apt) = host.program("apt-get").filter(|_| host.superuser) {
        eprintln!("gzero: no {} here: installing {} with apt-get", need.what, need.packages.join(" "));
        failure = install(&apt, need.packages).err().unwrap_or_default();
        if let Some(found) = find(host) {
            return Ok(found);
        }
    }
    let elsewhere = if need.elsewhere.is_empty() { "its like elsewhere" } else { need.elsewhere };
    Err(Error::Missing(format!(
        "{failure}no {} here; install it (Debian 12: apt install {}; {elsewhere})",
        need.what,
        need.packages.join(" ")
    )))
}

/// Installs packages without a question. Nothing that is there is removed for them.
fn install(apt: &Path, packages: &[&str]) -> std::result::Result<(), String> {
    let update: &[&str] = &["update"];
    let install = [&["install", "-y", "--no-remove", "--no-install-recommends"], packages].concat();
    for words in [update, &install] {
        let output = Command::new(apt)
            .args(["-qq", "-o", "DPkg::Lock::Timeout=300"])
            .args(words)
            .env("DEBIAN_FRONTEND", "noninteractive")
            .stdin(Stdio::null())
            .output()
            .map_err(|e| format!("cannot run {}: {e}\n", apt.display()))?;
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::toolchain::tests::{FakeRoot, script};

    const NEED: Need = Need { what: "frobnicator", packages: &["frob", "frob-data"], elsewhere: "" };

    fn frob(host: &Host) -> Option<std::path::PathBuf> {
        host.program("frob")
    }

    #[test]
    fn found_is_not_installed() {
        let root = FakeRoot::new();
        script(&root.host.root.join("usr/bin/frob"), "");
        script(&root.host.root.join("usr/bin/apt-get"), "touch $0.called");
        let host = Host { superuser: true, ..root.host.clone() };
        assert!(ensure(&host, NEED, frob).is_ok());
        assert!(!root.host.root.join("usr/bin/apt-get.called").exists());
    }

    #[test]
    fn root_installs() {
        let root = FakeRoot::new();
        let apt = "echo \"$@\" >>$0.log; case $* in *install*) cp $0 ${0%apt-get}frob ;; esac";
        script(&root.host.root.join("usr/bin/apt-get"), apt);
        let host = Host { superuser: true, ..root.host.clone() };
        assert!(ensure(&host, NEED, frob).is_ok());
        let log = std::fs::read_to_string(root.host.root.join("usr/bin/apt-get.log")).unwrap();
        let (update, install) = log.split_once('\n').unwrap();
        assert!(update.ends_with("update"), "{log}");
        assert!(install.contains("install -y --no-remove"), "{log}");
        assert!(install.trim_end().ends_with("frob frob-data"), "{log}");
    }

    #[test]
    fn others_are_told() {
        let root = FakeRoot::new();
        script(&root.host.root.join("usr/bin/apt-get"), "touch $0.called");
        let Err(Error::Missing(text)) = ensure(&root.host, NEED, frob) else { panic!("installed?") };
        assert!(text.contains("frobnicator") && text.contains("apt install frob frob-data"), "{text}");
        assert!(!root.host.root.join("usr/bin/apt-get.called").exists());
    }

    #[test]
    fn a_failing_apt_is_shown() {
        let root = FakeRoot::new();
        script(&root.host.root.join("usr/bin/apt-get"), "echo E: no network >&2; exit 100");
        let host = Host { superuser: true, ..root.host.clone() };
        let Err(Error::Missing(text)) = ensure(&host, NEED, frob) else { panic!("installed?") };
        assert!(text.contains("E: no network") && text.contains("apt install frob"), "{text}");
    }
}
