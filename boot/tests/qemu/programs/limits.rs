//! Sizes of the machine, arguments and environment, the runtime's settings, and limits that a program meets.

use super::MALLOCDEBUG;
use super::case::{Case, Pieces, Text, case, fails};

/// The one that panicked first, then the others; what runs on another core has no trace.
const TRACEBACK_ALL: &[&str] = &[
    "panic: crash on purpose\n\ngoroutine ",
    "crash::panic_beside_others",
    "goroutine 1 [chan receive]:\n",
    "crash::main\n",
    "[running]:\n\tgoroutine running on other thread; stack unavailable\ncreated by ",
    " in goroutine ",
];

const TRACEBACK_WRONG: &str = "gzero: GOTRACEBACK=banana: expected none, single, all, system or crash\n";

const THREADS: &[&str] = &[
    "runtime: program exceeds 20-thread limit\nfatal error: thread exhaustion\n\n",
    // The thread may be wanted by one of them, or for another's P by sysmon.
    " [syscall]:\n\tgoroutine running on other thread; stack unavailable\ncreated by programs::crash::threads in goroutine ",
];

const OUT_OF_MEMORY: &[&str] =
    &["fatal error: runtime: out of memory", "live objects by size class:", "goroutine 1"];

/// All of them.
pub const CASES: &[Case] = &[
    case("hello", &[1, 2, 4, 16, 64], "hello", Text("hello, world\n"), 0),
    Case { memory: "32M", ..case("least_memory", &[1, 2], "hello", Text("hello, world\n"), 0) },
    Case { memory: "64G", ..case("most_memory", &[2], "hello", Text("hello, world\n"), 0) },
    case(
        "deep_recursion",
        &[1, 2],
        "deep_recursion",
        Pieces(&["calls deep", "at the bottom: 200 MiB", "after: "]),
        0,
    ),
    Case {
        memory: "1300M",
        ..fails(
            "stack_overflow",
            &[1],
            "stack_overflow",
            &[
                "runtime: goroutine stack exceeds 1000000000-byte limit\nfatal error: stack overflow\n",
                "stack_overflow::",
            ],
            2,
        )
    },
    Case {
        memory: "128M",
        ..fails(
            "deep_without_memory",
            &[1, 2],
            "stack_overflow",
            &["fatal error: out of memory: no frame is left for a goroutine's stack", "stack_overflow::"],
            2,
        )
    },
    case("tlb_bench", &[2], "tlb_bench", Pieces(&["tlb_hit", "tlb_miss", "cores=2 targets=1"]), 0),
    case("echo_status", &[1], "echo -status 7 a b", Text("a b\n"), 7),
    case("echo_largest_status", &[2], "echo -status 255", Text("\n"), 255),
    Case {
        env: &[("GOMAXPROCS", "1"), ("X", "two \"words\" \\"), ("EMPTY", "")],
        ..case("echo_env", &[1], "echo -env c", Text("GOMAXPROCS=1\nX=two \"words\" \\\nEMPTY=\nc\n"), 0)
    },
    fails("unknown_program", &[1], "nosuch", &["nosuch"], 64),
    Case {
        env: &[("GOTRACEBACK", "all")],
        ..fails("traceback_all", &[2, 4], "crash panic_beside_others", TRACEBACK_ALL, 2)
    },
    Case {
        env: &[("GOTRACEBACK", "none")],
        errors: Text("fatal error: all goroutines are asleep - deadlock!\n"),
        ..case("traceback_none", &[1], "deadlock", Text(""), 2)
    },
    Case {
        env: &[("GOTRACEBACK", "none")],
        errors: Text("fatal error: sync: unlock of unlocked mutex\n"),
        ..case("traceback_none_fatal", &[1], "sync_misuse mutex_unlock", Text(""), 2)
    },
    Case {
        env: &[("GOTRACEBACK", "crash")],
        ..fails(
            "traceback_crash",
            &[1],
            "crash null_read",
            &["0x8", "crash::fault::null_read", "goroutine 1 ["],
            134,
        )
    },
    Case {
        env: &[("GOTRACEBACK", "banana")],
        errors: Text(TRACEBACK_WRONG),
        ..case("traceback_wrong", &[1], "hello", Text(""), 64)
    },
    Case {
        env: &[("GOGC", "banana")],
        errors: Text("gzero: GOGC=banana: expected a percentage or \"off\"\n"),
        ..case("gogc_wrong", &[1], "hello", Text(""), 64)
    },
    // A failure of the runtime's own shows all goroutines.
    fails("thread_limit", &[1, 4], "crash threads", THREADS, 2),
    case(
        "memstats",
        &[1, 4],
        "memstats",
        Pieces(&["before:", "FreeOSMemory gave", "the figures agree\n"]),
        0,
    ),
    Case {
        want: Pieces(&["1 blocks of 1048576 bytes\n"]),
        ..fails("out_of_memory", &[1, 4], "out_of_memory", OUT_OF_MEMORY, 2)
    },
    Case {
        want: Pieces(&["1 blocks of 1000 bytes\n"]),
        ..fails("out_of_memory_small", &[2], "out_of_memory 1000", OUT_OF_MEMORY, 2)
    },
    Case {
        env: &[("GOMEMLIMIT", "20MiB")],
        want: Pieces(&["16 blocks"]),
        ..fails("memory_limit", &[2], "out_of_memory", &["memory limit 20971520", "large "], 2)
    },
    Case {
        env: &[("GOMEMLIMIT", "20MB")],
        ..fails("bad_memory_limit", &[1], "hello", &["GOMEMLIMIT=20MB"], 64)
    },
    Case {
        env: MALLOCDEBUG,
        errors: Text("mallocdebug: 0 objects of 0 bytes in all were not freed\n"),
        ..case("no_leaks", &[2], "hello", Text("hello, world\n"), 0)
    },
    Case {
        env: MALLOCDEBUG,
        want: Text("2 3 5 7 11\n"),
        ..fails("leaks", &[2], "prime_sieve 5", &["were not freed", "prime_sieve::"], 0)
    },
];
