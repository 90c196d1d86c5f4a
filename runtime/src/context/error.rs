//! Why a context is done (Go: `Canceled`, `DeadlineExceeded`).

use alloc::sync::Arc;
use core::fmt;

/// Why a context was cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// Somebody cancelled it.
    Canceled,
    /// Its deadline passed.
    DeadlineExceeded,
}

/// A particular reason, given by whoever cancels.
pub type Cause = Arc<dyn core::error::Error + Send + Sync>;

impl Error {
    /// Whether it is for want of time (Go: `Timeout`).
    pub fn timeout(self) -> bool {
        self == Error::DeadlineExceeded
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Error::Canceled => "context canceled",
            Error::DeadlineExceeded => "context deadline exceeded",
        })
    }
}

impl core::error::Error for Error {}
