//! A bounded number of images in `target/kernel/images/`, those that were used last.
//!
//! # Problem
//! Every file and every package that is run has an image of its own, 13 MB and as much again in cargo's directory. Programs come
//! and go, those of tests lie in a new folder each time, and nothing ever removes their images. But another run may be using one: QEMU reads it when it
//! starts, and a report reads the debug information when the machine ends, perhaps hours later.
//!
//! # Protocol
//! 1. Who builds an image has the lock of all builds (`kernel::build`), and under it takes a shared lock on the file `used` in the image's
//!    directory and dates it ([`InUse`]). The shared lock is kept as long as the image is in use, and ends with the process if that is killed.
//! 2. Under the lock of all builds too, [`prune`] looks at the images from the one used last on. Beyond [`KEPT`] it removes those of which it gets the
//!    lock alone: nobody uses them, and nobody begins to, for want of the lock of all builds.
//!
//! The images of all programs, of Go programs and of the kernel alone are few and stay.
//!
//! # Rejected
//! An age beyond which images go: it bounds nothing for who runs many programs, and empties the directory of who was away.

use crate::{Error, Result};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{DirEntryExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// How many images of files and packages are kept: more than there are in `programs/`.
pub(crate) const KEPT: usize = 64;

/// An image that is not removed meanwhile.
#[derive(Debug)]
pub(crate) struct InUse {
    /// Has the shared lock.
    _used: File,
}

impl InUse {
    /// Keeps the image in `dir`, which has just been used. To be called with the lock of all builds.
    ///
    /// # Errors
    /// If nothing can be written there.
    pub(crate) fn begin(dir: &Path) -> Result<InUse> {
        let path = dir.join("used");
        let begin = || {
            let used = File::options().create(true).append(true).open(&path)?;
            used.lock_shared()?;
            used.set_modified(SystemTime::now())?;
            Ok(InUse { _used: used })
        };
        begin().map_err(Error::io(format_args!("lock {}", path.display())))
    }
}

/// Removes what was used least recently of the images of files and packages in the directory `images`, and cargo's copies of them in `cargo`, until there
/// are no more than `kept` but for those that are in use. To be called with the lock of all builds.
///
/// # Errors
/// If a directory cannot be read or an image not be removed.
pub(crate) fn prune(images: &Path, cargo: &Path, kept: usize) -> Result<()> {
    let prune = || {
        let mut found = Vec::new();
        for entry in fs::read_dir(images)? {
            let dir = entry?.path();
            let name = dir.file_name().unwrap_or_default().to_string_lossy();
            if name.starts_with("program-") || name.starts_with("crate-") {
                // One that an earlier version of this tool has built has no date: it is the first to go.
                let used = fs::metadata(dir.join("used")).and_then(|used| used.modified());
                found.push((used.unwrap_or(SystemTime::UNIX_EPOCH), dir));
            }
        }
        found.sort_by(|a, b| b.cmp(a));
        found.iter().skip(kept).try_for_each(|(_, dir)| remove(dir, cargo))
    };
    prune().map_err(Error::io(format_args!("remove old images from {}", images.display())))
}

/// Removes an image unless it is in use.
fn remove(dir: &Path, cargo: &Path) -> io::Result<()> {
    let used = File::options().create(true).append(true).open(dir.join("used"))?;
    if used.try_lock().is_err() {
        return Ok(());
    }
    if let Ok(name) = fs::read_to_string(dir.join("linked")) {
        for file in [cargo.join(&name), cargo.join(name + ".d")] {
            match fs::remove_file(file) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
    }
    fs::remove_dir_all(dir)
}

/// Notes in `dir` under which name in `cargo` the file `linked` lies there once more, for [`prune`].
///
/// # Errors
/// If the directories cannot be read or written.
pub(crate) fn note_linked(dir: &Path, linked: &Path, cargo: &Path) -> Result<()> {
    let note = || {
        let inode = fs::metadata(linked)?.ino();
        for entry in fs::read_dir(cargo)? {
            let entry = entry?;
            if entry.ino() == inode {
                return fs::write(dir.join("linked"), entry.file_name().as_encoded_bytes());
            }
        }
        Ok(())
    };
    note().map_err(Error::io(format_args!("look for {} in {}", linked.display(), cargo.display())))
}

/// Where cargo keeps what it has linked, one for each package, below the kernel's build in `output`.
pub(crate) fn cargo_links(output: &Path) -> PathBuf {
    output.join("x86_64-target/release/deps")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    /// A directory of images, gone afterwards.
    struct Images(PathBuf);

    impl Images {
        fn new(name: &str) -> Images {
            let dir = std::env::temp_dir().join(format!("gzero-images-{name}-{}", std::process::id()));
            fs::create_dir_all(dir.join("cargo")).unwrap();
            Images(dir)
        }

        /// Makes an image that was used so many minutes ago, with its file in cargo's directory.
        fn add(&self, name: &str, minutes: u64) -> InUse {
            let (dir, linked) = (self.0.join(name), self.0.join("linked"));
            fs::create_dir_all(&dir).unwrap();
            fs::write(self.0.join("cargo").join(format!("{name}-1")), "").unwrap();
            fs::write(self.0.join("cargo").join(format!("{name}-1.d")), "").unwrap();
            fs::hard_link(self.0.join("cargo").join(format!("{name}-1")), &linked).unwrap();
            note_linked(&dir, &linked, &self.0.join("cargo")).unwrap();
            fs::remove_file(linked).unwrap();
            let used = InUse::begin(&dir).unwrap();
            used._used.set_modified(SystemTime::now() - Duration::from_secs(60 * minutes)).unwrap();
            used
        }

        fn pruned(&self, kept: usize) -> Vec<String> {
            prune(&self.0, &self.0.join("cargo"), kept).unwrap();
            let mut names: Vec<String> = fs::read_dir(&self.0)
                .unwrap()
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .filter(|name| name != "cargo")
                .collect();
            names.sort();
            for name in &names {
                assert!(self.0.join("cargo").join(format!("{name}-1")).exists(), "{name}");
            }
            assert_eq!(fs::read_dir(self.0.join("cargo")).unwrap().count(), 2 * names.len());
            names
        }
    }

    impl Drop for Images {
        fn drop(&mut self) {
            fs::remove_dir_all(&self.0).unwrap();
        }
    }

    #[test]
    fn images_used_last_are_kept() {
        let images = Images::new("last");
        for (name, minutes) in [("program-a", 1), ("program-b", 9), ("crate-c", 2), ("kernel-tests", 99)] {
            drop(images.add(name, minutes));
        }
        assert_eq!(images.pruned(3), ["crate-c", "kernel-tests", "program-a", "program-b"]);
        assert_eq!(images.pruned(2), ["crate-c", "kernel-tests", "program-a"]);
        // Used again, it is no more the one to go.
        drop(InUse::begin(&images.0.join("crate-c")).unwrap());
        assert_eq!(images.pruned(1), ["crate-c", "kernel-tests"]);
    }

    #[test]
    fn an_image_in_use_stays() {
        let images = Images::new("used");
        let (old, older) = (images.add("program-a", 5), images.add("program-b", 9));
        let other_run = InUse::begin(&images.0.join("program-b")).unwrap();
        other_run._used.set_modified(SystemTime::UNIX_EPOCH).unwrap();
        drop(images.add("program-c", 1));
        assert_eq!(images.pruned(0), ["program-a", "program-b"]);
        drop((old, older));
        assert_eq!(images.pruned(0), ["program-b"]);
        drop(other_run);
        assert!(images.pruned(0).is_empty());
    }
}
