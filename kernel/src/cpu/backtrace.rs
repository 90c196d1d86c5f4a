//! Backtraces by frame pointers, for reports: without locks, without allocation, over stacks that may be damaged.
//!
//! All code is compiled with frame pointers. A walk ends at a frame pointer of 0 (each stack's first frame has one), and
//! at one that is misaligned, not mapped or not above the last. One step may go down: from a trap's stack to the
//! interrupted one, which the trap's entry marks by a return address of its own.

use super::{symbols, trap};
use crate::image;
use crate::memory::{FRAME_SIZE, paging};
use core::fmt;

/// How many of the innermost and of the outermost frames are printed, as Go does.
const PRINTED: usize = 50;

/// No stack has more frames: the largest holds 1 GiB, a frame at least 16 bytes.
const MAX_FRAMES: usize = 1 << 26;

struct Frames {
    pc: usize,
    fp: usize,
    /// A page that is known to be mapped: a stack of 1 GB may have sixty million frames.
    mapped: usize,
}

impl Iterator for Frames {
    /// Return address and whether it is the point of an interruption, not of a call.
    type Item = (usize, bool);

    fn next(&mut self) -> Option<(usize, bool)> {
        let from_trap = trap::is_entry(self.pc);
        let [fp, pc] = self.read_frame()?;
        let ascends = fp > self.fp || fp == 0;
        if pc == 0 || !(ascends || trap::is_entry(pc) || from_trap) {
            return None;
        }
        (self.pc, self.fp) = (pc, fp);
        Some((pc, from_trap))
    }
}

impl Frames {
    /// The saved frame pointer and return address at `fp`, if that can be a frame.
    fn read_frame(&mut self) -> Option<[usize; 2]> {
        let fp = self.fp;
        let ok = fp != 0 && fp.is_multiple_of(8) && self.knows_mapped(fp) && self.knows_mapped(fp + 8);
        // SAFETY: both words are mapped. Somebody may write them, but only of a stack that runs, and then they are torn at worst.
        ok.then(|| unsafe { (fp as *const [usize; 2]).read_volatile() })
    }

    fn knows_mapped(&mut self, addr: usize) -> bool {
        let page = addr / FRAME_SIZE;
        if page != self.mapped && is_mapped(addr) {
            self.mapped = page;
        }
        page == self.mapped
    }
}

fn is_mapped(addr: usize) -> bool {
    // The boot stack is in use before the kernel has page tables to look at.
    image::boot_stack().contains(&addr) || paging::translate(addr).is_some()
}

/// Prints the calls that led to `pc`, whose function has the frame pointer `fp`, two lines each, as the runtime prints a goroutine's. `pc` is
/// a return address, or if `interrupted` that of the instruction which was interrupted.
///
/// # Errors
/// Those of `w`.
pub fn print(w: &mut dyn fmt::Write, pc: usize, fp: usize, interrupted: bool) -> fmt::Result {
    frame(w, pc, interrupted)?;
    // The outermost frames that were met last, in a ring.
    let (mut last, mut count) = ([(0, false); PRINTED], 0);
    for (pc, interrupted) in (Frames { pc, fp, mapped: usize::MAX }).take(MAX_FRAMES) {
        if count < PRINTED {
            frame(w, pc, interrupted)?;
        } else {
            last[count % PRINTED] = (pc, interrupted);
        }
        count += 1;
    }
    if count > 2 * PRINTED {
        writeln!(w, "...{} frames elided...", count - 2 * PRINTED)?;
    }
    let first = PRINTED.max(count.saturating_sub(PRINTED));
    (first..count).map(|i| last[i % PRINTED]).try_for_each(|(pc, interrupted)| frame(w, pc, interrupted))
}

/// Prints one frame: the function, then the address as linked and its distance from the function's start. `boot/src/traceback.rs` looks for these lines.
fn frame(w: &mut dyn fmt::Write, pc: usize, interrupted: bool) -> fmt::Result {
    // A return address is that of the instruction after the call, which may be another function's first.
    let (at, note) = if interrupted { (pc, " (interrupted)") } else { (pc.wrapping_sub(1), "") };
    let linked = image::linked(pc);
    match symbols::lookup(at) {
        Some((name, offset)) => writeln!(w, "{name}\n\t{linked:#x} +{:#x}{note}", offset + (pc - at)),
        None => writeln!(w, "\t{linked:#x}{note}"),
    }
}
