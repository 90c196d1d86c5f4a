//! Of the tool that `cargo install` installs: it carries what it takes from the checkout
//! ([`boot::carried`]), which this has the tool of the checkout pack.
//!
//! That is a build in the profile `release`. The checkout's own tool, which `qemu-run.sh` and the
//! tests build in `dev`, carries nothing and takes all from around it. The inner cargo is in `dev`
//! too, so it does not wait for the lock that the outer one holds.

use std::env;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// What the archive is made from, beside this package.
const SOURCES: [&str; 6] = ["Cargo.lock", "Cargo.toml", "go", "kernel", "runtime", "x86_64-target.json"];

fn main() {
    println!("cargo:rustc-check-cfg=cfg(carries)");
    println!("cargo:rerun-if-env-changed=PROFILE");
    println!("cargo:rerun-if-changed=build.rs");
    if env::var("PROFILE").as_deref() != Ok("release") {
        return;
    }
    for source in SOURCES {
        println!("cargo:rerun-if-changed=../{source}");
    }
    for own in ["src", "gdb", "image", "debian.sh", "debian-run.sh"] {
        println!("cargo:rerun-if-changed={own}");
    }
    let variable = |name| env::var_os(name).map(PathBuf::from).expect("cargo sets it");
    let archive = variable("OUT_DIR").join("carried.tar.gz");
    let manifest = variable("CARGO_MANIFEST_DIR").join("Cargo.toml");
    let output = Command::new(variable("CARGO"))
        .args(["run", "-q", "--locked", "--manifest-path"])
        .arg(manifest)
        .args(["--", "-carry"])
        .arg(archive)
        // This build's flags are for this build.
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .stderr(Stdio::inherit())
        .output()
        .expect("cargo runs");
    assert!(output.status.success(), "what the tool carries cannot be built");
    println!("cargo:rustc-cfg=carries");
    println!("cargo:rustc-env=GZERO_CARRIED={}", String::from_utf8_lossy(&output.stdout).trim());
}
