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
/// goroutine in a blocking call holds objects above.
pub fn scan(sink: &mut dyn Sink, me: *mut G, look: impl Fn(&G) -> bool, in_call: impl Fn(&G) -> usize) {
    ALLGS.for_each(|gp| {
        // SAFETY: the list keeps its Gs meanwhile, and the world stands.
        let g = unsafe { &*gp };
        if gp == me || g.stack == Stack::NONE || !look(g) {
            return;
        }
        let from = match g.status() {
            Status::Idle | Status::Dead => return,
            Status::Syscall => in_call(g),
            _ => g.sched_sp,
        };
        // SAFETY: from the saved stack pointer on a stack is backed.
        unsafe { sink.conservative(from, g.stack.hi) };
    });
}
