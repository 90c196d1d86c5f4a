//! G, a goroutine (Go: `g` in `runtime2.go`).
//!
//! # Go's `g`
//! Code from Go's compiler keeps a pointer to its own `g` in R14 and at `FS:-8`, and its assembly
//! switches stacks by changing both. So the machine's word for the current goroutine has to be that
//! pointer. Where the machine was given a Go program, each G has Go's `g` right behind it, in one
//! allocation; the word is [`G::go`], and [`G::before`] leads back. In all other programs nothing is
//! behind a G: the word is the address of its end.
//!
//! 1. The port says in `Startup` whether there is a Go program, before the first G is made.
//! 2. [`G::allocate`] leaves the room, zeroed, for every G: an M's g0 and a goroutine of Rust code
//!    may run Go code later.
//! 3. What of Go's `g` lies where, only the program says (`goabi`).
//!
//! Rejected: Go's `g` as the first fields of this struct, which costs every goroutine of a Rust
//! program its 448 bytes; two words, one for each side, because Go's assembly changes one of them
//! only.

use super::alllist::Listed;
use super::status::{Status, StatusWord};
use super::{M, WaitReason};
use crate::goabi::G_BYTES;
use crate::panic::InFlight;
use crate::port::Stack;
use alloc::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use core::num::NonZeroUsize;
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, Ordering};

/// Whether there is Go's `g` behind each G. Set before the first one is made.
static HAS_GO: AtomicBool = AtomicBool::new(false);

/// Words of a closure that is kept in the G itself, without an allocation.
pub(super) const INLINE_WORDS: usize = 4;

/// A goroutine. Dead Gs are used again, or freed if there are too many; `allgs.rs` says when nobody has a pointer to one any more.
///
/// Fields without an atomic type belong to whoever owns the G: the M that runs it, the queue lock that holds it, or the goroutine itself.
#[repr(C)]
pub struct G {
    /// The ranks of the locks that it holds. First, because a Go program counts from the end.
    #[cfg(debug_assertions)]
    pub(super) held: [Option<crate::lock::Rank>; 16],
    /// The stack, [`Stack::NONE`] while the G has not run.
    pub stack: Stack,
    /// Saved stack pointer while it does not run, 0 if it has not run yet. On a g0: where scheduler frames start.
    pub(crate) sched_sp: usize,
    /// The M that runs it, else null.
    pub m: *mut M,
    /// While above 0 the goroutine is not preempted and stays on its M.
    pub(crate) locks: AtomicU32,
    status: StatusWord,
    /// Its number, 1 for main; 0 for a g0.
    pub goid: u64,
    /// What its entry is called with.
    pub(crate) startarg: *mut u8,
    /// Next in whatever list it is on.
    pub(crate) schedlink: *mut G,
    /// What the waker has to say to it.
    pub param: *mut (),
    /// The sudogs it waits with (channels).
    pub waiting: *mut (),
    /// Set when a `select` has been decided by one of several wakers.
    pub select_done: AtomicU32,
    /// Why it waits.
    pub wait_reason: WaitReason,
    /// It has grown its stack by page faults since it got it.
    pub(super) stack_grew: AtomicBool,
    /// When it last began to wait ([`port::cputicks`](crate::port::cputicks)), unless as a
    /// coroutine.
    pub(crate) wait_since: i64,
    /// Its entry.
    pub(super) startfn: extern "C-unwind" fn(*mut u8),
    /// Its first instruction: a frame that calls the entry, or Go code.
    pub(super) first: extern "C" fn() -> !,
    /// How large its stack may grow, in bytes, if it has a limit of its own.
    pub(super) stack_limit: Option<NonZeroUsize>,
    /// Where the `go` stands that made it: in the source, and in which function (Go: `gopc`); and who ran that, 0 if it was a g0.
    pub(crate) created_at: Option<&'static core::panic::Location<'static>>,
    pub(crate) gopc: usize,
    pub(crate) parent_goid: u64,
    /// What unwinds it, innermost first (Go: `_panic`).
    pub(crate) unwinding: *mut InFlight,
    /// The text of a panic is being made, by code that may panic itself.
    pub(crate) printing_panic: bool,
    pub(super) inline: [usize; INLINE_WORDS],
    /// The M that it is locked to, or null.
    pub(super) lockedm: *mut M,
    /// Next in `allgs`, and the one before.
    alllink: AtomicPtr<G>,
    pub(super) allprev: *mut G,
}

/// Go's `g`, of which only the Go program knows what lies where.
#[repr(C)]
pub struct GoG {
    _words: [usize; 0],
}

extern "C-unwind" fn no_entry(_: *mut u8) {
    crate::panic::throw("a goroutine without an entry was run")
}

impl G {
    /// A G in state idle, as good as zeroed.
    pub fn new() -> G {
        G {
            stack: Stack::NONE,
            sched_sp: 0,
            m: core::ptr::null_mut(),
            locks: AtomicU32::new(0),
            status: StatusWord::new(),
            goid: 0,
            startarg: core::ptr::null_mut(),
            schedlink: core::ptr::null_mut(),
            param: core::ptr::null_mut(),
            waiting: core::ptr::null_mut(),
            select_done: AtomicU32::new(0),
            wait_reason: WaitReason::Zero,
            stack_grew: AtomicBool::new(false),
            wait_since: 0,
            startfn: no_entry,
            first: super::newproc::goroutine_entry,
            stack_limit: None,
            created_at: None,
            gopc: 0,
            parent_goid: 0,
            unwinding: core::ptr::null_mut(),
            printing_panic: false,
            inline: [0; INLINE_WORDS],
            lockedm: core::ptr::null_mut(),
            alllink: AtomicPtr::new(core::ptr::null_mut()),
            allprev: core::ptr::null_mut(),
            #[cfg(debug_assertions)]
            held: [None; 16],
        }
    }

    /// Makes all Gs from here on with room for Go's `g`.
    pub(super) fn make_with_go() {
        HAS_GO.store(true, Ordering::Relaxed);
    }

    /// Bytes behind each G.
    fn behind() -> usize {
        if HAS_GO.load(Ordering::Relaxed) { G_BYTES } else { 0 }
    }

    fn layout() -> Layout {
        let g = Layout::new::<G>();
        // SAFETY: a few hundred bytes, and the alignment of a type.
        unsafe { Layout::from_size_align_unchecked(g.size() + G::behind(), g.align()) }
    }

    /// A new G in state idle, with what is behind it zeroed.
    pub(super) fn allocate() -> *mut G {
        let layout = G::layout();
        // SAFETY: the size is not 0.
        let gp = unsafe { alloc(layout) }.cast::<G>();
        if gp.is_null() {
            handle_alloc_error(layout);
        }
        // SAFETY: new, and large enough.
        unsafe { gp.write(G::new()) };
        // SAFETY: as above.
        unsafe { G::go(gp).cast::<u8>().write_bytes(0, G::behind()) };
        gp
    }

    /// Frees a G.
    ///
    /// # Safety
    /// From [`G::allocate`]; nobody has a pointer to it any more.
    pub(super) unsafe fn free(gp: *mut G) {
        // SAFETY: as the caller promises.
        unsafe { gp.drop_in_place() };
        // SAFETY: as the caller promises; the layout is the same for all.
        unsafe { dealloc(gp.cast(), G::layout()) };
    }

    /// Where Go's `g` is, or would be, of `gp`: its end. The machine's word for the current
    /// goroutine.
    #[inline(always)]
    pub const fn go(gp: *mut G) -> *mut GoG {
        gp.wrapping_add(1).cast()
    }

    /// The G before Go's `g`: the reverse of [`G::go`].
    #[inline(always)]
    pub const fn before(go: *mut GoG) -> *mut G {
        go.cast::<G>().wrapping_sub(1)
    }

    /// Where the Go half's assembly finds its state, and its argument.
    pub(crate) const LOCKS_OFFSET: usize = core::mem::offset_of!(G, locks);
    pub(crate) const STATUS_OFFSET: usize = core::mem::offset_of!(G, status);
    pub(crate) const STARTARG_OFFSET: usize = core::mem::offset_of!(G, startarg);

    /// The G that a state is of.
    pub(super) fn of(word: &StatusWord) -> *mut G {
        core::ptr::from_ref(word).cast::<u8>().wrapping_sub(G::STATUS_OFFSET).cast_mut().cast()
    }

    /// See [`StatusWord::watch`].
    pub(super) fn watch(&self) {
        self.status.watch();
    }

    /// See [`StatusWord::set_durable`].
    pub(super) fn set_durable(&self, durable: bool) {
        self.status.set_durable(durable);
    }

    /// Whether it is in a call that blocks durably, in a bubble.
    pub(crate) fn is_durable(&self) -> bool {
        self.status.is_durable()
    }

    /// How many of [`port::cputicks`](crate::port::cputicks) it has waited, if it waits. As in Go
    /// nobody notes since when a coroutine does: 0.
    pub(crate) fn waited_ticks(&self) -> i64 {
        match self.wait_reason {
            WaitReason::Coroutine => 0,
            _ => (crate::port::cputicks() - self.wait_since).max(0),
        }
    }

    /// Whether it runs Go code.
    pub(crate) fn is_go(&self) -> bool {
        self.first as usize != super::newproc::goroutine_entry as *const () as usize
    }

    /// Where its registers are while it does not run. Of a g0: where scheduler frames start.
    pub(crate) fn saved_sp(&self) -> usize {
        self.sched_sp
    }

    /// Its state.
    #[inline]
    pub fn status(&self) -> Status {
        self.status.get()
    }

    /// Goes from `old` to `new`; see `StatusWord::cas`.
    #[inline]
    pub fn cas_status(&self, old: Status, new: Status) {
        self.status.cas(old, new);
    }

    /// Keeps the G in state `status`, if it is in it, until [`G::end_scan`]: its stack may be looked at (Go: `castogscanstatus`).
    pub(super) fn begin_scan(&self, status: Status) -> bool {
        self.status.begin_scan(status)
    }

    /// Ends what [`G::begin_scan`] began (Go: `casfrom_Gscanstatus`).
    pub(super) fn end_scan(&self) {
        self.status.end_scan();
    }
}

impl Listed for G {
    fn alllink(&self) -> &AtomicPtr<G> {
        &self.alllink
    }
}

impl Default for G {
    fn default() -> Self {
        G::new()
    }
}
