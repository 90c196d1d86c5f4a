//! Dies in a way to be chosen, on a goroutine of its own: to see the reports. `crash KIND`.

use core::fmt;
use core::sync::atomic::{AtomicBool, Ordering};
use runtime::time::{Duration, sleep};
use runtime::{args, chan, defer, eprint, eprintln, go, println, program};

const KINDS: [(&str, fn()); 33] = [
    ("divide", fault::divide),
    ("invalid_opcode", fault::invalid_opcode),
    ("null_read", fault::null_read),
    ("null_write", fault::null_write),
    ("wild_read", fault::wild_read),
    ("write_code", fault::write_code),
    ("int_8", fault::int_8),
    ("int_13", fault::int_13),
    ("int_14", fault::int_14),
    ("gs_base", fault::gs_base),
    ("task_switched", fault::task_switched),
    ("stack_overflow", stack_overflow),
    ("panic", panic_in_the_middle),
    ("panic_inlined", panic_inlined),
    ("panic_mid_line", panic_mid_line),
    ("panic_control_text", || panic!("\x1b[2Jred\r\nalert \x07")),
    ("index", || println!("{}", args()[core::hint::black_box(99)])),
    ("panic_beside_others", panic_beside_others),
    ("nested", nested_panic),
    ("nested_goexit", nested_goexit),
    ("deferred_panic", deferred_panic),
    ("panic_in_text", || panic!("text: {}", PanicsWhenShown)),
    ("panic_no_unwind", || no_unwind()),
    ("panic_on_g0", inside::panic_on_g0),
    ("panic_text_on_g0", inside::panic_text_on_g0),
    ("panic_locked", inside::panic_locked),
    ("double_free", misuse::double_free),
    ("foreign_free", misuse::foreign_free),
    ("overrun", misuse::overrun),
    ("underrun", misuse::underrun),
    ("use_after_free", misuse::use_after_free),
    ("threads", threads),
    ("deadlock", || _ = chan::make::<()>(0).recv()),
];

/// More goroutines in blocking calls than there may be Ms.
fn threads() {
    runtime::debug::set_max_threads(20);
    for _ in 0..30 {
        go(|| runtime::syscall::nanosleep(Duration::from_secs(60)));
    }
    sleep(Duration::from_secs(1));
}

/// How many steps it is from `n` to `end`, one frame of half a KiB for each.
fn deep(n: usize, end: usize) -> usize {
    let frame = core::hint::black_box([n; 64]);
    if n == end { 0 } else { deep(n + 1, end) + frame[n % 64] - n + 1 }
}

fn stack_overflow() {
    runtime::debug::set_max_stack(16 << 20);
    println!("{}", deep(0, usize::MAX));
}

/// Says so when it is dropped.
struct Destructor;

impl Drop for Destructor {
    fn drop(&mut self) {
        println!("destructor runs");
    }
}

fn panic_in_the_middle() {
    let _d = Destructor;
    panic!("crash on purpose");
}

/// The panic is in the second of two calls that are inlined into this.
#[inline(never)]
fn panic_inlined() {
    inlined_outer(core::hint::black_box(3));
}

#[inline(always)]
fn inlined_outer(n: usize) {
    inlined_inner(n + 1);
}

#[inline(always)]
fn inlined_inner(n: usize) {
    panic!("inlined, {n}");
}

/// Its own last line has no end.
fn panic_mid_line() {
    eprint!("42 % done");
    panic!("crash on purpose");
}

/// With one goroutine running and one waiting, where there are two cores.
fn panic_beside_others() {
    static STARTED: AtomicBool = AtomicBool::new(false);
    go(|| {
        loop {
            STARTED.store(true, Ordering::Relaxed);
        }
    });
    while !STARTED.load(Ordering::Relaxed) {
        runtime::gosched();
    }
    // Long enough for the main goroutine to begin to wait.
    sleep(Duration::from_millis(10));
    panic!("crash on purpose");
}

struct PanicsWhenDropped;

impl Drop for PanicsWhenDropped {
    fn drop(&mut self) {
        panic!("and again, in a destructor");
    }
}

fn nested_panic() {
    let _d = PanicsWhenDropped;
    panic!("crash on purpose");
}

fn nested_goexit() {
    let _d = PanicsWhenDropped;
    runtime::goexit();
}

fn deferred_panic() {
    defer! { panic!("and again, deferred"); }
    panic!("crash on purpose");
}

struct PanicsWhenShown;

impl fmt::Display for PanicsWhenShown {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        panic!("in the text of a panic");
    }
}

/// Nothing can unwind a function that other languages call.
extern "C" fn no_unwind() {
    panic!("crash on purpose");
}

/// What only the runtime's own code can do.
#[allow(unsafe_code, reason = "programs cannot get there")]
mod inside {
    use super::PanicsWhenShown;
    use runtime::machine::{Rank, locked, systemstack};

    pub fn panic_on_g0() {
        // SAFETY: it ends the program.
        unsafe { systemstack(|| panic!("on the scheduler's stack")) }
    }

    pub fn panic_text_on_g0() {
        // SAFETY: it ends the program.
        unsafe { systemstack(|| panic!("text: {}", PanicsWhenShown)) }
    }

    pub fn panic_locked() {
        // SAFETY: it ends the program.
        unsafe { locked(Rank::Hchan, || panic!("crash on purpose")) }
    }
}

/// What safe Rust cannot do.
#[allow(unsafe_code, reason = "faults of the processor are the point")]
mod fault {
    use core::arch::asm;
    use core::hint::black_box;

    pub fn divide() {
        // SAFETY: faults; nothing after it runs.
        unsafe { asm!("div {d:e}", d = in(reg) 0, inout("eax") 1 => _, inout("edx") 0 => _) };
    }

    pub fn invalid_opcode() {
        // SAFETY: faults; nothing after it runs.
        unsafe { asm!("ud2") };
    }

    pub fn null_read() {
        // SAFETY: page 0 is never mapped: faults; nothing after it runs.
        unsafe { asm!("mov {0}, [{0}]", inout(reg) 8_usize => _) };
    }

    pub fn null_write() {
        // SAFETY: page 0 is never mapped: faults; nothing after it runs.
        unsafe { asm!("mov [{0}], {0}", in(reg) 8_usize) };
    }

    /// A read from an address that is not canonical: a general protection fault, not a page fault.
    pub fn wild_read() {
        // SAFETY: faults; nothing after it runs.
        unsafe { asm!("mov {0}, [{0}]", inout(reg) 0x8000_0000_0000_0000_usize => _) };
    }

    pub fn int_8() {
        // SAFETY: ends the program; nothing after it runs.
        unsafe { asm!("int 8") };
    }

    pub fn int_13() {
        // SAFETY: as above.
        unsafe { asm!("int 13") };
    }

    pub fn int_14() {
        // SAFETY: as above.
        unsafe { asm!("int 14") };
    }

    /// Takes the core's data away, and needs them.
    pub fn gs_base() {
        const IA32_GS_BASE: u32 = 0xc000_0101;
        // SAFETY: faults; nothing after it runs.
        unsafe {
            asm!("wrmsr", "mov {}, gs:[0]", out(reg) _, in("ecx") IA32_GS_BASE, in("eax") 0, in("edx") 0)
        };
    }

    /// A vector instruction after CR0.TS was set; no interrupt clears it before.
    pub fn task_switched() {
        // SAFETY: faults; nothing after it runs.
        unsafe {
            asm!("cli", "mov {0}, cr0", "or {0}, 8", "mov cr0, {0}", "addps xmm0, xmm0", out(reg) _, out("xmm0") _)
        };
    }

    /// A write to this function's own code, which is mapped without the right to write.
    pub fn write_code() {
        let code = black_box(write_code as *const () as usize);
        // SAFETY: faults; nothing after it runs.
        unsafe { asm!("mov byte ptr [{0}], 0x90", in(reg) code) };
    }
}

/// What a heap cannot stop and its debug mode finds (`GODEBUG=mallocdebug=1`; without it the first may go unseen and the others are).
#[allow(unsafe_code, reason = "misuse of the heap is the point")]
mod misuse {
    use alloc::alloc::{Layout, alloc, dealloc};
    use core::hint::black_box;

    const LAYOUT: Layout = Layout::new::<[u8; 100]>();

    fn object() -> *mut u8 {
        // SAFETY: the layout has a size.
        black_box(unsafe { alloc(LAYOUT) })
    }

    pub fn double_free() {
        let p = object();
        // SAFETY: none: the second free is the misuse that is to be found, and ends the program.
        unsafe {
            dealloc(p, LAYOUT);
            dealloc(black_box(p), LAYOUT);
        }
    }

    pub fn foreign_free() {
        let mut local = [0_u8; 100];
        // SAFETY: none: the stack is not the heap's, which is to be found, and ends the program.
        unsafe { dealloc(black_box(local.as_mut_ptr()), LAYOUT) };
    }

    pub fn overrun() {
        let p = object();
        // SAFETY: none: the byte is the first behind the object, in the debug mode a red zone's, else the size class's.
        unsafe {
            black_box(p).add(100).write(1);
            dealloc(black_box(p), LAYOUT);
        }
    }

    pub fn underrun() {
        let p = object();
        // SAFETY: none: the byte is the last before the object, in the debug mode a red zone's; not to be run without.
        unsafe {
            black_box(p).sub(1).write(1);
            dealloc(black_box(p), LAYOUT);
        }
    }

    pub fn use_after_free() {
        let p = object();
        // SAFETY: none: the object is free, and in the debug mode rests.
        unsafe {
            dealloc(p, LAYOUT);
            black_box(p).add(7).write(1);
        }
        runtime::exit(0);
    }
}

#[program]
fn main() -> i32 {
    let kind = match args() {
        [_, kind] => *kind,
        _ => "",
    };
    let Some((_, crash)) = KINDS.iter().find(|(name, _)| *name == kind) else {
        eprintln!("crash: {kind:?} is none of {}", KINDS.map(|(name, _)| name).join(", "));
        return 64;
    };
    let crash = *crash;
    let never = chan::make::<()>(0);
    go(move || {
        crash();
        println!("survived");
        runtime::exit(1);
    });
    never.recv();
    0
}
