//! What `go run` and `go test` do with a program that they have built: they run `-exec`'s command, here
//! `gzero -go-exec FOLDER PROGRAM [ARGS…]`, in a folder of their choice, perhaps several at a time.
//!
//! The folder is one of the run that started `go`. Its file `order` says what is to be done with the program:
//!
//! - `take`: the program, which `go run` removes when it ends, is copied into the folder, with its arguments;
//! - `boot`: it is run, on the machine of the options that follow, by the kernel that follows: it is built once, by the run that started `go`.
//!
//! Rejected: the options as words of `-exec`. Go splits that into words by rules in which not every word can be said. The order's words end
//! with NULs.

use crate::guest::RunDir;
use crate::host::Host;
use crate::kernel::Kernel;
use crate::options::Options;
use crate::run::Prelude;
use crate::{Error, Result};
use std::env;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// The option by which this tool is told that `go` runs it.
pub const OPTION: &str = "-go-exec";

/// A program taken from `go run`.
#[derive(Debug)]
pub struct Taken {
    /// Its file, in the run's folder.
    pub elf: PathBuf,
    /// Its arguments.
    pub args: Vec<OsString>,
}

/// What `-exec` says, having ordered the program to be taken.
///
/// # Errors
/// If the order cannot be written.
pub fn order_take(dir: &RunDir) -> Result<OsString> {
    write(&order(&dir.files().dir), ["take".into()])?;
    exec(&dir.files().dir)
}

/// What `-exec` says, having ordered each program to be run by `kernel` as `options` say.
///
/// # Errors
/// If the order cannot be written.
pub fn order_boot(dir: &RunDir, options: &Options, kernel: &Kernel) -> Result<OsString> {
    let files = [&kernel.elf, &kernel.stripped].map(|path| OsString::from(path.as_os_str()));
    let words = ["boot".into()].into_iter().chain(files).chain(options.words());
    write(&order(&dir.files().dir), words)?;
    exec(&dir.files().dir)
}

/// What `go run` left in the folder; nothing if it ran no program.
///
/// # Errors
/// If it cannot be read.
pub fn taken(dir: &RunDir) -> Result<Option<Taken>> {
    let dir = &dir.files().dir;
    if !args(dir).exists() {
        return Ok(None);
    }
    Ok(Some(Taken { elf: elf(dir), args: read(&args(dir))? }))
}

/// Does what the order in the folder says, being run by `go` with the folder, the program and its arguments.
///
/// # Errors
/// Whatever keeps the program from starting.
pub fn execute(host: &Host, words: &[OsString]) -> Result<Option<u8>> {
    let [dir, program, arguments @ ..] = words else {
        return Err(Error::Usage(format!("{OPTION} takes a folder and a program")));
    };
    let dir = Path::new(dir);
    let order = read(&order(dir))?;
    match order.iter().map(OsString::as_os_str).collect::<Vec<_>>()[..] {
        [word] if word == "take" => take(dir, Path::new(program), arguments).map(|()| Some(0)),
        [word, elf, stripped, ref options @ ..] if word == "boot" => {
            let kernel = Kernel::that_stays(elf.into(), stripped.into());
            // `--`: the program's path is no option, whatever it begins with.
            let words = options.iter().map(OsString::from).chain(["--".into(), program.clone()]);
            let options = Options::parse(words.chain(arguments.iter().cloned()), [])?;
            let prelude = Prelude::new(host, &options)?;
            super::boot(host, &options, prelude, &kernel, Path::new(program))
        }
        _ => Err(Error::Failed(format!("{}: no order that this tool gives", dir.display()))),
    }
}

fn take(dir: &Path, program: &Path, arguments: &[OsString]) -> Result<()> {
    fs::copy(program, elf(dir)).map_err(Error::io(format_args!("copy {}", program.display())))?;
    // The sign that the program is there.
    write(&args(dir), arguments.iter().cloned())
}

fn order(dir: &Path) -> PathBuf {
    dir.join("order")
}

fn elf(dir: &Path) -> PathBuf {
    dir.join("program")
}

fn args(dir: &Path) -> PathBuf {
    dir.join("arguments")
}

/// `-exec`'s value: words between blanks, between quotes of either kind where they have blanks. Go
/// (`cmd/internal/quoted`) knows no escapes, so it does not understand quoting for a shell, which is
/// what crates offer.
fn exec(dir: &Path) -> Result<OsString> {
    let tool = env::current_exe().map_err(Error::io("find this tool"))?;
    let mut value = quoted(tool.as_os_str())?;
    value.push(format!(" {OPTION} "));
    value.push(quoted(dir.as_os_str())?);
    Ok(value)
}

fn quoted(word: &OsStr) -> Result<OsString> {
    let bytes = word.as_bytes();
    let Some(&quote) = b"'\"".iter().find(|quote| !bytes.contains(quote)) else {
        return Err(Error::Failed(format!(
            "{} has both kinds of quotes in its name, which go's -exec cannot say: rename a folder of it",
            word.display()
        )));
    };
    Ok(OsString::from_vec([&[quote], bytes, &[quote]].concat()))
}

fn write(path: &Path, words: impl IntoIterator<Item = OsString>) -> Result<()> {
    let bytes: Vec<u8> = words.into_iter().flat_map(|word| [word.as_bytes(), b"\0"].concat()).collect();
    fs::write(path, bytes).map_err(Error::io(format_args!("write {}", path.display())))
}

fn read(path: &Path) -> Result<Vec<OsString>> {
    let bytes = fs::read(path).map_err(Error::io(format_args!("read {}", path.display())))?;
    let words = bytes.split_inclusive(|&byte| byte == 0);
    Ok(words.map(|word| OsString::from_vec(word.strip_suffix(b"\0").unwrap_or(word).into())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_taken_with_its_arguments() {
        let dir = RunDir::new().unwrap();
        let value = order_take(&dir).unwrap();
        assert!(value.to_str().unwrap().contains(" -go-exec '/"), "{value:?}");
        assert!(taken(&dir).unwrap().is_none(), "nothing was run yet");
        let program = dir.files().dir.join("built by go");
        fs::write(&program, "an ELF").unwrap();
        let args = [&b"-v"[..], b"", b"\xff\n"].map(|arg| OsString::from_vec(arg.into()));
        let words = [dir.files().dir.clone().into(), program.into()].into_iter().chain(args.clone());
        let words: Vec<OsString> = words.collect();
        assert_eq!(execute(&Host::current(), &words).unwrap(), Some(0));
        let taken = taken(&dir).unwrap().unwrap();
        assert_eq!(fs::read(taken.elf).unwrap(), b"an ELF");
        assert_eq!(taken.args, args);
    }

    #[test]
    fn words_are_quoted_for_go() {
        assert_eq!(quoted("a b".as_ref()).unwrap(), "'a b'");
        assert_eq!(quoted("it's".as_ref()).unwrap(), "\"it's\"");
        assert!(quoted("'\"".as_ref()).unwrap_err().to_string().contains("both kinds of quotes"));
    }

    #[test]
    fn wrong_orders_are_refused() {
        let dir = RunDir::new().unwrap();
        let words = [dir.files().dir.clone().into(), "x".into()];
        assert!(execute(&Host::current(), &words).is_err(), "no order");
        write(&order(&dir.files().dir), ["dance".into()]).unwrap();
        let error = execute(&Host::current(), &words).unwrap_err();
        assert!(error.to_string().contains("no order"), "{error}");
        assert_eq!(execute(&Host::current(), &words[..1]).unwrap_err().exit_status(), 64);
    }
}
