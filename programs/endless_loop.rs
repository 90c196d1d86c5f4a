//! A goroutine that never gives way beside one that ticks: on one core, too, it is preempted. Go before 1.14 hung here.

use runtime::time::{Duration, sleep};
use runtime::{chan, go, println, program};

const TICKS: u32 = 10;

#[program]
fn main() {
    #[allow(clippy::empty_loop, reason = "the endless loop is the point")]
    go(|| loop {});

    let done = chan::make(0);
    let end = done.sender();
    go(move || {
        for tick in 1..=TICKS {
            sleep(Duration::from_millis(20));
            println!("tick {tick}");
        }
        end.send(());
    });
    done.recv();
    println!("{TICKS} ticks beside an endless loop");
}
