//! Start-up (Go: `rt0_go`, `schedinit`, `main` in `asm_amd64.s` and `proc.go`).
//!
//! 1. The port starts one thread and calls [`rt0`] on it: that thread is M0, its stack is M0's g0.
//! 2. `schedinit`: the command line names a program, GOMAXPROCS is read, the Ps are made, M0 takes the first.
//! 3. The main goroutine is made, with a closure that starts sysmon, runs the init tasks and the program's `main` and then ends the machine.
//! 4. M0 schedules.

use super::preempt::{acquirem, releasem};
use super::schedule::schedule;
use super::status::Status;
use super::threads::{allocm, init_g0, systemstack};
use super::{G, M, procresize, sched};
use crate::env::Escaped;
use crate::port::{self, OsThread, Stack};
use crate::program::Program;
use crate::{env, heap, panic};
use core::fmt;
use core::num::NonZero;
use core::sync::atomic::Ordering;

/// Exit status of a command line that cannot be obeyed (BSD: `EX_USAGE`).
const EXIT_USAGE: i32 = 64;

/// What the port tells the runtime about the thread that becomes M0.
pub struct Startup {
    /// The thread.
    pub thread: OsThread,
    /// Its stack.
    pub stack: Stack,
    /// Bytes of the processor's XSAVE area for all that is turned on; none if registers are saved by FXSAVE.
    pub xsave_area: Option<NonZero<u64>>,
    /// The machine was given a Go program.
    pub has_go: bool,
    /// A number that cannot be foretold, from the processor's generator if it has one; hash tables and the scheduler's choices start from it.
    pub entropy: u64,
}

/// Why a program could not be started.
#[derive(Debug)]
pub enum StartError {
    /// The command line names no program.
    NoProgram,
    /// The image has no program of that name.
    UnknownProgram(&'static [u8]),
    /// `GOTRACEBACK` cannot be obeyed.
    Traceback(panic::TracebackError),
    /// A variable of the heap's cannot be obeyed.
    Heap(heap::EnvError),
    /// GOMAXPROCS is not a number from 1 to the limit.
    Gomaxprocs(&'static [u8]),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::NoProgram => f.write_str("the command line names no program"),
            StartError::UnknownProgram(name) => {
                write!(f, "no program \"{}\": ./qemu-run.sh -list names them", Escaped(name))
            }
            StartError::Traceback(e) => e.fmt(f),
            StartError::Heap(e) => e.fmt(f),
            StartError::Gomaxprocs(v) => {
                write!(f, "GOMAXPROCS={}: expected a number from 1 to {}", Escaped(v), sched::MAX_PROCS)
            }
        }
    }
}

/// Turns the current thread into M0 and runs the program that the command line names. Does not return.
///
/// # Safety
/// Called once, on the thread and stack that `startup` describes, by a port that is ready for all of `Port`'s functions and has called
/// [`godebug::init`](crate::godebug::init).
pub unsafe fn rt0(startup: &Startup) -> ! {
    crate::arch::XSAVE_SIZE.store(startup.xsave_area.map_or(0, NonZero::get), Ordering::Relaxed);
    if !super::schedseed::is_on() {
        // With a seed a run can be repeated, hash tables included.
        crate::boot_key::set_boot_key(startup.entropy);
    }
    if startup.has_go {
        G::make_with_go();
    }
    let mp = allocm(0);
    // SAFETY: new; the thread runs on `startup.stack`, far above what it uses now.
    unsafe {
        let g0 = (*mp).g0;
        (*g0).stack = startup.stack;
        (*mp).set_os(startup.thread);
        port::setg(g0);
        init_g0(g0);
        let program = match schedinit(mp) {
            Ok(p) => p,
            Err(e) => {
                port::write_err(alloc::format!("gzero: {e}\n").as_bytes());
                port::exit(EXIT_USAGE)
            }
        };
        let gp = acquirem();
        super::go(move || main(program));
        releasem(gp);
    }
    schedule()
}

/// # Safety
/// On M0's g0, before anything is scheduled.
unsafe fn schedinit(mp: *mut M) -> Result<&'static Program, StartError> {
    let name = *port::args().first().ok_or(StartError::NoProgram)?;
    let program = core::str::from_utf8(name).ok().and_then(Program::find);
    let program = program.ok_or(StartError::UnknownProgram(name))?;
    panic::init().map_err(StartError::Traceback)?;
    heap::init().map_err(StartError::Heap)?;
    // SAFETY: the current M, which was made before there was a seed.
    unsafe { (*mp).rand.seed(super::schedseed::of_m(0)) };
    let procs = match env::var_bytes("GOMAXPROCS").filter(|v| !v.is_empty()) {
        None => port::ncpu().min(sched::MAX_PROCS),
        Some(v) => match core::str::from_utf8(v).ok().and_then(|v| v.parse().ok()) {
            Some(n) if (1..=sched::MAX_PROCS).contains(&n) => n,
            _ => return Err(StartError::Gomaxprocs(v)),
        },
    };
    // M0, and sysmon's M, which is not counted.
    let mut s = sched::lock();
    s.m_get();
    let sysmon = s.m_number();
    drop(s);
    debug_assert!(sysmon == super::sysmon::SYSMON_ID);
    // SAFETY: as the caller promises. No P has work, so none is left over.
    unsafe {
        procresize::prepare(mp, procs);
        procresize::deal(&mut sched::lock(), mp, procs);
    }
    Ok(program)
}

/// The main goroutine.
fn main(program: &'static Program) {
    let gp = port::getg();
    // SAFETY: the current goroutine.
    debug_assert!(unsafe { (*gp).status() } == Status::Running);
    systemstack(super::sysmon::start);
    crate::init::run(program);
    heap::main_begins();
    (program.main)();
    super::report_preemption();
    heap::program_ends();
    port::exit(0)
}
