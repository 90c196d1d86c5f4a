//! G, a goroutine, and its states (Go: `g` and `casgstatus` in `runtime2.go`, `proc.go`).

use super::alllist::Listed;
use super::{M, WaitReason};
use crate::panic::InFlight;
use crate::port::Stack;
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicU32, Ordering};

/// States of a goroutine (S1), with Go's numbers; see [`G::cas_status`] for the transitions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Status {
    /// Just allocated.
    Idle = 0,
    /// On a run queue.
    Runnable = 1,
    /// Owned by an M with a P.
    Running = 2,
    /// In a blocking call; owned by an M, no P needed.
    Syscall = 3,
    /// Blocked; its M runs others.
    Waiting = 4,
    /// Finished, or never used; has no stack.
    Dead = 6,
    /// Stopped itself for a suspend request.
    Preempted = 9,
}

impl Status {
    /// Go's word for it in tracebacks.
    pub fn text(self) -> &'static str {
        match self {
            Status::Idle => "idle",
            Status::Runnable => "runnable",
            Status::Running => "running",
            Status::Syscall => "syscall",
            Status::Waiting => "waiting",
            Status::Dead => "dead",
            Status::Preempted => "preempted",
        }
    }

    fn from_bits(v: u32) -> Option<Status> {
        Some(match v {
            0 => Status::Idle,
            1 => Status::Runnable,
            2 => Status::Running,
            3 => Status::Syscall,
            4 => Status::Waiting,
            6 => Status::Dead,
            9 => Status::Preempted,
            _ => return None,
        })
    }

    /// Whether a goroutine may go from this state to `to`.
    const fn may_become(self, to: Status) -> bool {
        use Status::*;
        matches!(
            (self, to),
            (Idle, Dead)
                | (Dead, Runnable)
                | (Runnable, Running)
                | (Running, Runnable | Waiting | Syscall | Preempted | Dead)
                | (Syscall, Running | Runnable)
                | (Waiting, Runnable | Running)
                | (Preempted, Waiting)
        )
    }
}

/// Or-ed into the state while somebody scans the goroutine's stack: the state cannot change meanwhile.
const SCAN: u32 = 0x1000;

/// Words of a closure that is kept in the G itself, without an allocation.
pub(super) const INLINE_WORDS: usize = 4;

/// A goroutine. Gs are type-stable: the memory of one stays a G for ever.
///
/// Fields without an atomic type belong to whoever owns the G: the M that runs it, the queue lock that holds it, or the goroutine itself.
#[repr(C)]
pub struct G {
    /// The stack, [`Stack::NONE`] while the G has not run.
    pub stack: Stack,
    /// Saved stack pointer while it does not run, 0 if it has not run yet. On a g0: where scheduler frames start.
    pub(crate) sched_sp: usize,
    /// The M that runs it, else null.
    pub m: *mut M,
    /// While above 0 the goroutine is not preempted and stays on its M.
    pub(crate) locks: AtomicU32,
    status: AtomicU32,
    /// Its number, 1 for main; 0 for a g0.
    pub goid: u64,
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
    /// When it last began to wait ([`port::cputicks`](crate::port::cputicks)).
    pub(crate) wait_since: i64,
    /// Its entry and the argument.
    pub(super) startfn: extern "C-unwind" fn(*mut u8),
    pub(super) startarg: *mut u8,
    /// How large its stack may grow, in bytes.
    pub(super) stack_limit: usize,
    /// Where the `go` stands that made it.
    pub(crate) created_by: Option<&'static core::panic::Location<'static>>,
    /// What unwinds it, innermost first (Go: `_panic`).
    pub(crate) unwinding: *mut InFlight,
    /// The text of a panic is being made, by code that may panic itself.
    pub(crate) printing_panic: bool,
    pub(super) inline: [usize; INLINE_WORDS],
    /// Next in `allgs`.
    alllink: AtomicPtr<G>,
    #[cfg(debug_assertions)]
    pub(super) held: [Option<crate::lock::Rank>; 16],
}

extern "C-unwind" fn no_entry(_: *mut u8) {
    crate::panic::throw("a goroutine without an entry was run")
}

impl G {
    /// A G in state idle, as good as zeroed.
    pub const fn new() -> G {
        G {
            stack: Stack::NONE,
            sched_sp: 0,
            m: core::ptr::null_mut(),
            locks: AtomicU32::new(0),
            status: AtomicU32::new(Status::Idle as u32),
            goid: 0,
            schedlink: core::ptr::null_mut(),
            param: core::ptr::null_mut(),
            waiting: core::ptr::null_mut(),
            select_done: AtomicU32::new(0),
            wait_reason: WaitReason::Zero,
            stack_grew: AtomicBool::new(false),
            wait_since: 0,
            startfn: no_entry,
            startarg: core::ptr::null_mut(),
            stack_limit: 0,
            created_by: None,
            unwinding: core::ptr::null_mut(),
            printing_panic: false,
            inline: [0; INLINE_WORDS],
            alllink: AtomicPtr::new(core::ptr::null_mut()),
            #[cfg(debug_assertions)]
            held: [None; 16],
        }
    }

    /// Its state, without the scan bit.
    #[inline]
    pub fn status(&self) -> Status {
        let v = self.status.load(Ordering::Acquire);
        match Status::from_bits(v & !SCAN) {
            Some(s) => s,
            None => crate::panic::throw("a G has an unknown status"),
        }
    }

    /// Goes from `old` to `new`, waiting while somebody scans the stack. All transitions pass here.
    ///
    /// *Release*, so that whoever finds the new state finds what led to it. An illegal transition or a G that is
    /// not in state `old` is a fatal error.
    #[inline]
    pub fn cas_status(&self, old: Status, new: Status) {
        if !old.may_become(new) {
            crate::panic::throw("illegal transition of a goroutine's status");
        }
        if self.status.compare_exchange(old as u32, new as u32, Ordering::AcqRel, Ordering::Acquire).is_err()
        {
            self.cas_status_slow(old, new);
        }
    }

    /// Keeps the G in state `status`, if it is in it, until [`G::end_scan`]: its stack may be looked at (Go: `castogscanstatus`).
    pub(super) fn begin_scan(&self, status: Status) -> bool {
        let (old, new) = (status as u32, status as u32 | SCAN);
        self.status.compare_exchange(old, new, Ordering::Acquire, Ordering::Relaxed).is_ok()
    }

    /// Ends what [`G::begin_scan`] began (Go: `casfrom_Gscanstatus`).
    pub(super) fn end_scan(&self, status: Status) {
        self.status.store(status as u32, Ordering::Release);
    }

    #[cold]
    fn cas_status_slow(&self, old: Status, new: Status) {
        loop {
            match self.status.compare_exchange(old as u32, new as u32, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return,
                Err(now) if now == old as u32 | SCAN => core::hint::spin_loop(),
                Err(_) => {
                    crate::panic::throw("a goroutine is not in the state that its owner thinks it is in")
                }
            }
        }
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
