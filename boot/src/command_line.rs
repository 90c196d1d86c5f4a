//! What the kernel is told (`kernel/src/loader/cmdline.rs` reads it), in two parts:
//!
//! - the command line: the kernel's own options, `[-v] [-nokaslr] [console=ttyS2]`;
//! - the program's words: its environment, its name and its arguments, `[NAME=VALUE …] PROGRAM [ARGS…]`, each with a NUL behind it, since NUL is
//!   the only byte that none of them can have. They go by a file (QEMU's fw_cfg), which bears any byte and any length.

use crate::options::{BootProtocol, Options};
use std::os::unix::ffi::OsStrExt;

/// Bytes of the program's words at most, each counted with one more for its end. The kernel reads no more.
pub const MAX_WORDS: usize = 1 << 20;

/// The kernel's own options.
pub fn kernel_options(options: &Options) -> String {
    let mut words = Vec::new();
    if options.verbose {
        words.push("-v");
    }
    // gdb knows the addresses that are in the ELF, and with virtual time each run is to repeat.
    if options.gdb || options.icount {
        words.push("-nokaslr");
    }
    if options.protocol == BootProtocol::Uefi {
        // OVMF itself writes to COM1 and COM2.
        words.push("console=ttyS2");
    }
    words.join(" ")
}

/// The program's words.
pub fn program_words(options: &Options) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, value) in &options.env {
        bytes.extend([name.as_bytes(), b"=", value.as_bytes(), b"\0"].concat());
    }
    bytes.extend([options.program.as_bytes(), b"\0"].concat());
    for arg in &options.args {
        bytes.extend([arg.as_bytes(), b"\0"].concat());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsStr;

    #[test]
    fn words_are_bytes_with_ends() {
        let mut options = Options::new("echo", &["", "a b", "c=d\n"]);
        options.args.push(OsStr::from_bytes(b"\xff").into());
        options.env = vec![("A".into(), "two words".into()), ("X".into(), "".into())];
        assert_eq!(program_words(&options), b"A=two words\0X=\0echo\0\0a b\0c=d\n\0\xff\0");
    }

    #[test]
    fn options_of_the_kernel() {
        let mut options = Options::new("echo", &["-v"]);
        assert_eq!(kernel_options(&options), "");
        (options.verbose, options.protocol) = (true, BootProtocol::Uefi);
        assert_eq!(kernel_options(&options), "-v console=ttyS2");
        for (gdb, icount) in [(true, false), (false, true)] {
            (options.gdb, options.icount) = (gdb, icount);
            assert_eq!(kernel_options(&options), "-v -nokaslr console=ttyS2");
        }
    }
}
