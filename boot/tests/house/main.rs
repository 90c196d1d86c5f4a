//! Structure of the sources: strata of modules, and how much of the code is `unsafe`.
//!
//! Sources are read as tokens, so what stands in macros counts like everything else. `cargo test -p boot --test house -- --nocapture` prints
//! the counts.

mod counts;
mod sources;
mod strata;
