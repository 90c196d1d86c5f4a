//! A checkout that was copied or moved together with its `target`.
//!
//! What was built there names files of the old place: build scripts wrote the paths of the programs
//! and of the boot loader's parts. Cargo does not see that, its fingerprints are relative to the
//! workspace; so the old place's programs would run, or nothing if it is gone. The build starts
//! anew where the place differs from the one that is noted beside it.

use crate::{Error, Result};
use std::fs;
use std::path::Path;

/// Empties `dir`, which has what was built, if that was built from another tree than `root`. The
/// caller has locked it.
///
/// # Errors
/// If it cannot be emptied, or the note cannot be written.
pub fn start_anew_if_moved(dir: &Path, root: &Path) -> Result<()> {
    let note = dir.join("built-from");
    let root = root.as_os_str().as_encoded_bytes();
    match fs::read(&note) {
        Ok(noted) if noted == root => return Ok(()),
        Ok(_) => empty(dir).map_err(Error::io(format_args!("empty {}", dir.display())))?,
        // A new directory.
        Err(_) => {}
    }
    fs::write(&note, root).map_err(Error::io(format_args!("write {}", note.display())))
}

/// Removes all but the locks, which other runs may be waiting for.
fn empty(dir: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            fs::remove_dir_all(&path)?;
        } else if !path.ends_with("lock") && !path.ends_with("image-lock") {
            fs::remove_file(&path)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_another_tree_built_goes() {
        let dir = std::env::temp_dir().join(format!("gzero-moved-{}", std::process::id()));
        fs::create_dir_all(dir.join("release")).unwrap();
        let made = ["lock", "gzero", "release/kernel"].map(|name| dir.join(name));
        let there = || made.each_ref().map(|path| path.exists());
        made.iter().for_each(|path| fs::write(path, "").unwrap());
        start_anew_if_moved(&dir, Path::new("/old")).unwrap();
        start_anew_if_moved(&dir, Path::new("/old")).unwrap();
        assert_eq!(there(), [true, true, true], "of this tree");
        start_anew_if_moved(&dir, Path::new("/new")).unwrap();
        assert_eq!(there(), [true, false, false], "of another tree");
        fs::remove_dir_all(dir).unwrap();
    }
}
