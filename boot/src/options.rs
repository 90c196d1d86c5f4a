//! What the user asked for: `[-smp N] [-m SIZE] [-boot PROTOCOL] … PROGRAM [ARGS…]`.
//!
//! `qemu-run.sh` has the same options and refuses wrong values in words of their own before this crate is even built.
//! What is wrong here was typed into `cargo run`, so that one wording serves for all values.

use crate::command_line::{MAX_WORDS, program_words};
use crate::program::Variant;
use crate::{Error, Result, carried, source_root};
use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::num::NonZero;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

/// How the kernel is started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BootProtocol {
    /// The ELF itself by QEMU's `-kernel`.
    Pvh,
    /// A disk image for SeaBIOS.
    Bios,
    /// A disk image for OVMF.
    Uefi,
}

/// One run of one program.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Number of cores, 1 to 64.
    pub smp: u32,
    /// Memory in QEMU's form.
    pub memory: String,
    /// How the kernel is started.
    pub protocol: BootProtocol,
    /// The processor in QEMU's form: a model and perhaps properties.
    pub cpu: String,
    /// The machine in QEMU's form: `q35`, `pc` or `microvm`, and perhaps properties.
    pub machine: String,
    /// The program's environment, each name once.
    pub env: Vec<(String, OsString)>,
    /// What of it is not this machine's: an image has only that.
    pub own_env: Vec<(String, OsString)>,
    /// Wait for gdb.
    pub gdb: bool,
    /// Virtual time that counts instructions.
    pub icount: bool,
    /// When to end the machine.
    pub timeout: Option<Duration>,
    /// Print the boot log too.
    pub verbose: bool,
    /// The program: its name in `programs/`, or the path of its file.
    pub program: String,
    /// A cargo package with the program, in place of that.
    pub package: Option<PathBuf>,
    /// The program's arguments.
    pub args: Vec<OsString>,
    /// Where an image with the program is written; no machine is started then.
    pub output: Option<PathBuf>,
}

/// The processor unless told: all that the accelerator can do.
pub const DEFAULT_CPU: &str = "max";

/// The machine unless told.
pub const DEFAULT_MACHINE: &str = "q35";

/// The program that is the kernel's own, and in every image.
const KERNELS_PROGRAM: &str = "tlb_bench";

/// The options about a machine, which with `-o` there is none of.
const OF_MACHINE: [&str; 8] = ["-smp", "-m", "-cpu", "-machine", "-gdb", "-icount", "-timeout", "-v"];

/// The most cores that the kernel starts.
pub const MAX_CORES: u32 = 64;

impl Options {
    /// A run of `program` with the defaults: as many cores as this machine has, 512 MiB.
    pub fn new(program: &str, args: &[&str]) -> Options {
        let cores = thread::available_parallelism().map_or(1, NonZero::get);
        Options {
            smp: u32::try_from(cores).unwrap_or(MAX_CORES).min(MAX_CORES),
            memory: "512M".into(),
            protocol: BootProtocol::Pvh,
            cpu: DEFAULT_CPU.into(),
            machine: DEFAULT_MACHINE.into(),
            env: Vec::new(),
            own_env: Vec::new(),
            gdb: false,
            icount: false,
            timeout: None,
            verbose: false,
            program: program.into(),
            package: None,
            args: args.iter().map(|&a| a.into()).collect(),
            output: None,
        }
    }

    /// Reads a command line, without the name of this tool, and takes over what of the `host`'s environment is the program's: variables
    /// whose names begin with `GO`, as a Go process on the host would see them. Of settings of one name the last counts, `-e` more than the host's.
    ///
    /// # Errors
    /// [`Error::Usage`] naming the word that is unknown or has a wrong value, or if there is too much for a program.
    /// Whether QEMU has the processor and the machine is for [`trial`](crate::trial) to find out.
    pub fn parse(
        words: impl IntoIterator<Item = OsString>,
        host: impl IntoIterator<Item = (OsString, OsString)>,
    ) -> Result<Options> {
        let mut options = Options::new("", &[]);
        let mut settings = Vec::new();
        let mut protocol_said = None;
        // The first option about a machine.
        let mut of_machine = None;
        let mut words = words.into_iter();
        let mut ended = false;
        while let Some(word) = words.next() {
            let option = word.to_str().filter(|_| !ended).unwrap_or_default();
            if OF_MACHINE.contains(&option) && of_machine.is_none() {
                of_machine = Some(option.to_owned());
            }
            match option {
                "--" => ended = true,
                "-smp" => options.smp = value(&word, &mut words, text(cores))?,
                "-m" => options.memory = value(&word, &mut words, text(memory))?,
                "-boot" => protocol_said = Some(value(&word, &mut words, text(protocol))?),
                "-o" => options.output = Some(value(&word, &mut words, output)?),
                "-cpu" => options.cpu = value(&word, &mut words, text(cpu))?,
                "-machine" => options.machine = value(&word, &mut words, text(machine))?,
                "-e" => settings.push(value(&word, &mut words, setting)?),
                "-timeout" => options.timeout = Some(value(&word, &mut words, text(seconds))?),
                "-gdb" => options.gdb = true,
                "-icount" => options.icount = true,
                "-v" => options.verbose = true,
                "-crate" => {
                    options.package = Some(value(&word, &mut words, |dir| Some(dir.into()))?);
                    break;
                }
                _ if !ended && word.as_bytes().starts_with(b"-") => {
                    return Err(Error::Usage(format!("unknown option '{}'", word.display())));
                }
                _ => {
                    options.program = word
                        .into_string()
                        .map_err(|word| Error::Usage(format!("no program '{}'", word.display())))?;
                    break;
                }
            }
        }
        if options.program.is_empty() && options.package.is_none() {
            return Err(Error::Usage("no program named".into()));
        }
        options.args = words.collect();
        options.own_env = environment([], settings.clone());
        options.env = environment(host, settings);
        options.protocol = protocol_said.unwrap_or(options.usual_protocol());
        options.check_machine()?;
        if let Some(option) = of_machine.filter(|_| options.output.is_some()) {
            return Err(Error::Usage(format!(
                "-o writes an image and starts no machine, which {option} is for"
            )));
        }
        options.check_size()?;
        Ok(options)
    }

    /// What is to be built: a word with a slash or with `.rs` at its end is a file, any other the name of one in `programs/`, or of a program
    /// that the kernel has.
    ///
    /// # Errors
    /// [`Error::Usage`] if that is not there.
    pub fn variant(&self) -> Result<Variant> {
        if carried::is_installed() {
            let program = self.package.as_ref().map_or(self.program.clone(), |dir| dir.display().to_string());
            return Err(Error::Usage(format!(
                "no Go program '{program}'; programs in Rust are built by ./qemu-run.sh in a checkout of Gzero"
            )));
        }
        if let Some(dir) = &self.package {
            let is_package = |dir: &Path| dir.join("Cargo.toml").is_file();
            return Ok(Variant::Crate(existing(dir, is_package, "package")?));
        }
        if self.program == KERNELS_PROGRAM {
            return Ok(Variant::Programs);
        }
        let is_path = self.program.contains('/') || self.program.ends_with(".rs");
        let path = match is_path {
            true => PathBuf::from(&self.program),
            false => source_root().join("programs").join(&self.program).with_added_extension("rs"),
        };
        if !is_path && !path.exists() {
            return Ok(Variant::Kernel);
        }
        Ok(Variant::File(existing(&path, Path::is_file, "program")?))
    }

    /// How the kernel starts unless told: a file of this name is known as a disk, as QEMU's
    /// `-drive` and writers of USB sticks want it.
    fn usual_protocol(&self) -> BootProtocol {
        let is_disk = |path: &Path| path.extension().is_some_and(|extension| extension == "img");
        if self.output.as_deref().is_some_and(is_disk) { BootProtocol::Bios } else { BootProtocol::Pvh }
    }

    fn check_machine(&self) -> Result<()> {
        if self.protocol == BootProtocol::Pvh || machine_type(&self.machine) != "microvm" {
            return Ok(());
        }
        let protocol = format!("{:?}", self.protocol).to_lowercase();
        Err(Error::Usage(format!("-machine microvm starts with -boot pvh only, not '{protocol}'")))
    }

    /// Refuses more than a program can be told.
    pub(crate) fn check_size(&self) -> Result<()> {
        match program_words(self).len() {
            0..=MAX_WORDS => Ok(()),
            n => Err(Error::Usage(format!(
                "the program's arguments and environment have {n} bytes, more than {MAX_WORDS}: pass large data by its input"
            ))),
        }
    }
}

/// The variables of `host` whose names begin with `GO`, and `settings` over them: each name once,
/// where it first came, with its last value.
fn environment(
    host: impl IntoIterator<Item = (OsString, OsString)>,
    settings: Vec<(String, OsString)>,
) -> Vec<(String, OsString)> {
    let of_host = host.into_iter().filter_map(|(name, value)| {
        let name = name.into_string().ok().filter(|name| name.starts_with("GO") && is_name(name))?;
        Some((name, value))
    });
    let (mut found, mut places) = (Vec::new(), HashMap::new());
    for (name, value) in of_host.chain(settings) {
        match places.get(&name) {
            Some(&i) => found[i] = (name, value),
            None => {
                places.insert(name.clone(), found.len());
                found.push((name, value));
            }
        }
    }
    found
}

impl Options {
    /// The options as words that [`parse`](Options::parse) reads; without the program.
    pub fn words(&self) -> Vec<OsString> {
        let protocol = format!("{:?}", self.protocol).to_lowercase();
        let cores = self.smp.to_string();
        let pairs = [
            ("-smp", &cores),
            ("-m", &self.memory),
            ("-boot", &protocol),
            ("-cpu", &self.cpu),
            ("-machine", &self.machine),
        ];
        let mut words: Vec<OsString> =
            pairs.iter().flat_map(|(name, value)| [name.into(), value.into()]).collect();
        for (name, value) in &self.env {
            let mut setting = OsString::from(format!("{name}="));
            setting.push(value);
            words.extend(["-e".into(), setting]);
        }
        let flags = [("-gdb", self.gdb), ("-icount", self.icount), ("-v", self.verbose)];
        words.extend(flags.iter().filter(|(_, set)| *set).map(|(name, _)| name.into()));
        if let Some(timeout) = self.timeout {
            words.extend(["-timeout".into(), timeout.as_secs_f64().to_string().into()]);
        }
        words
    }

    /// The options of an image's program, which runs on other machines.
    pub fn for_image(&self) -> Options {
        Options { env: self.own_env.clone(), ..self.clone() }
    }

    /// Whether the machine has a PCI bus.
    pub fn has_pci(&self) -> bool {
        machine_type(&self.machine) != "microvm"
    }
}

/// The machine's type, without its properties.
fn machine_type(machine: &str) -> &str {
    machine.split(',').next().unwrap_or_default()
}

/// The absolute path of a file or directory that is there.
fn existing(path: &Path, there: fn(&Path) -> bool, what: &str) -> Result<PathBuf> {
    let path = std::path::absolute(path).map_err(Error::io(format_args!("find {}", path.display())))?;
    if there(&path) { Ok(path) } else { Err(Error::Usage(format!("no {what} '{}'", path.display()))) }
}

/// The next of `words` as `read` understands it, being the value of `option`.
fn value<T>(
    option: &OsStr,
    words: &mut impl Iterator<Item = OsString>,
    read: impl Fn(&OsStr) -> Option<T>,
) -> Result<T> {
    let option = option.display();
    let value = words.next().ok_or_else(|| Error::Usage(format!("{option} needs a value")))?;
    read(&value).ok_or_else(|| Error::Usage(format!("wrong value for {option}: '{}'", value.display())))
}

/// Reads a value that must be text.
fn text<T>(read: impl Fn(&str) -> Option<T>) -> impl Fn(&OsStr) -> Option<T> {
    move |value| read(value.to_str()?)
}

fn cores(value: &str) -> Option<u32> {
    value.parse().ok().filter(|n| (1..=MAX_CORES).contains(n))
}

/// QEMU's form of a size, at least 32 MiB: digits, perhaps a fraction, and a unit; MiB where there is none.
fn memory(value: &str) -> Option<String> {
    let number = value.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match &value[number.len()..] {
        "b" | "B" => 1.0,
        "k" | "K" => 1024.0,
        "" | "m" | "M" => 1048576.0,
        "g" | "G" => 1073741824.0,
        "t" | "T" => 1099511627776.0,
        _ => return None,
    };
    let digits = number.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let bytes = number.parse::<f64>().ok().filter(|_| digits)? * unit;
    (32.0 * 1048576.0..9.0e18).contains(&bytes).then(|| value.into())
}

fn protocol(value: &str) -> Option<BootProtocol> {
    match value {
        "pvh" => Some(BootProtocol::Pvh),
        "bios" => Some(BootProtocol::Bios),
        "uefi" => Some(BootProtocol::Uefi),
        _ => None,
    }
}

/// A name, and properties as `name`, `+name`, `-name` or `name=value`.
fn cpu(value: &str) -> Option<String> {
    let name = |s: &str| {
        !s.is_empty() && s.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'))
    };
    let mut parts = value.split(',');
    let model = parts.next().is_some_and(|model| name(model) && model != "help");
    let properties = parts.all(|property| {
        let (key, _) = property.split_once('=').unwrap_or((property, ""));
        name(key.strip_prefix(['+', '-']).unwrap_or(key))
    });
    (model && properties).then(|| value.into())
}

/// As [`cpu`], one of the types that the kernel is tried on.
fn machine(value: &str) -> Option<String> {
    cpu(value).filter(|value| matches!(machine_type(value), "q35" | "pc" | "microvm"))
}

/// `NAME=VALUE` for the program's environment; `console=` would be taken by the kernel.
fn setting(word: &OsStr) -> Option<(String, OsString)> {
    let at = word.as_bytes().iter().position(|&b| b == b'=')?;
    let (name, value) = (&word.as_bytes()[..at], &word.as_bytes()[at + 1..]);
    let name = str::from_utf8(name).ok().filter(|name| is_name(name) && *name != "console")?;
    Some((name.into(), OsString::from_vec(value.into())))
}

/// Whether `name` is `[A-Za-z_][A-Za-z0-9_]*`.
fn is_name(name: &str) -> bool {
    name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        && name.bytes().next().is_some_and(|b| !b.is_ascii_digit())
}

/// A file that is not a folder, in a folder that is there.
fn output(value: &OsStr) -> Option<PathBuf> {
    let path = std::path::absolute(value).ok()?;
    (!path.is_dir() && path.parent().is_some_and(Path::is_dir)).then_some(path)
}

fn seconds(value: &str) -> Option<Duration> {
    let digits = value.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let seconds = value.parse::<f64>().ok().filter(|s| digits && *s > 0.0 && *s < 1e9)?;
    Some(Duration::from_secs_f64(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options> {
        Options::parse(line.split_whitespace().map(OsString::from), [])
    }

    #[test]
    fn every_option() {
        let got = parse("-smp 4 -m 1.5G -boot uefi -cpu max,-avx,level=1 -machine q35,acpi=off -e A=1 -e B= -gdb -icount -timeout 2.5 -v echo -v -smp x")
            .unwrap();
        let want = Options {
            smp: 4,
            memory: "1.5G".into(),
            protocol: BootProtocol::Uefi,
            cpu: "max,-avx,level=1".into(),
            machine: "q35,acpi=off".into(),
            env: vec![("A".into(), "1".into()), ("B".into(), OsString::new())],
            own_env: vec![("A".into(), "1".into()), ("B".into(), OsString::new())],
            gdb: true,
            icount: true,
            timeout: Some(Duration::from_millis(2500)),
            verbose: true,
            ..Options::new("echo", &["-v", "-smp", "x"])
        };
        assert_eq!(got, want);
        let again = want.words().into_iter().chain(["echo", "-v", "-smp", "x"].map(OsString::from));
        assert_eq!(Options::parse(again, []).unwrap(), want);
    }

    #[test]
    fn defaults() {
        let options = parse("hello").unwrap();
        assert_eq!((options.protocol, options.timeout, options.verbose), (BootProtocol::Pvh, None, false));
        assert!((1..=MAX_CORES).contains(&options.smp));
    }

    #[test]
    fn the_last_setting_of_a_name_counts() {
        let host = [("GOGC", "1"), ("GODEBUG", "a=1"), ("HOME", "/"), ("GO-X", "y"), ("GO", "z")];
        let host = host.map(|(name, value)| (name.into(), value.into()));
        let line = "-e A=1 -e GOGC=2 -e A= -e GOGC=3 hello".split(' ').map(OsString::from);
        let want = [("GOGC", "3"), ("GODEBUG", "a=1"), ("GO", "z"), ("A", "")];
        let want = want.map(|(name, value)| (name.to_owned(), OsString::from(value)));
        assert_eq!(Options::parse(line, host).unwrap().env, want);
    }

    #[test]
    fn an_image_has_what_it_is_told() {
        let parse = |line: &str| {
            let host = [("GOGC".into(), "1".into())];
            Options::parse(line.split_whitespace().map(OsString::from), host).unwrap()
        };
        let options = parse("-o /tmp/x.elf -e A=1 hello -smp");
        assert_eq!((&options.output, options.protocol), (&Some("/tmp/x.elf".into()), BootProtocol::Pvh));
        assert_eq!(options.for_image().env, [("A".to_owned(), "1".into())]);
        assert_eq!(parse("-o /tmp/x.img hello").protocol, BootProtocol::Bios);
        assert_eq!(parse("-boot uefi -o /tmp/x.img hello").protocol, BootProtocol::Uefi);
        assert_eq!(parse("-o /tmp/x.img -boot pvh hello").protocol, BootProtocol::Pvh);
    }

    #[test]
    fn words_may_be_any_bytes() {
        let words = [&b"-e"[..], b"A=\xff=", b"--", b"echo", b"\xff\n", b"--", b""];
        let options = Options::parse(words.map(|w| OsString::from_vec(w.into())), []).unwrap();
        assert_eq!(options.env[0].1.as_bytes(), b"\xff=");
        assert_eq!(options.program, "echo");
        assert_eq!(
            options.args.iter().map(|arg| arg.as_bytes()).collect::<Vec<_>>(),
            [&b"\xff\n"[..], b"--", b""]
        );
    }

    #[test]
    fn a_mebibyte_is_the_most() {
        let words = |n: usize| ["echo".into(), OsString::from("x".repeat(n))];
        // "echo" and "x…" have an end each.
        assert!(Options::parse(words(MAX_WORDS - 6), []).is_ok());
        let error = Options::parse(words(MAX_WORDS - 5), []).unwrap_err();
        assert!(error.to_string().contains("1048577 bytes"), "{error}");
        assert_eq!(error.exit_status(), 64);
    }

    #[test]
    fn sizes() {
        for right in ["32", "32M", "32768k", "33554432b", "0.5G", "1T", "2g"] {
            assert!(memory(right).is_some(), "{right}");
        }
        for wrong in ["", "M", "31", "31.9M", "1K", "-1G", "1e9", "0x40", "1GB", "inf", "NaN", "99999999999T"]
        {
            assert!(memory(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn wrong_words_are_named() {
        for (line, word) in [
            ("", "no program"),
            ("-smp 4", "no program"),
            ("-smp 0 x", "'0'"),
            ("-smp 65 x", "'65'"),
            ("-smp x x", "'x'"),
            ("-m 1K x", "'1K'"),
            ("-boot tftp x", "'tftp'"),
            ("-cpu help x", "'help'"),
            ("-cpu max,, x", "'max,,'"),
            ("-machine isapc x", "'isapc'"),
            ("-machine microvm -boot bios x", "'bios'"),
            ("-e = x", "'='"),
            ("-e 1A=b x", "'1A=b'"),
            ("-e console=ttyS1 x", "'console=ttyS1'"),
            ("-timeout 0 x", "'0'"),
            ("-o / x", "'/'"),
            ("-o /nosuch/x x", "'/nosuch/x'"),
            ("-o nosuch.elf -e A=1 -m 1G -smp 2 x", "which -m is for"),
            ("-timeout", "-timeout needs a value"),
            ("-nosuch x", "'-nosuch'"),
            ("-smp 1 --", "no program"),
        ] {
            match parse(line) {
                Err(Error::Usage(text)) => assert!(text.contains(word), "{line}: {text}"),
                other => panic!("{line}: {other:?}"),
            }
        }
    }
}
