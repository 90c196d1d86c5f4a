//! All goroutines asleep: nobody can ever run again, and the report shows where everyone waits.

use alloc::sync::Arc;
use runtime::sync::WaitGroup;
use runtime::{chan, go, lock_os_thread, program};

#[program]
fn main() {
    let ready = Arc::new(WaitGroup::new());
    ready.add(3);

    let (nobody_receives, wg) = (chan::make(0), ready.clone());
    go(move || {
        wg.done();
        nobody_receives.send(42);
    });

    let (nobody_sends, wg) = (chan::make::<u32>(0), ready.clone());
    go(move || {
        wg.done();
        nobody_sends.recv();
    });

    // A goroutine that waits to be counted down by itself.
    let (never_done, wg) = (Arc::new(WaitGroup::new()), ready.clone());
    never_done.add(1);
    go(move || {
        // Its thread waits for it and for nobody else: that one is asleep, too.
        lock_os_thread();
        wg.done();
        never_done.wait();
        never_done.done();
    });

    ready.wait();
    chan::make::<()>(0).recv();
}
