//! `GODEBUG=schedtrace=N,scheddetail=1`: what the scheduler is doing, in Go's format of today (Go: `schedtrace` in `proc.go`).
//!
//! Printed by sysmon, which holds no P. The line is put together under `sched.lock` in memory made ready before, so that nothing is
//! allocated under the lock, and written after. The queues are those of one moment (`moment.rs`): the goroutines that are ready or run are as many as
//! `runqueue`, the numbers in brackets, and `gomaxprocs` less `idleprocs` together. The rest is read as it is.
//!
//! Where Go's line has what this runtime does not, it says what Go's would say of the same state: no M is marked while it allocates or throws (a report
//! stops the cores first), and a P in a blocking call is in state running, its M's, until it is taken away.

use super::moment::{self, PMoment};
use super::p::PStatus;
use super::sched::{self, ALLM, NEEDSPINNING, NMSPINNING, NPIDLE, Sched, allp, gomaxprocs};
use super::{ALLGS, G, M, P, Status};
use crate::{console, port};
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write;
use core::sync::atomic::{AtomicI64, Ordering};

/// Bytes that are ready for a line, and for each P, M and G of a detailed one.
const LINE_BYTES: usize = 256;
const DETAIL_BYTES: usize = 192;

/// Nanotime of the first line, from which all count; 0 before it.
static START: AtomicI64 = AtomicI64::new(0);

/// Prints one line, with `detailed` also one for each P, M and G. If goroutines were changing hands and `at_once` is not set, or somebody writes to standard
/// error, prints nothing and returns false: the caller tries again soon.
pub(super) fn print(detailed: bool, at_once: bool) -> bool {
    let n = gomaxprocs();
    let mut lines = n;
    let mut timers = Vec::new();
    if detailed {
        ALLGS.for_each(|_| lines += 1);
        ALLM.for_each(|_| lines += 1);
        timers.extend((0..n).map(|i| allp(i).timers.len()));
    }
    let mut out = String::with_capacity(LINE_BYTES + lines * DETAIL_BYTES);
    let mut ps = Vec::with_capacity(n);
    let now = port::nanotime();
    let s = sched::lock();
    let settled = moment::read(&s, &mut ps);
    if settled || at_once {
        // Writing to a string does not fail.
        _ = format(&mut out, now, &s, &ps, detailed.then_some(&timers));
    }
    drop(s);
    let printed = (settled || at_once) && console::try_write_err(out.as_bytes());
    if printed && START.load(Ordering::Relaxed) == 0 {
        START.store(now, Ordering::Relaxed);
    }
    printed
}

fn format(
    out: &mut String,
    now: i64,
    s: &Sched,
    ps: &[PMoment],
    timers: Option<&Vec<usize>>,
) -> core::fmt::Result {
    let start = match START.load(Ordering::Relaxed) {
        0 => now,
        start => start,
    };
    head(out, (now - start) / 1_000_000, s)?;
    let Some(timers) = timers else { return queues(out, ps) };
    writeln!(
        out,
        " gcwaiting={} nmidlelocked={} stopwait={} sysmonwait=false",
        sched::gcwaiting(),
        s.nmidlelocked,
        s.stopwait
    )?;
    for ((p, now), timers) in (0..).map(allp).zip(ps).zip(timers) {
        let status = if p.in_syscall() { PStatus::Running as u32 } else { p.status_number() };
        write!(
            out,
            "  P{}: status={status} schedtick={} syscalltick={} m=",
            p.id,
            p.schedtick.load(Ordering::Relaxed),
            p.syscalltick.load(Ordering::Relaxed),
        )?;
        id(out, m_of(p))?;
        writeln!(out, " runqsize={} gfreecnt={} timerslen={timers}", now.queued(), p.gfree.len())?;
    }
    let mut result = Ok(());
    for_each_m(|m| result = result.and_then(|()| describe_m(out, m)));
    ALLGS.for_each_from_oldest(|gp| {
        // SAFETY: the list keeps its Gs meanwhile.
        let g = unsafe { &*gp };
        result = result.and_then(|()| describe_g(out, g));
    });
    result
}

fn head(out: &mut String, ms: i64, s: &Sched) -> core::fmt::Result {
    write!(
        out,
        "SCHED {}ms: gomaxprocs={} idleprocs={} threads={} spinningthreads={} needspinning={} idlethreads={} runqueue={}",
        ms,
        gomaxprocs(),
        NPIDLE.load(Ordering::Relaxed),
        // sysmon's is counted, as in Go.
        s.nms + 1,
        NMSPINNING.load(Ordering::Relaxed),
        NEEDSPINNING.load(Ordering::Relaxed),
        s.ms_idle(),
        s.runq.len(),
    )
}

/// The rest of the one line without details.
fn queues(out: &mut String, ps: &[PMoment]) -> core::fmt::Result {
    out.write_str(" [ ")?;
    for p in ps {
        write!(out, "{} ", p.queued())?;
    }
    out.write_str("] schedticks=[ ")?;
    for i in 0..ps.len() {
        write!(out, "{} ", allp(i).schedtick.load(Ordering::Relaxed))?;
    }
    out.write_str("]\n")
}

/// The line of an M; `sched.lock` is held.
fn describe_m(out: &mut String, m: &M) -> core::fmt::Result {
    write!(out, "  M{}: p=", m.id)?;
    id(out, m.wired_p().map(|p| u64::from(p.id)))?;
    out.write_str(" curg=")?;
    // SAFETY: an M's Gs are not freed while `sched.lock` is held (`allgs.rs`), and its g0 never is.
    let (curg, lockedg, g0) = unsafe { (m.curg.as_ref(), m.lockedg.as_ref(), &*m.g0) };
    id(out, curg.map(|g| g.goid))?;
    write!(
        out,
        " mallocing=0 throwing=0 preemptoff= locks={} dying=0 spinning={} blocked={} lockedg=",
        curg.unwrap_or(g0).locks.load(Ordering::Relaxed),
        m.spinning,
        m.blocked.load(Ordering::Relaxed)
    )?;
    id(out, lockedg.map(|g| g.goid))?;
    out.write_str("\n")
}

/// The line of a G that stays meanwhile.
fn describe_g(out: &mut String, g: &G) -> core::fmt::Result {
    let status = g.status();
    let reason = if status == Status::Dead { "" } else { g.wait_reason.text() };
    write!(out, "  G{}: status={}({reason}) m=", g.goid, status as u32)?;
    // SAFETY: Ms are never freed.
    id(out, unsafe { g.m.as_ref() }.map(|m| m.id))?;
    out.write_str(" lockedm=")?;
    // SAFETY: as above.
    id(out, unsafe { g.lockedm.as_ref() }.map(|m| m.id))?;
    out.write_str("\n")
}

/// Calls `f` with each M that has not ended, newest first as in Go.
fn for_each_m(mut f: impl FnMut(&M)) {
    ALLM.for_each(|mp| {
        // SAFETY: Ms are never freed.
        let m = unsafe { &*mp };
        if m.live.load(Ordering::Relaxed) {
            f(m);
        }
    });
}

/// The number of the M that holds `p` or has left it behind.
fn m_of(p: &P) -> Option<u64> {
    let mut found = None;
    for_each_m(|m| {
        if m.wired_p().is_some_and(|its| core::ptr::eq(its, p)) {
            found = Some(m.id);
        }
    });
    found
}

/// A number, or Go's `nil`.
fn id(out: &mut String, id: Option<u64>) -> core::fmt::Result {
    match id {
        Some(id) => write!(out, "{id}"),
        None => out.write_str("nil"),
    }
}
