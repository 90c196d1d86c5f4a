//! What the scheduler counts, for Go's package `runtime/metrics` (Go: `metrics.go`). The collector's figures
//! are in `collect.rs`.

use super::sema;
use crate::proc::{self, COUNTS, PAUSES};

const FIGURES: usize = 9;
/// Words that [`read`] writes: `gzSched` in `metrics.go`.
const WORDS: usize = FIGURES + 4 * COUNTS;

pub(super) extern "C" fn read(out: &mut [u64; WORDS]) {
    let f = proc::figures();
    let figures: [u64; FIGURES] = [
        f.goroutines,
        f.created,
        f.running,
        f.runnable,
        f.in_calls,
        f.threads,
        f.total_ns,
        f.idle_ns,
        sema::mutex_wait_ns(),
    ];
    out[..FIGURES].copy_from_slice(&figures);
    for (to, pauses) in out[FIGURES..].chunks_mut(COUNTS).zip(PAUSES.as_flattened()) {
        pauses.read(to);
    }
}
