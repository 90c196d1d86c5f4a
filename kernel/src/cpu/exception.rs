//! Reports of what ends the machine: exceptions that nobody handles, and fatal errors of the kernel.
//!
//! A report takes no lock, because the code that was interrupted may hold any, and is made by one core: the first that gets here
//! stops the others. A fault while it is made ends the machine at once, with what has been printed so far.

use super::trap::{BY_SOFTWARE, TrapFrame, hooks};
use super::{backtrace, ipi, local, power};
use crate::device::uart::{Emergency, end_line_emergency};
use crate::image;
use core::arch::asm;
use core::fmt::{self, Write};
use core::sync::atomic::{AtomicUsize, Ordering};
use x86_64::instructions::{hlt, interrupts};
use x86_64::registers::control::{Cr0, Cr2, Cr3, Cr4};
use x86_64::registers::debug::Dr6;
use x86_64::registers::model_specific::Efer;

/// Exit status of a program that the kernel or the runtime ends for an error: Go's.
pub(super) const STATUS: i32 = 2;

/// Mnemonic and name of each exception (SDM vol. 3, table 6-1; AMD vol. 2, table 8-1).
const NAMES: [(&str, &str); 32] = [
    ("#DE", "divide error"),
    ("#DB", "debug exception"),
    ("NMI", "non-maskable interrupt"),
    ("#BP", "breakpoint"),
    ("#OF", "overflow"),
    ("#BR", "bound range exceeded"),
    ("#UD", "invalid opcode"),
    ("#NM", "device not available"),
    ("#DF", "double fault"),
    ("", "coprocessor segment overrun"),
    ("#TS", "invalid TSS"),
    ("#NP", "segment not present"),
    ("#SS", "stack-segment fault"),
    ("#GP", "general protection fault"),
    ("#PF", "page fault"),
    ("", "reserved exception 15"),
    ("#MF", "x87 floating-point error"),
    ("#AC", "alignment check"),
    ("#MC", "machine check"),
    ("#XM", "SIMD floating-point exception"),
    ("#VE", "virtualization exception"),
    ("#CP", "control protection exception"),
    ("", "reserved exception 22"),
    ("", "reserved exception 23"),
    ("", "reserved exception 24"),
    ("", "reserved exception 25"),
    ("", "reserved exception 26"),
    ("", "reserved exception 27"),
    ("#HV", "hypervisor injection exception"),
    ("#VC", "VMM communication exception"),
    ("#SX", "security exception"),
    ("", "reserved exception 31"),
];

/// An exception in words: what happened and why, as far as its error code tells.
pub struct Cause {
    /// Vector, below 32.
    pub vector: u8,
    /// What the CPU pushed, or [`BY_SOFTWARE`].
    pub error_code: u64,
    /// CR2, for page faults.
    pub address: u64,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let e = self.error_code;
        let bit = |n: u32| e >> n & 1 != 0;
        let name = NAMES[usize::from(self.vector & 31)].1;
        if e == BY_SOFTWARE {
            return write!(f, "instruction int {}: no {name}", self.vector);
        }
        f.write_str(name)?;
        match self.vector {
            7 => f.write_str(": FPU or vector instruction while CR0.TS was set"),
            14 => {
                let what = if bit(4) {
                    "instruction fetch from"
                } else if bit(1) {
                    "write to"
                } else {
                    "read of"
                };
                let why = match () {
                    _ if bit(3) => "reserved bit set in a page table",
                    _ if bit(5) => "protection key",
                    _ if bit(0) => "page protected",
                    _ => "page not present",
                };
                write!(f, ": {what} {:#x}, {why}", self.address)
            }
            // A selector: index, table and whether an event outside the program named it (SDM vol. 3, 6.13).
            10..=13 if e != 0 => {
                let table = match e >> 1 & 3 {
                    0 => "GDT",
                    2 => "LDT",
                    _ => "IDT",
                };
                let external = if bit(0) { ", external event" } else { "" };
                write!(f, ": {table} entry {}{external}", e >> 3 & 0x1fff)
            }
            13 => write!(f, ": non-canonical address, misaligned operand or forbidden value"),
            1 => write!(f, ": {:?}", Dr6::read()),
            _ => Ok(()),
        }
    }
}

/// Reports an exception that nobody handles and ends the machine.
pub fn unhandled(frame: &TrapFrame) -> ! {
    fatal(format_args!("fatal error: {}", cause(frame)), Some(frame))
}

fn cause(frame: &TrapFrame) -> Cause {
    Cause { vector: frame.vector as u8, error_code: frame.error_code, address: Cr2::read_raw() }
}

/// Reports that the base of GS was `lost`, another address than that of a core's block, when a trap came.
pub fn lost_core(frame: &TrapFrame, lost: u64) -> ! {
    fatal(
        format_args!(
            "fatal error: the base of GS is {lost:#x}, where no core has its data; then: {}",
            cause(frame)
        ),
        Some(frame),
    )
}

/// Reports a page fault inside the handling of another, `outer`, whose stack it has overwritten.
pub fn fault_in_page_fault(frame: &TrapFrame, addr: u64, outer: &TrapFrame) -> ! {
    let pc = super::symbols::lookup(frame.rip as usize);
    let (name, offset) = pc.unwrap_or(("unknown function", 0));
    fatal(
        format_args!(
            "fatal error: page fault at {addr:#x} in the page fault handler, at {:#x} ({name} +{offset:#x}), while handling this one",
            frame.rip
        ),
        Some(outer),
    )
}

/// The core that makes the report, plus one.
static REPORTER: AtomicUsize = AtomicUsize::new(0);

/// Whether a fatal report has begun, so that other cores may be stopped with locks held.
pub fn reporting() -> bool {
    REPORTER.load(Ordering::Relaxed) != 0
}

/// Begins a fatal report about `what`, on a line of its own: interrupts go off, the other cores stop. Does not return if another core has begun one, which is about to
/// stop this one. If this core has, what reports is broken itself: that is said, and the machine ends with status 2.
pub fn begin_fatal(what: fmt::Arguments<'_>) {
    interrupts::disable();
    let me = local::id() + 1;
    match REPORTER.compare_exchange(0, me, Ordering::Relaxed, Ordering::Relaxed) {
        Ok(_) => {
            ipi::stop_others();
            end_line_emergency();
        }
        Err(reporter) if reporter == me => {
            end_line_emergency();
            // The console does not fail.
            _ = writeln!(Emergency, "\n{what}\n[while the error above was being reported]");
            power::exit(STATUS)
        }
        Err(_) => loop {
            hlt();
        },
    }
}

/// Stops the other cores, prints `args`, the registers of `frame`, the goroutine and a backtrace, and ends the
/// machine with status 2. Callable from anywhere.
#[inline(never)]
pub fn fatal(args: fmt::Arguments<'_>, frame: Option<&TrapFrame>) -> ! {
    begin_fatal(args);
    // The console does not fail.
    _ = report(&mut Emergency, args, frame, caller());
    power::exit((hooks().report_status)())
}

/// `caller` is where the report was asked for: a return address and the frame pointer that goes with it.
fn report(
    w: &mut dyn Write,
    args: fmt::Arguments<'_>,
    frame: Option<&TrapFrame>,
    caller: (usize, usize),
) -> fmt::Result {
    writeln!(w, "{args}")?;
    let (pc, fp, interrupted) = match frame {
        Some(frame) => {
            registers(w, frame)?;
            (frame.rip as usize, frame.rbp as usize, true)
        }
        None => (caller.0, caller.1, false),
    };
    writeln!(w)?;
    if (hooks().report_context)(w) {
        backtrace::print(w, pc, fp, interrupted)?;
    }
    // SAFETY: `begin_fatal` has stopped them.
    unsafe { (hooks().report_others)() };
    Ok(())
}

/// An error code in words.
struct ErrorCode(u64);

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            BY_SOFTWARE => f.write_str("no error code"),
            code => write!(f, "error code {code:#x}"),
        }
    }
}

fn registers(w: &mut dyn Write, frame: &TrapFrame) -> fmt::Result {
    let v = frame.vector as usize;
    match NAMES.get(v) {
        Some((mnemonic, name)) => writeln!(
            w,
            "[exception {v} {mnemonic} {name}, {}, core {}]\n",
            ErrorCode(frame.error_code),
            local::id()
        )?,
        None => writeln!(w, "[interrupt {v:#x}, core {}]\n", local::id())?,
    }
    write!(w, "{frame}")?;
    writeln!(
        w,
        "cr0 {:016x}  cr2 {:016x}  cr3 {:016x}  cr4 {:016x}\nefr {:016x}",
        Cr0::read_raw(),
        Cr2::read_raw(),
        Cr3::read().0.start_address(),
        Cr4::read_raw(),
        Efer::read_raw(),
    )?;
    match image::moved_by() {
        0 => Ok(()),
        by => writeln!(w, "the image is moved by {by:#x}"),
    }
}

/// The return address of the function that this is inlined into, and its caller's frame pointer.
#[inline(always)]
fn caller() -> (usize, usize) {
    let fp: *const [usize; 2];
    // SAFETY: code is compiled with frame pointers, so `rbp` points to the caller's frame pointer and the return address.
    let [fp, pc] = unsafe {
        asm!("mov {}, rbp", out(reg) fp, options(nomem, nostack, preserves_flags));
        fp.read()
    };
    (pc, fp)
}
