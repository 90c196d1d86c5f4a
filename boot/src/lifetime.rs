//! Processes that end with this one, however it ends: QEMU would go on for ever, a compiler for a
//! minute.
//!
//! Linux's parent-death signal does it (`prctl(2)`, `PR_SET_PDEATHSIG`). Rejected: killing children
//! in a handler or a destructor, which SIGKILL passes over; util-linux's `setpriv --pdeathsig`,
//! which is not everywhere and leaves a child whose parent ends before it has run.

use rustix::process::{Signal, getpid, getppid, set_parent_process_death_signal};
use std::ffi::OsStr;
use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// A command whose process is killed when the thread that starts it ends.
pub fn mortal(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    let parent = getpid();
    let bind = move || {
        set_parent_process_death_signal(Some(Signal::KILL))?;
        // The parent may have ended before: then the signal never comes.
        if getppid() == Some(parent) { Ok(()) } else { Err(io::ErrorKind::BrokenPipe.into()) }
    };
    // SAFETY: between fork and exec the closure makes system calls only: it allocates nothing and
    // takes no lock.
    unsafe { command.pre_exec(bind) };
    command
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::process::ExitStatusExt;
    use std::thread;

    #[test]
    fn the_child_ends_with_its_thread() {
        let start = || mortal("sleep").arg("60").spawn().unwrap();
        let status = thread::spawn(start).join().unwrap().wait().unwrap();
        assert_eq!(status.signal(), Some(9), "{status}");
    }

    #[test]
    fn the_child_lives_as_long_as_its_thread() {
        assert!(mortal("true").status().unwrap().success());
    }
}
