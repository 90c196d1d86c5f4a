//! Tests of asynchronous preemption, which only the machine has.

mod world;

use ::alloc::sync::Arc;
use core::arch::asm;
use core::arch::x86_64::__cpuid;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use runtime::sync::WaitGroup;
use runtime::{go, kernel_test};

/// How many goroutines compete: more than there are Ps on any machine that the tests run on.
fn crowd() -> usize {
    2 * runtime::gomaxprocs() + 2
}

/// Goroutines that never call the runtime share the Ps: each sees the flag that only the last one sets.
#[kernel_test]
fn spinning_goroutines_share_the_ps() {
    let n = crowd();
    let (running, stop) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
    let wg = Arc::new(WaitGroup::new());
    wg.add(n as i32);
    for _ in 0..n {
        let (running, stop, wg) = (running.clone(), stop.clone(), wg.clone());
        go(move || {
            if running.fetch_add(1, Ordering::Relaxed) + 1 == n {
                stop.store(true, Ordering::Relaxed);
            }
            while !stop.load(Ordering::Relaxed) {
                core::hint::spin_loop();
            }
            wg.done();
        });
    }
    wg.wait();
    assert_eq!(running.load(Ordering::Relaxed), n);
}

/// What [`spin_with_registers`] loads and stores: 16 vector registers, then eleven general ones and the carry flag.
#[repr(C, align(64))]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Registers {
    vector: [[u64; 4]; 16],
    general: [u64; 11],
    carry: u64,
}

/// Loads all registers, counts `turns` down, and stores them again: `YMM` with AVX, else `XMM` (the upper halves are left as they are).
fn spin_with_registers(avx: bool, turns: u64, from: &Registers, to: &mut Registers) {
    macro_rules! body {
        ($mov:literal, $r:literal) => {
            // SAFETY: the code reads `from`, writes `to`, and names what it clobbers; rbx and rbp are put back.
            unsafe {
                asm!(
                    "push rbx", "push rbp", "push rdi",
                    concat!($mov, " ", $r, "0, [rsi]"), concat!($mov, " ", $r, "1, [rsi + 32]"),
                    concat!($mov, " ", $r, "2, [rsi + 64]"), concat!($mov, " ", $r, "3, [rsi + 96]"),
                    concat!($mov, " ", $r, "4, [rsi + 128]"), concat!($mov, " ", $r, "5, [rsi + 160]"),
                    concat!($mov, " ", $r, "6, [rsi + 192]"), concat!($mov, " ", $r, "7, [rsi + 224]"),
                    concat!($mov, " ", $r, "8, [rsi + 256]"), concat!($mov, " ", $r, "9, [rsi + 288]"),
                    concat!($mov, " ", $r, "10, [rsi + 320]"), concat!($mov, " ", $r, "11, [rsi + 352]"),
                    concat!($mov, " ", $r, "12, [rsi + 384]"), concat!($mov, " ", $r, "13, [rsi + 416]"),
                    concat!($mov, " ", $r, "14, [rsi + 448]"), concat!($mov, " ", $r, "15, [rsi + 480]"),
                    "mov rax, [rsi + 512]", "mov rbx, [rsi + 520]", "mov rdx, [rsi + 528]",
                    "mov r8, [rsi + 536]", "mov r9, [rsi + 544]", "mov r10, [rsi + 552]", "mov r11, [rsi + 560]",
                    "mov r12, [rsi + 568]", "mov r13, [rsi + 576]", "mov r14, [rsi + 584]", "mov r15, [rsi + 592]",
                    // `dec` leaves the carry flag alone.
                    "stc",
                    "2:", "dec rcx", "jnz 2b",
                    "pop rdi",
                    "mov [rdi + 512], rax", "mov [rdi + 520], rbx", "mov [rdi + 528], rdx",
                    "mov [rdi + 536], r8", "mov [rdi + 544], r9", "mov [rdi + 552], r10", "mov [rdi + 560], r11",
                    "mov [rdi + 568], r12", "mov [rdi + 576], r13", "mov [rdi + 584], r14", "mov [rdi + 592], r15",
                    "setc al", "movzx eax, al", "mov [rdi + 600], rax",
                    concat!($mov, " [rdi], ", $r, "0"), concat!($mov, " [rdi + 32], ", $r, "1"),
                    concat!($mov, " [rdi + 64], ", $r, "2"), concat!($mov, " [rdi + 96], ", $r, "3"),
                    concat!($mov, " [rdi + 128], ", $r, "4"), concat!($mov, " [rdi + 160], ", $r, "5"),
                    concat!($mov, " [rdi + 192], ", $r, "6"), concat!($mov, " [rdi + 224], ", $r, "7"),
                    concat!($mov, " [rdi + 256], ", $r, "8"), concat!($mov, " [rdi + 288], ", $r, "9"),
                    concat!($mov, " [rdi + 320], ", $r, "10"), concat!($mov, " [rdi + 352], ", $r, "11"),
                    concat!($mov, " [rdi + 384], ", $r, "12"), concat!($mov, " [rdi + 416], ", $r, "13"),
                    concat!($mov, " [rdi + 448], ", $r, "14"), concat!($mov, " [rdi + 480], ", $r, "15"),
                    "pop rbp", "pop rbx",
                    inout("rcx") turns => _,
                    in("rsi") from,
                    in("rdi") to,
                    out("rax") _, out("rdx") _, out("r8") _, out("r9") _, out("r10") _, out("r11") _,
                    out("r12") _, out("r13") _, out("r14") _, out("r15") _,
                    out("xmm0") _, out("xmm1") _, out("xmm2") _, out("xmm3") _, out("xmm4") _, out("xmm5") _,
                    out("xmm6") _, out("xmm7") _, out("xmm8") _, out("xmm9") _, out("xmm10") _, out("xmm11") _,
                    out("xmm12") _, out("xmm13") _, out("xmm14") _, out("xmm15") _,
                )
            }
        };
    }
    if avx {
        body!("vmovdqu", "ymm");
    } else {
        body!("movdqu", "xmm");
    }
}

fn has_avx() -> bool {
    const OSXSAVE_AND_AVX: u32 = 1 << 27 | 1 << 28;
    __cpuid(1).ecx & OSXSAVE_AND_AVX == OSXSAVE_AND_AVX
}

/// Every register survives asynchronous preemption: goroutines with a pattern each in all of them are preempted in a loop of two
/// instructions. That they were is shown, too: each has begun before the first has ended, which without preemption takes as many Ps.
#[kernel_test]
fn registers_survive_preemption() {
    const TURNS: u64 = 8_000_000;
    let n = crowd();
    let avx = has_avx();
    let (begun, first_end) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let wrong = Arc::new(AtomicUsize::new(0));
    let wg = Arc::new(WaitGroup::new());
    wg.add(n as i32);
    for i in 0..n {
        let (begun, first_end) = (begun.clone(), first_end.clone());
        let (wrong, wg) = (wrong.clone(), wg.clone());
        go(move || {
            let pattern = |k: usize| {
                (i as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(k as u32) ^ k as u64
            };
            let mut from = Registers { vector: [[0; 4]; 16], general: [0; 11], carry: 1 };
            for (k, v) in from.vector.iter_mut().enumerate() {
                let upper = if avx { [pattern(4 * k + 2), pattern(4 * k + 3)] } else { [0; 2] };
                *v = [pattern(4 * k), pattern(4 * k + 1), upper[0], upper[1]];
            }
            for (k, g) in from.general.iter_mut().enumerate() {
                *g = pattern(100 + k);
            }
            begun.fetch_add(1, Ordering::Relaxed);
            // One pass is long enough to be preempted in; go on until all have begun, so that none is alone.
            loop {
                let mut to = Registers { vector: [[0; 4]; 16], general: [0; 11], carry: 0 };
                spin_with_registers(avx, TURNS, &from, &mut to);
                if to != from {
                    wrong.fetch_add(1, Ordering::Relaxed);
                }
                if begun.load(Ordering::Relaxed) == n {
                    break;
                }
            }
            first_end
                .compare_exchange(0, begun.load(Ordering::Relaxed), Ordering::Relaxed, Ordering::Relaxed)
                .ok();
            wg.done();
        });
    }
    wg.wait();
    assert_eq!(wrong.load(Ordering::Relaxed), 0, "passes in which a register changed");
    assert_eq!(first_end.load(Ordering::Relaxed), n, "goroutines that had begun when the first ended");
}
