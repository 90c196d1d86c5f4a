//! Entry and exit of every exception and interrupt.
//!
//! Each of the 256 vectors has a stub. That of an exception with an error code looks whether there is one: `int 14` pushes none. The CPU
//! aligns an IST stack to 16 bytes and pushes five words and the code, so the stack pointer's bit 3 tells; [`BY_SOFTWARE`] stands for it then.
//! All meet in one piece of assembly that, on the vector's IST stack ([`gdt`](super::gdt)),
//!
//! 1. pushes the general registers: with what the CPU pushed that is a [`TrapFrame`];
//! 2. clears the direction flag, CR0.TS and, where SMAP is on, AC: the interrupted code may have had them set, and with TS step 4 would trap;
//! 3. pushes the interrupted `rip` and `rbp` as if the interrupted function had called, so that frame-pointer walks pass through;
//! 4. saves the extended registers below, with `XSAVE` or `FXSAVE`, because handlers are compiled for SSE;
//! 5. calls [`dispatch`] with interrupts off, and undoes all of it.
//!
//! The frame may be changed by the handler: returning resumes what it then says.
//!
//! Call frame information (CFI) is given for every instruction, so that gdb unwinds from a handler into what was interrupted.

use super::features::SMAP_ON;
use super::{apic, exception, ipi, local};
use crate::memory::{demand_zero, tlb};
use core::arch::global_asm;
use core::fmt;
use core::mem::{offset_of, size_of};
use core::sync::atomic::Ordering;
use spin::Once;
use x86_64::registers::control::Cr2;

/// The vectors that the kernel gives out.
pub mod vector {
    /// The legacy interrupt controllers' sixteen, all masked: they can still send spurious ones.
    pub const LEGACY: u8 = 0x20;
    /// The UART has input.
    pub const UART: u8 = 0x40;
    /// The virtio serial device has input, or has taken output.
    pub const SERIAL: u8 = 0x41;
    /// The core's timer.
    pub const TIMER: u8 = 0xf0;
    /// Look at the run queue.
    pub const RESCHEDULE: u8 = 0xf1;
    /// Serve the shootdown queue.
    pub const TLB: u8 = 0xf2;
    /// The local APIC found an error.
    pub const ERROR: u8 = 0xfe;
    /// The local APIC withdrew an interrupt; takes no EOI.
    pub const SPURIOUS: u8 = 0xff;
}

/// The error code of an exception's vector that was reached by an `int` instruction and so has none. No real one has 64 bits.
pub const BY_SOFTWARE: u64 = u64::MAX;

/// All that was in the core's general registers when a trap came. Order as pushed.
#[derive(Clone, Copy)]
#[repr(C)]
pub struct TrapFrame {
    pub r15: u64,
    pub r14: u64,
    pub r13: u64,
    pub r12: u64,
    pub r11: u64,
    pub r10: u64,
    pub r9: u64,
    pub r8: u64,
    pub rbp: u64,
    pub rdi: u64,
    pub rsi: u64,
    pub rdx: u64,
    pub rcx: u64,
    pub rbx: u64,
    pub rax: u64,
    pub vector: u64,
    /// 0 for vectors without one; or [`BY_SOFTWARE`].
    pub error_code: u64,
    pub rip: u64,
    pub cs: u64,
    pub rflags: u64,
    pub rsp: u64,
    pub ss: u64,
}

impl TrapFrame {
    /// A frame that was never taken.
    pub const ZERO: TrapFrame = TrapFrame {
        r15: 0,
        r14: 0,
        r13: 0,
        r12: 0,
        r11: 0,
        r10: 0,
        r9: 0,
        r8: 0,
        rbp: 0,
        rdi: 0,
        rsi: 0,
        rdx: 0,
        rcx: 0,
        rbx: 0,
        rax: 0,
        vector: 0,
        error_code: 0,
        rip: 0,
        cs: 0,
        rflags: 0,
        rsp: 0,
        ss: 0,
    };

    /// Makes the interrupted code call `f` when the trap returns: `f` returns to where the code was. Go's `sigctxt.pushCall`.
    ///
    /// # Safety
    /// The eight bytes below the interrupted `rsp` are backed and free (they are: there is no red zone), and the interrupted
    /// code can bear the call, which means that `f` keeps every register.
    pub unsafe fn push_call(&mut self, f: usize) {
        self.rsp -= 8;
        // SAFETY: the caller's promise.
        unsafe { (self.rsp as *mut u64).write(self.rip) };
        self.rip = f as u64;
    }
}

impl fmt::Display for TrapFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows = [
            [("rax", self.rax), ("rbx", self.rbx), ("rcx", self.rcx), ("rdx", self.rdx)],
            [("rsi", self.rsi), ("rdi", self.rdi), ("rbp", self.rbp), ("rsp", self.rsp)],
            [("r8 ", self.r8), ("r9 ", self.r9), ("r10", self.r10), ("r11", self.r11)],
            [("r12", self.r12), ("r13", self.r13), ("r14", self.r14), ("r15", self.r15)],
            [("rip", self.rip), ("flg", self.rflags), ("cs ", self.cs), ("ss ", self.ss)],
        ];
        for row in rows {
            for (i, (name, value)) in row.into_iter().enumerate() {
                write!(f, "{}{name} {value:016x}", if i == 0 { "" } else { "  " })?;
            }
            f.write_str("\n")?;
        }
        Ok(())
    }
}

/// What the layers above do on a trap. Each is called with interrupts off, on the trap's IST stack.
pub struct Hooks {
    /// The core's timer is due. The interrupt has been acknowledged.
    pub timer: fn(&mut TrapFrame),
    /// Another core sent [`ipi::send_reschedule`]. The interrupt has been acknowledged.
    pub reschedule: fn(&mut TrapFrame),
    /// The UART has input. The interrupt is acknowledged afterwards.
    pub uart: fn(),
    /// The serial device has input, or has taken output. The interrupt has been acknowledged.
    pub serial: fn(),
    /// A debug exception; true if it was dealt with.
    pub debug: fn(&mut TrapFrame) -> bool,
    /// A page fault at an address; true if it was dealt with and the instruction is to run again.
    pub page_fault: fn(&mut TrapFrame, usize) -> bool,
    /// Writes the line that names the current goroutine in a report; whether its frames are to follow. Takes no lock.
    pub report_context: fn(&mut dyn fmt::Write) -> bool,
    /// Writes what follows these frames in a report. Takes no lock.
    pub report_others: unsafe fn(),
    /// The exit status after a report.
    pub report_status: fn() -> i32,
}

static NO_HOOKS: Hooks = Hooks {
    timer: |_| (),
    reschedule: |_| (),
    uart: || (),
    serial: || (),
    debug: |_| false,
    page_fault: |_, _| false,
    report_context: |_| true,
    report_others: || (),
    report_status: || exception::STATUS,
};

static HOOKS: Once<&'static Hooks> = Once::new();

/// Says what the layers above do on a trap; the first call counts.
pub fn set_hooks(hooks: &'static Hooks) {
    HOOKS.call_once(|| hooks);
}

/// What [`set_hooks`] said, or hooks that do nothing.
pub(super) fn hooks() -> &'static Hooks {
    HOOKS.get().copied().unwrap_or(&NO_HOOKS)
}

/// Called by the assembly for every trap.
extern "C" fn dispatch(frame: &mut TrapFrame) {
    const LEGACY_END: u8 = vector::LEGACY + 15;
    let v = frame.vector as u8;
    if v < 32 {
        if let Err(lost) = local::recover() {
            exception::lost_core(frame, lost);
        }
        match v {
            _ if frame.error_code == BY_SOFTWARE => exception::unhandled(frame),
            1 if (hooks().debug)(frame) => {}
            2 => ipi::nmi(frame),
            14 => page_fault(frame),
            0 if go_fault(frame, fault::SIGFPE, fault::FPE_INTDIV, frame.rip as usize) => {}
            13 if go_fault(frame, fault::SIGSEGV, fault::SI_KERNEL, 0) => {}
            _ => exception::unhandled(frame),
        }
        return;
    }
    local::this().interrupts.fetch_add(1, Ordering::Relaxed);
    match v {
        vector::TIMER => {
            apic::eoi();
            if apic::timer_due() {
                (hooks().timer)(frame);
            } else {
                local::this().early_timers.fetch_add(1, Ordering::Relaxed);
            }
        }
        vector::RESCHEDULE => {
            apic::eoi();
            (hooks().reschedule)(frame);
        }
        vector::TLB => {
            apic::eoi();
            tlb::serve();
        }
        vector::UART => {
            (hooks().uart)();
            // Where the line is level-triggered it would interrupt again if this came before.
            apic::eoi();
        }
        vector::SERIAL => {
            apic::eoi();
            (hooks().serial)();
        }
        vector::ERROR => apic::report_error(),
        #[cfg(feature = "kernel-tests")]
        super::tests::trap::VECTOR => super::tests::trap::clobber(),
        // Neither takes an EOI: the controllers did not note them as being in service.
        vector::SPURIOUS | vector::LEGACY..=LEGACY_END => {}
        _ => {
            apic::eoi();
            crate::log!("cpu {}: interrupt {v:#x} that nobody asked for", local::id());
        }
    }
}

fn page_fault(frame: &mut TrapFrame) {
    let addr = Cr2::read_raw();
    let slot = &local::this().page_fault;
    if let Err(outer) = slot.begin(frame) {
        exception::fault_in_page_fault(frame, addr, outer);
    }
    let kind = if frame.error_code & 1 == 0 { fault::SEGV_MAPERR } else { fault::SEGV_ACCERR };
    if !(hooks().page_fault)(frame, addr as usize)
        && !back_kernel_data(frame, addr as usize)
        && !go_fault(frame, fault::SIGSEGV, kind, addr as usize)
    {
        exception::unhandled(frame);
    }
    slot.end();
}

/// Linux' numbers for faults, which Go code knows.
mod fault {
    pub const SIGFPE: u32 = 8;
    pub const SIGSEGV: u32 = 11;
    pub const FPE_INTDIV: usize = 1;
    pub const SEGV_MAPERR: usize = 1;
    pub const SEGV_ACCERR: usize = 2;
    /// Not of the program's making by any address: a non-canonical one.
    pub const SI_KERNEL: usize = 0x80;
}

/// Whether a fault was one of Go code, which then panics.
fn go_fault(frame: &mut TrapFrame, sig: u32, code: usize, addr: usize) -> bool {
    let (pc, sp) = (frame.rip as usize, frame.rsp as usize);
    // SAFETY: in the trap handler, about the code that it interrupted.
    let Some(fault) = (unsafe { runtime::machine::go_fault(pc, sp, sig, code, addr) }) else { return false };
    if fault.push {
        // SAFETY: the runtime has backed the room below.
        unsafe { frame.push_call(fault.rip) };
    }
    frame.rip = fault.rip as u64;
    true
}

/// Whether a fault was the first touch of kernel data that is backed by demand, which works before there are hooks.
fn back_kernel_data(frame: &TrapFrame, addr: usize) -> bool {
    /// In the error code: the page is there, but not for what was done (SDM 3A 4.7).
    const PRESENT: u64 = 1;
    let backed = if frame.error_code & PRESENT == 0 { demand_zero::back(addr) } else { Ok(false) };
    backed.unwrap_or_else(|e| {
        exception::fatal(format_args!("fatal error: {e}, or for the kernel's data"), Some(frame))
    })
}

/// Address of a vector's stub.
pub(super) fn stub(v: u8) -> usize {
    &raw const __trap_stubs as usize + usize::from(v) * STUB_SIZE
}

/// Whether `pc` is in the assembly that calls [`dispatch`].
pub(super) fn is_entry(pc: usize) -> bool {
    (&raw const __trap_common as usize..&raw const __trap_end as usize).contains(&pc)
}

const STUB_SIZE: usize = 16;

/// The exceptions that push an error code: #DF, #TS, #NP, #SS, #GP, #PF, #AC, #CP, #VC, #SX (SDM vol. 3, 6.15; AMD vol. 2, 8.2).
const WITH_ERROR_CODE: u32 = 1 << 8 | 0x1f << 10 | 1 << 17 | 1 << 21 | 1 << 29 | 1 << 30;

unsafe extern "C" {
    safe static __trap_stubs: u8;
    safe static __trap_common: u8;
    safe static __trap_end: u8;
}

global_asm!(
    r#"
    .macro trap_push reg
    pushq %\reg
    .cfi_adjust_cfa_offset 8
    .cfi_rel_offset %\reg, 0
    .endm
    .macro trap_pop reg
    popq %\reg
    .cfi_adjust_cfa_offset -8
    .cfi_same_value %\reg
    .endm

    .section .text.trap, "ax"
    .balign {stub_size}
    .globl __trap_stubs
    .type __trap_stubs, @function
__trap_stubs:
    .cfi_startproc simple
    .cfi_signal_frame
    .cfi_def_cfa %rsp, 40
    .cfi_offset %rip, -40
    .cfi_offset %rsp, -16
    .set trap_vector, 0
    .rept 256
    .balign {stub_size}
    .if (trap_vector < 32) && (({with_error_code} >> trap_vector) & 1)
    .cfi_def_cfa_offset 48
    testb $8, %spl
    jz 1f
    pushq ${by_software}
1:
    .else
    .cfi_def_cfa_offset 40
    pushq $0
    .cfi_def_cfa_offset 48
    .endif
    pushq $trap_vector
    .cfi_def_cfa_offset 56
    jmp __trap_common
    .set trap_vector, trap_vector + 1
    .endr
    .cfi_endproc
    .size __trap_stubs, . - __trap_stubs

    .globl __trap_common
    .type __trap_common, @function
__trap_common:
    .cfi_startproc simple
    .cfi_signal_frame
    .cfi_def_cfa %rsp, 56
    .cfi_offset %rip, -40
    .cfi_offset %rsp, -16
    trap_push rax
    trap_push rbx
    trap_push rcx
    trap_push rdx
    trap_push rsi
    trap_push rdi
    trap_push rbp
    trap_push r8
    trap_push r9
    trap_push r10
    trap_push r11
    trap_push r12
    trap_push r13
    trap_push r14
    trap_push r15
    cld
    clts
    cmpb $0, {smap}(%rip)
    je 1f
    clac
1:
    movq %rsp, %rbx
    .cfi_def_cfa_register %rbx
    pushq {rip}(%rbx)
    pushq %rbp
    movq %rsp, %rbp
    movq %rbx, %rdi
    movq __gzero_xsave_size(%rip), %rcx
    testq %rcx, %rcx
    jz 2f
    subq %rcx, %rsp
    andq $-64, %rsp
    xorl %eax, %eax
    movq %rax, 512(%rsp)
    movq %rax, 520(%rsp)
    movq %rax, 528(%rsp)
    movq %rax, 536(%rsp)
    movq %rax, 544(%rsp)
    movq %rax, 552(%rsp)
    movq %rax, 560(%rsp)
    movq %rax, 568(%rsp)
    movl __gzero_xsave_mask(%rip), %eax
    movl __gzero_xsave_mask+4(%rip), %edx
    xsave64 (%rsp)
    call {dispatch}
    movl __gzero_xsave_mask(%rip), %eax
    movl __gzero_xsave_mask+4(%rip), %edx
    xrstor64 (%rsp)
    jmp 3f
2:
    subq $512, %rsp
    andq $-16, %rsp
    fxsave64 (%rsp)
    call {dispatch}
    fxrstor64 (%rsp)
3:
    movq %rbx, %rsp
    .cfi_def_cfa_register %rsp
    trap_pop r15
    trap_pop r14
    trap_pop r13
    trap_pop r12
    trap_pop r11
    trap_pop r10
    trap_pop r9
    trap_pop r8
    trap_pop rbp
    trap_pop rdi
    trap_pop rsi
    trap_pop rdx
    trap_pop rcx
    trap_pop rbx
    trap_pop rax
    addq $16, %rsp
    .cfi_adjust_cfa_offset -16
    iretq
    .cfi_endproc
    .size __trap_common, . - __trap_common
    .globl __trap_end
__trap_end:
    .purgem trap_push
    .purgem trap_pop
    .text
"#,
    stub_size = const STUB_SIZE,
    with_error_code = const WITH_ERROR_CODE,
    by_software = const BY_SOFTWARE as i64,
    smap = sym SMAP_ON,
    rip = const offset_of!(TrapFrame, rip),
    dispatch = sym dispatch,
    options(att_syntax)
);

const _: () = assert!(size_of::<TrapFrame>() == 176);
