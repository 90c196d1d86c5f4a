//! Programs that show what goroutines do.

use super::case::{Case, Pieces, Text, case, fails};

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

/// Every goroutine, oldest first, with why and where it waits.
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

/// All of them.
pub const CASES: &[Case] = &[
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
    case("matmul", &[1, 2], "matmul", Pieces(&["ratio ", "all results are the same, bit for bit\n"]), 0),
];
