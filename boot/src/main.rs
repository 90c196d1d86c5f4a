//! What `qemu-run.sh` runs: `boot [OPTIONS] PROGRAM [ARGS…]`.

use boot::host::Host;
use boot::options::Options;
use boot::{Error, Result, run};
use signal_hook::consts::{SIGHUP, SIGINT, SIGPIPE, SIGTERM};
use signal_hook::{flag, low_level};
use std::env;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

fn main() -> ExitCode {
    let error = match start() {
        Ok(status) => return status,
        Err(error) => error,
    };
    eprintln!("gzero: {error}");
    ExitCode::from(error.exit_status())
}

fn start() -> Result<ExitCode> {
    let options = Options::parse(env::args_os().skip(1), env::vars_os())?;
    // The terminal sends Ctrl-C to QEMU too, but whoever sends a signal to this process alone means both.
    let signal = Arc::new(AtomicUsize::new(0));
    for number in [SIGINT, SIGTERM, SIGHUP] {
        flag::register_usize(number, signal.clone(), number as usize).map_err(Error::io("catch signals"))?;
    }
    let interrupted = || signal.load(Ordering::Relaxed) != 0;
    if let Some(status) = run::run(&Host::current(), &options, &interrupted)? {
        return Ok(ExitCode::from(status));
    }
    let number = match signal.load(Ordering::Relaxed) {
        0 => SIGPIPE,
        number => number as i32,
    };
    low_level::emulate_default_handler(number).map_err(Error::io("end by a signal"))?;
    Ok(ExitCode::from(128 + number as u8))
}
