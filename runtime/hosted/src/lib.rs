//! The runtime's machine made of a development host: Ms are the host's threads (`cargo test`, sanitizers, comparisons with Go).
//!
//! What the bare machine has and this has not: asynchronous preemption. `set_preempt_timer` and `signal_m` do nothing, so a goroutine gives way
//! only where it calls the runtime. Stacks are lazily backed by the host, which is growth by page fault.

mod input;
mod memory;
mod threads;

use runtime::machine::{G, Input, M, OsThread, Port, PortError, Stack, Startup, Stream, SysStats, Written};
use std::any::Any;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::io::Write;
use std::sync::OnceLock;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// The machine.
pub struct Host;

runtime::set_port!(Host);

struct Config {
    args: Vec<&'static [u8]>,
    environ: Vec<(&'static str, &'static [u8])>,
    start: Instant,
    /// Asked once: the host's answer costs allocations, and the runtime asks with the heap's lock held.
    ncpu: usize,
}

static CONFIG: OnceLock<Config> = OnceLock::new();

fn config() -> &'static Config {
    CONFIG.get().expect("`start` sets the configuration before the runtime runs")
}

/// Runs the program that `args` names, as on the bare machine; ends the process.
///
/// # Panics
/// If called twice, or if `GODEBUG` cannot be obeyed.
pub fn start(args: &[&'static str], environ: &[(&'static str, &'static str)]) -> ! {
    let args = args.iter().map(|arg| arg.as_bytes()).collect();
    let environ = environ.iter().map(|(name, value)| (*name, value.as_bytes())).collect();
    let ncpu = std::thread::available_parallelism().map_or(1, Into::into);
    let fresh = CONFIG.set(Config { args, environ, start: Instant::now(), ncpu }).is_ok();
    assert!(fresh, "the runtime can be started once in a process");
    memory::serve();
    runtime::machine::godebug::init(runtime::machine::godebug::Words::Own)
        .unwrap_or_else(|error| panic!("{error}"));
    threads::adopt(|thread, stack| {
        // The standard library's hash tables have keys from the system's generator.
        let entropy = RandomState::new().hash_one(0_u8);
        // SAFETY: once, on this thread, whose stack it is.
        unsafe { runtime::machine::rt0(&Startup { thread, stack, xsave_area: None, has_go: false, entropy }) }
    })
}

// SAFETY: each function keeps its contract in `Port`, but for preemption, whose lack costs fairness only.
unsafe impl Port for Host {
    fn getg() -> *mut G {
        threads::getg()
    }
    unsafe fn setg(g: *mut G) {
        threads::setg(g);
    }
    fn ncpu() -> usize {
        config().ncpu
    }
    fn nanotime() -> i64 {
        config().start.elapsed().as_nanos() as i64 + 1
    }
    fn clock_words() -> *const u64 {
        const { &[0, 0, 1] }.as_ptr()
    }
    fn walltime() -> (i64, u32) {
        let t = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        (t.as_secs() as i64, t.subsec_nanos())
    }
    fn cputicks() -> i64 {
        Self::nanotime()
    }
    fn cputicks_per_ms() -> i64 {
        1_000_000
    }
    unsafe fn new_os_proc(mp: *mut M, entry: extern "C" fn(*mut M) -> !) -> Result<(), PortError> {
        threads::new_os_proc(mp, entry)
    }
    fn exit_thread() -> ! {
        // A host thread cannot be ended without unwinding it, which the scheduler's frames do not bear.
        loop {
            std::thread::park();
        }
    }
    fn semasleep(ns: i64) -> bool {
        threads::semasleep(ns)
    }
    fn semawakeup(t: OsThread) {
        threads::semawakeup(t);
    }
    fn os_yield() {
        std::thread::yield_now();
    }
    fn signal_m(_: OsThread) {}
    fn set_preempt_timer(_: i64) {}
    fn stack_alloc(size: Option<usize>) -> Result<Stack, PortError> {
        memory::stack_alloc(size)
    }
    unsafe fn stack_free(s: Stack) {
        // SAFETY: as the caller promises.
        unsafe { memory::stack_free(s) }
    }
    unsafe fn stack_shrink(s: Stack, keep: usize) -> usize {
        // SAFETY: as the caller promises.
        unsafe { memory::stack_shrink(s, keep) }
    }
    fn stack_back(_: Stack, _: usize, _: usize) -> bool {
        true
    }
    /// The host knows what lies behind its mappings.
    fn stack_usage() -> (usize, usize) {
        (0, 0)
    }
    fn sys_arena() -> (usize, usize) {
        memory::arena()
    }
    fn sys_alloc(bytes: usize, align: usize) -> *mut u8 {
        memory::sys_alloc(bytes, align)
    }
    fn sys_stats() -> SysStats {
        memory::sys_stats()
    }
    unsafe fn sys_free(p: *mut u8, bytes: usize) {
        memory::sys_free(p, bytes);
    }
    fn write(stream: Stream, bytes: &[u8]) -> Written {
        // A console that is gone is no reason to end a test.
        _ = match stream {
            Stream::Out => std::io::stdout().lock().write_all(bytes).and_then(|()| std::io::stdout().flush()),
            Stream::Err => std::io::stderr().write_all(bytes),
        };
        Written { taken: bytes.len(), pending: false }
    }
    fn flush() {}
    fn one_stream() -> bool {
        false
    }
    fn read(buf: &mut [u8]) -> Input {
        input::read(buf)
    }
    fn await_input() {
        input::wait();
    }
    fn write_err(bytes: &[u8]) {
        _ = std::io::stderr().write_all(bytes);
    }
    fn begin_fatal(_: fmt::Arguments<'_>) {}
    fn symbol(_: usize) -> Option<(&'static str, usize)> {
        None
    }
    fn load_program() -> Result<usize, String> {
        Err("a host's process has no program beside it".into())
    }
    fn linked(pc: usize) -> usize {
        pc
    }
    unsafe fn try_call(f: extern "C-unwind" fn(*mut u8), arg: *mut u8) -> Result<(), Box<dyn Any + Send>> {
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| f(arg)))
    }
    fn begin_unwind(payload: Box<dyn Any + Send>) -> ! {
        std::panic::resume_unwind(payload)
    }
    fn exit(status: i32) -> ! {
        std::process::exit(status)
    }
    fn args() -> &'static [&'static [u8]] {
        &config().args
    }
    fn environ() -> &'static [(&'static str, &'static [u8])] {
        &config().environ
    }
}
