//! Waiting for gdb: a free port and a command file.

use crate::elf::malformed;
use crate::kernel::Kernel;
use crate::{Error, Result, source_root, target_dir};
use object::Object;
use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// The port to wait at: gdb's usual 1234, or the next one that is free.
///
/// # Errors
/// If none of the next thousand is.
pub fn free_port() -> Result<u16> {
    let free = |port: &u16| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok();
    (1234..2234).find(free).ok_or_else(|| Error::Failed("no port from 1234 to 2233 is free for gdb".into()))
}

/// Writes the file of commands with which gdb attaches to a machine waiting at `port`. `program` is
/// the file of the Go program that it runs.
///
/// The Go program's code is not there before the kernel has loaded it, so its machine goes on to
/// the program's entry.
///
/// Go's linker names a script for gdb in each program, which reads the goroutines of Go's own
/// scheduler; gdb is kept from it.
///
/// The machine stands at its reset vector. The kernel's page tables are not there yet, so a software breakpoint could
/// not be written to the kernel's addresses, and the code that it would be written to may not even be loaded (BIOS and
/// UEFI load it much later). A hardware breakpoint compares addresses and needs nothing; at `kernel_main` code and tables
/// are there, and from then on breakpoints of any kind work.
///
/// # Errors
/// If it cannot be written.
pub fn write_commands(kernel: &Kernel, program: Option<&Path>, port: u16) -> Result<PathBuf> {
    let dir = target_dir().join("gdb");
    let path = dir.join(format!("gzero-{port}.gdb"));
    let (mut symbols, mut go_on) = (String::new(), String::new());
    if let Some(elf) = program {
        let bytes = fs::read(elf).map_err(Error::io(format_args!("read {}", elf.display())))?;
        let entry = object::File::parse(&*bytes).map_err(malformed)?.entry();
        symbols = format!("set auto-load python-scripts off\nadd-symbol-file \"{}\"\n", elf.display());
        go_on = format!("# The Go program is loaded at its entry.\nthbreak *{entry:#x}\ncontinue\n");
    }
    let commands = format!(
        "# Attaches to the machine that ./qemu-run.sh -gdb started: gdb -x {path}\n\
         set confirm off\n\
         set pagination off\n\
         set architecture i386:x86-64\n\
         file {elf}\n\
         {symbols}\
         # info goroutines, goroutine N bt, info ms, info ps, info timers; how channels, Vec and String are printed.\n\
         source {commands}\n\
         directory {source}\n\
         target remote 127.0.0.1:{port}\n\
         # Before this point only hardware breakpoints can be set (hbreak).\n\
         thbreak kernel_main\n\
         continue\n\
         {go_on}",
        path = path.display(),
        elf = kernel.elf.display(),
        commands = source_root().join("boot/gdb/gzero.py").display(),
        source = source_root().display(),
    );
    fs::create_dir_all(&dir)
        .and_then(|()| fs::write(&path, commands))
        .map_err(Error::io(format_args!("write {}", path.display())))?;
    // Front ends want the program's file by a name that does not change (.vscode/launch.json).
    let link = path.with_extension("elf");
    _ = fs::remove_file(&link);
    symlink(&kernel.elf, &link).map_err(Error::io(format_args!("link {}", link.display())))?;
    Ok(path)
}
