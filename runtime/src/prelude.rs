//! What almost every program uses: `use runtime::prelude::*;`.
//!
//! - the runtime's own: [`go`], [`chan`], `select!`, [`sync`], [`time`], [`context`], [`env`](mod@env), `println!` and `eprintln!`, the attributes `#[program]` and `#[init]`;
//! - of Rust's prelude what `core` has not: `Vec`, `String`, `Box`, `vec!`, `format!`, and their traits; [`Arc`];
//! - [`HashMap`] and [`HashSet`], and the methods of floating-point numbers ([`Float`]).
//!
//! ```no_run
//! use runtime::prelude::*;
//! # use runtime::println; // A test on the host has std's, too.
//!
//! #[program]
//! fn main() {
//!     let squares = chan::make(3);
//!     let results = squares.clone();
//!     go(move || (1..=3).for_each(|n| results.send(n * n)));
//!     let sum: u64 = squares.iter().take(3).sum();
//!     println!("{sum}");
//! }
//! ```

pub use crate::collections::{HashMap, HashSet};
pub use crate::math::Float;
pub use crate::time::Duration;
pub use crate::{
    args, chan, context, env, eprint, eprintln, exit, go, gosched, init, io, print, println, program, select,
    sync, time,
};
pub use alloc::borrow::ToOwned;
pub use alloc::boxed::Box;
pub use alloc::format;
pub use alloc::string::{String, ToString};
pub use alloc::sync::Arc;
pub use alloc::vec;
pub use alloc::vec::Vec;
