//! Sample programs: every `programs/*.rs` is one, found by `build.rs` and run by its file's name.
#![no_std]
#![deny(unsafe_code)]

extern crate alloc;

include!(concat!(env!("OUT_DIR"), "/programs.rs"));
