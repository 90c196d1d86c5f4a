//! Context switch and asynchronous preemption on x86-64 (Go: `gogo`, `mcall`, `systemstack` in `asm_amd64.s`; `preempt_amd64.s`).
//!
//! # What a switch saves
//! A cooperative switch is a function call to the compiler: it saves the callee-saved registers (rbx, rbp, r12–r15) on the goroutine's own
//! stack and the stack pointer in the G, six pushes and a store. MXCSR and the x87 control word are not saved: nothing here changes them.
//! An asynchronous one interrupts code anywhere and saves everything: flags, all general registers, and the XSAVE area.
//!
//! # Order of the current G and the stack
//! Two things change in a switch, what `getg` returns and the stack pointer, and an interrupt may come between them. The G is set first, in
//! both directions: then an interrupt sees either a g0, which is not preempted, or a goroutine with a stack pointer outside
//! its stack, which is not preempted either (`preempt.rs`).

use crate::port::{self, Stack};
use crate::proc::{G, GoG, Status};
use core::arch::{asm, global_asm};
use core::mem::offset_of;
use core::sync::atomic::{AtomicBool, AtomicU64};

/// Bytes of the processor's XSAVE area for all enabled features; 0: FXSAVE is used. Set by the port at start.
#[unsafe(export_name = "__gzero_runtime_xsave_size")]
pub static XSAVE_SIZE: AtomicU64 = AtomicU64::new(0);

unsafe extern "C" {
    fn __gzero_mcall(save: *mut usize, sp: usize, f: *const (), gp: *mut ());
    fn __gzero_coro_switch(from: *mut GoG, to: *mut GoG);
    fn __gzero_async_preempt();
    fn __gzero_on_stack(sp: usize, f: unsafe extern "C" fn(*mut u8), arg: *mut u8);
}

/// Takes off the stack what `__gzero_mcall` pushed, and returns to its caller.
macro_rules! continue_saved {
    () => {
        "pop r15
        pop r14
        pop r13
        pop r12
        pop rbx
        pop rbp
        ret"
    };
}

global_asm!(
    // fn(save: *mut usize, sp, f, gp): saves the callee-saved registers and the stack pointer, calls f(gp) on stack sp.
    // `gogo` continues after the call.
    ".global __gzero_mcall",
    ".type __gzero_mcall, @function",
    "__gzero_mcall:",
    ".cfi_startproc",
    "push rbp",
    ".cfi_def_cfa_offset 16",
    ".cfi_offset rbp, -16",
    "mov rbp, rsp",
    ".cfi_def_cfa_register rbp",
    "push rbx",
    "push r12",
    "push r13",
    "push r14",
    "push r15",
    ".cfi_offset rbx, -24",
    ".cfi_offset r12, -32",
    ".cfi_offset r13, -40",
    ".cfi_offset r14, -48",
    ".cfi_offset r15, -56",
    "mov [rdi], rsp",
    "mov rsp, rsi",
    "xor ebp, ebp",
    "mov rdi, rcx",
    "call rdx",
    "ud2",
    ".cfi_endproc",
    ".size __gzero_mcall, . - __gzero_mcall",
    // fn(from, to), each by its end: saves in G `from` what a caller needs that keeps nothing over
    // calls but rbp and r14, where __gzero_mcall has them, and the stack pointer. Then, on the
    // stack of G `to`, `from` goes from running to waiting, and `to` continues what either function
    // saved.
    ".global __gzero_coro_switch",
    ".type __gzero_coro_switch, @function",
    "__gzero_coro_switch:",
    ".cfi_startproc",
    "push rbp",
    ".cfi_def_cfa_offset 16",
    ".cfi_offset rbp, -16",
    "sub rsp, 40",
    ".cfi_def_cfa_offset 56",
    "mov [rsp + 8], r14",
    ".cfi_offset r14, -48",
    "mov [rdi - {sched_sp}], rsp",
    "mov rsp, [rsi - {sched_sp}]",
    "mov eax, {running}",
    "mov ecx, {waiting}",
    "lock cmpxchg [rdi - {status}], ecx",
    "jne 2f",
    "3:",
    continue_saved!(),
    "2:",
    "sub rsp, 8",
    "call {let_go}",
    "add rsp, 8",
    "jmp 3b",
    ".cfi_endproc",
    ".size __gzero_coro_switch, . - __gzero_coro_switch",
    // fn(sp, f, arg): calls f(arg) on stack sp and returns.
    ".global __gzero_on_stack",
    ".type __gzero_on_stack, @function",
    "__gzero_on_stack:",
    ".cfi_startproc",
    "push rbp",
    ".cfi_def_cfa_offset 16",
    ".cfi_offset rbp, -16",
    "mov rbp, rsp",
    ".cfi_def_cfa_register rbp",
    "mov rsp, rdi",
    "mov rdi, rdx",
    "call rsi",
    "mov rsp, rbp",
    "pop rbp",
    ".cfi_def_cfa rsp, 8",
    "ret",
    ".cfi_endproc",
    ".size __gzero_on_stack, . - __gzero_on_stack",
    // Calls r11(r8, r9, r10) and keeps all other general registers but rax.
    ".global __gzero_keep_registers",
    ".type __gzero_keep_registers, @function",
    "__gzero_keep_registers:",
    ".cfi_startproc",
    "push rbp",
    ".cfi_def_cfa_offset 16",
    ".cfi_offset rbp, -16",
    "mov rbp, rsp",
    ".cfi_def_cfa_register rbp",
    "push rcx",
    "push rdx",
    "push rsi",
    "push rdi",
    "mov rdi, r8",
    "mov rsi, r9",
    "mov rdx, r10",
    "call r11",
    "pop rdi",
    "pop rsi",
    "pop rdx",
    "pop rcx",
    "pop rbp",
    ".cfi_def_cfa rsp, 8",
    "ret",
    ".cfi_endproc",
    ".size __gzero_keep_registers, . - __gzero_keep_registers",
    sched_sp = const size_of::<G>() - offset_of!(G, sched_sp),
    status = const size_of::<G>() - G::STATUS_OFFSET,
    running = const Status::Running as u32,
    waiting = const Status::Waiting as u32,
    let_go = sym crate::proc::let_go_of_coroutine,
);

/// Calls `f(a, b, c)`, which is rarely done, in a way that costs the caller nothing where it is not
/// done: the registers that code holds something in are as before, so that none is saved early.
#[inline(always)]
pub(crate) fn call_keeping_registers<A>(f: extern "C" fn(&A, u32, u32), a: &A, b: u32, c: u32) {
    // SAFETY: a call by the C calling convention, whose other registers the assembly saves; nothing
    // of the floating point kind is live over it.
    unsafe {
        asm!(
            "call __gzero_keep_registers",
            inout("r8") a => _,
            inout("r9") u64::from(b) => _,
            inout("r10") u64::from(c) => _,
            inout("r11") f as usize => _,
            out("rax") _,
            out("xmm0") _, out("xmm1") _, out("xmm2") _, out("xmm3") _,
            out("xmm4") _, out("xmm5") _, out("xmm6") _, out("xmm7") _,
            out("xmm8") _, out("xmm9") _, out("xmm10") _, out("xmm11") _,
            out("xmm12") _, out("xmm13") _, out("xmm14") _, out("xmm15") _,
        );
    }
}

/// Defines `$symbol`, code that an interrupt can make any code call: it saves every register, XSAVE area included, on the current
/// stack, calls the Rust function `$callee`, restores them all, and returns to the interrupted instruction.
#[macro_export]
macro_rules! interrupt_call_asm {
    ($symbol:literal, $callee:path) => {
        ::core::arch::global_asm!(
            concat!(".global ", $symbol, ""),
            concat!(".type ", $symbol, ", @function"),
            concat!("", $symbol, ":"),
            ".cfi_startproc",
            "push rbp",
            ".cfi_def_cfa_offset 16",
            ".cfi_offset rbp, -16",
            "mov rbp, rsp",
            ".cfi_def_cfa_register rbp",
            "pushfq",
            "push rax",
            "push rcx",
            "push rdx",
            "push rbx",
            "push rsi",
            "push rdi",
            "push r8",
            "push r9",
            "push r10",
            "push r11",
            "push r12",
            "push r13",
            "push r14",
            "push r15",
            "cld",
            "mov rax, [rip + __gzero_runtime_xsave_size]",
            "test rax, rax",
            "jz 2f",
            "sub rsp, rax",
            "and rsp, -64",
            // XSAVE does not write the reserved part of the header (SDM vol. 1, 13.4.2), XRSTOR faults unless it is 0.
            "xor ecx, ecx",
            "mov [rsp + 512], rcx",
            "mov [rsp + 520], rcx",
            "mov [rsp + 528], rcx",
            "mov [rsp + 536], rcx",
            "mov [rsp + 544], rcx",
            "mov [rsp + 552], rcx",
            "mov [rsp + 560], rcx",
            "mov [rsp + 568], rcx",
            "mov eax, -1",
            "mov edx, -1",
            "xsave64 [rsp]",
            "call {callee}",
            "mov eax, -1",
            "mov edx, -1",
            "xrstor64 [rsp]",
            "jmp 3f",
            "2:",
            "sub rsp, 512",
            "and rsp, -64",
            "fxsave64 [rsp]",
            "call {callee}",
            "fxrstor64 [rsp]",
            "3:",
            "lea rsp, [rbp - 15 * 8]",
            "pop r15",
            "pop r14",
            "pop r13",
            "pop r12",
            "pop r11",
            "pop r10",
            "pop r9",
            "pop r8",
            "pop rdi",
            "pop rsi",
            "pop rbx",
            "pop rdx",
            "pop rcx",
            "pop rax",
            "popfq",
            "pop rbp",
            ".cfi_def_cfa rsp, 8",
            "ret",
            ".cfi_endproc",
            concat!(".size ", $symbol, ", . - ", $symbol, ""),
            callee = sym $callee,
        );
    };
}

interrupt_call_asm!("__gzero_async_preempt", crate::proc::async_preempt2);

/// The code that a preempted goroutine is made to call; see `preempt.rs`. Never called from Rust.
pub(crate) fn async_preempt() -> usize {
    __gzero_async_preempt as *const () as usize
}

/// Whether `pc` is in the code that a preempted goroutine is made to call.
pub(crate) fn is_async_preempt(pc: usize) -> bool {
    /// More than it has.
    const BYTES: usize = 512;
    (async_preempt()..async_preempt() + BYTES).contains(&pc)
}

/// The frame pointer and the return address that [`mcall`] saved at `sp`.
///
/// # Safety
/// It did.
pub(crate) unsafe fn saved_frame(sp: usize) -> (usize, usize) {
    // SAFETY: as the caller promises: `r15 r14 r13 r12 rbx rbp` and the address lie there.
    unsafe { ((sp as *const usize).add(5).read(), (sp as *const usize).add(6).read()) }
}

/// Saves the current goroutine `gp` and calls `f(gp)` on its M's g0; returns when `gp` is run again, perhaps on another M.
///
/// # Safety
/// On `gp`, a goroutine with its `locks` count raised by the caller, so that its M stays until the switch.
#[inline(always)]
pub(crate) unsafe fn mcall(gp: *mut G, f: extern "C" fn(*mut G) -> !) {
    // SAFETY: as the caller promises; g0's frames below `sched_sp` are dead whenever a goroutine runs on the M.
    unsafe {
        let g0 = (*(*gp).m).g0;
        port::setg(g0);
        __gzero_mcall(&raw mut (*gp).sched_sp, (*g0).sched_sp, f as *const (), gp.cast());
    }
}

/// Saves the current goroutine `gp`, which waits then, and continues `to`; returns when `gp` is run
/// again, perhaps on another M.
///
/// # Safety
/// On the stack of `gp`, called by Go code, which keeps nothing over calls but rbp and r14; nothing
/// is done after this. `to` is the current G already, has run before, and this M owns it in state
/// running.
#[inline(always)]
pub(crate) unsafe fn switch(gp: *mut G, to: *mut G) {
    // SAFETY: as the caller promises.
    unsafe { __gzero_coro_switch(G::go(gp), G::go(to)) };
}

/// [`mcall`] for a goroutine that will not be run again: nothing of it is saved.
///
/// # Safety
/// As [`mcall`], and nothing on `gp`'s stack is needed any more.
#[inline(always)]
pub(crate) unsafe fn leave(gp: *mut G, f: extern "C" fn(*mut G) -> !) -> ! {
    // SAFETY: as the caller promises; see `mcall`.
    unsafe {
        let g0 = (*(*gp).m).g0;
        port::setg(g0);
        asm!(
            "mov rsp, {sp}",
            "xor ebp, ebp",
            "call {f}",
            "ud2",
            sp = in(reg) (*g0).sched_sp,
            f = in(reg) f,
            in("rdi") gp,
            options(noreturn),
        )
    }
}

/// Continues `gp` where it left off.
///
/// # Safety
/// On the g0 of the current M, which owns `gp` in state running, with a stack.
#[inline(always)]
pub(crate) unsafe fn gogo(gp: *mut G) -> ! {
    // SAFETY: `sched_sp` is what `mcall` saved there.
    unsafe {
        port::setg(gp);
        asm!(
            "mov rsp, {sp}",
            continue_saved!(),
            sp = in(reg) (*gp).sched_sp,
            options(noreturn),
        )
    }
}

/// Begins `gp` at `first` on its stack.
///
/// # Safety
/// As [`gogo`], but the goroutine has not run; the highest page of its stack is backed.
#[inline(always)]
pub(crate) unsafe fn begin(gp: *mut G, first: extern "C" fn() -> !) -> ! {
    // SAFETY: as the caller promises. The stack pointer is as after a call, 16-byte aligned less 8, with a null return
    // address and frame pointer for backtraces to end at.
    unsafe {
        port::setg(gp);
        asm!(
            "xor ebp, ebp",
            "lea rsp, [{hi} - 16]",
            "push rbp",
            "jmp {first}",
            hi = in(reg) (*gp).stack.hi,
            first = in(reg) first,
            options(noreturn),
        )
    }
}

/// Calls `f` on the stack that ends at `sp` (16-byte aligned) and returns what it does.
///
/// # Safety
/// The stack is backed, and nothing below `sp` is in use.
pub(crate) unsafe fn on_stack<R>(sp: usize, f: impl FnOnce() -> R) -> R {
    struct Call<F, R>(Option<F>, Option<R>);
    unsafe extern "C" fn run<F: FnOnce() -> R, R>(call: *mut u8) {
        // SAFETY: `on_stack` passed a `Call` of these types that outlives the call.
        let call = unsafe { &mut *call.cast::<Call<F, R>>() };
        if let Some(f) = call.0.take() {
            call.1 = Some(f());
        }
    }
    fn runner<F: FnOnce() -> R, R>(_: &Call<F, R>) -> unsafe extern "C" fn(*mut u8) {
        run::<F, R>
    }
    let mut call = Call(Some(f), None);
    let run = runner(&call);
    // SAFETY: as the caller promises.
    unsafe { __gzero_on_stack(sp, run, (&raw mut call).cast()) };
    match call.1 {
        Some(r) => r,
        None => crate::panic::throw("a function did not return from the system stack"),
    }
}

/// Return addresses of the frames on a stack, innermost first, by frame pointers from `fp`; returns how many were found, and the frame pointer at
/// which the walk ended.
///
/// Frame pointers outside the stack or that do not ascend end the walk.
pub fn callers(mut fp: usize, stack: Stack, pcs: &mut [usize]) -> (usize, usize) {
    let mut n = 0;
    while n < pcs.len() && fp.is_multiple_of(8) && stack.contains(fp) && fp + 16 <= stack.hi {
        // SAFETY: both words lie in the stack, above a stack pointer of it, so they are backed.
        let (next, pc) = unsafe { (*(fp as *const usize), *(fp as *const usize).add(1)) };
        if pc == 0 {
            break;
        }
        pcs[n] = pc;
        n += 1;
        let ascends = next > fp;
        fp = next;
        if !ascends {
            break;
        }
    }
    (n, fp)
}

/// [`AtomicBool::load`] with *acquire*, to branch on at once: a comparison with memory, where the compiler makes a load and a test. An x86 load
/// is an acquiring one; that the code may write memory, as far as the compiler knows, keeps later accesses after it.
#[inline(always)]
pub(crate) fn is_set(flag: &AtomicBool) -> bool {
    // SAFETY: reads a byte that is there.
    unsafe {
        asm!("cmp byte ptr [{}], 0", "je {}", in(reg) flag.as_ptr(), label { return false }, options(nostack))
    };
    true
}

/// An address in the function that this is inlined into, as a call here would leave it: the one behind an instruction.
#[inline(always)]
pub(crate) fn here() -> usize {
    let pc: usize;
    // SAFETY: reads a register.
    unsafe { core::arch::asm!("lea {}, [rip]", out(reg) pc, options(nomem, nostack, preserves_flags)) };
    pc
}

/// Asks for the cache line at any address, without an access.
#[inline(always)]
pub(crate) fn prefetch(addr: usize) {
    // SAFETY: a hint, which never faults.
    unsafe { asm!("prefetcht0 [{}]", in(reg) addr, options(nostack, preserves_flags, readonly)) };
}

/// Calls `f` with an address on the current stack from which on all lies that the callers hold in
/// callee-saved registers, and all of their frames.
#[inline(never)]
pub(crate) fn with_saved_registers<R>(f: impl FnOnce(usize) -> R) -> R {
    let mut registers = [0usize; 6];
    // SAFETY: six words are there.
    unsafe {
        asm!(
            "mov [{at}], rbx",
            "mov [{at} + 8], rbp",
            "mov [{at} + 16], r12",
            "mov [{at} + 24], r13",
            "mov [{at} + 32], r14",
            "mov [{at} + 40], r15",
            at = in(reg) &raw mut registers,
            options(nostack, preserves_flags),
        );
    }
    let r = f((&raw const registers).expose_provenance());
    core::hint::black_box(&registers);
    r
}
