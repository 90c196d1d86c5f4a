//! Host tool: finds a toolchain, builds the kernel, writes disk images and runs programs in QEMU.
//!
//! `qemu-run.sh` runs the binary; the tests in `boot/tests/` use the library. In the order in which a run needs them:
//!
//! - [`options`]: what the user asked for; [`command_line`]: what of it the kernel is told.
//! - [`host`], [`packages`], [`toolchain`]: what this machine has, and getting what it lacks.
//! - [`program`]: what is linked with the kernel; [`kernel`]: the build; `images`: how many are kept;
//!   [`moved`]: a checkout that was copied; [`elf`], [`symbols`] and [`relocations`]: what happens to
//!   the ELF after the link; [`image`]: BIOS and UEFI disks; [`payload`] and [`output`]: images
//!   with a program in them.
//! - [`trial`]: whether QEMU has the machine; [`machine`]: QEMU's arguments; [`lifetime`]: its end with ours; [`guest`]: a running QEMU; [`streams`]: its output; [`control`]: its input and exit status; [`monitor`] and [`report`]: what it did when it did not end well.
//! - [`carried`]: what an installed tool has in place of a checkout.
//! - [`go`]: Go programs and the user's `go` command.
//! - [`code`] and [`traceback`]: file and line for the addresses in reports, the guest's and this tool's.
//! - [`gdb`]: waiting for a debugger; [`run`]: one run from its options to its exit status; [`console`]: its streams.
//! - [`transcript`]: what the tests inside the kernel say.

pub mod carried;
pub mod code;
pub mod command_line;
pub mod console;
pub mod control;
pub mod elf;
pub mod gdb;
pub mod go;
pub mod guest;
pub mod help;
pub mod host;
pub mod image;
mod images;
pub mod kernel;
pub mod lifetime;
pub mod machine;
pub mod monitor;
pub mod moved;
pub mod options;
pub mod output;
pub mod packages;
pub mod payload;
pub mod program;
pub mod relocations;
pub mod report;
pub mod run;
pub mod streams;
pub mod symbols;
pub mod toolchain;
pub mod traceback;
pub mod transcript;
pub mod trial;

use std::env;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// Why a run came to nothing; displayed as whole lines for stderr.
#[derive(Debug)]
pub enum Error {
    /// An option or a value that makes no sense.
    Usage(String),
    /// Something must be installed on this machine first.
    Missing(String),
    /// Anything else: a build that failed, a file that cannot be written, a machine that does not start.
    Failed(String),
}

impl Error {
    /// An I/O error with what was being done: `what` completes "cannot …".
    pub fn io(what: impl fmt::Display) -> impl FnOnce(io::Error) -> Error {
        move |error| Error::Failed(format!("cannot {what}: {error}"))
    }

    /// The exit status that stands for this error, of BSD's `sysexits.h`.
    pub fn exit_status(&self) -> u8 {
        match self {
            Error::Usage(_) => 64,
            Error::Missing(_) => 69,
            Error::Failed(_) => 70,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Error::Usage(text) | Error::Missing(text) | Error::Failed(text)) = self;
        f.write_str(text)
    }
}

impl std::error::Error for Error {}

/// What functions of this crate return.
pub type Result<T> = std::result::Result<T, Error>;

/// The top of the source tree; of an installed tool, what of it that [carries](carried).
///
/// It is looked for at run time, since a checkout may be copied or moved with its `target`, and cargo then runs what was built in
/// the old place: the tree of the package that cargo runs, else that of this program, else that of the current directory.
///
/// # Panics
/// If none of them lies in a checkout.
pub fn source_root() -> &'static Path {
    static ROOT: OnceLock<PathBuf> = OnceLock::new();
    if let Some(tree) = carried::tree() {
        return tree;
    }
    ROOT.get_or_init(|| {
        let cargo = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
        let places = [cargo, env::current_exe().ok(), env::current_dir().ok()];
        places.iter().flatten().find_map(|place| tree_of(place)).unwrap_or_else(|| {
            panic!("no checkout of Gzero around any of {places:?}: run ./qemu-run.sh of a checkout")
        })
    })
}

/// The checkout that `place` lies in.
fn tree_of(place: &Path) -> Option<PathBuf> {
    let is_top = |dir: &&Path| dir.join("qemu-run.sh").exists() && dir.join("boot/Cargo.toml").exists();
    place.ancestors().find(is_top).map(Path::to_owned)
}

/// Where everything that is built goes: `CARGO_TARGET_DIR`, else `target` at the top of the source
/// tree; an installed tool's folder in the user's cache.
pub fn target_dir() -> PathBuf {
    if let Some(dir) = carried::made() {
        return dir.into();
    }
    match env::var_os("CARGO_TARGET_DIR") {
        Some(dir) => std::path::absolute(&dir).unwrap_or_else(|_| dir.into()),
        None => source_root().join("target"),
    }
}

/// Where the kernel is built and what is made of it lies.
pub fn output_dir() -> PathBuf {
    target_dir().join("kernel")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    /// From any depth of it, and of the copy if one checkout lies in another.
    #[test]
    fn the_tree_around_a_place() {
        let top = env::temp_dir().join(format!("gzero-tree-{}", std::process::id()));
        let copy = top.join("target/copy");
        for dir in [&top, &copy] {
            fs::create_dir_all(dir.join("boot/src")).unwrap();
            fs::write(dir.join("qemu-run.sh"), "").unwrap();
            fs::write(dir.join("boot/Cargo.toml"), "").unwrap();
        }
        assert_eq!(tree_of(&top.join("boot/src")), Some(top.clone()));
        assert_eq!(tree_of(&copy.join("target/debug/boot")), Some(copy));
        assert_eq!(tree_of(Path::new("/")), None);
        fs::remove_dir_all(top).unwrap();
    }
}
