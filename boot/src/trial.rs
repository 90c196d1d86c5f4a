//! Whether QEMU has the processor and the machine that the user named.
//!
//! QEMU itself is asked: it makes the machine, stopped before its first instruction, and is told to quit. That takes some
//! 30 ms, judges properties and versions as well as names, and keeps no list here that would age.

use crate::lifetime::mortal;
use crate::options::{DEFAULT_CPU, DEFAULT_MACHINE, Options};
use crate::{Error, Result};
use std::io::Write;
use std::path::Path;
use std::process::{Output, Stdio};

/// Makes the machine of `options` once if it is not the default one.
///
/// # Errors
/// [`Error::Usage`] with the option, its value and QEMU's reason.
pub fn check(qemu: &Path, options: &Options) -> Result<()> {
    let Options { machine, cpu, .. } = options;
    if machine != DEFAULT_MACHINE {
        attempt(qemu, machine, DEFAULT_CPU).map_err(|why| wrong("-machine", machine, &why))?;
    }
    if cpu != DEFAULT_CPU {
        attempt(qemu, machine, cpu).map_err(|why| wrong("-cpu", cpu, &why))?;
    }
    Ok(())
}

fn wrong(option: &str, value: &str, why: &str) -> Error {
    Error::Usage(format!(
        "wrong value for {option}: '{value}': {why} (qemu-system-x86_64 {option} help lists what there is)"
    ))
}

/// Makes and ends a machine; what keeps QEMU from it.
fn attempt(qemu: &Path, machine: &str, cpu: &str) -> std::result::Result<(), String> {
    let run = || {
        let mut child = mortal(qemu)
            .args(["-machine", machine, "-cpu", cpu])
            .args("-accel tcg -nodefaults -display none -S -monitor stdio".split(' '))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        // A QEMU that has refused does not read this, and its messages say so.
        _ = child.stdin.take().map(|mut stdin| stdin.write_all(b"quit\n"));
        child.wait_with_output()
    };
    let Output { status, stdout, stderr } = run().map_err(|error| error.to_string())?;
    // The prompt tells a machine that was made from a list of properties (`q35,help`), for which QEMU ends with success too.
    if status.success() && String::from_utf8_lossy(&stdout).contains("(qemu)") {
        return Ok(());
    }
    Err(reason(&String::from_utf8_lossy(&stderr)).unwrap_or("QEMU makes no machine of it").into())
}

/// The first complaint in QEMU's messages, without the name of the program.
fn reason(messages: &str) -> Option<&str> {
    let complaints = messages.lines().filter_map(|line| line.split_once(": "));
    complaints.map(|(_, text)| text).find(|text| !text.starts_with("warning: "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_complaint_counts() {
        let messages = "qemu-system-x86_64: warning: TCG doesn't support it\n\
            qemu-system-x86_64: unsupported machine type\nUse -machine help to list supported machines\n";
        assert_eq!(reason(messages), Some("unsupported machine type"));
        assert_eq!(reason("warning\n"), None);
    }

    #[test]
    fn the_default_machine_is_not_tried() {
        assert!(check(Path::new("/nowhere/qemu"), &Options::new("hello", &[])).is_ok());
    }

    #[test]
    fn a_machine_that_cannot_be_made_is_named() {
        let options = Options { cpu: "nosuch".into(), ..Options::new("hello", &[]) };
        let Err(Error::Usage(text)) = check(Path::new("/nowhere/qemu"), &options) else { panic!("made?") };
        assert!(text.contains("-cpu: 'nosuch'"), "{text}");
    }
}
