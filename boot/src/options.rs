//! What the user asked for: `[-smp N] [-m SIZE] [-boot DOOR] … PROGRAM [ARGS…]`.
//!
//! `qemu-run.sh` has the same options and refuses wrong values in words of their own before this crate is even built.
//! What is wrong here was typed into `cargo run`, so that one wording serves for all values.

use crate::{Error, Result};
use std::num::NonZero;
use std::thread;
use std::time::Duration;

/// How the kernel is started (B1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door {
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
    pub door: Door,
    /// The processor in QEMU's form: a model and perhaps properties.
    pub cpu: String,
    /// The machine in QEMU's form: `q35`, `pc` or `microvm`, and perhaps properties.
    pub machine: String,
    /// The program's environment, in order.
    pub env: Vec<(String, String)>,
    /// Wait for gdb.
    pub gdb: bool,
    /// Virtual time that counts instructions.
    pub icount: bool,
    /// When to end the machine.
    pub timeout: Option<Duration>,
    /// Print the boot log too.
    pub verbose: bool,
    /// The program's name.
    pub program: String,
    /// The program's arguments.
    pub args: Vec<String>,
}

/// The processor unless told: all that the accelerator can do.
pub const DEFAULT_CPU: &str = "max";

/// The machine unless told.
pub const DEFAULT_MACHINE: &str = "q35";

/// The most cores that the kernel starts (B3).
pub const MAX_CORES: u32 = 64;

impl Options {
    /// A run of `program` with the defaults: as many cores as this machine has, 512 MiB.
    pub fn new(program: &str, args: &[&str]) -> Options {
        let cores = thread::available_parallelism().map_or(1, NonZero::get);
        Options {
            smp: u32::try_from(cores).unwrap_or(MAX_CORES).min(MAX_CORES),
            memory: "512M".into(),
            door: Door::Pvh,
            cpu: DEFAULT_CPU.into(),
            machine: DEFAULT_MACHINE.into(),
            env: Vec::new(),
            gdb: false,
            icount: false,
            timeout: None,
            verbose: false,
            program: program.into(),
            args: args.iter().map(|&a| a.into()).collect(),
        }
    }

    /// Reads a command line, without the name of this tool.
    ///
    /// # Errors
    /// [`Error::Usage`] naming the word that is unknown or has a wrong value. Whether QEMU has the processor and the
    /// machine is for [`trial`](crate::trial) to find out.
    pub fn parse(words: impl IntoIterator<Item = String>) -> Result<Options> {
        let mut options = Options::new("", &[]);
        let mut words = words.into_iter();
        while let Some(word) = words.next() {
            match word.as_str() {
                "-smp" => options.smp = value(&word, &mut words, cores)?,
                "-m" => options.memory = value(&word, &mut words, memory)?,
                "-boot" => options.door = value(&word, &mut words, door)?,
                "-cpu" => options.cpu = value(&word, &mut words, cpu)?,
                "-machine" => options.machine = value(&word, &mut words, machine)?,
                "-e" => options.env.push(value(&word, &mut words, setting)?),
                "-timeout" => options.timeout = Some(value(&word, &mut words, seconds)?),
                "-gdb" => options.gdb = true,
                "-icount" => options.icount = true,
                "-v" => options.verbose = true,
                option if option.starts_with('-') => {
                    return Err(Error::Usage(format!("unknown option '{option}'")));
                }
                program => {
                    options.program = program.into();
                    options.args = words.collect();
                    options.check_door()?;
                    return Ok(options);
                }
            }
        }
        Err(Error::Usage("no program named".into()))
    }

    fn check_door(&self) -> Result<()> {
        if self.door == Door::Pvh || machine_type(&self.machine) != "microvm" {
            return Ok(());
        }
        let door = format!("{:?}", self.door).to_lowercase();
        Err(Error::Usage(format!("-machine microvm starts with -boot pvh only, not '{door}'")))
    }
}

/// The machine's type, without its properties.
fn machine_type(machine: &str) -> &str {
    machine.split(',').next().unwrap_or_default()
}

/// The next of `words` as `read` understands it, being the value of `option`.
fn value<T>(
    option: &str,
    words: &mut impl Iterator<Item = String>,
    read: fn(&str) -> Option<T>,
) -> Result<T> {
    let value = words.next().ok_or_else(|| Error::Usage(format!("{option} needs a value")))?;
    read(&value).ok_or_else(|| Error::Usage(format!("wrong value for {option}: '{value}'")))
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

fn door(value: &str) -> Option<Door> {
    match value {
        "pvh" => Some(Door::Pvh),
        "bios" => Some(Door::Bios),
        "uefi" => Some(Door::Uefi),
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
fn setting(value: &str) -> Option<(String, String)> {
    let (name, value) = value.split_once('=')?;
    let letters = name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    let first = name.bytes().next()?;
    (letters && !first.is_ascii_digit() && name != "console").then(|| (name.into(), value.into()))
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
        Options::parse(line.split_whitespace().map(String::from))
    }

    #[test]
    fn every_option() {
        let got = parse("-smp 4 -m 1.5G -boot uefi -cpu max,-avx,level=1 -machine q35,acpi=off -e A=1 -e B= -gdb -icount -timeout 2.5 -v echo -v -smp x")
            .unwrap();
        let want = Options {
            smp: 4,
            memory: "1.5G".into(),
            door: Door::Uefi,
            cpu: "max,-avx,level=1".into(),
            machine: "q35,acpi=off".into(),
            env: vec![("A".into(), "1".into()), ("B".into(), String::new())],
            gdb: true,
            icount: true,
            timeout: Some(Duration::from_millis(2500)),
            verbose: true,
            ..Options::new("echo", &["-v", "-smp", "x"])
        };
        assert_eq!(got, want);
    }

    #[test]
    fn defaults() {
        let options = parse("hello").unwrap();
        assert_eq!((options.door, options.timeout, options.verbose), (Door::Pvh, None, false));
        assert!((1..=MAX_CORES).contains(&options.smp));
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
            ("-timeout", "-timeout needs a value"),
            ("-nosuch x", "'-nosuch'"),
        ] {
            match parse(line) {
                Err(Error::Usage(text)) => assert!(text.contains(word), "{line}: {text}"),
                other => panic!("{line}: {other:?}"),
            }
        }
    }
}
