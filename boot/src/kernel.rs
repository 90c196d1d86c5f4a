//! Building images: the kernel with programs.
//!
//! It has a target directory of its own, so that its build does not wait for the lock of the `cargo` that may be
//! running this tool (`cargo run`, `cargo test`).

use crate::code::Code;
use crate::elf::Entry;
use crate::images::{self, InUse};
use crate::moved::start_anew_if_moved;
use crate::toolchain::Toolchain;
use crate::{Error, Result, elf, output_dir, source_root};
use std::fs::{self, File};
use std::io::{IsTerminal, stderr};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::SystemTime;

pub use crate::program::Variant;

/// A built image: the kernel and what was linked with it.
#[derive(Clone, Debug)]
pub struct Kernel {
    /// With debug information, for gdb.
    pub elf: PathBuf,
    /// The same without, to boot.
    pub stripped: PathBuf,
    /// The programs in it.
    pub programs: Vec<Entry>,
    /// Keeps the files there.
    _in_use: Option<Arc<InUse>>,
}

impl Kernel {
    /// An image that was built before and is never removed, without programs of its own.
    pub(crate) fn that_stays(elf: PathBuf, stripped: PathBuf) -> Kernel {
        Kernel { elf, stripped, programs: Vec::new(), _in_use: None }
    }

    /// The kernel's code, to say where addresses are.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn code(&self) -> Result<Code> {
        Code::read(&self.elf)
    }
}

/// Builds an image, or finds that nothing has changed since the last time (a fifth of a second).
///
/// # Errors
/// The compiler's messages are on stderr if it refuses.
pub fn build(toolchain: &Toolchain, variant: &Variant) -> Result<Kernel> {
    let output = output_dir();
    fs::create_dir_all(&output).map_err(Error::io(format_args!("create {}", output.display())))?;
    // Two images may come out of cargo under one name: until it is copied, nobody else may build.
    let lock = output.join("lock");
    let lock = File::create(&lock).map_err(Error::io(format_args!("create {}", lock.display())))?;
    lock.lock().map_err(Error::io("lock the kernel's build"))?;
    start_anew_if_moved(&output, source_root())?;

    variant.write_package()?;
    let dir = variant.directory();
    let (elf, stripped) = (dir.join("gzero.elf"), dir.join("gzero"));
    if !output.join("x86_64-target").exists() && stderr().is_terminal() {
        eprintln!("gzero: building the kernel for the first time takes a minute or two");
    }
    let in_use = Arc::new(InUse::begin(&dir)?);
    let cargo_links = images::cargo_links(&output);
    images::prune(&output.join("images"), &cargo_links, images::KEPT)?;
    compile(toolchain, variant, &output)?;

    let linked = output.join("x86_64-target/release").join(variant.name());
    let linked_at = modified(&linked)?;
    if modified(&stripped).is_ok_and(|made| made == linked_at) {
        let programs = elf::programs(&read(&stripped)?)?;
        return Ok(Kernel { elf, stripped, programs, _in_use: Some(in_use) });
    }
    images::note_linked(&dir, &linked, &cargo_links)?;
    let mut image = read(&linked)?;
    elf::patch_tables(&mut image)?;
    let loaded = elf::strip(&image)?;
    let programs = elf::programs(&loaded)?;
    write(&elf, &elf::without_relocations(&image)?)?;
    write(&stripped, &loaded)?;
    // The sign that this was made of that.
    File::options()
        .append(true)
        .open(&stripped)
        .and_then(|file| file.set_modified(linked_at))
        .map_err(Error::io(format_args!("date {}", stripped.display())))?;
    Ok(Kernel { elf, stripped, programs, _in_use: Some(in_use) })
}

/// What the linker is told.
///
/// Optimisation across crates is the linker's (ThinLTO): rustc leaves LLVM's bitcode in the libraries, lld imports from each unit what others are to
/// inline, compiles the units in parallel and keeps the results. So an edited program costs its own unit, and is as
/// fast as with `lto = "fat"` in the profile, which compiles the whole image again for each edit.
///
/// The limits are the sizes of functions that are imported. LLVM's own, 100 instructions and 0.7 of that at each further level, are too low
/// for the allocator's fast path, which is two levels below `__rust_alloc`.
fn linker_flags(output: &Path) -> [String; 7] {
    [
        format!("--thinlto-cache-dir={}", output.join("thinlto").display()),
        "-mllvm=-import-instr-limit=200".into(),
        "-mllvm=-import-instr-evolution-factor=1.0".into(),
        format!("-T{}", source_root().join("kernel/kernel.ld").display()),
        "--eh-frame-hdr".into(),
        "--no-relax".into(),
        "--emit-relocs".into(),
    ]
}

fn compile(toolchain: &Toolchain, variant: &Variant, output: &Path) -> Result<()> {
    let color = if stderr().is_terminal() { "always" } else { "never" };
    let mut cargo = toolchain.cargo();
    cargo
        .current_dir(source_root())
        // Of all packages only the user's has warnings, which are printed; with `-q` nothing else is.
        .args(["rustc", "-q", "--release", "--target", "x86_64-target.json", "--color", color])
        .args(["--config", "kernel/cargo-config.toml"])
        .arg("--manifest-path")
        .arg(variant.directory().join("Cargo.toml"))
        .arg("--target-dir")
        .arg(output)
        .args(["--bin", &variant.name(), "--"])
        .args(linker_flags(output).map(|flag| format!("-Clink-arg={flag}")))
        .env("RUSTFLAGS", "-Clinker-plugin-lto")
        .stdin(Stdio::null())
        .stdout(Stdio::null());
    let status = cargo.status().map_err(Error::io("run cargo for the kernel"))?;
    if status.success() { Ok(()) } else { Err(variant.not_built()) }
}

fn modified(path: &Path) -> Result<SystemTime> {
    path.metadata().and_then(|m| m.modified()).map_err(Error::io(format_args!("look at {}", path.display())))
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).map_err(Error::io(format_args!("read {}", path.display())))
}

/// Writes a file unless it has these contents already; says whether it had not.
pub(crate) fn write_if_changed(path: &Path, text: &str) -> Result<bool> {
    let changed = fs::read_to_string(path).ok().as_deref() != Some(text);
    if changed {
        write(path, text.as_bytes())?;
    }
    Ok(changed)
}

/// Replaces a file at once: a QEMU that is starting has the old one or the new one.
fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    fs::write(&new, bytes)
        .and_then(|()| fs::rename(&new, path))
        .map_err(Error::io(format_args!("write {}", path.display())))
}
