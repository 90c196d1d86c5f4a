//! Go programs: the user's own `go` command, with the Go half of this runtime in place of the operating part of Go's.
//!
//! The problem: what a word of the command line means (a file, a folder, an import path), which files belong to a program, where its arguments begin, what is
//! said of a wrong one and with which status is Go's to say, and it changes from release to release. So nothing of it is done here:
//!
//! 1. [`words`]: the first word tells Rust's programs from Go's.
//! 2. [`toolchain`]: a Go of the one release that the Go half (`go/` at the top of the tree) was written for, fetched if need be.
//! 3. [`overlay`]: the Go half as a file for `go build -overlay`. It is made once for each Go, which must be one that the
//!    half was written for ([`kept`]).
//! 4. [`command`]: the user's words go to `go` as they are, with `-overlay` among them.
//! 5. [`handover`]: `go run` and `go test` end in running a program, by `-exec`: with this tool, which for `go run` and `go test` starts the machine. For
//!    `FILE.go`, `DIR` and `IMPORTPATH` it only takes the program away from a `go run`, and the machine starts when that has ended, since
//!    `go run` does not pass a program's exit status on.
//! 6. [`image`]: the kernel, one for all Go programs.
//!
//! Rejected: `go build -o` for those. It builds packages that are no programs, wants the files apart from the arguments, and an output
//! file that runs beside each other would share; `go run` keeps the linked program in Go's cache.

pub mod command;
pub mod handover;
pub mod image;
pub mod kept;
pub mod overlay;
pub mod toolchain;
pub mod words;

pub use words::Source;

use handover::Taken;

use crate::guest::RunDir;
use crate::host::Host;
use crate::kernel::Kernel;
use crate::options::{BootProtocol, Options};
use crate::output::disk_of_run;
use crate::run::Prelude;
use crate::{Error, Result};
use std::env;
use std::path::Path;

/// The program of the kernel's image that runs Go programs; its first argument is Go's own name.
pub const PROGRAM: &str = "go";

/// Runs a Go program or the user's `go` command, to an exit status as [`crate::run::run`] has it.
///
/// # Errors
/// Whatever keeps it from starting.
pub fn run(host: &Host, options: &Options, source: Source) -> Result<Option<u8>> {
    if let Source::Command(words) = &source {
        return command::Go::get(host)?.command(host, options, words);
    }
    let prelude = Prelude::new(host, options)?;
    let taken = match linked(host, options, source, prelude.dir())? {
        Ok(taken) => taken,
        Err(status) => return Ok(Some(status)),
    };
    let options = Options { args: taken.args, ..options.clone() };
    boot(host, &options, prelude, &image::get(host)?, &taken.elf)
}

/// The linked program that the options name, with its arguments; or `go`'s exit status, if it built
/// none. `dir` is for what is built.
///
/// # Errors
/// If `go` cannot be run.
pub(crate) fn linked(
    host: &Host,
    options: &Options,
    source: Source,
    dir: &RunDir,
) -> Result<std::result::Result<Taken, u8>> {
    match source {
        Source::Elf(elf) => Ok(Ok(Taken { elf, args: options.args.clone() })),
        _ => command::Go::get(host)?.take(options, dir),
    }
}

/// Starts the machine with a linked Go program. `options` has the program's name and arguments, as Go sees them.
pub(crate) fn boot(
    host: &Host,
    options: &Options,
    prelude: Prelude,
    kernel: &Kernel,
    elf: &Path,
) -> Result<Option<u8>> {
    let told = told(options)?;
    if options.protocol == BootProtocol::Pvh {
        return prelude.boot(host, &told, kernel, &kernel.stripped, Some(elf));
    }
    let disk = disk_of_run(host, options.protocol, kernel, elf, prelude.dir())?;
    prelude.boot(host, &told, kernel, &disk, Some(elf))
}

/// What the kernel is told for a Go program that is run here: its own program, whose arguments are
/// the Go program's, and the current directory.
///
/// # Errors
/// If that is more than a program can be told.
pub fn told(options: &Options) -> Result<Options> {
    let mut told = named(options);
    // The library asks it before the system.
    if told.env.iter().all(|(name, _)| name != "PWD") {
        let here = env::current_dir().map_err(Error::io("find the current directory"))?;
        told.env.push(("PWD".into(), here.into()));
    }
    told.check_size()?;
    Ok(told)
}

/// The same without the directory, which is this machine's.
pub(crate) fn named(options: &Options) -> Options {
    let mut named = options.clone();
    named.args.insert(0, std::mem::replace(&mut named.program, PROGRAM.into()).into());
    named
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn go_programs_know_their_name_and_place() {
        let mut options = Options::new("./cmd/server", &["-addr", ":80"]);
        let told_ = told(&options).unwrap();
        assert_eq!(told_.program, "go");
        assert_eq!(told_.args, ["./cmd/server", "-addr", ":80"]);
        assert_eq!(named(&options).args, told_.args);
        assert_eq!(named(&options).env, []);
        let here = env::current_dir().unwrap();
        assert_eq!(told_.env, [("PWD".to_owned(), here.into())]);
        options.env.push(("PWD".into(), "/elsewhere".into()));
        assert_eq!(told(&options).unwrap().env, options.env, "the user's own counts");
    }
}
