//! Switching stacks, in the processor's own terms (Go: `asm_amd64.s`, `preempt_amd64.s`).

mod x86_64;
pub use x86_64::{XSAVE_SIZE, callers};
pub(crate) use x86_64::{
    async_preempt, begin, call_keeping_registers, gogo, here, is_async_preempt, is_set, leave, mcall,
    on_stack, prefetch, saved_frame, switch, with_saved_registers,
};
