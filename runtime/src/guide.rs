//! For Go programmers: what Go's names are here.
//!
//! The tables have keywords of the language, and functions of packages `runtime`, `runtime/debug`,
//! `sync`, `sync/atomic`, `time`, `context`, `os`, `fmt` and `golang.org/x/sync`. Semantics are Go's
//! unless the linked page says otherwise. The [`prelude`](crate::prelude) has the names in common use.
//!
//! # Goroutines
//!
//! | Go | here |
//! |---|---|
//! | `func main()` | `fn main` with [`#[program]`](crate::program); it may return a status or a `Result` ([`Termination`](crate::Termination)) |
//! | `func init()` | any function with [`#[init]`](macro@crate::init) |
//! | `go f(x)` | [`go`](crate::go)`(move \|\| f(x))` |
//! | `defer f()` | [`defer!`](crate::defer)` { f() }` |
//! | `panic("text")`, `panic(v)` | `panic!("text")`, [`panic_any`](crate::panic_any)`(v)` |
//! | `recover()` | [`recover`](crate::recover)`(\|\| work())`, which returns the panic as [`PanicPayload`](crate::PanicPayload) |
//! | `runtime.Goexit` | [`goexit`](crate::goexit) |
//! | `runtime.Gosched` | [`gosched`](crate::gosched) |
//! | `runtime.GOMAXPROCS(0)`, `GOMAXPROCS(n)` | [`gomaxprocs`](crate::gomaxprocs), [`set_gomaxprocs`](crate::set_gomaxprocs) |
//! | `runtime.NumCPU`, `NumGoroutine` | [`num_cpu`](crate::num_cpu), [`num_goroutine`](crate::num_goroutine) |
//! | `runtime.LockOSThread`, `UnlockOSThread` | [`lock_os_thread`](crate::lock_os_thread), [`unlock_os_thread`](crate::unlock_os_thread) |
//! | `runtime.NumCgoCall` | [`num_blocking_calls`](crate::syscall::num_blocking_calls) |
//! | `runtime.Stack(buf, true)` | [`debug::goroutines`](crate::debug::goroutines) |
//! | `runtime.ReadMemStats` | [`mem_stats`](crate::mem_stats) |
//! | `debug.SetMaxStack`, `SetMaxThreads` | [`set_max_stack`](crate::debug::set_max_stack), [`set_max_threads`](crate::debug::set_max_threads) |
//! | `debug.SetMemoryLimit` | [`set_memory_limit`](crate::debug::set_memory_limit), [`memory_limit`](crate::debug::memory_limit) |
//! | `debug.FreeOSMemory` | [`free_os_memory`](crate::debug::free_os_memory) |
//! | `syscall.Nanosleep` | [`syscall::nanosleep`](crate::syscall::nanosleep) |
//!
//! # Channels
//!
//! | Go | here |
//! |---|---|
//! | `make(chan T)`, `make(chan T, n)` | [`chan::make`](crate::chan::make)`(0)`, `make(n)` |
//! | `chan T`, `<-chan T`, `chan<- T` | [`Chan`](crate::chan::Chan), [`Receiver`](crate::chan::Receiver), [`Sender`](crate::chan::Sender), each a handle that is cloned |
//! | `var c chan T` (nil) | [`Chan::nil`](crate::chan::Chan::nil) |
//! | `c <- v` | [`c.send(v)`](crate::chan::Chan::send) |
//! | `v := <-c`, `v, ok := <-c` | [`c.recv()`](crate::chan::Chan::recv), which is `None` where `ok` is false |
//! | `for v := range c` | `for v in &c`, [`c.iter()`](crate::chan::Chan::iter) |
//! | `close(c)` | [`c.close()`](crate::chan::Chan::close) |
//! | `len(c)`, `cap(c)` | [`len`](crate::chan::Chan::len), [`cap`](crate::chan::Chan::cap) |
//! | `select { … }` | [`select!`](crate::select) |
//! | `select` with one arm and `default` | [`try_send`](crate::chan::Chan::try_send), [`try_recv`](crate::chan::Chan::try_recv) |
//! | `reflect.Select` | [`chan::select`](crate::chan::select()), [`try_select`](crate::chan::try_select) |
//! | `select {}` | [`chan::block`](crate::chan::block) |
//!
//! # sync
//!
//! | Go | here |
//! |---|---|
//! | `sync.Mutex`, `RWMutex` | [`Mutex`](crate::sync::Mutex), [`RwMutex`](crate::sync::RwMutex): what they protect is in them; a guard unlocks |
//! | the same without data | [`RawMutex`](crate::sync::RawMutex), [`RawRwMutex`](crate::sync::RawRwMutex) |
//! | `sync.WaitGroup`, `wg.Go(f)` | [`WaitGroup`](crate::sync::WaitGroup), [`go`](crate::sync::WaitGroup::go) |
//! | `sync.Once` | [`Once`](crate::sync::Once) |
//! | `sync.OnceFunc`, `OnceValue` | [`OnceFunc`](crate::sync::OnceFunc), [`OnceValue`](crate::sync::OnceValue) |
//! | `sync.Cond` | [`Cond`](crate::sync::Cond) |
//! | `sync.Pool` | [`Pool`](crate::sync::Pool) |
//! | `sync.Map` | [`Map`](crate::sync::Map) |
//! | `sync/atomic` | [`atomic`](crate::sync::atomic) of Rust; Go's operations are `SeqCst` |
//! | `errgroup.Group` | [`errgroup::Group`](crate::sync::errgroup::Group) |
//! | `semaphore.Weighted` | [`Semaphore`](crate::sync::Semaphore) |
//! | `singleflight.Group` | [`singleflight::Group`](crate::sync::singleflight::Group) |
//!
//! # time
//!
//! | Go | here |
//! |---|---|
//! | `time.Duration` | [`Duration`](crate::time::Duration) of Rust |
//! | `time.Sleep` | [`sleep`](crate::time::sleep) |
//! | `time.Now`, `Since`, `Until` | [`now`](crate::time::now), [`since`](crate::time::since), [`until`](crate::time::until), of [`Instant`](crate::time::Instant); wall time is [`SystemTime`](crate::time::SystemTime) |
//! | `time.After`, `Tick` | [`after`](crate::time::after), [`tick`](crate::time::tick) |
//! | `time.NewTimer`, `NewTicker` | [`Timer::new`](crate::time::Timer::new), [`Ticker::new`](crate::time::Ticker::new) |
//! | `time.AfterFunc` | [`after_func`](crate::time::after_func) |
//!
//! # context
//!
//! | Go | here |
//! |---|---|
//! | `context.Context` | [`Context`](crate::context::Context), a handle that is cloned |
//! | `Background`, `TODO` | [`background`](crate::context::background), [`todo`](crate::context::todo) |
//! | `WithCancel`, `WithCancelCause` | [`with_cancel`](crate::context::with_cancel), [`with_cancel_cause`](crate::context::with_cancel_cause) |
//! | `WithTimeout`, `WithDeadline`, and `…Cause` | [`with_timeout`](crate::context::with_timeout), [`with_deadline`](crate::context::with_deadline), [`with_timeout_cause`](crate::context::with_timeout_cause), [`with_deadline_cause`](crate::context::with_deadline_cause) |
//! | `WithValue`, `ctx.Value` | [`with_value`](crate::context::with_value), by a [`Key`](crate::context::Key) type |
//! | `WithoutCancel`, `AfterFunc`, `Cause` | [`without_cancel`](crate::context::without_cancel), [`after_func`](crate::context::after_func), [`cause`](crate::context::cause) |
//! | `ctx.Done()`, `Err()`, `Deadline()` | [`done`](crate::context::Context::done), [`err`](crate::context::Context::err), [`deadline`](crate::context::Context::deadline) |
//!
//! # The program and its surroundings
//!
//! | Go | here |
//! |---|---|
//! | `os.Args`, `os.Getenv`, `os.Environ` | [`args`](crate::args), [`env::var`](crate::env::var), [`env::vars`](crate::env::vars) |
//! | `os.Exit` | [`exit`](crate::exit) |
//! | `os.Stdin`, `os.Stdout`, `os.Stderr` | [`io::stdin`](crate::io::stdin), [`io::stdout`](crate::io::stdout), [`io::stderr`](crate::io::stderr) |
//! | `bufio.Scanner` over standard input | [`stdin().lines()`](crate::io::Stdin::lines) |
//! | `fmt.Println`, `fmt.Fprintln(os.Stderr)` | [`println!`](crate::println), [`eprintln!`](crate::eprintln) |
//! | `map[K]V` | [`HashMap`](crate::collections::HashMap), keyed anew at each boot as Go's |
//! | `math` | methods of `f64`, by [`Float`](crate::math::Float) |
