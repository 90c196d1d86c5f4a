//! BIOS and UEFI disk images of the kernel.
//!
//! The `bootloader` crate writes them. Its build script builds five programs with a toolchain like the kernel's and takes
//! minutes, so it is used by a package of its own, `boot/image`, that is built when the first image is asked for.

use crate::host::Host;
use crate::kernel::Kernel;
use crate::options::BootProtocol;
use crate::toolchain::{Toolchain, path_with};
use crate::{Error, Result, carried, output_dir, source_root};
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{IsTerminal, stderr};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The disk image for `protocol`; written again only if the kernel or `boot/image` has changed.
///
/// # Errors
/// [`Error::Missing`] for LLVM's tools, or the compiler's messages.
///
/// # Panics
/// For [`BootProtocol::Pvh`], which has no image.
pub fn build(host: &Host, toolchain: &Toolchain, kernel: &Kernel, protocol: BootProtocol) -> Result<PathBuf> {
    let lock = output_dir().join("image-lock");
    let lock = File::create(&lock).map_err(Error::io(format_args!("create {}", lock.display())))?;
    lock.lock().map_err(Error::io("lock the images"))?;

    let kind = kind(protocol);
    let image = kernel.stripped.with_extension(format!("{kind}.img"));
    let stamp = kernel.stripped.with_extension(format!("{kind}.stamp"));
    let contents = contents(kernel)?;
    if image.exists() && fs::read_to_string(&stamp).is_ok_and(|of| of == contents) {
        return Ok(image);
    }
    // Until the new image is whole there is none.
    _ = fs::remove_file(&stamp);
    Writer::build(host, toolchain)?.write(protocol, &kernel.stripped, &image)?;
    fs::write(&stamp, contents).map_err(Error::io(format_args!("write {}", stamp.display())))?;
    Ok(image)
}

fn kind(protocol: BootProtocol) -> &'static str {
    match protocol {
        BootProtocol::Pvh => panic!("a PVH start needs no image"),
        BootProtocol::Bios => "bios",
        BootProtocol::Uefi => "uefi",
    }
}

/// Tells whether an image is one of this kernel, written by this `boot/image`.
fn contents(kernel: &Kernel) -> Result<String> {
    let package = source_root().join("boot/image");
    let mut hasher = DefaultHasher::new();
    for path in [
        kernel.stripped.clone(),
        package.join("Cargo.toml"),
        package.join("Cargo.lock"),
        package.join("src/main.rs"),
    ] {
        let bytes = fs::read(&path).map_err(Error::io(format_args!("read {}", path.display())))?;
        bytes.hash(&mut hasher);
    }
    Ok(format!("{:016x}\n", hasher.finish()))
}

/// What writes disk images: the program of `boot/image`.
#[derive(Debug)]
pub struct Writer(PathBuf);

impl Writer {
    /// Builds it, if it has to be built.
    ///
    /// # Errors
    /// As of [`build`].
    pub fn get(host: &Host) -> Result<Writer> {
        match carried::writer() {
            Some(program) => Ok(Writer(program)),
            None => Writer::build(host, &Toolchain::get(host)?),
        }
    }

    /// Its file.
    pub fn program(&self) -> &Path {
        &self.0
    }

    /// Writes the disk image that has `protocol` boot the ELF `kernel`.
    ///
    /// # Errors
    /// If it cannot be written.
    ///
    /// # Panics
    /// For [`BootProtocol::Pvh`], which has no image.
    pub fn write(&self, protocol: BootProtocol, kernel: &Path, image: &Path) -> Result<()> {
        let output = Command::new(&self.0)
            .arg(kind(protocol))
            .args([kernel, image])
            .stdin(Stdio::null())
            .output()
            .map_err(Error::io("write a disk image"))?;
        if output.status.success() {
            return Ok(());
        }
        Err(Error::Failed(String::from_utf8_lossy(&output.stderr).trim_end().to_owned()))
    }

    fn build(host: &Host, toolchain: &Toolchain) -> Result<Writer> {
        let target = output_dir().join("image");
        let program = target.join("debug/image");
        if !program.exists() && stderr().is_terminal() {
            eprintln!("gzero: building the boot loader for the first time takes some minutes");
        }
        let output = toolchain
            .cargo()
            .env("PATH", path_with(&toolchain.bin_with_llvm(host)?))
            .current_dir(source_root().join("boot/image"))
            .args(["build", "--locked", "--color=never"])
            // Not by CARGO_TARGET_DIR: the build script's own cargos would wait for ever for the
            // lock that this one holds.
            .arg("--target-dir")
            .arg(&target)
            .stdin(Stdio::null())
            .output()
            .map_err(Error::io("run cargo for boot/image"))?;
        if output.status.success() {
            return Ok(Writer(program));
        }
        Err(Error::Failed(format!(
            "{}the boot loader cannot be built ({})",
            String::from_utf8_lossy(&output.stderr),
            toolchain.bin.display()
        )))
    }
}
