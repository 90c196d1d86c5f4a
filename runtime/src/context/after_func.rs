//! Work that begins when a context is done (Go: `context.AfterFunc`).

use super::Context;
use super::tree::Core;
use alloc::boxed::Box;
use alloc::sync::Arc;
use core::fmt;

/// Runs `f` on a goroutine of its own once `ctx` is cancelled; at once if it is. Calls for one context are independent of each other.
pub fn after_func(ctx: &Context, f: impl FnOnce() + Send + 'static) -> Stop {
    Stop(Core::new(ctx.core(), Some(Box::new(f))))
}

/// Takes back what [`after_func`] is to run. That it is dropped takes nothing back.
pub struct Stop(Arc<Core>);

impl Stop {
    /// Sees that the function is not run. Returns whether that is its doing: false if a goroutine for the function was started, or it was stopped
    /// before. Does not wait for the function's end.
    pub fn stop(&self) -> bool {
        self.0.take_func().is_some()
    }
}

impl fmt::Debug for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Stop")
    }
}
