//! Panics unwind, deferred work runs, and `recover` gets the goroutine back.
//!
//! `panic_recover -unrecovered` lets the last one end the program.

use alloc::sync::Arc;
use core::fmt;
use runtime::{args, defer, go, panic_any, println, program, recover, sync::WaitGroup};

/// A panic's value may be anything with a text.
#[derive(Debug)]
struct HttpError(u16);

impl fmt::Display for HttpError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HTTP status {}", self.0)
    }
}

fn handle(request: u32) -> u32 {
    defer! { println!("request {request}: deferred"); }
    match request {
        2 => panic!("request 2 is bad"),
        3 => [1, 2, 3][request as usize],
        4 => panic_any(HttpError(418)),
        _ => request * 100,
    }
}

#[program]
fn main() {
    for request in 1..=4 {
        match recover(|| handle(request)) {
            Ok(answer) => println!("request {request}: answer {answer}"),
            Err(panic) => match panic.value.as_ref().and_then(|value| value.downcast_ref::<HttpError>()) {
                Some(HttpError(status)) => println!("request {request}: recovered, status {status}"),
                None => println!("request {request}: recovered: {panic}"),
            },
        }
    }

    let wg = Arc::new(WaitGroup::new());
    wg.add(1);
    let done = wg.clone();
    go(move || {
        defer! { done.done(); }
        defer! { println!("goexit: deferred"); }
        runtime::goexit();
    });
    wg.wait();

    if args().get(1).is_some_and(|arg| *arg == "-unrecovered") {
        handle(2);
    }
}
