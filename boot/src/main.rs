//! What `qemu-run.sh` runs, and what `cargo install` installs: `gzero [OPTIONS] PROGRAM [ARGS…]`;
//! and what `go` runs ([`boot::go::handover`]).

use boot::go::handover;
use boot::host::Host;
use boot::options::Options;
use boot::{Error, Result, carried, guest, help, run};
use signal_hook::consts::{SIGHUP, SIGINT, SIGPIPE, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level;
use std::env;
use std::process::ExitCode;
use std::thread;

/// How help is asked for.
const HELP: [&str; 3] = ["-h", "-help", "--help"];

fn main() -> ExitCode {
    let error = match start() {
        Ok(status) => return status,
        Err(error) => error,
    };
    eprintln!("gzero: {error}");
    ExitCode::from(error.exit_status())
}

fn start() -> Result<ExitCode> {
    let words: Vec<_> = env::args_os().skip(1).collect();
    carried::unpack()?;
    let host = Host::current();
    let status = match words.split_first() {
        Some((first, words)) if first == handover::OPTION => {
            end_by_signals()?;
            handover::execute(&host, words)?
        }
        // What `boot/build.rs` runs.
        Some((first, [archive])) if first == "-carry" => {
            println!("{}", carried::pack(&host, archive.as_ref())?);
            Some(0)
        }
        Some((first, _)) if HELP.iter().any(|help| first == help) => {
            print!("{}", help::text());
            Some(0)
        }
        _ => {
            let options = Options::parse(words, env::vars_os())?;
            end_by_signals()?;
            run::run(&host, &options)?
        }
    };
    match status {
        Some(status) => Ok(ExitCode::from(status)),
        None => end_by(SIGPIPE),
    }
}

/// Has the signals that end a process end this one wherever it is, writing to a pipe that nobody
/// empties or waiting for a compiler; its children end with it ([`boot::lifetime`]).
fn end_by_signals() -> Result<()> {
    let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).map_err(Error::io("catch signals"))?;
    thread::spawn(move || {
        for number in signals.forever() {
            guest::remove_own_run_dirs();
            _ = end_by(number);
        }
    });
    Ok(())
}

/// Ends this process as the signal does where it is not caught.
fn end_by(number: i32) -> Result<ExitCode> {
    low_level::emulate_default_handler(number).map_err(Error::io("end by a signal"))?;
    Ok(ExitCode::from(128 + number as u8))
}
