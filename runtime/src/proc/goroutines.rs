//! The program's goroutines, looked at while they go on (Go: `runtime.Stack` of all, `runtime/pprof`'s goroutine profile).
//!
//! # Protocol
//! The world is not stopped: each goroutine is held for as long as it is read, by the scan bit of its state.
//! 1. State → state with the scan bit (*acquire*: the saved registers are seen). Whoever changes the state spins until step 3, so what the goroutine
//!    is, waits for and has on its stack stays as it is. That is why this runs on g0, where it is not preempted.
//! 2. Numbers and return addresses are copied out. Nothing is allocated meanwhile: who spins may hold a lock that the heap wants.
//! 3. The scan bit is taken away (*release*).
//!
//! Frames are of goroutines that wait only: the registers of one that runs are in its core, and one that is runnable may be getting its stack.

use super::G;
use super::allgs::ALLGS;
use super::status::Status;
use super::threads::systemstack;
use crate::panic::MAX_FRAMES;
use crate::panic::traceback::{Created, saved_callers, write_frames, write_header};
use crate::port;
use alloc::vec::Vec;
use core::fmt;
use core::panic::Location;
use core::time::Duration;

/// What a goroutine did at some moment. Displayed as in a fatal report, with its frames if it waits.
#[derive(Clone, Debug)]
pub struct Goroutine {
    /// Its number, 1 for main.
    pub id: u64,
    /// What it waits for in Go's words (`chan receive`), else its state (`running`, `runnable`, `syscall`).
    pub state: &'static str,
    /// For how long it has waited, if it does.
    pub waits: Option<Duration>,
    /// Where the `go` stands that made it.
    pub created_at: Option<&'static Location<'static>>,
    created: Created,
    frames: Vec<usize>,
}

/// All goroutines, oldest first. Each is of a moment, not all of one.
pub fn goroutines() -> Vec<Goroutine> {
    let mut all = systemstack(|| {
        let mut all = Vec::new();
        // SAFETY: the list keeps its Gs meanwhile, and on g0 nothing is preempted.
        ALLGS.for_each(|gp| all.extend(unsafe { look(gp) }));
        all
    });
    all.sort_unstable_by_key(|g: &Goroutine| g.id);
    all
}

/// A goroutine, unless it is dead.
///
/// # Safety
/// On g0; `gp` exists.
unsafe fn look(gp: *mut G) -> Option<Goroutine> {
    let mut pcs = [0; MAX_FRAMES];
    // SAFETY: as the caller promises; with the scan bit set nobody changes the goroutine.
    unsafe {
        let status = loop {
            let status = (*gp).status();
            if matches!(status, Status::Idle | Status::Dead) {
                return None;
            }
            if (*gp).begin_scan(status) {
                break status;
            }
            core::hint::spin_loop();
        };
        let (id, created) = ((*gp).goid, Created::of(gp));
        let (reason, ticks) = ((*gp).wait_reason, (*gp).waited_ticks());
        let waiting = status == Status::Waiting;
        let n = if waiting { saved_callers(gp, &mut pcs) } else { 0 };
        (*gp).end_scan();
        Some(Goroutine {
            id,
            state: if waiting { reason.text() } else { status.text() },
            waits: waiting.then(|| Duration::from_millis((ticks / port::cputicks_per_ms()) as u64)),
            created_at: created.at,
            created,
            frames: pcs[..n].to_vec(),
        })
    }
}

impl fmt::Display for Goroutine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let minutes = self.waits.map_or(0, |waits| waits.as_secs() / 60);
        write_header(f, self.id, self.state, minutes as i64)?;
        write_frames(f, &self.frames)?;
        if self.id == 1 { Ok(()) } else { self.created.fmt(f) }
    }
}
