//! Pages that are made from the sources.

use boot::source_root;
use std::{env, fs};

/// Compares a page with what it should be, or writes it if `GZERO_WRITE_DOCS` is set.
///
/// # Panics
/// If they differ.
pub fn compare(page: &str, text: &str) {
    let path = source_root().join(page);
    if env::var_os("GZERO_WRITE_DOCS").is_some() {
        fs::write(&path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
    let there = fs::read_to_string(&path).unwrap_or_default();
    assert!(there == text, "{page} is old: GZERO_WRITE_DOCS=1 cargo test -p boot --test house");
}
