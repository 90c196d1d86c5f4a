//! Goroutines in reports: state, wait reason, wait time, frames (Go: `traceback.go`).

use super::MAX_FRAMES;
use crate::proc::{ALLGS, G, Status};
use crate::{arch, port};
use core::fmt::{self, Write};
use core::panic::Location;

/// The console, as fatal reports write to it.
pub(super) struct Stderr;

impl fmt::Write for Stderr {
    fn write_str(&mut self, s: &str) -> fmt::Result {
        port::write_err(s.as_bytes());
        Ok(())
    }
}

/// Calls `f` with each goroutine that is not dead, oldest first.
///
/// # Safety
/// The program is ending; nothing else uses the list of all Gs any more.
pub(super) unsafe fn all_goroutines(mut f: impl FnMut(*mut G)) {
    // SAFETY: as the caller promises.
    unsafe {
        ALLGS.for_each_at_end(|gp| {
            if (*gp).status() != Status::Dead {
                f(gp);
            }
        });
    }
}

/// Prints the current G from the frame at `fp`; from a g0, also the goroutine that it works for.
///
/// # Safety
/// `gp` is the current G, and `fp` a frame pointer of its stack.
pub(super) unsafe fn current(w: &mut Stderr, gp: *mut G, fp: usize) {
    // SAFETY: as the caller promises; an M runs this, and its goroutine's stack does not move under it.
    unsafe {
        let mp = (*gp).m;
        let on_g0 = !mp.is_null() && (*mp).g0 == gp;
        if on_g0 {
            _ = writeln!(w, "runtime stack:");
        } else {
            header(w, gp, "running");
        }
        let mut pcs = [0; MAX_FRAMES];
        let (n, outer_fp) = arch::callers(fp, (*gp).stack, &mut pcs);
        frames(w, &pcs[..n]);
        if !on_g0 {
            return created(w, gp);
        }
        let curg = (*mp).curg;
        if curg.is_null() {
            return;
        }
        _ = writeln!(w);
        if (*curg).stack.contains(outer_fp) {
            // It called the scheduler stack like a function (`systemstack`): its frames go on where those of g0 end.
            header(w, curg, "running");
            let (n, _) = arch::callers(outer_fp, (*curg).stack, &mut pcs);
            frames(w, &pcs[..n]);
            created(w, curg);
        } else {
            saved(w, curg, (*curg).status().text());
        }
    }
}

/// Prints a goroutine other than the current one.
///
/// # Safety
/// Nobody runs `gp` any more, or it runs on a core that has been stopped.
pub(super) unsafe fn goroutine(w: &mut Stderr, gp: *mut G) {
    // SAFETY: as the caller promises.
    unsafe {
        match (*gp).status() {
            // In a blocking call its registers are its thread's, too.
            status @ (Status::Running | Status::Syscall) => {
                header(w, gp, status.text());
                _ = writeln!(w, "\tgoroutine running on other thread; stack unavailable");
                created(w, gp);
            }
            Status::Waiting => saved(w, gp, (*gp).wait_reason.text()),
            status => saved(w, gp, status.text()),
        }
    }
}

/// Prints a goroutine from its saved registers. One that has not run yet has none.
///
/// # Safety
/// `gp` does not run; `sched_sp` points to six saved registers, rbp the last, and the return address.
unsafe fn saved(w: &mut Stderr, gp: *mut G, state: &str) {
    // SAFETY: as the caller promises.
    unsafe {
        header(w, gp, state);
        let mut pcs = [0; MAX_FRAMES];
        let n = saved_callers(gp, &mut pcs);
        frames(w, &pcs[..n]);
        created(w, gp);
    }
}

/// Return addresses of the frames of a goroutine that does not run, from its saved registers; returns how many they are: none
/// if it has not run yet.
///
/// # Safety
/// As [`saved`], for as long as this takes.
pub(crate) unsafe fn saved_callers(gp: *mut G, pcs: &mut [usize; MAX_FRAMES]) -> usize {
    // SAFETY: as the caller promises.
    unsafe {
        let sp = (*gp).sched_sp;
        if sp == 0 {
            return 0;
        }
        let saved = (sp + 5 * 8) as *const usize;
        pcs[0] = *saved.add(1);
        1 + arch::callers(*saved, (*gp).stack, &mut pcs[1..]).0
    }
}

/// The line that names a goroutine.
///
/// # Safety
/// `gp` exists.
pub(super) unsafe fn header(w: &mut dyn Write, gp: *mut G, state: &str) {
    // SAFETY: as the caller promises.
    let (goid, waits, ticks) =
        unsafe { ((*gp).goid, (*gp).status() == Status::Waiting, (*gp).waited_ticks()) };
    let minutes = if waits { ticks / port::cputicks_per_ms() / 60_000 } else { 0 };
    // The console does not fail.
    _ = write_header(w, goid, state, minutes);
}

/// `goroutine 7 [chan receive, 2 minutes]:`, with whole minutes from the first on.
///
/// # Errors
/// The writer's.
pub(crate) fn write_header(w: &mut dyn Write, goid: u64, state: &str, minutes: i64) -> fmt::Result {
    match minutes {
        ..1 => writeln!(w, "goroutine {goid} [{state}]:"),
        m => writeln!(w, "goroutine {goid} [{state}, {m} minutes]:"),
    }
}

/// The line that says where a goroutine was made.
///
/// # Safety
/// `gp` exists.
pub(super) unsafe fn created(w: &mut Stderr, gp: *mut G) {
    // SAFETY: as the caller promises.
    let (goid, created) = unsafe { ((*gp).goid, Created::of(gp)) };
    if goid != 1 {
        // The console does not fail.
        _ = write!(w, "{created}");
    }
}

/// Where the `go` stands that made a goroutine. Displayed as the end of its traceback (Go: `printcreatedby`); of the main goroutine, which the
/// runtime's own start-up made, it would say nothing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Created {
    pc: usize,
    by: u64,
    pub(crate) at: Option<&'static Location<'static>>,
}

impl Created {
    /// # Safety
    /// `gp` exists, and is not being made.
    pub(crate) unsafe fn of(gp: *mut G) -> Created {
        // SAFETY: as the caller promises.
        unsafe { Created { pc: (*gp).gopc, by: (*gp).parent_goid, at: (*gp).created_at } }
    }
}

impl fmt::Display for Created {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let symbol = self.pc.checked_sub(1).and_then(port::symbol);
        // A machine without symbols knows the place all the same.
        write!(f, "created by {}", symbol.map_or("a function", |(name, _)| name))?;
        if self.by != 0 {
            write!(f, " in goroutine {}", self.by)?;
        }
        if let Some(at) = self.at {
            write!(f, "\n\t{}:{}", at.file(), at.line())?;
        }
        match symbol {
            Some((_, offset)) => writeln!(f, " +{:#x}", offset + 1),
            None => writeln!(f),
        }
    }
}

/// The frames of return addresses, innermost first.
pub(super) fn frames(w: &mut Stderr, pcs: &[usize]) {
    // The console does not fail.
    _ = write_frames(w, pcs);
}

/// [`frames`] for any writer.
///
/// # Errors
/// The writer's.
pub(crate) fn write_frames(w: &mut dyn Write, pcs: &[usize]) -> fmt::Result {
    pcs.iter().try_for_each(|&pc| {
        let linked = port::linked(pc);
        // A return address names the call before it.
        match port::symbol(pc - 1) {
            Some((name, offset)) => writeln!(w, "{name}\n\t{linked:#x} +{:#x}", offset + 1),
            None => writeln!(w, "\t{linked:#x}"),
        }
    })
}
