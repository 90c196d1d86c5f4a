//! Structure of the sources: strata of modules, how much of the code is `unsafe`, and a page that is
//! made from them.
//!
//! Sources are read as tokens, so code in macros counts like all other. `cargo test -p boot --test
//! house -- --nocapture` prints the counts.

mod counts;
mod documents;
mod sources;
mod strata;
mod waiting;
