//! Whole programs: what they print, how they end; and the ones that must do so a hundred times in a row.

use crate::guests::{Guests, Ran};
use crate::harness::{Job, Outcome};
use boot::options::Options;
use std::time::Duration;

/// How long a program may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often programs run that race for a chance to fail.
const STRESS: u32 = 100;

/// What a program must print.
#[derive(Clone, Copy)]
enum Want {
    /// Exactly this.
    Text(&'static str),
    /// All of these, in this order, with anything in between.
    Pieces(&'static [&'static str]),
}
use Want::{Pieces, Text};

/// A program, what it must write and how it must end.
pub struct Case {
    /// The test's name.
    pub name: &'static str,
    /// On how many cores it is run.
    pub smp: &'static [u32],
    line: &'static str,
    env: &'static [(&'static str, &'static str)],
    memory: &'static str,
    /// Standard output.
    want: Want,
    /// Standard error.
    errors: Want,
    status: u8,
}

/// A program that writes to standard output only.
const fn case(name: &'static str, smp: &'static [u32], line: &'static str, want: Want, status: u8) -> Case {
    Case { name, smp, line, env: &[], memory: "512M", want, errors: Text(""), status }
}

/// A program that writes to standard error only.
const fn fails(
    name: &'static str,
    smp: &'static [u32],
    line: &'static str,
    errors: &'static [&'static str],
    status: u8,
) -> Case {
    Case { errors: Pieces(errors), ..case(name, smp, line, Text(""), status) }
}

const FIFTEEN_PRIMES: &str = "2 3 5 7 11 13 17 19 23 29\n31 37 41 43 47\n";

const WORKER_POOL: &str = "1: 0 steps\n2: 1 steps\n3: 7 steps\n4: 2 steps\n5: 5 steps\n6: 8 steps\n7: 16 steps\n8: 3 steps\n9: 19 steps\n";

const INIT_ORDER: &str = "config: loaded\nlog: opened\ncache: warm\nserver: listening\nmain\n";

const INIT_CYCLE: &[&str] = &[
    "fatal error: initialization cycle:\n",
    "init_cycle::chicken is after programs::init_cycle::egg\n",
    "init_cycle::egg is after programs::init_cycle::chicken\n",
];

const PANIC_RECOVER: &str = "request 1: deferred\nrequest 1: answer 100\n\
    request 2: deferred\nrequest 2: recovered: request 2 is bad\n\
    request 3: deferred\nrequest 3: recovered: index out of bounds: the len is 3 but the index is 3\n\
    request 4: deferred\nrequest 4: recovered, status 418\n\
    goexit: deferred\n";

/// Deferred work runs before the report; the trace is of where the panic began.
const PANIC_UNRECOVERED: &[&str] = &[
    "panic: request 2 is bad\n\ngoroutine 1 [running]:\n\tat ",
    "programs/panic_recover.rs:",
    "programs::panic_recover::main\n",
];

/// Every goroutine, oldest first, with why and where it waits (S13).
const DEADLOCK: &[&str] = &[
    "fatal error: all goroutines are asleep - deadlock!\n\ngoroutine 1 [chan receive]:\n",
    "deadlock::main\n",
    "[chan send]:\n",
    "programs/deadlock.rs:",
    "[chan receive]:\n",
    "[sync.WaitGroup.Wait]:\n",
];

/// Who leaked, why and where each waits, and where it was made.
const CHAN_LEAK: &[&str] = &[
    "2 goroutines leaked:\n\ngoroutine ",
    "[chan send (nil chan)]:\n",
    "chan_leak::main::{closure#0}",
    "created by programs::chan_leak::main in goroutine 1\n\t",
    "programs/chan_leak.rs:10 +0x",
    "\n\ngoroutine ",
    "[chan receive (nil chan)]:\n",
    "chan_leak::main::{closure#1}",
    "created by programs::chan_leak::main in goroutine 1\n\t",
    "programs/chan_leak.rs:14 +0x",
];

const MUTEX_LEAK: &[&str] = &[
    " has the mutex\n9 goroutines leaked:\n\ngoroutine ",
    "[sync.Mutex.Lock]:\n",
    "mutex_leak::main::{closure#0}",
    "created by programs::mutex_leak::main in goroutine 1\n\t",
    "programs/mutex_leak.rs:16 +0x",
    "\n\ngoroutine ",
    "[sync.Mutex.Lock]:\n",
];

const TICKERS: &[&str] = &[
    "slow tick 1\nslow tick 2\nslow tick 3\nslow tick 4\n",
    " fast ticks meanwhile\nstopped, they tick no more\nreset, it ticks again\n",
];

/// Half a per cent is eleven standard deviations.
const SELECT_FAIRNESS: &str = "first: 25 %\nsecond: 25 %\nthird: 25 %\nfourth: 25 %\ndefault: 0 %\n";

const GREEDY: &[&str] = &[
    "fatal error: all goroutines are asleep - deadlock!\n\ngoroutine 1 [chan receive]:\n",
    "dining_philosophers::take\n",
    "[chan receive]:\n",
    "[chan receive]:\n",
    "[chan receive]:\n",
    "[chan receive]:\n",
    "[chan receive]:\n",
];

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

/// Programs that end by themselves.
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
    case("pingpong", &[1, 2, 4], "pingpong", Text("10000 rounds, the ball was hit 20000 times\n"), 0),
    case("prime_sieve", &[1, 2, 4], "prime_sieve 15", Text(FIFTEEN_PRIMES), 0),
    case("parfib", &[1, 2, 4], "parfib 20", Text("fib(20) = 6765\n"), 0),
    case("endless_loop", &[1, 4], "endless_loop", Pieces(&["tick 1\n", "tick 10\n10 ticks beside"]), 0),
    case("init_order", &[1, 4], "init_order", Text(INIT_ORDER), 0),
    fails("init_cycle", &[1], "init_cycle", INIT_CYCLE, 2),
    case("panic_recover", &[1, 4], "panic_recover", Text(PANIC_RECOVER), 0),
    Case {
        want: Pieces(&["goexit: deferred\nrequest 2: deferred\n"]),
        ..fails("panic_unrecovered", &[1, 4], "panic_recover -unrecovered", PANIC_UNRECOVERED, 2)
    },
    fails("deadlock", &[1, 4], "deadlock", DEADLOCK, 2),
    case(
        "producer_consumer",
        &[1, 4],
        "producer_consumer",
        Text("3 producers, 2 consumers: 3000 items, sum 4498500\n"),
        0,
    ),
    case("worker_pool", &[1, 4], "worker_pool", Text(WORKER_POOL), 0),
    case("pipeline", &[1, 4], "pipeline", Text("100 squares, sum 338350\n"), 0),
    case("skynet", &[1, 4], "skynet", Pieces(&["sum 499999500000\n1111111 goroutines in "]), 0),
    fails("skynet_wrong", &[1], "skynet 20", &["skynet: \"20\" is not a power of ten\n"], 64),
    case("chan_leak", &[1, 4], "chan_leak", Pieces(CHAN_LEAK), 0),
    case("mutex_leak", &[1, 4], "mutex_leak", Pieces(MUTEX_LEAK), 0),
    case("tickers", &[1, 4], "tickers", Pieces(TICKERS), 0),
    case("timeouts", &[1, 4], "timeouts", Text("timeout\nanswer: two\n10000 answers in time\n"), 0),
    case("select_fairness", &[1, 4], "select_fairness", Text(SELECT_FAIRNESS), 0),
    case("philosophers", &[1, 4], "dining_philosophers", Pieces(&["forks were used 1000 times\n"]), 0),
    Case {
        want: Text("everybody has one fork\n"),
        ..fails("philosophers_greedy", &[1, 4], "dining_philosophers -greedy", GREEDY, 2)
    },
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
    case("matmul", &[1, 2], "matmul", Pieces(&["ratio ", "all results are the same, bit for bit\n"]), 0),
];

const OUT_OF_MEMORY: &[&str] =
    &["fatal error: runtime: out of memory", "live objects by size class:", "goroutine 1"];

const MALLOCDEBUG: &[(&str, &str)] = &[("GODEBUG", "mallocdebug=1")];

/// Misuse of the heap that its debug mode finds (A5), with where the object was allocated and freed.
const MISUSES: &[(&str, &[&str])] = &[
    (
        "double_free",
        &["mallocdebug: double free", "allocated at:", "misuse::", "freed at:", "misuse::double_free"],
    ),
    ("foreign_free", &["mallocdebug: free of", "not the heap's", "misuse::foreign_free"]),
    ("overrun", &["mallocdebug: overrun", "byte 100", "allocated at:", "misuse::"]),
    ("underrun", &["mallocdebug: underrun", "byte 1 before", "allocated at:", "misuse::"]),
    ("use_after_free", &["after its free: byte 7", "allocated at:", "misuse::", "freed at:"]),
];

/// Misuse of locks (Go: `TestMutexMisuse`) and of `singleflight`, and each way to wait (S12), all of which end the program.
const SYNC_MISUSES: &[(&str, &[&str])] = &[
    ("mutex_unlock", &["fatal error: sync: unlock of unlocked mutex\n\ngoroutine 1 "]),
    ("mutex_unlock2", &["fatal error: sync: unlock of unlocked mutex\n"]),
    ("rwmutex_unlock", &["fatal error: sync: Unlock of unlocked RWMutex\n"]),
    ("rwmutex_unlock2", &["fatal error: sync: Unlock of unlocked RWMutex\n"]),
    ("rwmutex_unlock3", &["fatal error: sync: Unlock of unlocked RWMutex\n"]),
    ("rwmutex_runlock", &["fatal error: sync: RUnlock of unlocked RWMutex\n"]),
    ("rwmutex_runlock2", &["fatal error: sync: RUnlock of unlocked RWMutex\n"]),
    ("rwmutex_runlock3", &["fatal error: sync: RUnlock of unlocked RWMutex\n"]),
    (
        "panic_do_chan",
        &["panic: Panicking in DoChan [recovered, repanicked]\n", "sync_misuse::panic_do_chan"],
    ),
    ("panic_do_shared_by_do_chan", &["panic: Panicking in Do [recovered, repanicked]\n"]),
    (
        "deadlock",
        &[
            "goroutine 1 [chan receive (nil chan)]:\n",
            "[sync.Mutex.Lock]:\n",
            "[sync.RWMutex.Lock]:\n",
            "[sync.RWMutex.RLock]:\n",
            "[sync.Cond.Wait]:\n",
        ],
    ),
];

/// Programs whose every early allocation is made to fail in turn (`GZERO_FAILALLOC`), and the status they end with when none does.
const FAILING: &[(&str, u8)] = &[("pingpong", 0), ("memstats", 0), ("parfib 8", 0), ("crash panic", 2)];

/// Deaths by name (B5, K2, C5, S13): each ends in a report and with exit status 2.
const CRASHES: &[(&str, &[&str])] = &[
    ("divide", &["divide error", "goroutine ", "crash::fault::divide"]),
    ("invalid_opcode", &["invalid opcode", "goroutine ", "crash::fault::invalid_opcode"]),
    ("int_8", &["fatal error: instruction int 8: no double fault", "goroutine ", "crash::fault::int_8"]),
    ("int_13", &["instruction int 13: no general protection", "goroutine ", "crash::fault::int_13"]),
    ("int_14", &["fatal error: instruction int 14: no page fault", "goroutine ", "crash::fault::int_14"]),
    ("gs_base", &["the base of GS is 0x0, ", "read of 0x0", "goroutine ", "crash::fault::gs_base"]),
    ("task_switched", &["device not available: ", "goroutine ", "crash::fault::task_switched"]),
    ("null_read", &["0x8", "goroutine ", "crash::fault::null_read"]),
    (
        "stack_overflow",
        &[
            "runtime: goroutine stack exceeds 16777216-byte limit\nfatal error: stack overflow\n",
            "crash::deep",
        ],
    ),
    ("panic", &["panic: crash on purpose", "goroutine ", "crash::panic_in_the_middle"]),
    ("panic_mid_line", &["42 % done\npanic: crash on purpose\n"]),
    ("panic_control_text", &["panic: \\x1b[2Jred\\r\n\talert \\x07\n"]),
    (
        "nested",
        &[
            "panic: crash on purpose\n\tpanic: and again, in a destructor\n",
            "fatal error: panic in a destructor during cleanup\n\ngoroutine ",
            "crash::nested_panic",
        ],
    ),
    (
        "nested_goexit",
        &["goexit\n\tpanic: and again, in a destructor\n", "in a destructor during cleanup\n\ngoroutine "],
    ),
    (
        "deferred_panic",
        &["panic: crash on purpose\n\tpanic: and again, deferred\n\ngoroutine ", "crash::deferred_panic"],
    ),
    ("panic_in_text", &["fatal error: panic while printing panic value, at ", "crash.rs:", "goroutine "]),
    (
        "panic_no_unwind",
        &["panic: crash on purpose\nfatal error: panic in a function that cannot unwind\n\ngoroutine "],
    ),
    (
        "panic_on_g0",
        &[
            "fatal error: panic on a scheduler stack: on the",
            "runtime stack:\n",
            "\n\ngoroutine ",
            "crash::main",
        ],
    ),
    (
        "panic_text_on_g0",
        &["panic on a scheduler stack", "panic on a scheduler stack, at ", "while the error above was being"],
    ),
    ("panic_locked", &["panic with a runtime lock held: crash on purpose", "goroutine ", "panic_locked"]),
    ("deadlock", &["fatal error: all goroutines are asleep - deadlock!", "goroutine ", "chan receive"]),
];

/// A job for each program and number of cores.
pub fn jobs(guests: &Guests) -> Vec<Job<'_>> {
    let mut jobs = Vec::new();
    for case in CASES {
        for &smp in case.smp {
            let name = format!("programs::{}::smp{smp}", case.name);
            jobs.push(Job::one(name, move || run(guests, smp, case, case.line)));
        }
    }
    for (kind, pieces) in CRASHES {
        for smp in [1, 4] {
            let name = format!("programs::crash_{kind}::smp{smp}");
            jobs.push(Job::one(name, move || crash(guests, smp, kind, pieces)));
        }
    }
    for (kind, pieces) in MISUSES {
        let case = Case { env: MALLOCDEBUG, ..fails("misuse", &[2], "", pieces, 2) };
        let name = format!("programs::misuse_{kind}");
        jobs.push(Job::one(name, move || run(guests, 2, &case, &format!("crash {kind}"))));
    }
    for (kind, pieces) in SYNC_MISUSES {
        let case = fails("sync_misuse", &[2], "", pieces, 2);
        let name = format!("programs::sync_misuse_{kind}");
        jobs.push(Job::one(name, move || run(guests, 2, &case, &format!("sync_misuse {kind}"))));
    }
    for &(line, status) in FAILING {
        let name = format!("programs::failing_allocations::{}", line.replace(' ', "_"));
        jobs.push(Job::one(name, move || failing_allocations(guests, line, status)));
    }
    jobs.push(Job::one("programs::matmul_uses_both_cores", || matmul_ratio(guests)));
    jobs.push(Job::one("programs::panic_costs", || panic_costs(guests)));
    jobs.push(Job::one("programs::boot_log", || boot_log(guests)));
    jobs.push(Job::one("programs::late_core", || late_core(guests)));
    jobs.push(Job::one("programs::schedseed_replays", || schedseed_replays(guests)));
    jobs.push(Job::one("programs::preemptstats", || preemptstats(guests)));
    let primes = primes(100);
    for (program, want) in [("prime_sieve", primes), ("parfib", "fib(25) = 75025\n".into())] {
        let name = format!("stress::{program}_{STRESS}_times");
        jobs.push(Job::one(name, move || stress(guests, program, &want)));
    }
    jobs
}

fn options(smp: u32, line: &str) -> Options {
    let (program, args) = line.split_once(' ').unwrap_or((line, ""));
    Options { smp, ..Options::new(program, &args.split_whitespace().collect::<Vec<_>>()) }
}

fn run(guests: &Guests, smp: u32, case: &Case, line: &str) -> Outcome {
    run_with(guests, smp, case, line, case.env)
}

/// Runs a case with the scheduler's choices drawn from a seed.
pub fn run_seeded(guests: &Guests, smp: u32, case: &Case, seed: u32) -> Outcome {
    let (own, mut env): (Vec<_>, Vec<_>) = case.env.iter().partition(|(name, _)| *name == "GODEBUG");
    let godebug = own.iter().fold(format!("schedseed={seed}"), |list, (_, own)| format!("{own},{list}"));
    env.push(("GODEBUG", &godebug));
    run_with(guests, smp, case, case.line, &env)
}

fn run_with(guests: &Guests, smp: u32, case: &Case, line: &str, env: &[(&str, &str)]) -> Outcome {
    let env = env.iter().map(|&(name, value)| (name.into(), value.into())).collect();
    let ran = guests.run(&Options { env, memory: case.memory.into(), ..options(smp, line) }, PATIENCE)?;
    check(&ran, case.want, case.errors, case.status)
}

/// Whether a program printed and returned what it must.
pub fn check_text(ran: &Ran, text: &'static str) -> Outcome {
    check(ran, Text(text), Text(""), 0)
}

/// Whether a stream has what it must have.
fn is_right(written: &str, want: Want) -> bool {
    let mut rest = written;
    match want {
        Text(text) => text == rest,
        Pieces(pieces) => pieces.iter().all(|piece| match rest.split_once(piece) {
            Some((_, after)) => {
                rest = after;
                true
            }
            None => false,
        }),
    }
}

fn check(ran: &Ran, want: Want, errors: Want, status: u8) -> Outcome {
    if is_right(&ran.output, want) && is_right(&ran.errors, errors) && ran.status == status {
        return Ok(());
    }
    let text = |want| match want {
        Text(text) => text.to_owned(),
        Pieces(pieces) => pieces.join(" … "),
    };
    Err(format!(
        "wanted exit status {status}, standard output:\n{}\nstandard error:\n{}\ngot {}",
        text(want),
        text(errors),
        ran.describe()
    ))
}

fn crash(guests: &Guests, smp: u32, kind: &str, pieces: &'static [&'static str]) -> Outcome {
    let ran = guests.run(&options(smp, &format!("crash {kind}")), PATIENCE)?;
    let output = if kind == "panic" { "destructor runs\n" } else { "" };
    check(&ran, Text(output), Pieces(pieces), 2)
}

/// The N-th allocation fails, for many N: the program goes on without it or ends with the report, and never hangs.
fn failing_allocations(guests: &Guests, line: &str, status: u8) -> Outcome {
    for n in (1..16).chain([20, 30, 50, 80, 200]) {
        let env = vec![("GZERO_FAILALLOC".into(), n.to_string().into())];
        let ran = guests
            .run(&Options { env, ..options(2, line) }, PATIENCE)
            .map_err(|error| format!("allocation {n}: {error}"))?;
        let reported = ran.status == 2 && ran.errors.contains("out of memory");
        if !reported && ran.status != status {
            return Err(format!("allocation {n}: {}", ran.describe()));
        }
    }
    Ok(())
}

/// Two Ps are faster than one, in the ratio that the program prints of two runs in one guest. Where the host has other
/// work that may take some tries.
fn matmul_ratio(guests: &Guests) -> Outcome {
    let mut outputs = String::new();
    for _ in 0..5 {
        let ran = guests.run(&options(2, "matmul"), PATIENCE)?;
        check(&ran, Pieces(&["ratio ", "all results are the same, bit for bit\n"]), Text(""), 0)?;
        let ratio = ran.output.split_once("ratio ").and_then(|(_, rest)| rest.split_whitespace().next());
        if ratio.and_then(|ratio| ratio.parse::<f64>().ok()).is_some_and(|ratio| ratio < 1.0) {
            return Ok(());
        }
        outputs += &ran.output;
    }
    Err(format!("two cores are never faster than one:\n{outputs}"))
}

/// Nobody waits long for the end of a stretch without preemption (P3). A lock that is held for long, or interrupts that stay off, would show; and the
/// tables have their form: count, times, function.
fn preemptstats(guests: &Guests) -> Outcome {
    const MOST_INSTRUCTIONS: u64 = 100_000;
    const MOST_NS: u64 = 10_000_000;
    let env = vec![("GODEBUG".into(), "preemptstats=1,timeslice=1".into())];
    let ran = guests.run(&Options { icount: true, env, ..options(1, "parfib 22") }, PATIENCE)?;
    const PIECES: &[&str] = &[
        "preemptstats: instructions until a goroutine could be preempted, ",
        "longest    times  ends in",
        "(runtime::",
        "preemptstats: of these, instructions with interrupts off, ",
        "longest    times  ends in",
        "preemptstats: ",
        " requests were refused at first; the last was honoured at most ",
    ];
    check(&ran, Text("fib(22) = 17711\n"), Pieces(PIECES), 0)?;
    let rows = ran.errors.lines().filter(|line| line.starts_with(' ') && !line.contains("longest"));
    let counts: Option<Vec<u64>> = rows.map(|row| row.split_whitespace().next()?.parse().ok()).collect();
    let wait = ran.errors.split_once("at most ").and_then(|(_, rest)| rest.split_once(' ')?.0.parse().ok());
    match (counts, wait) {
        (Some(counts), Some(0..=MOST_NS))
            if counts.len() > 2 && counts.iter().all(|&n| n <= MOST_INSTRUCTIONS) =>
        {
            Ok(())
        }
        _ => Err(format!("too long, or no table:\n{}", ran.errors)),
    }
}

/// What a panic may cost in instructions: to raise it and recover from it, for a frame that it passes, and for one with deferred work. A search for
/// unwind tables that is not kept would show tenfold.
fn panic_costs(guests: &Guests) -> Outcome {
    const MOST: [(&str, &str, f64); 3] = [
        ("panic_recover", "ns_per_op=", 6_000.0),
        ("panic_frame", "ns_per_op=", 800.0),
        ("panic_frame", "cleanup_ns=", 800.0),
    ];
    let ran =
        guests.run(&Options { icount: true, ..options(1, "bench panic_recover panic_frame") }, PATIENCE)?;
    for (bench, key, most) in MOST {
        let line = ran.output.lines().find(|line| line.starts_with(&format!("bench {bench} ")));
        let mut words = line.into_iter().flat_map(str::split_whitespace);
        match words.find_map(|word| word.strip_prefix(key)?.parse::<f64>().ok()) {
            Some(cost) if cost > 0.0 && cost <= most => {}
            _ => return Err(format!("{bench}: {key} is not there or above {most} in\n{}", ran.output)),
        }
    }
    Ok(())
}

/// Where the clock counts instructions, a seed gives the same run: the scheduler's own account of each millisecond repeats to the digit, on several
/// cores; and another seed gives another. A choice that is not drawn from the seed would show.
fn schedseed_replays(guests: &Guests) -> Outcome {
    let trace = |seed: u32| {
        let env = vec![("GODEBUG".into(), format!("schedseed={seed},schedtrace=1").into())];
        let ran = guests.run(&Options { icount: true, env, ..options(2, "parfib 20") }, PATIENCE)?;
        check(&ran, Text("fib(20) = 6765\n"), Pieces(&["SCHED ", "schedticks"]), 0)?;
        Ok::<_, String>(ran.errors)
    };
    let (first, again, other) = (trace(7)?, trace(7)?, trace(8)?);
    if first != again {
        return Err(format!("one seed, two runs:\n{first}\nand\n{again}"));
    }
    if first == other { Err(format!("two seeds, one run:\n{first}")) } else { Ok(()) }
}

/// A core that does not answer is reported, the machine goes on without it, and when it comes after all it parks (B3).
fn late_core(guests: &Guests) -> Outcome {
    let env = vec![("GODEBUG".into(), "smplate=2".into())];
    let ran = guests.run(&Options { verbose: true, env, ..options(4, "hello") }, PATIENCE)?;
    const PIECES: &[&str] = &["did not answer", "smp: 1 late cores parked", "smp: 3 of 4 cores online"];
    check(&ran, Text("hello, world\n"), Pieces(PIECES), 0)
}

/// The boot log names what B2, B3 and B6 ask for.
fn boot_log(guests: &Guests) -> Outcome {
    let ran = guests.run(&Options { verbose: true, ..options(4, "hello") }, PATIENCE)?;
    for piece in ["cpu: on: ", "lacks: ", "4 cores", "clock: "] {
        if !ran.errors.contains(piece) {
            return Err(format!("no '{piece}' in\n{}", ran.errors));
        }
    }
    check(&ran, Text("hello, world\n"), Pieces(&[]), 0)
}

fn stress(guests: &Guests, program: &str, want: &str) -> Outcome {
    for i in 1..=STRESS {
        let ran = guests
            .run(&options(4, program), PATIENCE)
            .map_err(|error| format!("run {i} of {STRESS}: {error}"))?;
        if ran.output != want || ran.status != 0 {
            return Err(format!("run {i} of {STRESS}: {}", ran.describe()));
        }
    }
    Ok(())
}

/// The first `n` primes as prime_sieve prints them, ten to a line.
fn primes(n: usize) -> String {
    let is_prime = |i: &u32| (2..*i).all(|divisor| !i.is_multiple_of(divisor));
    let primes: Vec<String> = (2..).filter(is_prime).take(n).map(|i| i.to_string()).collect();
    primes.chunks(10).map(|line| line.join(" ") + "\n").collect()
}
