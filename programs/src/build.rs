//! Makes a module of every `programs/*.rs`, so that a new program is one file and no edit elsewhere.

use std::{env, fs, path::Path};

fn main() {
    let dir = env::var("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR");
    println!("cargo:rerun-if-changed={dir}");
    let mut files: Vec<_> = fs::read_dir(&dir)
        .expect("the package's own directory")
        .map(|e| e.expect("a directory entry").path())
        .filter(|p| p.extension().is_some_and(|x| x == "rs"))
        .collect();
    files.sort();
    let mut out = String::new();
    for f in files {
        let name = f.file_stem().expect("a file name").to_str().expect("a UTF-8 file name");
        out += &format!("#[path = {f:?}]\nmod {name};\n");
    }
    let to = Path::new(&env::var("OUT_DIR").expect("cargo sets OUT_DIR")).join("programs.rs");
    fs::write(to, out).expect("OUT_DIR is writable");
}
