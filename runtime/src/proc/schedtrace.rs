//! `GODEBUG=schedtrace=N,scheddetail=1`: what the scheduler is doing, in Go's format of today (Go: `schedtrace` in `proc.go`; S14).
//!
//! Printed by sysmon, which holds no P. The line is put together under `sched.lock` in memory made ready before, so that nothing is
//! allocated under the lock, and written after. The queues are those of one moment (`moment.rs`): the goroutines that are ready or run are as many as
//! `runqueue`, the numbers in brackets, and `gomaxprocs` less `idleprocs` together. The rest is read as it is.

use super::moment::{self, PMoment};
use super::sched::{self, ALLM, NEEDSPINNING, NMSPINNING, NPIDLE, Sched, allp, gomaxprocs};
use super::{ALLGS, Status};
use crate::{console, port};
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write;
use core::sync::atomic::Ordering;

/// Bytes that are ready for a line, and for each P, M and G of a detailed one.
const LINE_BYTES: usize = 256;
const DETAIL_BYTES: usize = 160;

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
    let s = sched::lock();
    let settled = moment::read(&s, &mut ps);
    if settled || at_once {
        // Writing to a string does not fail.
        _ = format(&mut out, &s, &ps, detailed.then_some(&timers));
    }
    drop(s);
    (settled || at_once) && console::try_write_err(out.as_bytes())
}

fn format(out: &mut String, s: &Sched, ps: &[PMoment], timers: Option<&Vec<usize>>) -> core::fmt::Result {
    write!(
        out,
        "SCHED {}ms: gomaxprocs={} idleprocs={} threads={} spinningthreads={} needspinning={} idlethreads={} runqueue={}",
        port::nanotime() / 1_000_000,
        gomaxprocs(),
        NPIDLE.load(Ordering::Relaxed),
        // sysmon's is counted, as in Go.
        s.nms + 1,
        NMSPINNING.load(Ordering::Relaxed),
        NEEDSPINNING.load(Ordering::Relaxed),
        s.ms_idle(),
        s.runq.len(),
    )?;
    let Some(timers) = timers else {
        out.write_str(" [ ")?;
        for p in ps {
            write!(out, "{} ", p.queued())?;
        }
        out.write_str("] schedticks=[ ")?;
        for i in 0..ps.len() {
            write!(out, "{} ", allp(i).schedtick.load(Ordering::Relaxed))?;
        }
        return out.write_str("]\n");
    };
    writeln!(
        out,
        " gcwaiting={} nmidlelocked={} stopwait={} sysmonwait=false",
        sched::gcwaiting(),
        s.nmidlelocked,
        s.stopwait
    )?;
    for ((p, now), timers) in (0..).map(allp).zip(ps).zip(timers) {
        write!(
            out,
            "  P{}: status={} schedtick={} syscalltick={} m=",
            p.id,
            p.status_number(),
            p.schedtick.load(Ordering::Relaxed),
            p.syscalltick.load(Ordering::Relaxed),
        )?;
        // SAFETY: Ms are never freed.
        id(out, unsafe { p.m.as_ref() }.map(|m| m.id))?;
        writeln!(out, " runqsize={} gfreecnt={} timerslen={timers}", now.queued(), p.gfree.len())?;
    }
    let mut result = Ok(());
    ALLM.for_each(|mp| {
        // SAFETY: Ms are never freed.
        let m = unsafe { &*mp };
        if !m.live.load(Ordering::Relaxed) {
            return;
        }
        result = result.and_then(|()| {
            write!(out, "  M{}: p=", m.id as i64)?;
            // SAFETY: Ps are never freed, nor are an M's Gs while `sched.lock` is held (`allgs.rs`).
            let (p, g) = unsafe { (m.p.as_ref(), m.curg.as_ref()) };
            id(out, p.map(|p| u64::from(p.id)))?;
            out.write_str(" curg=")?;
            id(out, g.map(|g| g.goid))?;
            write!(out, " spinning={} blocked={} lockedg=", m.spinning, p.is_none())?;
            // SAFETY: as above.
            id(out, unsafe { m.lockedg.as_ref() }.map(|g| g.goid))?;
            out.write_str("\n")
        });
    });
    ALLGS.for_each(|gp| {
        // SAFETY: the list keeps its Gs meanwhile.
        let g = unsafe { &*gp };
        let status = g.status();
        if status == Status::Dead {
            return;
        }
        result = result.and_then(|()| {
            write!(out, "  G{}: status={}({}) m=", g.goid, status as u32, g.wait_reason.text())?;
            // SAFETY: Ms are never freed.
            id(out, unsafe { g.m.as_ref() }.map(|m| m.id))?;
            out.write_str(" lockedm=")?;
            // SAFETY: as above.
            id(out, unsafe { g.lockedm.as_ref() }.map(|m| m.id))?;
            out.write_str("\n")
        });
    });
    result
}

/// A number, or Go's `nil`.
fn id(out: &mut String, id: Option<u64>) -> core::fmt::Result {
    match id {
        Some(id) => write!(out, "{id}"),
        None => out.write_str("nil"),
    }
}
