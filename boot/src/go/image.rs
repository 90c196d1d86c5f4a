//! The kernel's image for Go programs: one for all of them, built once.
//!
//! A Go program needs no Rust once the image is there. So cargo is not asked each time whether the image is up to date (that costs as much as
//! booting it, and wants a toolchain): the image's stamp says of which sources it was made, by their names, sizes and times.

use crate::host::Host;
use crate::kernel::Kernel;
use crate::options::BootProtocol;
use crate::program::Variant;
use crate::run::prepare;
use crate::{Error, Result, carried, source_root};
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// What of the source tree the image is made from, and what makes it.
const SOURCES: [&str; 6] =
    ["Cargo.lock", "Cargo.toml", "boot/src", "kernel", "runtime", "x86_64-target.json"];

/// The image.
///
/// # Errors
/// As of [`prepare`], if it has to be built.
pub fn get(host: &Host) -> Result<Kernel> {
    if let Some(kernel) = carried::kernel() {
        return Ok(kernel);
    }
    let dir = Variant::Go.directory();
    let stamp = dir.join("stamp");
    let sources = fingerprint(source_root())?;
    let kernel = Kernel::that_stays(dir.join("gzero.elf"), dir.join("gzero"));
    let is_made = fs::read_to_string(&stamp).is_ok_and(|made_of| made_of == sources);
    if is_made && kernel.stripped.exists() {
        return Ok(kernel);
    }
    let (kernel, _) = prepare(host, &Variant::Go, BootProtocol::Pvh)?;
    fs::write(&stamp, sources).map_err(Error::io(format_args!("write {}", stamp.display())))?;
    Ok(kernel)
}

/// Tells one state of the sources in `root` from another.
fn fingerprint(root: &Path) -> Result<String> {
    let files = SOURCES.iter().map(|name| files(&root.join(name))).collect::<std::io::Result<Vec<_>>>();
    let files = files.map_err(Error::io(format_args!("look at {}", root.display())))?;
    let mut hasher = DefaultHasher::new();
    (root, files).hash(&mut hasher);
    Ok(format!("{:016x}\n", hasher.finish()))
}

/// The file at `path`, or those below it, by name.
fn files(path: &Path) -> std::io::Result<Vec<(PathBuf, u64, SystemTime)>> {
    let metadata = path.metadata()?;
    if !metadata.is_dir() {
        return Ok(vec![(path.into(), metadata.len(), metadata.modified()?)]);
    }
    let mut found = Vec::new();
    for entry in path.read_dir()? {
        found.extend(files(&entry?.path())?);
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn every_change_of_a_source_is_seen() {
        let root = std::env::temp_dir().join(format!("gzero-go-image-{}", std::process::id()));
        for source in SOURCES {
            let file = if source.contains('.') { root.join(source) } else { root.join(source).join("a/b") };
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(&file, "1").unwrap();
        }
        let mut seen = vec![fingerprint(&root).unwrap()];
        assert_eq!(fingerprint(&root).unwrap(), seen[0]);
        let mut changed = |what: &str| {
            let now = fingerprint(&root).unwrap();
            assert!(!seen.contains(&now), "{what}");
            seen.push(now);
        };
        fs::write(root.join("kernel/new"), "").unwrap();
        changed("a new file");
        let file = fs::File::options().append(true).open(root.join("runtime/a/b")).unwrap();
        file.set_modified(SystemTime::now() + Duration::from_secs(1)).unwrap();
        changed("another time");
        fs::rename(root.join("kernel/new"), root.join("kernel/other")).unwrap();
        changed("another name");
        fs::remove_dir_all(&root).unwrap();
        assert!(fingerprint(&root).is_err());
    }
}
