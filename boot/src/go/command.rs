//! The user's `go` with the Go half: where its words are put among the user's, and what is refused.

use super::handover::{self, Taken};
use super::toolchain::Toolchain;
use super::{image, overlay, words};
use crate::command_line::program_words;
use crate::guest::RunDir;
use crate::host::Host;
use crate::options::{BootProtocol, Options};
use crate::run::Prelude;
use crate::{Error, Result, output, source_root};
use std::env;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The subcommands that compile, and so know `-overlay`.
const COMPILES: [&str; 6] = ["build", "install", "list", "run", "test", "vet"];

/// Those of them that run programs, and so know `-exec`.
const RUNS: [&str; 2] = ["run", "test"];

/// What Go's own libraries for Linux processes do, as its flags are named.
const SANITIZERS: [&str; 3] = ["race", "msan", "asan"];

/// A Go and the overlay for it.
#[derive(Debug)]
pub struct Go {
    toolchain: Toolchain,
    overlay: PathBuf,
}

impl Go {
    /// The Go that fits, with the Go half of this tree.
    ///
    /// # Errors
    /// [`Error::Missing`] if there is none and none can be had.
    pub fn get(host: &Host) -> Result<Go> {
        let toolchain = Toolchain::get(host)?;
        let overlay = overlay::write(host, &toolchain, &source_root().join("go"))?;
        Ok(Go { toolchain, overlay })
    }

    /// Has `go run` build the program that the options' words name, and takes it; or `go run`'s exit status, if it built none. It has said why.
    ///
    /// # Errors
    /// If `go` cannot be run.
    pub fn take(&self, options: &Options, dir: &RunDir) -> Result<std::result::Result<Taken, u8>> {
        let mut go = self.toolchain.go();
        go.arg("run").args(self.flags(Some(&handover::order_take(dir)?)));
        go.args(debug_flags(options, &[]));
        go.arg(words::go_word(&options.program)).args(&options.args).stdin(Stdio::null());
        let status = status(&mut go)?;
        match handover::taken(dir)? {
            Some(taken) if status == 0 => Ok(Ok(taken)),
            _ => Ok(Err(status)),
        }
    }

    /// What builds a program into `elf` from `go build`'s words for it.
    pub fn build<W: AsRef<OsStr>>(&self, words: impl IntoIterator<Item = W>, elf: &Path) -> Command {
        let mut go = self.make(&["build"], elf);
        go.args(words);
        go
    }

    /// What builds the program of a package's tests into `elf`, as `go test` with these flags does but for its `vet`.
    pub fn build_test(&self, package: &str, flags: &[&str], elf: &Path) -> Command {
        let mut go = self.make(&["test", "-c", "-vet=off"], elf);
        go.args(flags).arg(package);
        go
    }

    fn make(&self, how: &[&str], elf: &Path) -> Command {
        let mut go = self.toolchain.go();
        go.args(how).args(self.flags(None)).arg("-o").arg(elf).stdin(Stdio::null());
        go
    }

    /// Runs `go` with the user's words, to its exit status.
    ///
    /// # Errors
    /// [`Error::Usage`] for flags that programs here cannot have.
    pub fn command(&self, host: &Host, options: &Options, words: &[OsString]) -> Result<Option<u8>> {
        let mut go = self.toolchain.go();
        let (place, subcommand) = place(words);
        let flags = flags(subcommand, &words[place..]);
        if let Some(word) = flags.iter().find(|word| is_sanitizer(word)) {
            return Err(Error::Usage(format!(
                "{}: Go's detectors are built for Linux processes and cannot run here",
                word.display()
            )));
        }
        if !COMPILES.contains(&subcommand) {
            return status(go.args(words)).map(Some);
        }
        if flags.iter().any(|word| is_flag(word, "overlay")) {
            return Err(Error::Usage(
                "-overlay is how the Go half gets in: a program can have no other".into(),
            ));
        }
        let (before, after) = words.split_at(place);
        if subcommand == "build"
            && let Some((image, after)) = without_image(folder(before), after)
        {
            return self.build_image(host, options, before, &after, &image).map(Some);
        }
        let for_reports = RUNS.contains(&subcommand) && (options.gdb || options.timeout.is_some());
        let debug = if for_reports { debug_flags(options, flags) } else { Vec::new() };
        // Removed when `go` has ended.
        let prelude;
        let mut exec = None;
        if RUNS.contains(&subcommand) {
            prelude = Prelude::new(host, options)?;
            exec = Some(handover::order_boot(prelude.dir(), options, &image::get(host)?)?);
        }
        go.args(before).args(self.flags(exec.as_deref())).args(debug).args(after);
        status(&mut go).map(Some)
    }

    /// Has `go build` build the program that `words` name, and writes it into `image`, to `go`'s
    /// exit status.
    fn build_image(
        &self,
        host: &Host,
        options: &Options,
        before: &[OsString],
        words: &[OsString],
        image: &Path,
    ) -> Result<u8> {
        let dir = RunDir::new()?;
        let elf = dir.files().dir.join("program");
        let mut go = self.toolchain.go();
        go.args(before).args(self.flags(None)).arg("-o").arg(&elf).args(words);
        let status = status(&mut go)?;
        if status != 0 {
            return Ok(status);
        }
        if !words::is_elf(&elf) {
            return Err(Error::Usage(format!(
                "{}: an image has one program, and go built none or several",
                image.display()
            )));
        }
        let name = image.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let options = Options { program: name, args: Vec::new(), ..options.for_image() };
        let is_disk = image.extension().is_some_and(|extension| extension == "img");
        let protocol = if is_disk && options.protocol == BootProtocol::Pvh {
            BootProtocol::Bios
        } else {
            options.protocol
        };
        output::write_go(host, protocol, &elf, &program_words(&super::named(&options)), &dir, image)?;
        Ok(0)
    }

    fn flags(&self, exec: Option<&OsStr>) -> Vec<OsString> {
        let flag = |name: &str, value: &OsStr| {
            let mut flag = OsString::from(name);
            flag.push(value);
            flag
        };
        let exec = exec.map(|exec| flag("-exec=", exec));
        [flag("-overlay=", self.overlay.as_os_str())].into_iter().chain(exec).collect()
    }
}

/// The subcommand among `go`'s words, and where its flags begin. `-C DIR` has to be the first, before the subcommand or behind it.
fn place(words: &[OsString]) -> (usize, &str) {
    let skip_directory = |at: usize| match words.get(at).map(|word| word.as_bytes()) {
        Some(b"-C" | b"--C") => at + 2,
        Some(word) if word.starts_with(b"-C=") || word.starts_with(b"--C=") => at + 1,
        _ => at,
    };
    let at = skip_directory(0);
    let subcommand = words.get(at).and_then(|word| word.to_str()).unwrap_or_default();
    (skip_directory(at + 1).min(words.len()), subcommand)
}

/// Those of the words behind a subcommand that may be flags of `go`'s: not a program's arguments, nor what follows what may be the
/// program's name.
fn flags<'a>(subcommand: &str, words: &'a [OsString]) -> &'a [OsString] {
    let end = words.iter().position(|word| match subcommand {
        "run" => !word.as_bytes().starts_with(b"-"),
        "test" => is_flag(word, "args"),
        _ => false,
    });
    &words[..end.unwrap_or(words.len())]
}

/// The flags by which `go run` and `go test` keep the names and lines that reports and gdb ask for,
/// which they leave out by themselves; and with `-gdb` the named packages are compiled as they are
/// written, all variables in memory and no call inlined. What the user says to compiler or linker,
/// by `words` or by GOFLAGS, is not replaced.
fn debug_flags(options: &Options, words: &[OsString]) -> Vec<&'static str> {
    let of_go = env::var("GOFLAGS").unwrap_or_default();
    let is_said = |name: &str| {
        let said = |word: &str| is_flag(word.as_ref(), name);
        of_go.split_whitespace().any(said) || words.iter().any(|word| is_flag(word, name))
    };
    let linker = (!is_said("ldflags")).then_some("-ldflags=-s=false -w=false");
    let as_written = if options.gdb { "-gcflags=-dwarf -N -l" } else { "-gcflags=-dwarf" };
    let compiler = (!is_said("gcflags")).then_some(as_written);
    linker.into_iter().chain(compiler).collect()
}

/// The folder that `go` works in, by the words up to the subcommand's flags: `-C`'s, or the current one.
fn folder(before: &[OsString]) -> &Path {
    let at = before.iter().position(|word| is_flag(word, "C"));
    let value = at.and_then(|at| match before[at].as_bytes().splitn(2, |&byte| byte == b'=').nth(1) {
        Some(value) => Some(OsStr::from_bytes(value)),
        None => before.get(at + 1).map(OsString::as_os_str),
    });
    Path::new(value.unwrap_or_default())
}

/// The file that `go build`'s words name behind `-o`, from `folder` on, if it is to be an image, by
/// the end of its name, and the words without that.
fn without_image(folder: &Path, words: &[OsString]) -> Option<(PathBuf, Vec<OsString>)> {
    let at = words.iter().position(|word| is_flag(word, "o"))?;
    let flag = words[at].as_bytes();
    let (value, end) = match flag.iter().position(|&byte| byte == b'=') {
        Some(equals) => (OsStr::from_bytes(&flag[equals + 1..]), at + 1),
        None => (words.get(at + 1)?.as_os_str(), at + 2),
    };
    let path = std::path::absolute(folder.join(value)).ok()?;
    let is_image = path.extension().is_some_and(|extension| extension == "img" || extension == "elf");
    (is_image && !path.is_dir()).then(|| (path, [&words[..at], &words[end..]].concat()))
}

/// Whether a word is the flag `name`, with a value or without.
fn is_flag(word: &OsStr, name: &str) -> bool {
    let word = word.as_bytes();
    let flag = word.strip_prefix(b"--").or_else(|| word.strip_prefix(b"-")).unwrap_or_default();
    flag.strip_prefix(name.as_bytes()).is_some_and(|rest| rest.is_empty() || rest.starts_with(b"="))
}

fn is_sanitizer(word: &OsString) -> bool {
    !word.as_bytes().ends_with(b"=false") && SANITIZERS.iter().any(|name| is_flag(word, name))
}

/// Runs a command to its exit status, which for a signal is that of a shell.
fn status(command: &mut Command) -> Result<u8> {
    let status = command.status().map_err(Error::io("run go"))?;
    let code = status.code().or(status.signal().map(|signal| 128 + signal)).unwrap_or(1);
    Ok(code as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<OsString> {
        line.split_whitespace().map(OsString::from).collect()
    }

    #[test]
    fn flags_go_behind_the_subcommand() {
        for (line, want) in [
            ("", (0, "")),
            ("version", (1, "version")),
            ("test -v ./...", (1, "test")),
            ("-C dir build .", (3, "build")),
            ("-C=dir build -x", (2, "build")),
            ("run -C dir . -C x", (3, "run")),
            ("run --C=dir .", (2, "run")),
            ("-C", (1, "")),
            ("run -C", (2, "run")),
        ] {
            assert_eq!(place(&words(line)), want, "{line}");
        }
    }

    #[test]
    fn an_image_is_known_by_its_name() {
        let without = |line: &str| {
            without_image(Path::new(""), &words(line)).map(|(path, left)| (path, left.join("|".as_ref())))
        };
        for line in ["-x -o /a/b.img .", "-x -o=/a/b.img .", "-x --o=/a/b.img ."] {
            assert_eq!(without(line), Some(("/a/b.img".into(), "-x|.".into())), "{line}");
        }
        assert_eq!(without("-o b.elf"), Some((std::path::absolute("b.elf").unwrap(), "".into())));
        for before in ["-C /a build", "build -C /a", "build --C=/a", "-C=/a build"] {
            let (path, _) = without_image(folder(&words(before)), &words("-o b/c.img .")).unwrap();
            assert_eq!(path, Path::new("/a/b/c.img"), "{before}");
        }
        for line in ["-o b .", "-x . -o", ".", "-o=img"] {
            assert_eq!(without(line), None, "{line}");
        }
    }

    #[test]
    fn the_users_flags_count() {
        let options = Options { gdb: true, ..Options::new("x", &[]) };
        assert_eq!(debug_flags(&options, &words("-v -gcflags=-m")), ["-ldflags=-s=false -w=false"]);
        assert_eq!(debug_flags(&options, &words("--ldflags -s")), ["-gcflags=-dwarf -N -l"]);
        assert_eq!(debug_flags(&Options::new("x", &[]), &[])[1], "-gcflags=-dwarf");
    }

    #[test]
    fn arguments_are_no_flags() {
        for (subcommand, line, want) in [
            ("run", "-x . -race", "-x"),
            ("test", "-x . -race -args -overlay", "-x . -race"),
            ("build", "-x . -race", "-x . -race"),
        ] {
            assert_eq!(flags(subcommand, &words(line)), words(want), "{subcommand} {line}");
        }
    }

    #[test]
    fn flags_are_recognised() {
        for (word, is) in
            [("-overlay", true), ("--overlay=x", true), ("-overlays", false), ("overlay", false)]
        {
            assert_eq!(is_flag(word.as_ref(), "overlay"), is, "{word}");
        }
        for (word, is) in [("-race", true), ("--race=true", true), ("-race=false", false), ("race", false)] {
            assert_eq!(is_sanitizer(&word.into()), is, "{word}");
        }
    }
}
