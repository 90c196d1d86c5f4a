//! What the runtime asks of a machine, in the sense in which Go's `os_linux.go` answers for Linux.
//!
//! A machine implements [`Port`] on a type of its own and names it once with [`set_port!`](crate::set_port). The
//! macro defines one symbol for each function and the runtime calls the symbols: static dispatch across crates (the
//! pattern of the `critical-section` crate), so that with LTO [`getg`] is the port's one instruction, inlined.
//!
//! Rejected: a type parameter on every runtime type (each `Chan<T>` would be a `Chan<T, P>` and users would see
//! it), and `&'static dyn Port` (an indirect call to learn which goroutine is running).

use crate::proc::{G, M};
use alloc::boxed::Box;
use alloc::string::String;
use core::any::Any;
use core::fmt;

/// A goroutine stack: the virtual range `[lo, hi)`, the guard area below `lo` not counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stack {
    /// Lowest address that may be touched; the page below it is never backed.
    pub lo: usize,
    /// One past the highest address; 16-byte aligned, and the page below it is backed.
    pub hi: usize,
}

/// How many bytes of a goroutine's stack, from its top, code may use that steps over pages; whatever lies deeper, the next page has to be touched first.
pub const SHALLOW_STACK: usize = 160 << 10;

impl Stack {
    /// The stack of a goroutine that has none.
    pub const NONE: Stack = Stack { lo: 0, hi: 0 };

    /// Whether `addr` lies in the stack.
    #[inline]
    pub fn contains(&self, addr: usize) -> bool {
        self.lo <= addr && addr < self.hi
    }
}

/// A kernel thread of the port, as [`Port::new_os_proc`] returned it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub struct OsThread(pub usize);

/// What the machine's memory is used for, in bytes. A moment's figures, not all of one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SysStats {
    /// All that can be allocated.
    pub total: usize,
    /// What of it nobody uses.
    pub free: usize,
    /// What the heap has by [`Port::sys_alloc`].
    pub heap: usize,
    /// What is backed of stacks: goroutines', dead or alive, and the machine's own.
    pub stacks: usize,
    /// Page tables.
    pub page_tables: usize,
    /// The machine's own data.
    pub kernel: usize,
}

/// Why a port could not do what was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PortError {
    /// No physical memory is left.
    OutOfMemory,
    /// No virtual address range of the size asked for is left.
    OutOfAddressSpace,
}

impl fmt::Display for PortError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            PortError::OutOfMemory => "out of physical memory",
            PortError::OutOfAddressSpace => "out of virtual address space",
        })
    }
}

/// An output stream of the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

/// What [`Port::write`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// How many bytes were taken, from the first on.
    pub taken: usize,
    /// Some of what was taken, now or before, has still to be delivered.
    pub pending: bool,
}

/// What [`Port::read`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// So many bytes, at least one.
    Bytes(usize),
    /// Nothing yet.
    Later,
    /// Nothing, and nothing will come.
    End,
}

macro_rules! port {
    ($($(#[$doc:meta])* $([$u:tt])? fn $name:ident = $sym:ident ( $($a:ident : $t:ty),* ) $(-> $r:ty)?;)*) => {
        /// The machine under the runtime. All functions are called with a G set ([`Port::getg`] is not null) unless they say otherwise.
        ///
        /// # Safety
        /// The scheduler's memory safety rests on the contract of every function here.
        pub unsafe trait Port {
            $($(#[$doc])* $($u)? fn $name($($a: $t),*) $(-> $r)?;)*
        }

        unsafe extern "Rust" {
            $(fn $sym($($a: $t),*) $(-> $r)?;)*
        }

        $($(#[$doc])* #[inline(always)] pub $($u)? fn $name($($a: $t),*) $(-> $r)? {
            // SAFETY: `set_port!` defined the symbol with this signature; where the function is unsafe, the caller keeps its contract.
            unsafe { $sym($($a),*) }
        })*

        /// Makes a type that implements [`Port`](crate::machine::Port) the machine of this program. To be used once in a program.
        #[macro_export]
        macro_rules! set_port {
            ($port:ty) => {
                const _: () = {
                    use $crate::__private::{Any, Box, String, fmt};
                    use $crate::machine::*;
                    $(
                        #[unsafe(no_mangle)]
                        #[inline]
                        fn $sym($($a: $t),*) $(-> $r)? {
                            #[allow(unused_unsafe, reason = "some of the functions are safe")]
                            // SAFETY: only the runtime's wrapper of the same name calls the symbol, under the same contract.
                            unsafe { <$port as Port>::$name($($a),*) }
                        }
                    )*
                };
            };
        }
    };
}

port! {
    /// The goroutine whose code is running (an M's g0 while its scheduler runs), or null on a thread that is no M.
    ///
    /// Code on one stack sees one G for as long as it lives, on whatever core or M it continues: the value may be cached.
    fn getg = __gzero_getg() -> *mut G;
    /// Sets what [`Port::getg`] returns on the current thread.
    ///
    /// # Safety
    /// The caller is about to switch to `g`'s stack and calls nothing that reads the current G before it has.
    [unsafe] fn setg = __gzero_setg(g: *mut G);

    /// How many cores run Ms.
    fn ncpu = __gzero_ncpu() -> usize;
    /// Nanoseconds since boot, monotonic across cores.
    fn nanotime = __gzero_nanotime() -> i64;
    /// Where code reads the clock that calls nothing for it. `words[0]` is the cycle counter at the
    /// clock's start, `words[1]` nanoseconds in a tick times 2³². If the first byte of `words[2]`
    /// is not 0, [`Port::nanotime`] must be called.
    fn clock_words = __gzero_clock_words() -> *const u64;
    /// Wall time: seconds since 1970 (UTC) and nanoseconds.
    fn walltime = __gzero_walltime() -> (i64, u32);
    /// The core's cycle counter, unordered and unscaled: the cheapest clock there is.
    fn cputicks = __gzero_cputicks() -> i64;
    /// How many [`Port::cputicks`] make a millisecond.
    fn cputicks_per_ms = __gzero_cputicks_per_ms() -> i64;

    /// Starts a thread that runs `entry(mp)` on a fully backed stack of its own, with `(*mp).g0` as its G. Before it runs the port has told
    /// the M (`set_os`) and set that G's `stack`.
    ///
    /// # Safety
    /// The M and its g0 live as long as the thread, whose they are from now on.
    [unsafe] fn new_os_proc = __gzero_new_os_proc(mp: *mut M, entry: extern "C" fn(*mut M) -> !) -> Result<(), PortError>;
    /// Ends the current thread; its stack is freed once nothing runs on it. No G is set any more.
    fn exit_thread = __gzero_exit_thread() -> !;
    /// Sleeps until the current thread's semaphore has been posted (true; the post is consumed) or `ns` nanoseconds have
    /// passed (false). A negative `ns` waits for ever. A post before the sleep is not lost. Called on g0 only.
    fn semasleep = __gzero_semasleep(ns: i64) -> bool;
    /// Posts the semaphore of a thread; posts do not add up. May be called with runtime locks held and from [`preempt_signal`](crate::machine::preempt_signal).
    fn semawakeup = __gzero_semawakeup(t: OsThread);
    /// Lets another thread of this core run, if there is one.
    fn os_yield = __gzero_os_yield();
    /// Interrupts the core on which thread `t` runs, so that [`preempt_signal`](crate::machine::preempt_signal) runs there soon. Nothing happens if `t` does
    /// not run at that moment: it will see its G's flags itself.
    fn signal_m = __gzero_signal_m(t: OsThread);
    /// Arms the current thread's scheduling timer: [`preempt_signal`](crate::machine::preempt_signal) runs on this thread at `when` (nanotime) or, if the thread
    /// does not run then, when it next does; once. A later call replaces an earlier one; `i64::MAX` disarms. Callable from the signal itself.
    fn set_preempt_timer = __gzero_set_preempt_timer(when: i64);

    /// Reserves a goroutine stack of at least `size` usable bytes, or without a size as many as there is room for, with a guard area of at
    /// least 64 KiB below, its highest page backed; more is backed at page fault. Called on g0 only.
    fn stack_alloc = __gzero_stack_alloc(size: Option<usize>) -> Result<Stack, PortError>;
    /// Gives a stack back, frames and range.
    ///
    /// # Safety
    /// `s` came from [`Port::stack_alloc`], nothing runs on it, and no pointer into it is used again.
    [unsafe] fn stack_free = __gzero_stack_free(s: Stack);
    /// Gives back the frames of `s` below the highest `keep` bytes; returns how many bytes those were.
    ///
    /// # Safety
    /// Nothing below the highest `keep` bytes of `s` is in use.
    [unsafe] fn stack_shrink = __gzero_stack_shrink(s: Stack, keep: usize) -> usize;
    /// Backs the pages of `s` from address `from` up to the page of `to`, so that no fault is taken there. False if memory ran out.
    /// May be called with interrupts off.
    fn stack_back = __gzero_stack_back(s: Stack, from: usize, to: usize) -> bool;

    /// Bytes of memory behind goroutine stacks in use, and behind those that are kept for new ones; a moment's figures. Takes time in proportion to
    /// the stacks there ever were.
    fn stack_usage = __gzero_stack_usage() -> (usize, usize);

    /// The address range in which all memory of [`Port::sys_alloc`] lies.
    fn sys_arena = __gzero_sys_arena() -> (usize, usize);
    /// Allocates `bytes` (a multiple of 8 KiB) of contiguous memory aligned to `align` (a power of two, at least 8 KiB). The contents are
    /// anything. Null if there is none. Callable before any G is set.
    fn sys_alloc = __gzero_sys_alloc(bytes: usize, align: usize) -> *mut u8;
    /// Gives back part or all of what [`Port::sys_alloc`] returned, in multiples of 8 KiB.
    ///
    /// # Safety
    /// The range came from `sys_alloc`, is not in use and is not given back twice.
    [unsafe] fn sys_free = __gzero_sys_free(p: *mut u8, bytes: usize);
    /// What the memory is used for. Takes time that grows with the memory.
    fn sys_stats = __gzero_sys_stats() -> SysStats;

    /// Writes what of `bytes` the stream takes at once; if that is nothing, something is pending. By one caller at a time for each stream.
    fn write = __gzero_write(stream: Stream, bytes: &[u8]) -> Written;
    /// Waits until nothing that [`Port::write`] took is pending on standard output. Holds the thread: to be called by [`block`](crate::machine::block), in
    /// the turn of the one that writes. Nothing is ever pending on standard error.
    fn flush = __gzero_flush();
    /// Whether both streams are one device, so that [`Port::write`] is for one caller at a time in all. The same answer always.
    fn one_stream = __gzero_one_stream() -> bool;
    /// Reads what has come on standard input, as much as `buf`, which is not empty, holds. By one caller at a time.
    fn read = __gzero_read(buf: &mut [u8]) -> Input;
    /// Waits until [`Port::read`] would not return [`Input::Later`]. Holds the thread: to be called by [`block`](crate::machine::block), in the turn of
    /// the one that reads.
    fn await_input = __gzero_await_input();
    /// Writes to standard error from a fatal report: takes no lock that the interrupted code could hold.
    fn write_err = __gzero_write_err(bytes: &[u8]);
    /// Begins a fatal report about `what`: stops all other cores. Does not return if another core has begun one, nor if this one has.
    fn begin_fatal = __gzero_begin_fatal(what: fmt::Arguments<'_>);
    /// The function that holds code address `pc` and the offset in it, if symbols are there.
    fn symbol = __gzero_symbol(pc: usize) -> Option<(&'static str, usize)>;
    /// Maps the program that the machine was given beside the kernel, a static ELF, at the addresses that it was linked for, and returns its
    /// entry; else what is wrong with it, or that there is none. Called once.
    fn load_program = __gzero_load_program() -> Result<usize, String>;
    /// The address that `pc` has in the file which has the program's code and debug information.
    fn linked = __gzero_linked(pc: usize) -> usize;
    /// Calls `f(arg)` and catches what it unwinds with.
    ///
    /// # Safety
    /// `f` may be called with `arg`.
    [unsafe] fn try_call = __gzero_try_call(f: extern "C-unwind" fn(*mut u8), arg: *mut u8) -> Result<(), Box<dyn Any + Send>>;
    /// Unwinds the current stack with a payload, running destructors, up to the innermost [`Port::try_call`].
    fn begin_unwind = __gzero_begin_unwind(payload: Box<dyn Any + Send>) -> !;
    /// Ends the program with an exit status, 0 to 255.
    fn exit = __gzero_exit(status: i32) -> !;
    /// The program's name and arguments: bytes, any but NUL. Callable before there is a G.
    fn args = __gzero_args() -> &'static [&'static [u8]];
    /// The environment, each name once. Callable before there is a G.
    fn environ = __gzero_environ() -> &'static [(&'static str, &'static [u8])];
}
