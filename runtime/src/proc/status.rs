//! The states of a goroutine, and the word that holds one (Go: `casgstatus`, `castogscanstatus` in `proc.go`).
//!
//! `runtime/models` compiles this file once more, over loom's atomics.

use super::atomic::{AtomicU32, Ordering};
use super::bubble::Change;
use super::hint::spin_loop;
use crate::arch::call_keeping_registers;

/// States of a goroutine, with Go's numbers; see `StatusWord::cas` for the transitions.
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
            _ => return None,
        })
    }

    /// Whether a goroutine may go from this state to `to`.
    pub(super) const fn may_become(self, to: Status) -> bool {
        use Status::*;
        matches!(
            (self, to),
            (Idle, Dead)
                | (Dead, Runnable)
                | (Runnable, Running)
                | (Running, Runnable | Waiting | Syscall | Dead)
                | (Syscall, Running | Runnable)
                | (Waiting, Runnable | Running)
        )
    }
}

/// Or-ed into the state while somebody scans the goroutine's stack: the state cannot change meanwhile.
const SCAN: u32 = 0x1000;

/// Or-ed into the state of a goroutine in a bubble, whose changes are counted (`bubble.rs`).
const WATCHED: u32 = 0x2000;
/// With `WATCHED`: it is in a call that blocks durably.
const DURABLE: u32 = 0x4000;
/// The state itself.
const STATE: u32 = 0xfff;

/// A goroutine's state. Who changes it owns the goroutine, or is its one waker.
pub(super) struct StatusWord(AtomicU32);

impl StatusWord {
    /// Idle.
    pub(super) fn new() -> StatusWord {
        StatusWord(AtomicU32::new(Status::Idle as u32))
    }

    /// The state, without the scan bit.
    #[inline]
    pub(super) fn get(&self) -> Status {
        match Status::from_bits(self.0.load(Ordering::Acquire) & STATE) {
            Some(s) => s,
            None => crate::panic::throw("a G has an unknown status"),
        }
    }

    /// Goes from `old` to `new`, waiting while somebody scans the stack. All transitions pass here.
    ///
    /// *Release*, so that whoever finds the new state finds what led to it, the saved registers first of all. An illegal transition or a G
    /// that is not in state `old` is a fatal error.
    #[inline]
    pub(super) fn cas(&self, old: Status, new: Status) {
        if !old.may_become(new) {
            crate::panic::throw("illegal transition of a goroutine's status");
        }
        if self.0.compare_exchange(old as u32, new as u32, Ordering::AcqRel, Ordering::Acquire).is_err() {
            // A plain call would have each park and ready save registers for the sake of what is
            // rare.
            call_keeping_registers(StatusWord::cas_slow, self, old as u32, new as u32);
        }
    }

    extern "C" fn cas_slow(&self, old: u32, new: u32) {
        let [Some(old), Some(new)] = [old, new].map(Status::from_bits) else {
            crate::panic::throw("a G is to have an unknown status")
        };
        let bits = self.0.load(Ordering::Acquire) & (WATCHED | DURABLE);
        if bits == 0 {
            return self.exchange(old as u32, new as u32);
        }
        let change = Change::begin(self, old, new, bits & DURABLE != 0);
        let kept = match (new, change.durable) {
            (Status::Dead, _) => 0,
            (_, true) => WATCHED | DURABLE,
            (_, false) => WATCHED,
        };
        self.exchange(old as u32 | bits, new as u32 | kept);
        change.end();
    }

    /// Exchanges the whole word, once nobody scans the stack.
    fn exchange(&self, old: u32, new: u32) {
        loop {
            match self.0.compare_exchange(old, new, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return,
                Err(now) if now == old | SCAN => spin_loop(),
                Err(_) => {
                    crate::panic::throw("a goroutine is not in the state that its owner thinks it is in")
                }
            }
        }
    }

    /// From here on its changes are counted, until it is dead. By whoever owns the goroutine.
    pub(super) fn watch(&self) {
        self.0.fetch_or(WATCHED, Ordering::Relaxed);
    }

    /// Says whether it is in a call that blocks durably. By whoever owns the goroutine, which is
    /// watched.
    pub(super) fn set_durable(&self, durable: bool) {
        if durable {
            self.0.fetch_or(DURABLE, Ordering::Relaxed);
        } else {
            self.0.fetch_and(!DURABLE, Ordering::Relaxed);
        }
    }

    /// Whether it blocks, durably.
    pub(super) fn is_durable(&self) -> bool {
        self.0.load(Ordering::Relaxed) & DURABLE != 0
    }

    /// Keeps the state `status`, if it is that, until [`StatusWord::end_scan`]. *Acquire*: the saved registers are there.
    pub(super) fn begin_scan(&self, status: Status) -> bool {
        let old = status as u32 | self.0.load(Ordering::Relaxed) & (WATCHED | DURABLE);
        let new = old | SCAN;
        self.0.compare_exchange(old, new, Ordering::Acquire, Ordering::Relaxed).is_ok()
    }

    /// Ends what [`StatusWord::begin_scan`] began. *Release*: the looks at the stack are over.
    pub(super) fn end_scan(&self) {
        self.0.fetch_and(!SCAN, Ordering::Release);
    }
}
