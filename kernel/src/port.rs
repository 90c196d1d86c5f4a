//! The kernel as the runtime's machine: `impl runtime::machine::Port` (Go: `os_linux.go`).

use crate::cpu::trap::{Hooks, TrapFrame};
use crate::cpu::{self, clock, exception, fpu, local, power, symbols};
use crate::device::uart;
use crate::image;
use crate::loader::{self, cmdline};
use crate::memory;
use crate::memory::frames::{self, Owner};
use crate::memory::stack::{self, FaultOutcome, Faulting};
use crate::thread::{self, Thread};
use ::alloc::boxed::Box;
use ::alloc::string::{String, ToString};
use core::any::Any;
use core::fmt;
use core::ptr::null_mut;
use runtime::machine::{
    G, Input, M, OsThread, Port, PortError, Signal, Stack, Startup, Stream, SysStats, Written,
};

mod console;
mod input;
mod output;
#[cfg(feature = "kernel-tests")]
mod tests;

/// The machine.
pub struct Machine;

runtime::set_port!(Machine);

/// Frames that the heap takes back from dead stacks at least when it finds no run: 16 MiB.
const RECLAIM_FRAMES: usize = 4096;

static HOOKS: Hooks = Hooks {
    timer: thread::on_timer,
    reschedule: thread::on_reschedule,
    uart: input::on_interrupt,
    serial: console::on_interrupt,
    debug,
    page_fault,
    report_context: runtime::machine::report_current,
    report_others: runtime::machine::report_others,
    report_status: runtime::machine::exit_status,
};

/// Makes the boot context the boot core's idle thread, starts M0's thread, and goes idle. All cores are online.
pub fn start() -> ! {
    console::init();
    thread::init(&HOOKS);
    thread::on_signal(preempt_signal);
    if let Err(e) = thread::spawn(m0, 0, null_mut(), |_| {}) {
        exception::fatal(format_args!("fatal error: cannot start the first thread: {e}"), None);
    }
    thread::enter_idle()
}

/// The trap flag: the processor traps after the next instruction (SDM vol. 1, 3.4.3).
const TF: u64 = 1 << 8;
/// Interrupts are on.
const IF: u64 = 1 << 9;

fn preempt_signal(frame: &mut TrapFrame) {
    // SAFETY: called in an interrupt that met the current thread's code.
    match unsafe {
        runtime::machine::preempt_signal(frame.rsp as usize, frame.rip as usize, frame.rflags & TF != 0)
    } {
        Signal::Resume => {}
        Signal::Call { f, back } => {
            frame.rflags &= !TF;
            frame.rip = back as u64;
            // SAFETY: the runtime has checked that the stack has room, and it saves every register.
            unsafe { frame.push_call(f) };
        }
        Signal::Step => frame.rflags |= TF,
    }
}

/// The trap after an instruction of code that the runtime wants to be stepped through.
fn debug(frame: &mut TrapFrame) -> bool {
    if frame.rflags & TF == 0 {
        return false;
    }
    // SAFETY: as in `preempt_signal`.
    if !unsafe { runtime::machine::step(frame.rsp as usize, frame.rip as usize, frame.rflags & IF != 0) } {
        frame.rflags &= !TF;
    }
    true
}

extern "C" fn m0(_: usize) -> ! {
    // SAFETY: this thread was made for it, once; the machine is complete.
    unsafe {
        let t: &'static Thread = &*thread::current();
        runtime::machine::rt0(&Startup {
            thread: os_thread(t),
            stack: stack_of(t),
            xsave_area: fpu::xsave_area(),
            has_go: loader::has_module(),
            entropy: cpu::entropy::draw(),
        })
    }
}

fn os_thread(t: &'static Thread) -> OsThread {
    OsThread(core::ptr::from_ref(t) as usize)
}

fn stack_of(t: &Thread) -> Stack {
    let s = t.stack();
    Stack { lo: s.lo, hi: s.hi }
}

fn thread_of(t: OsThread) -> &'static Thread {
    // SAFETY: an `OsThread` is made by `os_thread` only, and threads are never freed.
    unsafe { &*(t.0 as *const Thread) }
}

/// A page fault: grows the goroutine's stack, or says no. Runs with interrupts off on the fault's own stack.
fn page_fault(frame: &mut TrapFrame, addr: usize) -> bool {
    let waits_at = (frame.rflags & IF != 0).then_some(frame.rsp as usize);
    match stack::handle_fault(addr, Faulting { limit: runtime::machine::stack_limit(), waits_at }) {
        FaultOutcome::Backed => {
            runtime::machine::stack_grew();
            true
        }
        FaultOutcome::Overflow { limit, .. } => exception::fatal(
            format_args!("runtime: goroutine stack exceeds {limit}-byte limit\nfatal error: stack overflow"),
            Some(frame),
        ),
        FaultOutcome::OutOfMemory => exception::fatal(
            format_args!(
                "fatal error: out of memory: no frame is left for a goroutine's stack, which has grown to {} KiB",
                stack::depth_at(addr) >> 10
            ),
            Some(frame),
        ),
        FaultOutcome::NoReserve => exception::fatal(
            format_args!("fatal error: a goroutine's stack grows by more than 32 KiB with interrupts off"),
            Some(frame),
        ),
        FaultOutcome::NotAStack => false,
    }
}

// SAFETY: each function keeps its contract in `Port`, by the kernel function that it calls.
unsafe impl Port for Machine {
    #[inline(always)]
    fn getg() -> *mut G {
        local::g()
    }

    #[inline(always)]
    unsafe fn setg(g: *mut G) {
        local::set_g(g);
    }

    fn ncpu() -> usize {
        cpu::count()
    }

    #[inline(always)]
    fn nanotime() -> i64 {
        clock::nanotime() as i64
    }

    fn clock_words() -> *const u64 {
        clock::words()
    }

    fn walltime() -> (i64, u32) {
        clock::walltime()
    }

    #[inline(always)]
    fn cputicks() -> i64 {
        clock::cycles() as i64
    }

    #[inline(always)]
    fn cputicks_per_ms() -> i64 {
        clock::cycles_per_ms() as i64
    }

    unsafe fn new_os_proc(mp: *mut M, entry: extern "C" fn(*mut M) -> !) -> Result<(), PortError> {
        // SAFETY: a pointer argument and a `usize` are passed alike.
        let entry =
            unsafe { core::mem::transmute::<extern "C" fn(*mut M) -> !, extern "C" fn(usize) -> !>(entry) };
        // SAFETY: the M is new and the caller's; its g0 exists.
        let g0 = unsafe { (*mp).g0 };
        let made = thread::spawn(entry, mp as usize, g0, |t| {
            // SAFETY: as above; the thread does not run yet.
            unsafe {
                (*mp).set_os(os_thread(t));
                (*g0).stack = stack_of(t);
            }
        });
        made.map_err(|_| PortError::OutOfMemory)
    }

    fn exit_thread() -> ! {
        thread::exit()
    }

    fn semasleep(ns: i64) -> bool {
        thread::sleep(u64::try_from(ns).ok())
    }

    fn semawakeup(t: OsThread) {
        thread::post(thread_of(t));
    }

    fn os_yield() {
        thread::yield_now();
    }

    fn signal_m(t: OsThread) {
        thread::signal(thread_of(t));
    }

    fn set_preempt_timer(when: i64) {
        thread::set_signal_timer(if when == i64::MAX { u64::MAX } else { when.max(0) as u64 });
    }

    fn stack_alloc(size: Option<usize>) -> Result<Stack, PortError> {
        stack::alloc(size).map(|s| Stack { lo: s.lo, hi: s.hi }).map_err(|e| match e {
            stack::StackError::OutOfMemory => PortError::OutOfMemory,
            stack::StackError::OutOfAddressSpace => PortError::OutOfAddressSpace,
        })
    }

    unsafe fn stack_free(s: Stack) {
        // SAFETY: as the caller promises.
        unsafe { stack::free(stack::Stack { lo: s.lo, hi: s.hi }) }
    }

    unsafe fn stack_shrink(s: Stack, keep: usize) -> usize {
        // SAFETY: as the caller promises.
        unsafe { stack::shrink(stack::Stack { lo: s.lo, hi: s.hi }, keep) }
    }

    fn stack_back(_: Stack, from: usize, to: usize) -> bool {
        stack::back_range(from, to)
    }

    fn stack_usage() -> (usize, usize) {
        stack::usage()
    }

    fn sys_arena() -> (usize, usize) {
        let range = memory::direct_map::range();
        (range.start, range.end)
    }

    fn sys_alloc(bytes: usize, align: usize) -> *mut u8 {
        let (n, align) = (bytes / memory::FRAME_SIZE, align / memory::FRAME_SIZE);
        let mut run = frames::alloc_contiguous(n, align, Owner::Heap);
        // Dead stacks' frames lie scattered: it may take more than `n` to make a run.
        while run.is_none() && stack::reclaim(n.max(RECLAIM_FRAMES)) > 0 {
            run = frames::alloc_contiguous(n, align, Owner::Heap);
        }
        run.map_or(null_mut(), memory::direct_map::phys_to_virt)
    }

    unsafe fn sys_free(p: *mut u8, bytes: usize) {
        let frame = memory::direct_map::virt_to_phys(p);
        // SAFETY: as the caller promises.
        unsafe { frames::free_contiguous(frame, bytes / memory::FRAME_SIZE, Owner::Heap) };
    }

    fn sys_stats() -> SysStats {
        let stats = frames::stats();
        let bytes = |frames: usize| frames * memory::FRAME_SIZE;
        let of = |owner: Owner| bytes(stats.owners[owner as usize]);
        SysStats {
            total: bytes(stats.total),
            free: bytes(stats.free),
            heap: of(Owner::Heap),
            stacks: of(Owner::Stack),
            page_tables: of(Owner::PageTable),
            kernel: of(Owner::Kernel),
        }
    }

    fn write(stream: Stream, bytes: &[u8]) -> Written {
        output::write(stream, bytes)
    }

    fn flush() {
        output::flush();
    }

    fn one_stream() -> bool {
        output::shared()
    }

    fn read(buf: &mut [u8]) -> Input {
        input::read(buf)
    }

    fn await_input() {
        input::wait();
    }

    fn write_err(bytes: &[u8]) {
        uart::write_emergency(bytes);
    }

    fn begin_fatal(what: fmt::Arguments<'_>) {
        exception::begin_fatal(what);
    }

    fn symbol(pc: usize) -> Option<(&'static str, usize)> {
        symbols::lookup(pc)
    }

    fn load_program() -> Result<usize, String> {
        crate::elf::load().map_err(|e| e.to_string())
    }

    fn linked(pc: usize) -> usize {
        image::linked(pc)
    }

    unsafe fn try_call(f: extern "C-unwind" fn(*mut u8), arg: *mut u8) -> Result<(), Box<dyn Any + Send>> {
        unwinding::panic::catch_unwind(|| f(arg))
    }

    fn begin_unwind(payload: Box<dyn Any + Send>) -> ! {
        let code = unwinding::panic::begin_panic(payload);
        runtime::machine::throw_with(format_args!("unwinding a panic failed with code {}", code.0))
    }

    fn exit(status: i32) -> ! {
        if !exception::reporting() {
            memory::log_counters();
            thread::log_counters();
        }
        power::exit(status)
    }

    fn args() -> &'static [&'static [u8]] {
        &cmdline::get().args
    }

    fn environ() -> &'static [(&'static str, &'static [u8])] {
        &cmdline::get().environ
    }
}
