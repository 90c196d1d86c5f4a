//! Tests of the list of all goroutines.

use super::super::{go, goroutines, gosched};
use super::{made_at, wait_for_end};
use crate::chan::make;
use crate::sync::WaitGroup;
use crate::{kernel_test, port};
use alloc::format;
use alloc::string::ToString;
use alloc::sync::Arc;
use core::sync::atomic::{AtomicBool, Ordering};

/// A goroutine that waits is listed with why, where and since when, and with the place that made it; one that runs as running; one
/// that has ended not at all.
#[kernel_test]
fn goroutines_are_listed_with_what_they_wait_for() {
    let gate = make::<()>(0);
    let receiver = gate.receiver();
    let mine = made_at(file!(), line!() + 1);
    go(move || _ = receiver.recv());
    let waiting = loop {
        let found = goroutines().into_iter().find(|g| mine(g) && g.waits.is_some());
        if let Some(g) = found {
            break g;
        }
        gosched();
    };
    let text = waiting.to_string();
    assert_eq!(waiting.state, "chan receive");
    // SAFETY: the current goroutine.
    let me = unsafe { (*port::getg()).goid };
    let header = format!("goroutine {} [chan receive]:\n", waiting.id);
    let (frames, created) =
        text.strip_prefix(&header).and_then(|t| t.split_once("created by ")).expect(&text);
    assert!(frames.contains("\t0x"), "{text}");
    let (function, place) = created.split_once(&format!(" in goroutine {me}\n\t")).expect(&text);
    // Where the machine has no symbols the place is all.
    let named = function.ends_with("goroutines_are_listed_with_what_they_wait_for") && place.contains(" +0x");
    assert!(named || function == "a function", "{text}");
    let at = waiting.created_at.unwrap();
    assert!(place.starts_with(&format!("{}:{}", at.file(), at.line())), "{text}");
    assert!(goroutines().iter().any(|g| g.state == "running" && g.waits.is_none()), "who asks runs");
    gate.close();
    wait_for_end(mine);
}

/// Goroutines that are made, park, are readied and end on all Ps while they are looked at lose nothing by it, neither a wake-up nor a state.
#[kernel_test]
fn goroutines_go_on_while_they_are_listed() {
    let stop = Arc::new(AtomicBool::new(false));
    let wg = Arc::new(WaitGroup::new());
    for _ in 0..4 {
        let (stop, ring) = (stop.clone(), make::<u32>(0));
        let (there, back) = (ring.receiver(), ring.sender());
        wg.go(move || {
            while !stop.load(Ordering::Relaxed) {
                let back = back.clone();
                go(move || back.send(7));
                assert_eq!(there.recv(), Some(7));
                gosched();
            }
        });
    }
    for _ in 0..200 {
        let all = goroutines();
        assert!(all.is_sorted_by(|a, b| a.id < b.id), "a goroutine is listed twice");
        gosched();
    }
    stop.store(true, Ordering::Relaxed);
    wg.wait();
}
