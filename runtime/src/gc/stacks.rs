//! Stacks of goroutines as roots, word by word.
//!
//! With the world stopped every goroutine but the collecting one has its registers on its stack: the
//! callee-saved ones by its switch, or all of them, with the XSAVE area, by an asynchronous preemption
//! (`arch`). So the words from its saved stack pointer on are all that it holds.
//!
//! Goroutines that run only Rust code hold no collected objects unless they say so: whoever registers
//! says which ones are looked at, and, for those in blocking calls, which go on in their own
//! way, from where on.

use super::Sink;
use crate::port::Stack;
use crate::proc::{ALLGS, G, Status};

/// Names the stacks of the goroutines for which `look` says yes, all but `me`. `in_call` is the lowest address that a
/// goroutine in a blocking call holds objects above; `parked` names the stack of one that was switched away from, as
/// [`all_words`] does or better.
pub fn scan(
    sink: &mut dyn Sink,
    me: *mut G,
    look: impl Fn(&G) -> bool,
    in_call: impl Fn(&G) -> usize,
    parked: impl Fn(&mut dyn Sink, *mut G),
) {
    ALLGS.for_each(|gp| {
        // SAFETY: the list keeps its Gs meanwhile, and the world stands.
        let g = unsafe { &*gp };
        if gp == me || g.stack == Stack::NONE || !look(g) {
            return;
        }
        match g.status() {
            Status::Idle | Status::Dead => {}
            // SAFETY: above what the goroutine stands on its stack is backed.
            Status::Syscall => unsafe { sink.conservative(in_call(g), g.stack.hi) },
            _ => parked(sink, gp),
        }
    });
}

/// Names every word on the stack of a goroutine that was switched away from.
#[cfg(all(feature = "kernel-tests", not(test)))]
pub fn all_words(sink: &mut dyn Sink, gp: *mut G) {
    // SAFETY: the list keeps its Gs meanwhile, and the world stands: from the saved stack pointer on a stack is backed.
    unsafe { sink.conservative((*gp).sched_sp, (*gp).stack.hi) };
}
