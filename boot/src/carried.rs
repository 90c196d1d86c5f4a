//! What an installed tool has in place of a checkout: the kernel for Go programs, what writes disk
//! images, the Go half, gdb's commands.
//!
//! `cargo install --path boot` builds the kernel with the Rust that is there at that time
//! (`boot/build.rs`), and the tool has all of it in itself, in one compressed archive. So it runs
//! Go programs wherever QEMU and Go are.
//!
//! # Protocol
//! The archive's place is `gzero/HASH` in the user's cache folder (`XDG_CACHE_HOME`, else
//! `~/.cache`), which names what is in it. Under a lock on `gzero/lock`:
//!
//! 1. What lies at the place is whole: an archive is unpacked beside it and gets its name then.
//! 2. The tool takes a shared lock on the place's file `used`, as long as it runs.
//! 3. Places of other archives go if their `used` is not locked: nobody runs those tools.
//!
//! What is fetched or made for the user (a Go, overlays, packages) lies beside, and stays.
//!
//! # Rejected
//! Building the kernel at the first run: it wants Rust and the sources where the tool runs.

use crate::go;
use crate::host::Host;
use crate::image::Writer;
use crate::kernel::Kernel;
use crate::{Error, Result, elf, source_root};
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use std::env;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use tar::{Archive, Builder, Header};

/// The archive and its hash.
#[cfg(carries)]
const CARRIED: Option<(&[u8], &str)> =
    Some((include_bytes!(concat!(env!("OUT_DIR"), "/carried.tar.gz")), env!("GZERO_CARRIED")));
#[cfg(not(carries))]
const CARRIED: Option<(&[u8], &str)> = None;

/// What is taken from a checkout: names below its top.
const TREE: [&str; 4] = ["go", "boot/gdb", "boot/debian.sh", "boot/debian-run.sh"];

/// Where it is in the archive.
const TREE_AT: &str = "tree";
const ELF: &str = "kernel/gzero.elf";
const STRIPPED: &str = "kernel/gzero";
const WRITER: &str = "kernel/image";

static PLACE: OnceLock<Place> = OnceLock::new();

/// An archive that is unpacked, and stays while this is there.
#[derive(Debug)]
struct Place {
    dir: PathBuf,
    /// Has the shared lock.
    _used: File,
}

/// Whether this is an installed tool.
pub fn is_installed() -> bool {
    CARRIED.is_some()
}

/// Unpacks what this tool carries, if it carries something. To be called first.
///
/// # Errors
/// If the cache folder cannot be written.
pub fn unpack() -> Result<()> {
    if let Some((archive, hash)) = CARRIED {
        let place = unpack_to(&cache()?, archive, hash)?;
        PLACE.get_or_init(|| place);
    }
    Ok(())
}

/// The tree that stands for the checkout.
pub(crate) fn tree() -> Option<&'static Path> {
    static TREE: OnceLock<Option<PathBuf>> = OnceLock::new();
    TREE.get_or_init(|| Some(PLACE.get()?.dir.join(TREE_AT))).as_deref()
}

/// The folder of what is made or fetched.
pub(crate) fn made() -> Option<&'static Path> {
    PLACE.get()?.dir.parent()
}

/// The kernel for Go programs.
pub(crate) fn kernel() -> Option<Kernel> {
    let dir = &PLACE.get()?.dir;
    Some(Kernel::that_stays(dir.join(ELF), dir.join(STRIPPED)))
}

/// What writes disk images.
pub(crate) fn writer() -> Option<PathBuf> {
    Some(PLACE.get()?.dir.join(WRITER))
}

/// The user's folder of this tool in the cache.
fn cache() -> Result<PathBuf> {
    // As the XDG Base Directory Specification has it: what is not absolute is ignored.
    let xdg = env::var_os("XDG_CACHE_HOME").map(PathBuf::from).filter(|dir| dir.is_absolute());
    let cache =
        xdg.or_else(|| env::home_dir().filter(|dir| dir.is_absolute()).map(|home| home.join(".cache")));
    let missing = || Error::Missing("no cache folder here: set HOME or XDG_CACHE_HOME".into());
    Ok(cache.ok_or_else(missing)?.join("gzero"))
}

fn unpack_to(cache: &Path, archive: &[u8], hash: &str) -> Result<Place> {
    let dir = cache.join(hash);
    let unpack = || -> io::Result<Place> {
        fs::create_dir_all(cache)?;
        let lock = File::create(cache.join("lock"))?;
        lock.lock()?;
        if !dir.is_dir() {
            let new = cache.join(format!("{hash}.new"));
            if new.exists() {
                fs::remove_dir_all(&new)?;
            }
            Archive::new(GzDecoder::new(archive)).unpack(&new)?;
            fs::rename(&new, &dir)?;
        }
        let used = File::options().create(true).append(true).open(dir.join("used"))?;
        used.lock_shared()?;
        remove_others(cache, hash)?;
        Ok(Place { dir: dir.clone(), _used: used })
    };
    unpack().map_err(Error::io(format_args!("unpack what this tool carries into {}", dir.display())))
}

/// Removes what other tools have unpacked and nobody uses. The cache is locked.
fn remove_others(cache: &Path, hash: &str) -> io::Result<()> {
    for entry in fs::read_dir(cache)? {
        let entry = entry?;
        let used = File::options().append(true).open(entry.path().join("used"));
        if entry.file_name() != hash && used.is_ok_and(|used| used.try_lock().is_ok()) {
            fs::remove_dir_all(entry.path())?;
        }
    }
    Ok(())
}

/// Builds what an installed tool carries and writes the archive; returns its hash.
///
/// # Errors
/// Whatever keeps it from being built.
pub fn pack(host: &Host, archive: &Path) -> Result<String> {
    let kernel = go::image::get(host)?;
    let read = |path: &Path| fs::read(path).map_err(Error::io(format_args!("read {}", path.display())));
    let files = [
        (ELF, read(&kernel.elf)?),
        (STRIPPED, read(&kernel.stripped)?),
        (WRITER, elf::strip(&read(Writer::get(host)?.program())?)?),
    ];
    let bytes = packed(source_root(), &files).map_err(Error::io("pack what an installed tool carries"))?;
    fs::write(archive, &bytes).map_err(Error::io(format_args!("write {}", archive.display())))?;
    Ok(go::kept::sha256(&bytes)[..16].into())
}

/// The archive of these files and of [`TREE`] in `root`. One and the same for the same contents.
fn packed(root: &Path, files: &[(&str, Vec<u8>)]) -> io::Result<Vec<u8>> {
    let mut builder = Builder::new(GzEncoder::new(Vec::new(), Compression::best()));
    for (name, bytes) in files {
        append(&mut builder, Path::new(name), bytes, 0o755)?;
    }
    let mut left: Vec<PathBuf> = TREE.iter().map(PathBuf::from).collect();
    while let Some(name) = left.pop() {
        let path = root.join(&name);
        if path.is_dir() {
            let mut entries = path.read_dir()?.collect::<io::Result<Vec<_>>>()?;
            entries.sort_by_key(fs::DirEntry::file_name);
            // Python's cache of what gdb has read.
            entries.retain(|entry| entry.file_name() != "__pycache__");
            left.extend(entries.iter().map(|entry| name.join(entry.file_name())));
            continue;
        }
        let mut bytes = Vec::new();
        File::open(&path)?.read_to_end(&mut bytes)?;
        append(&mut builder, &Path::new(TREE_AT).join(name), &bytes, 0o644)?;
    }
    builder.into_inner()?.finish()
}

fn append(builder: &mut Builder<GzEncoder<Vec<u8>>>, name: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let mut header = Header::new_gnu();
    header.set_size(bytes.len() as u64);
    header.set_mode(mode);
    builder.append_data(&mut header, name, bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    struct Cache(PathBuf);

    impl Drop for Cache {
        fn drop(&mut self) {
            // A directory left over in /tmp is no reason to fail.
            _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn archives_are_unpacked_once_and_go_when_nobody_uses_them() {
        let cache = Cache(env::temp_dir().join(format!("gzero-carried-{}", std::process::id())));
        let archive = packed(source_root(), &[(WRITER, b"program".into())]).unwrap();
        assert_eq!(archive, packed(source_root(), &[(WRITER, b"program".into())]).unwrap());
        // As a killed run leaves it.
        fs::create_dir_all(cache.0.join("one.new/tree/rest")).unwrap();
        let place = unpack_to(&cache.0, &archive, "one").unwrap();
        let writer = place.dir.join(WRITER);
        assert_eq!(fs::read(&writer).unwrap(), b"program");
        assert_eq!(fs::metadata(&writer).unwrap().permissions().mode() & 0o777, 0o755);
        for name in ["go/leftout", "go/runtime/gzero.go", "boot/gdb/gzero.py", "boot/debian.sh"] {
            let [packed, own] =
                [place.dir.join(TREE_AT), source_root().into()].map(|dir| fs::read(dir.join(name)));
            assert_eq!(packed.unwrap(), own.unwrap(), "{name}");
        }
        assert!(!place.dir.join("tree/rest").exists());

        fs::write(&writer, "kept").unwrap();
        fs::create_dir(cache.0.join("go")).unwrap();
        let again = unpack_to(&cache.0, &archive, "one").unwrap();
        assert_eq!(fs::read(&writer).unwrap(), b"kept", "unpacked twice");
        drop(place);
        let other = unpack_to(&cache.0, &archive, "two").unwrap();
        assert!(again.dir.exists() && other.dir.exists(), "one is in use");
        drop(again);
        drop(unpack_to(&cache.0, &archive, "two").unwrap());
        assert!(!writer.exists() && other.dir.exists() && cache.0.join("go").exists());
        assert!(unpack_to(&cache.0, b"no archive", "three").is_err());
    }
}
