//! Which of the command line's words are Go's.
//!
//! `qemu-run.sh` has the same rules and refuses what is not there before this tool is built.

use crate::options::Options;
use crate::{Error, Result};
use std::env;
use std::ffi::OsString;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// A Go program, or a command about Go programs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A linked program.
    Elf(PathBuf),
    /// What `go run` takes: `FILE.go…`, a folder or an import path, and arguments.
    Words,
    /// The arguments of `go`.
    Command(Vec<OsString>),
}

/// The subcommands of `go` that need no `go` before them.
const SUBCOMMANDS: [&str; 4] = ["build", "run", "test", "vet"];

/// What of Go's the first word names, if it names anything of Go's:
///
/// - `go` is the user's own go command, as are those of its subcommands that compile and run
///   programs;
/// - a word that ends in `.go` is a file;
/// - an existing folder with a slash in its name, `.` or `..` is a folder of Go files;
/// - an existing file that is an ELF is a linked program;
/// - another word with a slash, not `.rs`, is an import path where there is a module, or if its first element is a domain.
///
/// # Errors
/// [`Error::Usage`] if the file or folder is not there.
pub fn source(options: &Options) -> Result<Option<Source>> {
    let (word, path) = (options.program.as_str(), Path::new(&options.program));
    if options.package.is_some() {
        return Ok(None);
    }
    if word == "go" {
        return Ok(Some(Source::Command(options.args.clone())));
    }
    if SUBCOMMANDS.contains(&word) {
        let subcommand = [OsString::from(word)];
        return Ok(Some(Source::Command(subcommand.into_iter().chain(options.args.clone()).collect())));
    }
    if word.ends_with(".go") {
        return if path.is_file() { Ok(Some(Source::Words)) } else { Err(no("file", word)) };
    }
    if !word.contains('/') && !matches!(word, "." | "..") {
        return Ok(None);
    }
    if path.is_dir() {
        return if has_go_files(path) { Ok(Some(Source::Words)) } else { Err(no("Go files in", word)) };
    }
    if is_elf(path) {
        let path = std::path::absolute(path).map_err(Error::io(format_args!("find {word}")))?;
        return Ok(Some(Source::Elf(path)));
    }
    let import = !path.exists() && !word.ends_with(".rs") && is_import_path(word);
    Ok(import.then_some(Source::Words))
}

/// The word as `go run` understands it: Go takes `cmd/server` for an import path even where it is a folder.
pub fn go_word(word: &str) -> String {
    let is_plain = !word.ends_with(".go") && !word.starts_with(['/', '.']) && Path::new(word).is_dir();
    if is_plain { format!("./{word}") } else { word.into() }
}

fn no(what: &str, word: &str) -> Error {
    Error::Usage(format!("no {what} '{word}'"))
}

fn has_go_files(dir: &Path) -> bool {
    let entries = dir.read_dir().into_iter().flatten().flatten();
    entries.into_iter().any(|entry| entry.path().extension().is_some_and(|extension| extension == "go"))
}

/// Whether a file begins as an ELF does; what cannot be read does not.
pub(super) fn is_elf(path: &Path) -> bool {
    let mut magic = [0; 4];
    let read = |mut file: File| file.read_exact(&mut magic);
    path.is_file() && File::open(path).and_then(read).is_ok() && magic == *b"\x7fELF"
}

fn is_import_path(word: &str) -> bool {
    let domain = word.split('/').next().is_some_and(|first| first.contains('.') && !first.starts_with('.'));
    !word.starts_with(['/', '.']) && (domain || in_module())
}

/// Whether the current directory is in a module or a workspace.
fn in_module() -> bool {
    let here = env::current_dir().unwrap_or_default();
    here.ancestors().any(|dir| ["go.mod", "go.work"].iter().any(|name| dir.join(name).is_file()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn of(word: &str) -> Result<Option<Source>> {
        source(&Options::new(word, &[]))
    }

    #[test]
    fn words_that_are_gos() {
        let dir = env::temp_dir().join(format!("gzero-go-words-{}", std::process::id()));
        fs::create_dir_all(dir.join("cmd/empty")).unwrap();
        fs::write(dir.join("cmd/main.go"), "").unwrap();
        fs::write(dir.join("cmd/elf"), b"\x7fELF\x02").unwrap();
        fs::write(dir.join("cmd/text"), "text").unwrap();
        let at = |name: &str| dir.join(name).to_str().unwrap().to_owned();
        let elf = at("cmd/elf");
        assert_eq!(of("go").unwrap(), Some(Source::Command(vec![])));
        let options = Options::new("test", &["./..."]);
        assert_eq!(source(&options).unwrap(), Some(Source::Command(vec!["test".into(), "./...".into()])));
        assert_eq!(of(&at("cmd/main.go")).unwrap(), Some(Source::Words));
        assert_eq!(of(&at("cmd")).unwrap(), Some(Source::Words));
        assert_eq!(of(&elf).unwrap(), Some(Source::Elf(elf.into())));
        assert_eq!(of("example.com/a/b").unwrap(), Some(Source::Words));
        for not_gos in ["hello", "nosuch", "../nosuch.rs", "./nosuch", "/nosuch", &at("cmd/text")] {
            assert_eq!(of(not_gos).unwrap(), None, "{not_gos}");
        }
        for missing in ["nosuch.go".to_owned(), at("nosuch.go"), at("cmd/empty")] {
            let error = of(&missing).unwrap_err();
            assert!(error.exit_status() == 64 && error.to_string().contains(&missing), "{error}");
        }
        fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn folders_have_a_dot_for_go() {
        // Tests run in `boot`.
        assert_eq!(go_word("src/go"), "./src/go");
        for unchanged in ["./src", "../boot", "/tmp", "main.go", "example.com/x"] {
            assert_eq!(go_word(unchanged), unchanged);
        }
    }
}
