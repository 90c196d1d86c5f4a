//! `-o FILE`: the program is written into an image of its own, with its words, and no machine is
//! started.

use crate::command_line::program_words;
use crate::go::words::{self, Source};
use crate::guest::RunDir;
use crate::host::Host;
use crate::image::Writer;
use crate::kernel::{self, Kernel};
use crate::options::{BootProtocol, Options};
use crate::payload::Payload;
use crate::toolchain::Toolchain;
use crate::{Error, Result, elf, go};
use std::fs;
use std::path::{Path, PathBuf};

/// Writes the image of the program that the options name to `output`, to 0 or, where Go refuses the
/// program, to `go`'s exit status.
///
/// # Errors
/// Whatever keeps it from being built or written.
pub fn write(host: &Host, options: &Options, output: &Path) -> Result<u8> {
    let dir = RunDir::new()?;
    match words::source(options)? {
        Some(Source::Command(_)) => Err(Error::Usage(
            "-o stands before a program; for the go command it is behind the subcommand: go build -o FILE"
                .into(),
        )),
        Some(source) => {
            let taken = match go::linked(host, options, source, &dir)? {
                Ok(taken) => taken,
                Err(status) => return Ok(status),
            };
            let words = program_words(&go::named(&Options { args: taken.args, ..options.for_image() }));
            write_go(host, options.protocol, &taken.elf, &words, &dir, output)?;
            Ok(0)
        }
        None => {
            let variant = options.variant()?;
            let kernel = kernel::build(&Toolchain::get(host)?, &variant)?;
            let program = variant.choose(&kernel.programs, &options.program)?;
            let words = program_words(&Options { program, ..options.for_image() });
            let payload = Payload { program: &[], words: &words };
            write_image(host, options.protocol, &kernel, payload, &dir, output)?;
            Ok(0)
        }
    }
}

/// Writes the image of the linked Go program `elf` with these words to `output`.
///
/// # Errors
/// Whatever keeps it from being built or written.
pub fn write_go(
    host: &Host,
    protocol: BootProtocol,
    elf: &Path,
    words: &[u8],
    dir: &RunDir,
    output: &Path,
) -> Result<()> {
    let program = fs::read(elf).map_err(Error::io(format_args!("read {}", elf.display())))?;
    let program = elf::strip(&program)?;
    let payload = Payload { program: &program, words };
    write_image(host, protocol, &go::image::get(host)?, payload, dir, output)
}

/// Writes `kernel` with this behind it to `output`, all of it or nothing.
fn write_image(
    host: &Host,
    protocol: BootProtocol,
    kernel: &Kernel,
    payload: Payload<'_>,
    dir: &RunDir,
    output: &Path,
) -> Result<()> {
    let name = output.file_name().unwrap_or_default();
    let mut new_name = name.to_owned();
    new_name.push(".new");
    let new = output.with_file_name(new_name);
    let stripped = &kernel.stripped;
    let image = fs::read(stripped).map_err(Error::io(format_args!("read {}", stripped.display())))?;
    let image = payload.behind(&image)?;
    let written = match protocol {
        BootProtocol::Pvh => {
            fs::write(&new, image).map_err(Error::io(format_args!("write {}", output.display())))
        }
        BootProtocol::Bios | BootProtocol::Uefi => write_disk(host, protocol, &image, dir, &new),
    };
    let renamed = written.and_then(|()| {
        fs::rename(&new, output).map_err(Error::io(format_args!("write {}", output.display())))
    });
    if renamed.is_err() {
        // Perhaps it was never there.
        _ = fs::remove_file(&new);
    }
    renamed
}

/// Writes the disk image of a run of the linked Go program `elf`, whose words the machine gets from
/// outside, and returns where it is.
///
/// # Errors
/// Whatever keeps it from being written.
pub fn disk_of_run(
    host: &Host,
    protocol: BootProtocol,
    kernel: &Kernel,
    elf: &Path,
    dir: &RunDir,
) -> Result<PathBuf> {
    let disk = dir.files().dir.join("disk.img");
    let read = |path: &Path| fs::read(path).map_err(Error::io(format_args!("read {}", path.display())));
    let payload = Payload { program: &elf::strip(&read(elf)?)?, words: &[] };
    write_disk(host, protocol, &payload.behind(&read(&kernel.stripped)?)?, dir, &disk)?;
    Ok(disk)
}

fn write_disk(host: &Host, protocol: BootProtocol, image: &[u8], dir: &RunDir, output: &Path) -> Result<()> {
    let kernel = dir.files().dir.join("kernel");
    fs::write(&kernel, image).map_err(Error::io(format_args!("write {}", kernel.display())))?;
    Writer::get(host)?.write(protocol, &kernel, output)
}
