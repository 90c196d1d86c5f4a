//! Building the kernel.
//!
//! It has a target directory of its own, so that its build does not wait for the lock of the `cargo` that may be
//! running this tool (`cargo run`, `cargo test`).

use crate::code::Code;
use crate::moved::start_anew_if_moved;
use crate::toolchain::Toolchain;
use crate::{Error, Result, elf, output_dir, source_root};
use std::fs::{self, File};
use std::io::{IsTerminal, stderr};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::SystemTime;

/// Which kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    /// With the programs.
    Programs,
    /// With the in-kernel tests and the program `kernel_tests` too.
    Tests,
}

/// A built kernel.
#[derive(Clone, Debug)]
pub struct Kernel {
    /// With debug information, for gdb.
    pub elf: PathBuf,
    /// The same without, to boot.
    pub stripped: PathBuf,
}

impl Kernel {
    /// The kernel's code, to say where addresses are.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn code(&self) -> Result<Code> {
        Code::read(&self.elf)
    }
}

/// Builds the kernel, or finds that nothing has changed since the last time (a fifth of a second).
///
/// # Errors
/// The compiler's messages, if it has any to refuse with.
pub fn build(toolchain: &Toolchain, variant: Variant) -> Result<Kernel> {
    let dir = output_dir();
    fs::create_dir_all(&dir).map_err(Error::io(format_args!("create {}", dir.display())))?;
    // Both variants come out of cargo under one name: until it is copied, nobody else may build.
    let lock = dir.join("lock");
    let lock = File::create(&lock).map_err(Error::io(format_args!("create {}", lock.display())))?;
    lock.lock().map_err(Error::io("lock the kernel's build"))?;
    start_anew_if_moved(&dir, source_root())?;

    let name = match variant {
        Variant::Programs => "gzero",
        Variant::Tests => "gzero-tests",
    };
    let kernel = Kernel { elf: dir.join(name).with_extension("elf"), stripped: dir.join(name) };
    if !kernel.elf.exists() && stderr().is_terminal() {
        eprintln!("gzero: building the kernel for the first time takes a minute or two");
    }
    compile(toolchain, variant, &dir)?;

    let linked = dir.join("x86_64-target/release/kernel");
    let linked_at = modified(&linked)?;
    if modified(&kernel.stripped).is_ok_and(|made| made == linked_at) {
        return Ok(kernel);
    }
    let mut image = read(&linked)?;
    elf::patch_symbols(&mut image)?;
    let stripped = elf::strip(&image)?;
    write(&kernel.elf, &image)?;
    write(&kernel.stripped, &stripped)?;
    // The sign that this was made of that.
    File::options()
        .append(true)
        .open(&kernel.stripped)
        .and_then(|file| file.set_modified(linked_at))
        .map_err(Error::io(format_args!("date {}", kernel.stripped.display())))?;
    Ok(kernel)
}

fn compile(toolchain: &Toolchain, variant: Variant, dir: &Path) -> Result<()> {
    let mut cargo = toolchain.cargo();
    cargo
        .current_dir(source_root())
        .args(["build", "--release", "-p", "kernel", "--target", "x86_64-target.json", "--color=never"])
        .args(["-Zjson-target-spec", "-Zbuild-std=core,alloc,compiler_builtins"])
        .arg("-Zbuild-std-features=compiler-builtins-mem")
        .arg("--target-dir")
        .arg(dir)
        .stdin(Stdio::null());
    if variant == Variant::Tests {
        cargo.args(["--features", "kernel-tests"]);
    }
    let output = cargo.output().map_err(Error::io("run cargo for the kernel"))?;
    if output.status.success() {
        return Ok(());
    }
    let messages = String::from_utf8_lossy(&output.stderr);
    Err(Error::Failed(format!("{messages}the kernel cannot be built ({})", toolchain.bin.display())))
}

fn modified(path: &Path) -> Result<SystemTime> {
    path.metadata().and_then(|m| m.modified()).map_err(Error::io(format_args!("look at {}", path.display())))
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).map_err(Error::io(format_args!("read {}", path.display())))
}

/// Replaces a file at once: a QEMU that is starting has the old one or the new one.
fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let new = path.with_extension("new");
    fs::write(&new, bytes)
        .and_then(|()| fs::rename(&new, path))
        .map_err(Error::io(format_args!("write {}", path.display())))
}
