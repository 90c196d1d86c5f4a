//! Unwinding of a panicking goroutine's stack: `_Unwind_RaiseException` and `_Unwind_Resume` of the Itanium C++ ABI, as Rust's compiler uses them.
//!
//! # The problem
//! What a frame saves, and where it continues when a panic passes, stands in `.eh_frame` and `.gcc_except_table`: programs for a small machine, found by a
//! binary search, interpreted anew for every frame of every panic and in both phases. With the crate `unwinding`'s unwinder that is 10,000 to 22,000
//! instructions a frame. But what comes of it depends on the return address alone, and a program's panics pass the same few.
//!
//! # The protocol
//! 1. [`Row`] is all that a return address says: how the caller's registers are found, and the landing pad, if there is one. It is
//!    decoded once (`row`, by the crate `gimli`; `personality`, by the crate `unwinding`) and kept for ever in the [`Cache`].
//! 2. `_Unwind_RaiseException` writes the callee-saved registers into [`Registers`] on its own stack frame.
//! 3. Phase 1 walks a copy of them, row by row, to the frame that catches. If there is none, or code on the way may not be unwound, it returns an error and
//!    nothing has happened yet.
//! 4. Phase 2 begins at the first landing pad, whose registers phase 1 has kept: rax has the exception, rdx 0 ([`Registers::install`]).
//! 5. A landing pad that only cleans up calls `_Unwind_Resume`, which does 2 and walks to the next landing pad.
//!
//! Phase 2 needs nothing from phase 1: a Rust frame that catches does so whatever the exception is, so the first one is the right one.
//!
//! # Preemption
//! A goroutine may be preempted at any instruction of this, which pushes its registers below rsp. So `install` reads everything before it changes rsp; and the
//! cache has no state in which another goroutine would have to wait for this one.
//!
//! # Rejected
//! - The crate `unwinding`'s unwinder with a finder of ours (`fde-custom`): the search is a tenth of the cost.
//! - One phase: code that cannot be unwound would be noticed only after destructors have run.
//! - An index made at build time: every return address of the kernel, for the few that panics pass.
//! - Registers of more than the calling convention's six callee-saved ones, CFA expressions, signal frames: the compiler emits none in code that panics
//!   pass. A row that would need them is an error.

mod cache;
mod personality;
mod row;
mod slot;
#[cfg(feature = "kernel-tests")]
mod tests;

use core::arch::naked_asm;
use core::mem::offset_of;
use core::sync::atomic;
use row::{Base, Landing, Row, Undecodable};
use unwinding::abi::{UnwindException, UnwindReasonCode};

static CACHE: cache::Cache<2048> = cache::Cache::new();

/// The registers that a function leaves as it found them, at a call: what the frames of a walk differ in.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Registers {
    /// rbx, rbp, r12, r13, r14, r15.
    saved: [usize; 6],
    /// After the call's return.
    rsp: usize,
    /// The return address.
    rip: usize,
}

/// rbp's place in [`Registers::saved`].
const RBP: usize = 1;

impl Registers {
    /// The row of the call that these registers are at.
    #[inline]
    fn row(&self) -> Result<Row, Undecodable> {
        if let Some(row) = CACHE.get(self.rip) {
            return Ok(row);
        }
        let row = row::decode(self.rip)?;
        CACHE.insert(self.rip, row);
        Ok(row)
    }

    /// Goes to the caller of the function that these registers are in.
    ///
    /// # Safety
    /// `row` is that of `rip`, and the frame is one of the current stack.
    #[inline]
    unsafe fn step(&mut self, row: &Row) {
        let base = match row.base {
            Base::Rsp => self.rsp,
            Base::Rbp => self.saved[RBP],
        };
        let cfa = base.wrapping_add_signed(row.cfa_offset as isize);
        // SAFETY: what the compiler says of its frame, which lies in the current stack.
        let below = |words: u8| unsafe { *(cfa as *const usize).sub(words.into()) };
        for (register, &words) in self.saved.iter_mut().zip(&row.saved) {
            if words != 0 {
                *register = below(words);
            }
        }
        self.rip = below(1);
        self.rsp = cfa;
    }

    /// Continues at `landing` with these registers and `exception`.
    ///
    /// # Safety
    /// `landing` is the landing pad of `rip`; nothing below `rsp` is needed any more, this function's own frame included.
    #[unsafe(naked)]
    unsafe extern "C" fn install(&self, landing: usize, exception: *mut UnwindException) -> ! {
        naked_asm!(
            "mov rax, rdx",
            "xor edx, edx",
            "mov rbx, [rdi]",
            "mov rbp, [rdi + 8]",
            "mov r12, [rdi + 16]",
            "mov r13, [rdi + 24]",
            "mov r14, [rdi + 32]",
            "mov r15, [rdi + 40]",
            "mov rsp, [rdi + {rsp}]",
            "jmp rsi",
            rsp = const offset_of!(Registers, rsp),
        )
    }
}

/// The body of a naked function that calls `$function` with its own argument and the [`Registers`] that its caller has at the return, in its own
/// frame; `$after` is what follows the call.
macro_rules! with_registers {
    ($function:ident, $($after:literal),+) => {
        naked_asm!(
            ".cfi_startproc",
            "sub rsp, 72",
            ".cfi_def_cfa_offset 80",
            "mov [rsp], rbx",
            "mov [rsp + 8], rbp",
            "mov [rsp + 16], r12",
            "mov [rsp + 24], r13",
            "mov [rsp + 32], r14",
            "mov [rsp + 40], r15",
            "lea rax, [rsp + 80]",
            "mov [rsp + {rsp}], rax",
            "mov rax, [rsp + 72]",
            "mov [rsp + {rip}], rax",
            "mov rsi, rsp",
            "call {function}",
            $($after,)+
            ".cfi_endproc",
            rsp = const offset_of!(Registers, rsp),
            rip = const offset_of!(Registers, rip),
            function = sym $function,
        )
    };
}

/// Unwinds the stack with `exception`. Returns only if it cannot be done: `END_OF_STACK` if no frame catches, `FATAL_PHASE1_ERROR` if a frame on
/// the way must not be unwound.
///
/// # Safety
/// As the Itanium C++ ABI says, level I.
#[unsafe(naked)]
#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn _Unwind_RaiseException(exception: *mut UnwindException) -> UnwindReasonCode {
    with_registers!(raise, "add rsp, 72", ".cfi_def_cfa_offset 8", "ret")
}

/// Continues an unwinding behind a landing pad that has cleaned up.
///
/// # Safety
/// As the Itanium C++ ABI says: called by landing pads only.
#[unsafe(naked)]
#[unsafe(no_mangle)]
unsafe extern "C-unwind" fn _Unwind_Resume(exception: *mut UnwindException) -> ! {
    with_registers!(resume, "ud2")
}

/// Phase 1, and phase 2 as far as the first landing pad, at which phase 1 comes by.
///
/// # Safety
/// `registers` are those of a call in the current stack, and what the stack holds above it is a panic's to unwind.
unsafe extern "C" fn raise(exception: *mut UnwindException, registers: &mut Registers) -> UnwindReasonCode {
    let mut ahead = *registers;
    let mut first = None;
    loop {
        let row = match ahead.row() {
            Ok(row) => row,
            Err(Undecodable::NoFrame) => return UnwindReasonCode::END_OF_STACK,
            Err(Undecodable::Malformed) => return UnwindReasonCode::FATAL_PHASE1_ERROR,
        };
        match row.landing {
            Landing::None => {}
            Landing::Forbidden => return UnwindReasonCode::FATAL_PHASE1_ERROR,
            Landing::Cleanup(at) | Landing::Catch(at) => {
                if first.is_none() {
                    first = Some(at);
                    *registers = ahead;
                }
            }
        }
        if let (Landing::Catch(_), Some(at)) = (row.landing, first) {
            // SAFETY: `at` is the landing pad of these registers; they are read before the stack pointer leaves them behind.
            unsafe { registers.install(at, exception) }
        }
        // SAFETY: the row is the frame's; the walk began at a frame of this stack.
        unsafe { ahead.step(&row) };
    }
}

/// Phase 2 from a landing pad that has cleaned up to the next.
///
/// # Safety
/// As [`raise`].
unsafe extern "C" fn resume(exception: *mut UnwindException, registers: &mut Registers) -> ! {
    loop {
        match registers.row().map(|row| (row, row.landing)) {
            // SAFETY: as in `raise`.
            Ok((row, Landing::None)) => unsafe { registers.step(&row) },
            // SAFETY: as in `raise`.
            Ok((_, Landing::Catch(at) | Landing::Cleanup(at))) => unsafe { registers.install(at, exception) },
            // Phase 1 came by here.
            found => runtime::machine::throw_with(format_args!(
                "unwinding stops at {:#x}: {found:?}",
                registers.rip
            )),
        }
    }
}

/// Frees an exception that is not Rust's own.
///
/// # Safety
/// As the Itanium C++ ABI says.
#[unsafe(no_mangle)]
unsafe extern "C" fn _Unwind_DeleteException(exception: *mut UnwindException) {
    // SAFETY: as the caller promises.
    if let Some(cleanup) = unsafe { (*exception).exception_cleanup } {
        // SAFETY: as above: nobody uses the exception after this.
        unsafe { cleanup(UnwindReasonCode::FOREIGN_EXCEPTION_CAUGHT, exception) };
    }
}
