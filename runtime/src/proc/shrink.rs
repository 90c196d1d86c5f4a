//! Stacks of parked goroutines give back what they no longer use (Go: `shrinkstack`).
//!
//! A goroutine that was deep in calls and now waits with few frames keeps the pages that it grew to. Below its saved stack pointer
//! nothing is in use while it waits, so:
//! 1. waiting → waiting with the scan bit (*acquire*: the saved stack pointer is seen). Whoever readies it spins until step 3.
//! 2. The pages below the stack pointer go back to the port. This may wait for all cores to answer; the spinning one has
//!    its interrupts on, so it does.
//! 3. The scan bit is taken away (*release*).

use super::allgs::ALLGS;
use super::status::Status;
use super::threads::systemstack;
use crate::port::{self, Stack};
use core::sync::atomic::Ordering;

/// Shrinks the stacks of all goroutines that wait; returns how many bytes were given back. On any stack, with no runtime lock held.
pub(crate) fn shrink_stacks() -> usize {
    systemstack(|| {
        let mut bytes = 0;
        ALLGS.for_each(|gp| {
            // SAFETY: the list keeps its Gs meanwhile. With the scan bit set nobody runs this one, so its stack is ours below what it saved.
            unsafe {
                // Go code is told once that its stack may be deep.
                let stays = (*gp).is_go() || !(*gp).stack_grew.load(Ordering::Relaxed);
                if stays || !(*gp).begin_scan(Status::Waiting) {
                    return;
                }
                let stack = (*gp).stack;
                if stack != Stack::NONE {
                    bytes += port::stack_shrink(stack, stack.hi - (*gp).sched_sp);
                }
                (*gp).end_scan();
            }
        });
        bytes
    })
}
