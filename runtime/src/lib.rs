//! Goroutines: Go's scheduler, channels and allocator, portable and `no_std`.
#![no_std]

extern crate alloc;
