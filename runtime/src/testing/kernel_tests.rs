//! The program `kernel_tests [-list] [NAME…]`: runs the tests of these names, or all, each on a goroutine of its own, with lines like libtest's.

use super::{KERNEL_TESTS, KernelTest};
use crate::panic::{PanicPayload, catch_unwind};
use crate::proc::report_seed;
use crate::{args, chan, go, print, println, program};
use alloc::string::String;
use alloc::vec::Vec;
use core::any::Any;

#[program]
fn main() -> i32 {
    let names = &args()[1..];
    if names == ["-list"] {
        for t in KERNEL_TESTS {
            println!("{}", t.name);
        }
        return 0;
    }
    let mut tests: Vec<&'static KernelTest> = Vec::new();
    for name in names {
        match KERNEL_TESTS.iter().find(|t| t.name == *name) {
            Some(t) => tests.push(t),
            None => {
                println!("kernel_tests: no test {name}");
                return 64;
            }
        }
    }
    if names.is_empty() {
        tests.extend(KERNEL_TESTS);
    }
    let failed = tests.iter().filter(|t| !passes(t)).count();
    println!("kernel tests: {} passed, {failed} failed", tests.len() - failed);
    i32::from(failed != 0)
}

fn passes(test: &'static KernelTest) -> bool {
    // Before it runs, so that a guest that dies in it shows which one it was.
    print!("test {} ... ", test.name);
    let result = chan::make(1);
    let end = result.clone();
    go(move || end.send(catch_unwind(test.run)));
    match result.recv() {
        Some(Err(payload)) => {
            println!("FAILED");
            print_panic(&*payload);
            let mut seed = String::new();
            _ = report_seed(&mut seed);
            print!("{seed}");
            false
        }
        _ => {
            println!("ok");
            true
        }
    }
}

fn print_panic(payload: &(dyn Any + Send)) {
    match payload.downcast_ref::<PanicPayload>().and_then(|p| p.location.as_deref()) {
        Some(location) => println!("panic: {} at {location}", panic_text(payload)),
        None => println!("panic: {}", panic_text(payload)),
    }
}

/// The text of a panic that [`catch_unwind`] caught.
pub fn panic_text(payload: &(dyn Any + Send)) -> &str {
    if let Some(p) = payload.downcast_ref::<PanicPayload>() {
        &p.message
    } else if let Some(text) = payload.downcast_ref::<String>() {
        // On a host, the panics of `std` arrive as they are.
        text
    } else {
        payload.downcast_ref::<&str>().unwrap_or(&"(a value that is not text)")
    }
}
