//! A trap changes nothing in the code that it interrupts.

use crate::cpu::features::{Features, has};
use core::arch::{asm, global_asm};
use core::mem::offset_of;
use core::sync::atomic::{AtomicUsize, Ordering};

/// A vector of the tests' own, whose handler is [`clobber`].
pub const VECTOR: u8 = 0x30;

static TRAPS: AtomicUsize = AtomicUsize::new(0);

/// The handler: leaves other values in all the registers that a function may change.
pub fn clobber() {
    TRAPS.fetch_add(1, Ordering::Relaxed);
    if has(Features::AVX) {
        // SAFETY: AVX is on; clears all of the registers, which the caller does not expect to be kept.
        unsafe { asm!("vzeroall", clobber_abi("sysv64")) };
    } else {
        // SAFETY: as above.
        unsafe { asm!("xorps xmm0, xmm0", "xorps xmm7, xmm7", "xorps xmm15, xmm15", clobber_abi("sysv64")) };
    }
}

/// What is in the registers round a trap.
#[repr(C, align(32))]
struct Registers {
    vectors: [[u8; 32]; 16],
    /// All but `rsp`: rax, rbx, rcx, rdx, rsi, rdi, rbp, r8 to r15.
    general: [u64; 15],
    flags: u64,
    x87: f64,
    mxcsr: u32,
}

unsafe extern "C" {
    /// Loads all registers from `from`, traps, and stores all registers to `to`.
    fn trap_with_registers(from: &Registers, to: &mut Registers, avx: bool);
}

global_asm!(
    r#"
trap_with_registers:
    .cfi_startproc
    push rbp
    .cfi_adjust_cfa_offset 8
    mov rbp, rsp
    push rbx
    push r12
    push r13
    push r14
    push r15
    push rdx
    push rsi
    sub rsp, 8

    test dl, dl
    jz 1f
    .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
    vmovaps ymm\n, [rdi + 32*\n]
    .endr
    jmp 2f
1:
    .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
    movaps xmm\n, [rdi + 32*\n]
    .endr
2:
    fninit
    fld qword ptr [rdi + {x87}]
    ldmxcsr [rdi + {mxcsr}]
    mov rax, [rdi + {general} + 0]
    mov rbx, [rdi + {general} + 8]
    mov rcx, [rdi + {general} + 16]
    mov rdx, [rdi + {general} + 24]
    mov rsi, [rdi + {general} + 32]
    mov rbp, [rdi + {general} + 48]
    mov r8,  [rdi + {general} + 56]
    mov r9,  [rdi + {general} + 64]
    mov r10, [rdi + {general} + 72]
    mov r11, [rdi + {general} + 80]
    mov r12, [rdi + {general} + 88]
    mov r13, [rdi + {general} + 96]
    mov r14, [rdi + {general} + 104]
    mov r15, [rdi + {general} + 112]
    push [rdi + {flags}]
    popfq
    mov rdi, [rdi + {general} + 40]

    int {vector}

    xchg rdi, [rsp + 8]
    mov [rdi + {general} + 0], rax
    pushfq
    pop rax
    cld
    mov [rdi + {flags}], rax
    mov [rdi + {general} + 8], rbx
    mov [rdi + {general} + 16], rcx
    mov [rdi + {general} + 24], rdx
    mov [rdi + {general} + 32], rsi
    mov rax, [rsp + 8]
    mov [rdi + {general} + 40], rax
    mov [rdi + {general} + 48], rbp
    mov [rdi + {general} + 56], r8
    mov [rdi + {general} + 64], r9
    mov [rdi + {general} + 72], r10
    mov [rdi + {general} + 80], r11
    mov [rdi + {general} + 88], r12
    mov [rdi + {general} + 96], r13
    mov [rdi + {general} + 104], r14
    mov [rdi + {general} + 112], r15
    fstp qword ptr [rdi + {x87}]
    stmxcsr [rdi + {mxcsr}]
    mov rdx, [rsp + 16]
    test dl, dl
    jz 3f
    .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
    vmovaps [rdi + 32*\n], ymm\n
    .endr
    vzeroupper
    jmp 4f
3:
    .irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15
    movaps [rdi + 32*\n], xmm\n
    .endr
4:
    push 0x1f80
    ldmxcsr [rsp]
    add rsp, 32
    pop r15
    pop r14
    pop r13
    pop r12
    pop rbx
    pop rbp
    .cfi_adjust_cfa_offset -8
    ret
    .cfi_endproc
"#,
    vector = const VECTOR,
    general = const offset_of!(Registers, general),
    flags = const offset_of!(Registers, flags),
    x87 = const offset_of!(Registers, x87),
    mxcsr = const offset_of!(Registers, mxcsr),
);

#[runtime::kernel_test]
fn a_trap_keeps_all_registers() {
    /// Carry, direction, interrupts on, and the bit that is always set.
    const FLAGS: u64 = 0x603;
    let avx = has(Features::AVX);
    let before = TRAPS.load(Ordering::Relaxed);
    for round in 0..100u64 {
        let mut from = Registers {
            vectors: core::array::from_fn(|i| {
                core::array::from_fn(|j| (round as usize + 7 * i + 13 * j) as u8)
            }),
            general: core::array::from_fn(|i| (round + i as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)),
            flags: FLAGS,
            x87: round as f64 + 0.25,
            // Round towards zero, all exceptions masked.
            mxcsr: 0x7f80,
        };
        if !avx {
            from.vectors.iter_mut().for_each(|v| v[16..].fill(0));
        }
        let mut to = Registers { vectors: [[0; 32]; 16], general: [0; 15], flags: 0, x87: 0.0, mxcsr: 0 };
        // SAFETY: the function keeps to the C calling convention.
        unsafe { trap_with_registers(&from, &mut to, avx) };
        assert_eq!(to.vectors, from.vectors, "vector registers");
        assert_eq!(to.general, from.general, "general registers");
        assert_eq!(to.flags, from.flags, "flags");
        assert_eq!(to.x87, from.x87, "x87 register");
        // The six lowest bits are sticky and of no interest.
        assert_eq!(to.mxcsr & !0x3f, from.mxcsr, "MXCSR");
    }
    assert!(TRAPS.load(Ordering::Relaxed) - before >= 100);
}
