//! What cancels a context (Go: `CancelFunc`, `CancelCauseFunc`).

use super::tree::Core;
use super::{Cause, Error};
use alloc::sync::Arc;
use core::fmt;

/// Cancels a context. That it is dropped cancels nothing.
#[derive(Clone)]
pub struct CancelFunc(pub(super) Arc<Core>);

/// Cancels a context and says why.
#[derive(Clone)]
pub struct CancelCauseFunc(pub(super) Arc<Core>);

impl CancelFunc {
    /// Cancels the context, and all derived from it, before it returns; does not wait for those who work under them. From the second call on
    /// it does nothing.
    pub fn cancel(&self) {
        self.0.cancel(Error::Canceled, None);
    }
}

impl CancelCauseFunc {
    /// As [`CancelFunc::cancel`]; [`cause`](super::cause) is then `cause`, or if that is `None`, [`Error::Canceled`].
    pub fn cancel(&self, cause: Option<Cause>) {
        self.0.cancel(Error::Canceled, cause);
    }
}

impl fmt::Debug for CancelFunc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CancelFunc")
    }
}

impl fmt::Debug for CancelCauseFunc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CancelCauseFunc")
    }
}
