//! P, the right to run goroutines (Go: `p` in `runtime2.go`).

use super::runq::RunQueue;
use super::{G, M};
use crate::gc::Runs;
use crate::heap::MCache;
use crate::port::{self, Stack};
use crate::time::Timers;
use core::ptr::null_mut;
use core::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, Ordering};

/// States of a P, with Go's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum PStatus {
    /// On the idle list, or about to change hands.
    Idle = 0,
    /// Owned by an M that runs goroutines or the scheduler.
    Running = 1,
    /// Left behind by an M in a blocking call, which may come back for it; sysmon may take it.
    Syscall = 2,
    /// Stopped with the world.
    GcStop = 3,
    /// Beyond GOMAXPROCS; kept for when that grows again.
    Dead = 4,
}

impl PStatus {
    /// Whether a P may go from this state to `to`.
    pub(super) const fn may_become(self, to: PStatus) -> bool {
        use PStatus::*;
        matches!(
            (self, to),
            (Idle, Running | GcStop)
                | (Running, Idle | Syscall | GcStop)
                | (Syscall, Idle | GcStop)
                | (GcStop, Idle | Running | Dead)
                | (Dead, GcStop)
        )
    }
}

/// Dead goroutines that a P keeps for reuse before it gives half to the global list (Go: `gfput`).
pub(super) const GFREE_MAX: usize = 64;
/// Stacks of the default size that a P keeps for reuse.
const STACKS_MAX: usize = 64;

/// The right to run goroutines, with the resources that go with it. Fields without an atomic type belong to the M that holds the P.
#[repr(C, align(128))]
pub struct P {
    /// Its number, from 0.
    pub id: u32,
    status: AtomicU32,
    /// Counts calls of the scheduler.
    pub schedtick: AtomicU32,
    /// Runs a goroutine with no timer armed: nothing will preempt it until somebody signals its M.
    pub(super) lone: AtomicBool,
    /// Counts blocking calls: when the P is given up or taken away for one, and when one ends on it (Go: `syscalltick`).
    pub(super) syscalltick: AtomicU32,
    /// `cputicks` when the current time slice began.
    pub(super) slice_start: AtomicI64,
    /// The M that holds it, or null.
    pub m: *mut M,
    /// Next in the list of idle Ps.
    pub(super) link: *mut P,
    /// Its goroutines.
    pub(super) runq: RunQueue,
    /// Its part of the heap.
    pub mcache: MCache,
    /// Its part of the collected heap.
    pub runs: Runs,
    /// Its timers.
    pub timers: Timers,
    /// Dead goroutines for reuse.
    pub(super) gfree: GList,
    stacks: StackCache,
    /// Goroutines made here less goroutines that died here, and all that were made here; summed over Ps.
    pub(super) goroutines: AtomicI64,
    pub(super) next_goid: u64,
    pub(super) end_goid: u64,
    pub(super) steals: AtomicU64,
    /// Blocking calls that began here; summed over Ps.
    pub(super) calls: AtomicU64,
    /// On the idle list: since when (`cputicks`). Under `sched.lock`.
    pub(super) idle_since: i64,
}

impl P {
    /// A P in state gcstop.
    pub(super) fn new(id: u32) -> P {
        P {
            id,
            status: AtomicU32::new(PStatus::GcStop as u32),
            schedtick: AtomicU32::new(0),
            lone: AtomicBool::new(false),
            syscalltick: AtomicU32::new(0),
            slice_start: AtomicI64::new(0),
            m: null_mut(),
            link: null_mut(),
            runq: RunQueue::new(),
            mcache: MCache::new(),
            runs: Runs::new(),
            timers: Timers::new(),
            gfree: GList::new(),
            stacks: StackCache { list: [Stack::NONE; STACKS_MAX], n: 0 },
            goroutines: AtomicI64::new(0),
            next_goid: 0,
            end_goid: 0,
            steals: AtomicU64::new(0),
            calls: AtomicU64::new(0),
            idle_since: 0,
        }
    }

    /// Whether an M holds it to run goroutines.
    #[inline]
    pub fn is_running(&self) -> bool {
        self.status.load(Ordering::Acquire) == PStatus::Running as u32
    }

    /// The number of its state; Go's, but for a P in a blocking call, which in Go of today goes on as running.
    pub(super) fn status_number(&self) -> u32 {
        self.status.load(Ordering::Relaxed)
    }

    /// Whether an M has left it behind for a blocking call.
    #[inline]
    pub(super) fn in_syscall(&self) -> bool {
        self.status.load(Ordering::SeqCst) == PStatus::Syscall as u32
    }

    /// Takes it from its blocking call, in state idle or stopped: the M that left it, sysmon and who stops the world race for it.
    pub(super) fn try_take_from_syscall(&self, new: PStatus) -> bool {
        let taken = self
            .status
            .compare_exchange(PStatus::Syscall as u32, new as u32, Ordering::SeqCst, Ordering::Relaxed)
            .is_ok();
        if taken {
            self.syscalltick.fetch_add(1, Ordering::Relaxed);
        }
        taken
    }

    /// Goes from one state to the other; anything else is a fatal error. *Sequentially consistent*: who leaves a P in state syscall looks
    /// afterwards whether sysmon sleeps and whether the world stops.
    pub(super) fn cas_status(&self, old: PStatus, new: PStatus) {
        if !old.may_become(new)
            || self
                .status
                .compare_exchange(old as u32, new as u32, Ordering::SeqCst, Ordering::Acquire)
                .is_err()
        {
            crate::panic::throw("a P is not in the state that its holder thinks it is in");
        }
    }

    /// A stack of the default size.
    #[inline]
    pub(super) fn stack_get(&mut self) -> Option<Stack> {
        let n = self.stacks.n.checked_sub(1)?;
        self.stacks.n = n;
        Some(self.stacks.list[n])
    }

    /// Keeps a dead goroutine's stack of the default size; gives half of them back when there are too many.
    #[inline]
    pub(super) fn stack_put(&mut self, s: Stack) {
        if self.stacks.n == STACKS_MAX {
            self.stacks.give_back(STACKS_MAX / 2);
        }
        self.stacks.list[self.stacks.n] = s;
        self.stacks.n += 1;
    }

    /// Gives all kept stacks back.
    pub(super) fn purge_stacks(&mut self) {
        self.stacks.give_back(0);
    }
}

struct StackCache {
    list: [Stack; STACKS_MAX],
    n: usize,
}

impl StackCache {
    #[cold]
    #[inline(never)]
    fn give_back(&mut self, keep: usize) {
        while self.n > keep {
            self.n -= 1;
            // SAFETY: a cached stack belonged to a dead goroutine; nobody has a pointer into it.
            unsafe { port::stack_free(self.list[self.n]) };
        }
    }
}

/// A last-in first-out list of Gs, linked by `schedlink` (Go: `gList`).
pub(super) struct GList {
    head: *mut G,
    n: usize,
}

// SAFETY: a list owns the Gs on it; moving it to another thread moves them.
unsafe impl Send for GList {}

impl GList {
    pub(super) const fn new() -> GList {
        GList { head: null_mut(), n: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.n
    }

    #[inline]
    pub(super) fn push(&mut self, gp: *mut G) {
        // SAFETY: the list owns the G.
        unsafe { (*gp).schedlink = self.head };
        self.head = gp;
        self.n += 1;
    }

    #[inline]
    pub(super) fn pop(&mut self) -> *mut G {
        let gp = self.head;
        if !gp.is_null() {
            // SAFETY: the list owns the G.
            self.head = unsafe { (*gp).schedlink };
            self.n -= 1;
        }
        gp
    }
}

/// A first-in first-out list of Gs, linked by `schedlink` (Go: `gQueue`).
pub(super) struct GQueue {
    head: *mut G,
    tail: *mut G,
    n: usize,
}

// SAFETY: a queue owns the Gs on it.
unsafe impl Send for GQueue {}

impl GQueue {
    pub(super) const fn new() -> GQueue {
        GQueue { head: null_mut(), tail: null_mut(), n: 0 }
    }

    pub(super) fn len(&self) -> usize {
        self.n
    }

    #[inline]
    pub(super) fn push_back(&mut self, gp: *mut G) {
        // SAFETY: the queue owns its Gs and now this one.
        unsafe {
            (*gp).schedlink = null_mut();
            if self.tail.is_null() {
                self.head = gp;
            } else {
                (*self.tail).schedlink = gp;
            }
        }
        self.tail = gp;
        self.n += 1;
    }

    /// Puts `gp` at the end and takes the first one off, which is `gp` if nothing else is here.
    pub(super) fn exchange(&mut self, gp: *mut G) -> *mut G {
        let first = self.head;
        if first.is_null() {
            return gp;
        }
        // SAFETY: the queue owns its Gs and now this one.
        unsafe {
            (*gp).schedlink = null_mut();
            (*self.tail).schedlink = gp;
            self.head = (*first).schedlink;
        }
        self.tail = gp;
        first
    }

    /// Puts all of `first` before what is here.
    pub(super) fn prepend(&mut self, first: GQueue) {
        if first.head.is_null() {
            return;
        }
        if self.head.is_null() {
            self.tail = first.tail;
        } else {
            // SAFETY: the queue owned its last G.
            unsafe { (*first.tail).schedlink = self.head };
        }
        self.head = first.head;
        self.n += first.n;
    }

    #[inline]
    pub(super) fn pop_front(&mut self) -> *mut G {
        let gp = self.head;
        if !gp.is_null() {
            // SAFETY: the queue owns the G.
            self.head = unsafe { (*gp).schedlink };
            if self.head.is_null() {
                self.tail = null_mut();
            }
            self.n -= 1;
        }
        gp
    }
}
